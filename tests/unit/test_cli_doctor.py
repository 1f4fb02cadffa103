"""`mlc doctor`: what is wrong, why it matters, what to type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_connector.connections import Connection
from ml_connector.consent import Connected, scopes
from ml_connector.errors import ConfigError, NeedsAttention, NotAllowed, RetryLater
from ml_connector.ports import Organization
from ml_connector.regions import REGIONS
from ml_connector.webhook_setup import RulesUnavailable
from mlc import doctor
from mlc.doctor import CHECKS, OUTPUTS, Finding, Patient, Verdict, examine, run
from mlc.main import app
from mlc.stack import Stack
from mlc.webhook_desk import Finding as WebhookFinding
from tests.fakes import ORGANIZATION, AccessTokens, Clock, Says, Secrets, Wire, connection, http

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
WHOLE = {"region": "eu", "client_id": "1000.X", "client_secret": "sEcReT", "refresh_token": "sEcReT"}
CONNECT = ("mlc auth zoho acme-eu",)
STORE = ("mlc credentials set acme-eu zoho",)
HARBOUR = Organization(ORGANIZATION, "Harbour Supplies", "Europe/Berlin", "EUR")


@dataclass
class Table:
    """The connections table in memory."""

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    known: dict[str, Connection] = field(default_factory=lambda: {"acme-eu": connection()})

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> dict[str, Any] | None:
        return self.rows.get((pk, sk))

    def put(self, pk: str, sk: str, **attributes: Any) -> None:
        self.rows[pk, sk] = {"pk": pk, "sk": sk, **attributes}

    def names(self) -> list[str]:
        return list(self.known)


@dataclass
class Tokens(AccessTokens):
    fault: Exception | None = None

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        if self.fault:
            raise self.fault
        return super().access_token(connection, kind)


class Place:
    """A stack with the connection acme-eu, as the checks see it."""

    def __init__(self, *answers: Says, credentials: Mapping[str, Any] = WHOLE, **due: str) -> None:
        self.name = "stack"
        self.outputs = dict.fromkeys(OUTPUTS, "x")
        self.connections = Table()
        self.secrets = Secrets({("acme-eu", "zoho"): credentials}, Clock(NOW))
        self.tokens = Tokens()
        self.wire = Wire(*(answers or (Says(),)))
        self.zoho_api = self.installations = None
        if due:
            self.connections.put("tokens", "acme-eu#zoho", **due)

    def http(self, hosts: frozenset[str]) -> Any:
        return http(self.wire, hosts)

    def connection(self, name: str) -> Connection:
        if name not in self.connections.known:
            raise ConfigError(f"there is no connection {name!r}; there are acme-eu")
        return self.connections.known[name]

    def remember(self, *granted: str) -> None:
        each = Connected("acme-eu", "eu", HARBOUR, granted, "2026-11-01T00:00:00Z", "ola")
        self.connections.put("organizations", "acme-eu", data=json.dumps(asdict(each)))

    @property
    def patient(self) -> Patient:
        return Patient(self, self.connection("acme-eu"))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "utc_now", lambda: NOW)


def told(verdict: Verdict) -> Verdict:
    """Whatever is wrong comes with the reason why that matters, and holds no secret."""
    assert verdict.why or verdict.state != "wrong"
    assert "sEcReT" not in str(verdict)
    return verdict


# --- the checks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "state", "says", "type"),
    [
        (WHOLE, "ok", "data centre EU", ()),
        ({}, "wrong", "client_id and client_secret", (*STORE, *CONNECT)),
        ({**WHOLE, "client_secret": ""}, "wrong", "lack client_secret", (*STORE, *CONNECT)),
        ({**WHOLE, "refresh_token": ""}, "wrong", "nobody has given access", CONNECT),
        ({**WHOLE, "region": "in"}, "wrong", "says data centre EU, but access was given in IN", (*STORE, *CONNECT)),
    ],
)
def test_credentials(credentials: Mapping[str, str], state: str, says: str, type: tuple[str, ...]) -> None:
    """Complete, and of the data centre that the file says."""
    verdict = told(doctor.credentials(Place(credentials=credentials).patient))
    assert (verdict.state, verdict.type) == (state, type)
    assert says in verdict.what


def _stamp(minutes: float) -> str:
    return f"{NOW + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("due", "state", "says", "type"),
    [
        ({"due_at": _stamp(40), "state": "ok"}, "ok", "at 08:40 UTC", ()),
        ({"due_at": _stamp(-1), "state": "ok"}, "ok", "within the next minutes", ()),
        (
            {"due_at": _stamp(-20), "state": "ok", "reason": "Zoho is busy"},
            "wrong",
            "20 minutes ago: Zoho is busy",
            ("aws logs tail /aws/lambda/stack-refresh-tokens --since 1h",),
        ),
        (
            {"due_at": _stamp(9), "state": "needs_attention", "reason": "wrong secret", "command": STORE[0]},
            "wrong",
            "wrong secret",
            STORE,
        ),
        ({"due_at": _stamp(9), "state": "needs_attention", "reason": "revoked"}, "wrong", "revoked", CONNECT),
        ({}, "wrong", "no refresh of the token is planned", CONNECT),
    ],
)
def test_token(due: dict[str, str], state: str, says: str, type: tuple[str, ...]) -> None:
    """The last refresh's own sentence and command; a schedule that stands still is noticed."""
    verdict = told(doctor.token(Place(**due).patient))  # type: ignore[arg-type]
    assert (verdict.state, verdict.type) == (state, type)
    assert says in verdict.what


def _listed(*rows: Mapping[str, Any]) -> Says:
    return Says(200, {"code": 0, "organizations": list(rows)})


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        (_listed({"organization_id": ORGANIZATION, "name": "Harbour Supplies"}), "ok", "Harbour Supplies"),
        (_listed({"organization_id": "1", "name": "Other"}), "wrong", "not among the 1"),
        (
            _listed({"organization_id": ORGANIZATION, "name": "H", "org_settings": {"is_org_active": False}}),
            "wrong",
            "not active",
        ),
    ],
)
def test_organization(answer: Says, state: str, says: str) -> None:
    """Zoho is asked, with the token that the functions use."""
    verdict = told(doctor.organization(Place(answer).patient))
    assert verdict.state == state
    assert says in verdict.what


def test_refused_token_is_told_with_its_remedy() -> None:
    """Zoho is not asked once more for nothing."""
    place = Place()
    for remedy, type in (("consent", CONNECT), ("credentials", STORE)):
        place.tokens.fault = NeedsAttention("refused", remedy=remedy)
        assert told(doctor.organization(place.patient)).type == type
    assert place.wire.calls == []


@pytest.mark.parametrize("name", ["token", "organization", "permissions", "webhooks"])
def test_one_fault_is_told_once(name: str) -> None:
    """Where there is no access, what depends on it is not a fault of its own."""
    place = Place(credentials={**WHOLE, "refresh_token": ""})
    assert dict(CHECKS)[name](place.patient).state == "skipped"
    assert place.wire.calls == []


def test_permissions_are_those_that_the_file_needs_by_now() -> None:
    """A module that was added after the consent is named by its scope."""
    place = Place()
    assert doctor.permissions(place.patient).state == "skipped"
    needed = scopes(connection())
    place.remember(*needed, "ZohoBooks.contacts.READ")
    assert doctor.permissions(place.patient).state == "ok"
    place.remember(*(each for each in needed if "bills" not in each))
    verdict = told(doctor.permissions(place.patient))
    assert (verdict.state, verdict.type) == ("wrong", CONNECT)
    assert verdict.what == "access was given without ZohoBooks.bills.READ"


class WebhookDesk:
    def __init__(self, *found: WebhookFinding, fault: Exception | None = None) -> None:
        self.found, self.fault = list(found), fault

    def findings(self, *, deep: bool = True) -> list[WebhookFinding]:
        assert not deep
        if self.fault:
            raise self.fault
        return self.found

    def chosen(self, names: Sequence[str]) -> list[str]:
        return ["invoice.created", "bill.created"]


GONE = WebhookFinding("invoice.created", "the rule is not active", "it is not sent", "mlc webhooks install acme-eu")


@pytest.mark.parametrize(
    ("desk", "state", "says", "type"),
    [
        (WebhookDesk(), "ok", "2 webhooks", ()),
        (WebhookDesk(GONE), "wrong", "invoice.created: the rule is not active", (GONE.type,)),
        (WebhookDesk(*[GONE] * 5), "wrong", "and 2 more", (GONE.type,)),
        (WebhookDesk(fault=NotAllowed("lacks a scope")), "wrong", "scope", (*CONNECT, "mlc webhooks manual acme-eu")),
        (WebhookDesk(fault=RulesUnavailable("no rules")), "wrong", "no rules", ("mlc webhooks manual acme-eu",)),
        (WebhookDesk(fault=NeedsAttention("refused", remedy="consent")), "wrong", "refused", CONNECT),
    ],
)
def test_webhooks(
    desk: WebhookDesk, state: str, says: str, type: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `mlc webhooks verify` sees them, in two calls; each command once."""
    monkeypatch.setattr(doctor, "open_desk", lambda at, name: desk)
    verdict = told(doctor.webhooks(Place().patient))
    assert (verdict.state, verdict.type) == (state, type)
    assert says in verdict.what


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [
        (0, "ok", "right"),
        (59, "ok", "right"),
        (-59, "ok", "right"),
        (100, "wrong", "100 seconds behind"),
        (-7200, "wrong", "120 minutes ahead"),
        (None, "skipped", "no date"),
    ],
)
def test_clock(seconds: int | None, state: str, says: str) -> None:
    """Against Zoho's, by a call that needs no token to be answered."""
    headers = {} if seconds is None else {"Date": format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}
    place = Place(Says(401, {"code": 14}, headers))
    verdict = told(doctor.clock(place, "sa"))  # type: ignore[arg-type]
    assert verdict.state == state
    assert says in verdict.what
    assert place.wire.calls[0].url == f"https://{REGIONS['sa'].api}/books/v3/organizations"
    assert "Authorization" not in place.wire.calls[0].headers


# --- running them ------------------------------------------------------------------------------------------------


def test_findings_come_in_the_order_of_the_checks() -> None:
    """Whichever ends first."""
    first = Event()

    def slow() -> Verdict:
        assert first.wait(5)
        return Verdict("ok", "slow")

    def quick() -> Verdict:
        first.set()
        return Verdict("ok", "quick")

    assert [each.what for each in run([("a", "x", slow), ("b", "x", quick)])] == ["slow", "quick"]


def test_check_that_hangs_is_left_behind() -> None:
    """The others are told all the same, after the time that there is."""
    end = Event()

    def hangs() -> Verdict:
        end.wait(30)
        return Verdict("ok", "too late")

    findings = run([("a", "x", hangs), ("b", "x", lambda: Verdict("ok", "quick"))], seconds=0.3)
    end.set()
    assert [(each.state, each.what) for each in findings] == [("wrong", "no answer within 0 seconds"), ("ok", "quick")]


@pytest.mark.parametrize(
    ("fault", "says"),
    [(RetryLater("Zoho is busy"), "Zoho is busy"), (ValueError("sEcReT"), "ValueError"), (ConfigError("no"), "no")],
)
def test_check_that_fails_is_a_finding(fault: Exception, says: str) -> None:
    """Not the end of the examination, and no value of ours is shown."""

    def check() -> Verdict:
        raise fault

    (finding,) = run([("a", "x", check)])
    assert (finding.state, says in finding.what) == ("wrong", True)
    assert "sEcReT" not in str(finding)


def test_old_stack_is_told_before_anything_else() -> None:
    """Its tables are where nobody can say."""
    place = Place()
    del place.outputs["LimitsTableName"]
    (finding,) = examine(place, [])  # type: ignore[arg-type]
    assert (finding.check, finding.state, finding.type) == ("stack", "wrong", ("make deploy",))


def test_stack_without_a_connection_is_told_what_comes_next() -> None:
    """The newcomer's case."""
    place = Place()
    place.connections.known.clear()
    found = examine(place, [])  # type: ignore[arg-type]
    assert [(each.check, each.state) for each in found] == [("stack", "ok"), ("connection", "wrong")]
    assert found[1].type == ("mlc connections apply FILE",)


def test_all_connections_are_examined_unless_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The general ones once."""
    place = Place()
    place.connections.known["acme-us"] = connection("acme-us")
    monkeypatch.setattr(doctor, "CHECKS", [("credentials", doctor.credentials)])
    found = examine(place, [])  # type: ignore[arg-type]
    assert [(each.check, each.connection) for each in found] == [
        ("stack", ""),
        ("clock", ""),
        ("credentials", "acme-eu"),
        ("credentials", "acme-us"),
    ]
    assert {each.connection for each in examine(place, ["acme-us"])} == {"", "acme-us"}  # type: ignore[arg-type]


def test_what_the_file_leaves_unsaid_is_a_note() -> None:
    """No fault: nobody who is told, times of another country than the organization's, no destination yet."""
    place = Place()
    place.remember()
    verdict = doctor.file(place.patient)
    assert verdict.state == "note"
    assert "nobody is told when access ends: set admin" in verdict.what
    assert "time_zone is UTC, but the organization's is Europe/Berlin" in verdict.what
    place.connections.known["acme-eu"] = connection(admin="finance", time_zone="Europe/Vienna")
    assert doctor.file(place.patient).state == "ok", "Vienna shows the same time as Berlin"
    place.connections.known["acme-eu"] = connection(destinations={}, routes=[])
    assert "go nowhere" in doctor.file(place.patient).what


def test_notes_have_their_line() -> None:
    """That nothing can be asked about them is said rather than passed over."""
    place = Place()
    assert doctor.notes(place.patient).what.startswith("notes: ")
    place.connections.known["acme-eu"] = connection(destinations={}, routes=[])
    assert doctor.notes(place.patient).state == "skipped"


# --- the command -------------------------------------------------------------------------------------------------

FOUND = [
    Finding("stack", "", "ok", "stack x is there"),
    Finding("token", "acme-eu", "wrong", "it is [red]revoked[/]", "events wait", CONNECT),
    Finding("webhooks", "acme-eu", "skipped", "not looked at"),
]


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    found = list(FOUND)
    monkeypatch.setattr(Stack, "__post_init__", lambda _: None)
    monkeypatch.setattr(doctor, "examine", lambda at, names, post: found)
    return found


def test_people_read_what_why_and_what_to_type(examined: list[Finding]) -> None:
    """Exit code 3; somebody else's text is no markup."""
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 3
    lines = [line.strip() for line in done.stdout.splitlines()]
    start = lines.index("acme-eu")
    assert lines[start + 1 : start + 4] == ["✗ token         it is [red]revoked[/]", "events wait", CONNECT[0]]


def test_programs_read_the_same(examined: list[Finding]) -> None:
    """Exit code 0 as soon as nothing is wrong."""
    done = CliRunner().invoke(app, ["doctor", "acme-eu", "--json"])
    assert done.exit_code == 3
    data = json.loads(done.stdout)
    assert data["problems"] == 1
    assert data["findings"][1] == {**asdict(FOUND[1]), "type": list(CONNECT)}
    del examined[1]
    assert CliRunner().invoke(app, ["doctor", "acme-eu"]).exit_code == 0
