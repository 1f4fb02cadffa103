"""`mlc init`: from a few answers to a file that `mlc connections validate` takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml_connector.config.load import load
from ml_connector.config.model import Monday, Teams
from ml_connector.errors import ConfigError
from mlc import init as initial
from mlc import options
from mlc.init import QUESTIONS, from_link
from mlc.main import app

CHANNEL = "19:sandboxfinance0000000000000000001@thread.tacv2"
TEAM, TENANT, CLIENT = (f"{digit * 8}-0000-4000-a000-000000000000" for digit in "abc")
LINK = (
    f"https://teams.microsoft.com/l/channel/19%3Asandboxfinance0000000000000000001%40thread.tacv2/Finance"
    f"?groupId={TEAM}&tenantId={TENANT}"
)
SAID = ("--connection", "acme-eu", "--organization", "20064550123")
BOT = ("--channel", LINK, "--client", CLIENT)
BOARD = ("--board", "https://acme.monday.com/boards/1234567890/views/7", "--plan", "pro")


@pytest.fixture(autouse=True)
def _no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server, whose clock is UTC."""
    monkeypatch.setattr(initial, "machine_zone", lambda: "")


def init(*words: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, words)], input=typed, catch_exceptions=False)


@pytest.mark.parametrize(
    ("words", "destinations", "then"),
    [
        (BOT, {"finance": "bot"}, "microsoft"),
        (("--teams", "delegated", *BOT), {"finance": "delegated"}, "microsoft"),
        (("--teams", "workflows"), {"finance": "workflows"}, "workflows"),
        (("--teams", "none", *BOARD), {"ledger": 1234567890}, "monday"),
        ((*BOT, *BOARD), {"finance": "bot", "ledger": 1234567890}, "monday"),
    ],
)
def test_a_file_that_is_in_order(
    tmp_path: Path, words: Sequence[str], destinations: dict[str, object], then: str
) -> None:
    """Each way into Teams, with a board and without; and what to type next."""
    file = tmp_path / "new" / "acme.toml"
    done = init(file, *SAID, *words, "--json")
    assert done.exit_code == 0, done.stderr
    read = load(file)
    found = {
        name: each.transport if isinstance(each, Teams) else each.board_id if isinstance(each, Monday) else ""
        for name, each in read.destinations.items()
    }
    assert (read.connection, read.zoho.organization_id, found) == ("acme-eu", "20064550123", destinations)
    assert f"mlc credentials set acme-eu {then}" in json.loads(done.stdout)["next"]
    assert CliRunner().invoke(app, ["connections", "validate", str(file)]).exit_code == 0


def test_a_link_says_channel_team_and_tenant(tmp_path: Path) -> None:
    """What a person can copy in Teams is all that is asked for; what is said by itself counts more."""
    file = tmp_path / "x.toml"
    other = TEAM.replace("a", "d")
    assert init(file, *SAID, *BOT, "--team", other).exit_code == 0
    read = load(file)
    finance = read.destinations["finance"]
    assert isinstance(finance, Teams)
    assert (finance.channel_id, finance.team_id) == (CHANNEL, other)
    assert read.microsoft is not None
    assert (read.microsoft.tenant_id, read.microsoft.client_id) == (TENANT, CLIENT)


def test_answers_are_asked_for_until_they_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr; an empty answer is the default, and what a link has said is not asked for."""
    monkeypatch.setattr(options, "terminal", lambda: True)
    file = tmp_path / "x.toml"
    typed = ["Acme EU", "acme-eu", "uk", "eu", "20064550123", "Europe/Berln", "Europe/Vienna", "", "", LINK]
    typed += [CLIENT, "invoice.created, bill.paid", ""]
    done = init(file, typed="\n".join(typed) + "\n")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("that will not do") == 3
    for rule in ("small letters, digits and -", "one of us, eu,", "did you mean 'Europe/Berlin'?"):
        assert rule in " ".join(done.stderr.split())
    assert QUESTIONS["tenant"].words not in done.stderr
    read = load(file)
    assert read.routes[0].events == ("invoice.created", "bill.paid")
    assert read.time_zone == "Europe/Vienna"
    assert set(read.destinations) == {"finance"}


def test_times_are_those_of_the_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the data centre's region where the machine does not know, never UTC in silence."""
    for number, (words, zone) in enumerate(
        [((), "Europe/Berlin"), (("--data-centre", "jp"), "Asia/Tokyo"), (("--time-zone", "Asia/Dubai"), "Asia/Dubai")]
    ):
        file = tmp_path / f"{number}.toml"
        assert init(file, *SAID, *BOT, *words).exit_code == 0
        assert load(file).time_zone == zone
    monkeypatch.setattr(initial, "machine_zone", lambda: "Europe/Lisbon")
    assert init(tmp_path / "x.toml", *SAID, *BOT).exit_code == 0
    assert load(tmp_path / "x.toml").time_zone == "Europe/Lisbon"


@pytest.mark.parametrize(("events", "routes"), [("*", 1), ("bill.*", 2)])
def test_what_goes_to_both_goes_by_one_route(tmp_path: Path, events: str, routes: int) -> None:
    file = tmp_path / "x.toml"
    assert init(file, *SAID, *BOT, *BOARD, "--board-events", events).exit_code == 0
    found = [each.to for each in load(file).routes]
    assert found == ([("finance", "ledger")] if routes == 1 else [("finance",), ("ledger",)])


def test_next_steps_are_whole_and_in_order(tmp_path: Path) -> None:
    """The app is in the team before a test card is posted to its channel."""
    done = init(tmp_path / "x.toml", *SAID, *BOT, *BOARD, "--json")
    steps = [" ".join(each.partition("#")[0].split()[1:3]) for each in json.loads(done.stdout)["next"]]
    assert steps == [
        "connections apply", *["credentials set"] * 3, "auth zoho", "teams package", "teams install",
        "webhooks install", "doctor acme-eu",
    ]  # fmt: skip
    assert json.loads(done.stdout)["next"][-1] == "mlc doctor acme-eu --post"


def test_a_file_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2; also that of the default name."""
    monkeypatch.chdir(tmp_path)
    assert init(*SAID, *BOT).exit_code == 0
    file = tmp_path / "connections" / "acme-eu.toml"
    before = file.read_bytes()
    for words in ((), (file,)):
        done = init(*words, *SAID, "--teams", "workflows")
        assert (done.exit_code, "not written over" in done.stderr) == (2, True)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give --connection, --organization, --channel, --team, --tenant, --client"),
        ((*SAID, "--teams", "none"), "a connection needs a destination"),
        ((*SAID, *BOT, "--data-centre", "uk"), "--data-centre 'uk' will not do"),
        ((*SAID, *BOT, "--board", "ledger"), "--board 'ledger' will not do"),
    ],
)
def test_without_a_terminal_what_is_lacking_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], says: str
) -> None:
    """Exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    done = init(*words)
    assert (done.exit_code, says in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--connection", "Acme EU!"), "2 to 40 small letters, digits and -, a letter first"),
        (("--time-zone", "finance"), "there is no time zone 'finance'; they are called like Europe/Berlin"),
        (("--teams-events", "invoice.payed"), "'invoice.payed' matches no event; did you mean 'invoice.paid'?"),
        (("--teams-events", "bill.paid, none"), "'none' matches no event"),
        (("--teams-events", "everything"), "they are called like invoice.created or bill.*"),
        (("--teams-events", "none", "--board", "none"), "no event goes to Teams, so some must go to a board"),
        (("--teams-events", "none", *BOARD, "--board-events", "none"), "no event goes to Teams"),
    ],
)
def test_a_refused_answer_is_told_the_rule(tmp_path: Path, words: Sequence[str], why: str) -> None:
    """Exit code 2, and nothing is written."""
    done = init(tmp_path / "x.toml", *SAID, *BOT, *words)
    assert (done.exit_code, why in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())


def test_no_events_for_a_place_is_no_route_there(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    assert init(file, *SAID, *BOT, *BOARD, "--teams-events", "none").exit_code == 0
    assert [each.to for each in load(file).routes] == [("ledger",)]


def test_what_cannot_be_is_asked_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after the last question: an event that there is not, and nothing sent anywhere."""
    monkeypatch.setattr(options, "terminal", lambda: True)
    typed = ["invoice.payed", "none", "none", "https://acme.monday.com/boards/99", "", "none", "*"]
    done = init(tmp_path / "x.toml", *SAID, *BOT, "--data-centre", "eu", "--time-zone", "UTC", "--modules", "invoice",
                "--teams", "bot", typed="\n".join(typed) + "\n")  # fmt: skip
    assert (done.exit_code, done.stderr.count("that will not do")) == (0, 3), done.stderr
    assert [each.to for each in load(tmp_path / "x.toml").routes] == [("ledger",)]


def test_answers_are_kept_if_the_whole_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside, as a draft, with the error and its line; the file itself is not written."""

    def refuses(content: bytes, name: str) -> None:
        raise ConfigError(f"{name}:20: routes.1.to: no")

    monkeypatch.setattr("ml_connector.config.load.parse", refuses)
    done = init(tmp_path / "x.toml", *SAID, *BOT)
    assert done.exit_code == 3
    assert "x.toml:20: routes.1.to: no" in done.stderr
    assert "your answers are kept in" in done.stderr
    (draft,) = tmp_path.iterdir()
    assert (draft.name, 'connection = "acme-eu"' in draft.read_text("utf-8")) == ("x.toml.draft", True)


@pytest.mark.parametrize(
    ("name", "answer", "found"),
    [
        ("organization", "https://books.zoho.eu/app/20064550123#/home/dashboard", {"organization": "20064550123"}),
        ("organization", " 20064550123 ", {"organization": "20064550123"}),
        ("board", "https://acme.monday.com/boards/99/pulses/1", {"board": "99"}),
        ("board", "https://example.com/99", {"board": "https://example.com/99"}),
        ("channel", CHANNEL, {"channel": CHANNEL}),
        ("channel", "https://[evil", {"channel": "https://[evil"}),
    ],
)
def test_an_address_is_taken_for_what_it_names(name: str, answer: str, found: dict[str, str]) -> None:
    """And an address of something else stays what it is, so that it is refused."""
    assert from_link(name, answer) == found
