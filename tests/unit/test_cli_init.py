"""`mlc init`: from a few answers to a file that `mlc connections validate` takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml_connector.config.load import load
from ml_connector.config.model import Monday, Teams
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


def test_what_the_file_may_not_say_is_refused_with_its_line(tmp_path: Path) -> None:
    """An event that there is not: exit code 3, nothing is written."""
    done = init(tmp_path / "x.toml", *SAID, *BOT, "--teams-events", "invoice.payed")
    assert done.exit_code == 3
    assert "routes.1.events" in done.stderr
    assert not list(tmp_path.iterdir())


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
