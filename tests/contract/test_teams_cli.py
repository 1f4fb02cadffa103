"""`mlc teams` and `mlc doctor --post` against the strict stand-ins: the app, its installation, the channels."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner, Result

from ml_connector.limits import UNLIMITED
from mlc import doctor_teams, main, teams_app
from sandbox.vendors import default_world as w
from sandbox.vendors.schemas import FOLDER
from tests.contract.test_against_standins import Company

MANIFEST = FOLDER / "teams-manifest-1.25.json"
LOOK = teams_app.Look("Books alerts", "Harbour Supplies", "https://harbour.example", "1.0.0")
ALL_CHANNELS = 3


class Office:
    """The stack as `mlc teams` sees it; its vendors are the stand-ins."""

    def __init__(self) -> None:
        self.company = Company()
        self.app = self.company.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]
        self.stack: Any = SimpleNamespace(
            connection=lambda name: self.company.connection,
            outputs={"WebhookUrl": "https://abc.execute-api.eu-central-1.amazonaws.com/webhooks"},
            http=self.company.http,
            tokens=self.company.tokens,
            secrets=self.company.secrets,
            limiter=UNLIMITED,
            connections=SimpleNamespace(query=lambda _: ()),
        )

    def upload(self) -> None:
        """The administrator puts the app into the catalogue."""
        identity = teams_app.manifest_id(self.company.connection)
        entry = {"id": "catalogue-1", "external_id": identity, "client_id": w.MICROSOFT_CLIENT_ID}
        self.company.world.microsoft.catalogue[identity] = entry

    def tells(self, person: str) -> None:
        """The file has a destination for a person, too."""
        plain = self.company.connection
        boss = {"type": "teams", "transport": "bot", "person": person}
        self.company.connection = replace(plain, destinations={**plain.destinations, "boss": boss})

    @property
    def boss(self) -> Any:
        return self.company.world.microsoft.users[w.MICROSOFT_BOSS]

    def channel(self, channel_id: str = w.CHANNEL_FINANCE) -> Any:
        return self.company.world.microsoft.channels[channel_id]


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    office = Office()
    monkeypatch.setattr("mlc.options.Stack", lambda *_: office.stack)
    return office


def mlc(*words: str) -> Result:
    return CliRunner().invoke(main.app, ["teams", *words], catch_exceptions=False)


# --- the app ---------------------------------------------------------------------------------------------------------


def test_manifest_is_valid(office: Office) -> None:
    """Against Microsoft's own schema of 1.25; Teams refuses the upload otherwise."""
    Draft7Validator(json.loads(MANIFEST.read_text())).validate(teams_app.manifest(office.company.connection, LOOK))


def test_package_is_what_teams_takes(office: Office, tmp_path: Path) -> None:
    """Manifest and two icons of the right sizes at the archive's root; the bot is the connection's app."""
    file = tmp_path / "app.zip"
    done = mlc("package", "acme-eu", "-o", str(file), "--website", "https://harbour.example", "--json")
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        assert sorted(archive.namelist()) == ["color.png", "manifest.json", "outline.png"]
        manifest = json.loads(archive.read("manifest.json"))
        sizes = {name: struct.unpack(">II", archive.read(name)[16:24]) for name in ("color.png", "outline.png")}
    assert sizes == {"color.png": (192, 192), "outline.png": (32, 32)}
    assert manifest["bots"][0]["botId"] == manifest["webApplicationInfo"]["id"] == w.MICROSOFT_CLIENT_ID
    assert manifest["developer"]["privacyUrl"] == "https://harbour.example/privacy"
    assert w.MICROSOFT_CLIENT_SECRET not in file.read_bytes().decode("latin-1")
    steps = json.loads(done.stdout)["steps"]
    assert any(str(file) in step for step in steps)
    assert any(w.MICROSOFT_TEAM in step for step in steps)


def test_same_app_is_the_same_file(office: Office) -> None:
    """Its id does not change either: a new upload is an update, not a second app."""
    first, again = (teams_app.package(office.company.connection, LOOK) for _ in range(2))
    assert first == again


def test_app_reads_and_notifies_only() -> None:
    """No permission to post is asked for: the bot's token does that, and ChannelMessage.Send.Group does nothing."""
    assert set(teams_app.PERMISSIONS) == {
        "ChannelMessage.Read.Group", "ChannelSettings.Read.Group", "TeamSettings.Read.Group",
        "TeamsActivity.Send.Group", "TeamsActivity.Send.User",
    }  # fmt: skip


def test_icons_are_as_they_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """scripts/teams-icons makes what is committed; the outline is white on nothing, as Teams demands."""
    path = Path(__file__).parents[2] / "scripts" / "teams-icons"
    drawing: dict[str, Any] = {"__name__": "drawing", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), drawing)  # noqa: S102 (our own script)
    assert (teams_app.ICONS / "outline.png").read_bytes() == drawing["picture"](32, drawing["outline"])
    colours = {drawing["outline"](x / 64, y / 64) for x in range(64) for y in range(64)}
    assert colours == {drawing["NOTHING"], drawing["WHITE"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--name", "x" * 31), "1 to 30"),
        (("--developer", "x" * 33), "1 to 32"),
        (("--app-version", "1.0"), "three numbers"),
        (("--website", "http://harbour.example"), "https"),
        (("--website", "https://[harbour"), "no address"),
    ],
)
def test_what_teams_would_refuse_is_refused_here(office: Office, words: tuple[str, ...], says: str) -> None:
    """Before anything is written."""
    done = mlc("package", "acme-eu", *words)
    assert (done.exit_code, says in done.stderr) == (2, True)


# --- installing ------------------------------------------------------------------------------------------------------

INSTALL = ["AppCatalog.Read.All", "TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All"]


def test_uploaded_app_is_installed_once(office: Office) -> None:
    """With consent to its permissions; said again it changes nothing."""
    office.app.graph_roles = INSTALL
    office.upload()
    for channel in office.company.world.microsoft.channels.values():
        channel.installed.clear()
    for word in ("installed", "was installed already"):
        done = mlc("install", "acme-eu", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["teams"] == {w.MICROSOFT_TEAM: word}
    assert office.channel().installed == [w.MICROSOFT_CLIENT_ID]


def test_what_graph_does_not_let_us_do_is_a_persons_step(office: Office) -> None:
    """Without the permissions, or before the upload, the steps are printed (exit code 3)."""
    for roles, says in (([], "by hand"), (INSTALL, "upload it first")):
        office.app.graph_roles = roles
        office.company.world.microsoft.tokens.clear()
        done = mlc("install", "acme-eu")
        assert (done.exit_code, says in done.stdout, "Upload" in done.stdout) == (3, True, True)


FOR_PEOPLE = ["AppCatalog.Read.All", "TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All"]


def test_app_is_installed_for_the_people_that_are_told_in_person(office: Office) -> None:
    """Those of the destinations, or those that are named; an address will do."""
    office.app.graph_roles = [*INSTALL, *FOR_PEOPLE]
    office.upload()
    office.tells(w.MICROSOFT_BOSS)
    for words, who in (((), w.MICROSOFT_BOSS), (("--person", w.MICROSOFT_BOSS_UPN), w.MICROSOFT_BOSS_UPN)):
        office.boss.installed.clear()
        for word in ("installed", "was installed already"):
            done = mlc("install", "acme-eu", *words, "--json")
            assert done.exit_code == 0, done.output
            assert json.loads(done.stdout)["people"] == {who: word}
        assert office.boss.installed == [w.MICROSOFT_CLIENT_ID]
    assert json.loads(done.stdout)["teams"] == {}, "who names a person means that person"


def test_team_is_installed_although_a_person_cannot_be(office: Office) -> None:
    """Each refusal names its place and the permission that it takes; the rest is done."""
    office.app.graph_roles = INSTALL
    office.upload()
    office.tells(w.MICROSOFT_BOSS)
    office.channel().installed.clear()
    done = mlc("install", "acme-eu", "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["people"]) == (3, {})
    assert w.MICROSOFT_TEAM in said["teams"]
    assert f"{w.MICROSOFT_BOSS}: " in said["problem"]
    assert "TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All" in said["problem"]
    assert any(w.MICROSOFT_BOSS in step and "Setup policies" in step for step in said["steps"])


def test_package_says_how_people_get_the_app(office: Office, tmp_path: Path) -> None:
    """The app is made for people too; who tells nobody in person reads nothing of it."""
    for people in (False, True):
        if people:
            office.tells(w.MICROSOFT_BOSS)
        done = mlc("package", "acme-eu", "-o", str(tmp_path / "app.zip"), "--json")
        assert any("Setup policies" in step for step in json.loads(done.stdout)["steps"]) is people
    with zipfile.ZipFile(tmp_path / "app.zip") as archive:
        assert "personal" in json.loads(archive.read("manifest.json"))["bots"][0]["scopes"]


# --- channels --------------------------------------------------------------------------------------------------------


def test_channels_are_listed_with_their_destinations(office: Office) -> None:
    """The ids that a connection file wants, also where the app may only read the team that it is installed in."""
    for roles in (["Team.ReadBasic.All", "Channel.ReadBasic.All"], office.app.graph_roles):
        office.app.graph_roles = roles
        office.company.world.microsoft.tokens.clear()
        done = mlc("channels", "acme-eu", "--json")
        assert done.exit_code == 0, done.output
        rows = json.loads(done.stdout)
        assert len(rows) == ALL_CHANNELS
        (finance,) = [row for row in rows if row["channel_id"] == w.CHANNEL_FINANCE]
        assert (finance["team"], finance["channel"], finance["team_id"], finance["destinations"]) == (
            "Harbour Supplies", "finance", w.MICROSOFT_TEAM, ["finance"],
        )  # fmt: skip


def test_listed_ids_are_there_to_be_copied(office: Office) -> None:
    """Each whole on its line, as the file wants it, and no line too wide for a terminal."""
    done = mlc("channels", "acme-eu")
    assert f'  channel_id = "{w.CHANNEL_FINANCE}"' in done.stdout.splitlines()
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_no_permission_at_all_says_so(office: Office) -> None:
    """An empty list would look like a team without channels."""
    office.app.graph_roles = []
    done = mlc("channels", "acme-eu")
    assert done.exit_code == 3
    assert "mlc teams install acme-eu" in done.stderr


# --- the doctor ------------------------------------------------------------------------------------------------------


def examined(office: Office, *, post: bool = False) -> tuple[list[doctor_teams.Fault], list[str]]:
    return doctor_teams.faults(office.stack, office.company.connection, post=post)


def test_doctor_posts_and_takes_back(office: Office) -> None:
    """On request only: a card really gets there, and nothing stays behind but what nobody can take back."""
    wrong, right = examined(office)
    assert (wrong, office.channel().messages) == ([], [])
    assert "finance: channel finance" in right
    assert "purchasing: address stored; whether posts arrive cannot be asked" in right
    office.company.clock.advance(1.1)
    wrong, right = examined(office, post=True)
    assert wrong == []
    (message,) = office.channel().messages
    assert message.deleted
    assert "finance: a test card was posted and deleted" in right
    assert any("cannot be taken back" in each for each in right if each.startswith("purchasing"))


@pytest.mark.parametrize(
    ("trouble", "says", "types"),
    [
        ("gone", "does not exist", "mlc teams channels acme-eu"),
        ("secret", "client secret is wrong", "mlc credentials set acme-eu microsoft"),
        ("tenant", "another tenant_id", "mlc credentials set acme-eu microsoft"),
        ("not installed", "not installed", "mlc teams install acme-eu"),
        ("no workflow", "no address of a workflow", "mlc credentials set acme-eu workflows"),
        ("person without", "not installed for", f"mlc teams install acme-eu --person {w.MICROSOFT_BOSS}"),
        ("person blocks", "only they can unblock it", f"mlc teams install acme-eu --person {w.MICROSOFT_BOSS}"),
    ],
)
def test_doctor_says_what_is_wrong_and_what_to_type(office: Office, trouble: str, says: str, types: str) -> None:
    """Each with a sentence and the next step."""
    stored = office.company.secrets.stored
    match trouble:
        case "gone":
            del office.company.world.microsoft.channels[w.CHANNEL_FINANCE]
        case "secret":
            office.app.secrets.clear()
        case "tenant":
            stored["acme-eu", "microsoft"] = {**stored["acme-eu", "microsoft"], "tenant_id": "elsewhere"}
        case "not installed":
            office.channel().installed.clear()
        case "no workflow":
            stored["acme-eu", "workflows"] = {}
        case "person without" | "person blocks":
            office.tells(w.MICROSOFT_BOSS)
            office.boss.blocks_bots = trouble == "person blocks"
            if not office.boss.blocks_bots:
                office.boss.installed.clear()
    wrong, _ = examined(office, post=True)
    assert any(says in what and typed == types for what, _, typed in wrong), wrong
    assert "sEcReT" not in str(wrong)


def test_doctor_looks_at_a_channel_once(office: Office) -> None:
    """Graph shows it once a second; a second destination there is no trouble."""
    plain = office.company.connection
    same = {"finance": plain.destinations["finance"], "again": plain.destinations["finance"]}
    office.company.connection = replace(plain, destinations=same)
    wrong, right = examined(office)
    assert (wrong, right) == ([], ["finance: channel finance", "again: channel finance"])


@pytest.mark.parametrize("may_look", [True, False])
def test_doctor_writes_to_a_person_and_takes_it_back(office: Office, may_look: bool) -> None:
    """Whether the app is there is seen where that is permitted; the test card tells in any case."""
    office.tells(w.MICROSOFT_BOSS_UPN)
    office.app.graph_roles += ["User.ReadBasic.All", *(FOR_PEOPLE if may_look else ())]
    office.upload()
    wrong, right = examined(office, post=True)
    assert wrong == []
    assert ("has the app" in str(right), "cannot be seen" in str(right)) == (may_look, not may_look)
    assert "boss: a test card was posted and deleted" in right
    (chat,) = (each for each in office.company.world.microsoft.channels.values() if each.person)
    assert [message.deleted for message in chat.messages] == [True]


def test_doctor_knows_no_such_person(office: Office) -> None:
    """A misspelt address is a sentence, not a crash."""
    office.tells("nobody@harbour.example")
    office.app.graph_roles += FOR_PEOPLE
    wrong, _ = examined(office)
    assert any(
        "there is no nobody@harbour.example in the tenant; put person right and apply" in each[0] for each in wrong
    )
