"""What `mlc doctor` says of Zoho Books, tokens, limits and the connection's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from ml_connector import limits
from ml_connector.consent import scopes
from ml_connector.errors import NeedsAttention, NotAllowed
from ml_connector.webhook_setup import RulesUnavailable
from mlc import doctor_file, doctor_limits, doctor_teams, doctor_zoho
from mlc.doctor import CHECKS
from mlc.webhook_desk import Finding as WebhookFinding
from tests.doctor_world import CONNECT, NOW, STORE, WHOLE, Place, told
from tests.fakes import ORGANIZATION, Says, connection


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (doctor_zoho, doctor_limits, doctor_file):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)


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
    verdict = told(doctor_zoho.credentials(Place(credentials=credentials).patient))
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
        ({}, "wrong", "no refresh of Zoho's token is planned", CONNECT),
    ],
)
def test_tokens(due: dict[str, str], state: str, says: str, type: tuple[str, ...]) -> None:
    """The last refresh's own sentence and command; a schedule that stands still is noticed."""
    verdict = told(doctor_zoho.tokens(Place(**due).patient))  # type: ignore[arg-type]
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
    verdict = told(doctor_zoho.organization(Place(answer).patient))
    assert verdict.state == state
    assert says in verdict.what


def test_refused_token_is_told_with_its_remedy() -> None:
    """Zoho is not asked once more for nothing."""
    place = Place()
    for remedy, type in (("consent", CONNECT), ("credentials", STORE)):
        place.tokens.fault = NeedsAttention("refused", remedy=remedy)
        assert told(doctor_zoho.organization(place.patient)).type == type
    assert place.wire.calls == []


@pytest.mark.parametrize("name", ["tokens", "organization", "permissions", "webhooks"])
def test_one_fault_is_told_once(name: str) -> None:
    """Where there is no access, what depends on it is not a fault of its own."""
    place = Place(credentials={**WHOLE, "refresh_token": ""})
    assert dict(CHECKS)[name](place.patient).state == "skipped"
    assert place.wire.calls == []


def test_permissions_are_those_that_the_file_needs_by_now() -> None:
    """A module that was added after the consent is named by its scope."""
    place = Place()
    assert doctor_zoho.permissions(place.patient).state == "skipped"
    needed = scopes(connection())
    place.remember(*needed, "ZohoBooks.contacts.READ")
    assert doctor_zoho.permissions(place.patient).state == "ok"
    place.remember(*(each for each in needed if "bills" not in each))
    verdict = told(doctor_zoho.permissions(place.patient))
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
    monkeypatch.setattr(doctor_zoho, "open_desk", lambda at, name: desk)
    verdict = told(doctor_zoho.webhooks(Place().patient))
    assert (verdict.state, verdict.type) == (state, type)
    assert says in verdict.what


def test_what_the_file_leaves_unsaid_is_a_note() -> None:
    """No fault: nobody who is told, times of another country than the organization's."""
    place = Place()
    place.remember()
    verdict = doctor_file.file(place.patient)
    assert verdict.state == "note"
    assert "nobody is told when access ends: set admin" in verdict.what
    assert "time_zone is UTC, but the organization's is Europe/Berlin" in verdict.what
    place.connections.known["acme-eu"] = connection(admin="finance", time_zone="Europe/Vienna")
    assert doctor_file.file(place.patient).state == "ok", "Vienna shows the same time as Berlin"


def test_notes_have_their_line() -> None:
    """That nothing can be asked about them is said rather than passed over."""
    place = Place()
    assert doctor_file.notes(place.patient).what.startswith("notes: ")
    place.connections.known["acme-eu"] = connection(destinations={}, routes=[])
    assert doctor_file.notes(place.patient).state == "skipped"


@pytest.mark.parametrize(
    ("ends", "says"),
    [("2026-12-23", ""), ("2026-12-22", "ends in 30 days"), ("2026-11-21", "has ended"), (None, "")],
)
def test_secret_that_is_about_to_end_is_told_a_month_before(
    ends: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the day that the file names, if it names one."""
    monkeypatch.setattr(doctor_teams, "utc_now", lambda: NOW)
    known = {"tenant_id": "t", "client_id": "c", **({"secret_ends": ends} if ends else {})}
    found = list(doctor_teams._ending(connection(microsoft=known)))
    assert [says in what for what, _, _ in found] == ([True] if says else [])
    assert all(why and command == "mlc credentials set acme-eu microsoft" for _, why, command in found)


LEDGER = {"type": "monday", "board_id": 1}


@pytest.mark.parametrize(
    ("changes", "state", "says"),
    [
        ({}, "ok", "routes lead to"),
        ({"destinations": {}, "routes": []}, "note", "no destination is named yet"),
        ({"routes": [{"events": ["*"], "to": ["gone"]}]}, "wrong", "routes lead to gone, which is no destination"),
        ({"routes": [{"events": ["invoice.*"], "to": ["ledger"]}]}, "note", "no route hears of module bill"),
        ({"destinations": {"ledger": LEDGER, "idle": LEDGER}}, "note", "nothing leads to destination idle"),
        ({"destinations": {"ledger": LEDGER, "idle": LEDGER}, "admin": "idle"}, "ok", "routes lead to"),
    ],
)
def test_routes_to_nowhere(changes: dict[str, Any], state: str, says: str) -> None:
    """A route to nobody is wrong; what nothing leads to is perhaps not meant."""
    place = Place()
    usual = {"destinations": {"ledger": LEDGER}, "routes": [{"events": ["*"], "to": ["ledger"]}]}
    place.connections.known["acme-eu"] = connection(**(usual | changes))
    verdict = told(doctor_file.routes(place.patient))
    assert (verdict.state, says in verdict.what) == (state, True), verdict


def test_every_token_is_looked_at_and_told_with_its_own_command() -> None:
    """The bot's and monday's as well as Zoho's."""
    place = Place(due_at=_stamp(40), state="ok")
    place.connections.put("tokens", "acme-eu#monday", due_at=_stamp(20), state="ok")
    assert (
        told(doctor_zoho.tokens(place.patient)).what
        == "tokens are refreshed: Zoho's at 08:40 UTC, monday's at 08:20 UTC"
    )
    place.connections.put(
        "tokens", "acme-eu#microsoft.bot", due_at=_stamp(5), state="needs_attention", reason="expired"
    )
    verdict = told(doctor_zoho.tokens(place.patient))
    assert (verdict.state, verdict.what) == ("wrong", "the bot's token: expired")
    assert verdict.type[0].startswith("mlc ")


def _turn(place: Place, **more: Any) -> None:
    known = {"due_at": "", "quota": 2500, "day": "2026-11-22", "spent": 300, "day_ends": "2026-11-22T23:00:00Z"}
    place.connections.put("reconcile", "acme-eu", **(known | more))


def _closed(place: Place, name: str, minutes: float) -> None:
    key = limits.zoho("eu", ORGANIZATION).key
    place.limits[key] = {name: int((NOW + timedelta(minutes=minutes)).timestamp() * 1000)}


def test_limits_left_are_told_by_our_own_counts() -> None:
    """Calls and webhooks of the day; no vendor is asked."""
    place = Place()
    place.connections.known["acme-eu"] = connection(destinations={}, routes=[])
    assert doctor_limits.left(place.patient).what == "nothing was counted yet"
    _turn(place, webhooks=120, counted_at="2026-11-22T07:00:00Z")
    verdict = doctor_limits.left(place.patient)
    assert (verdict.state, verdict.what) == ("ok", "Zoho: reconcile made 300 of 2500 calls today; 120 of 1000 webhooks")
    assert place.wire.calls == []


@pytest.mark.parametrize(
    ("name", "minutes", "says"),
    [("u", 30, "asked for a pause, until 08:30 UTC"), ("o", 600, "little is left of the day's calls, until 18:00 UTC")],
)
def test_closed_budget_is_told_with_its_end(name: str, minutes: float, says: str) -> None:
    """A pause of seconds is none."""
    place = Place()
    _closed(place, name, minutes)
    verdict = told(doctor_limits.left(place.patient))
    assert (verdict.state, verdict.what) == ("wrong", f"Zoho: {says}")
    _closed(place, name, 0.5)
    assert told(doctor_limits.left(place.patient)).state == "ok"


def test_webhooks_that_run_out_are_told_before_they_have() -> None:
    """From 90 percent of what the plan allows."""
    place = Place()
    _turn(place, webhooks=900, counted_at="2026-11-22T07:00:00Z")
    verdict = told(doctor_limits.left(place.patient))
    assert (verdict.state, "900 of the 1000 webhooks" in verdict.what) == ("wrong", True)


def test_mondays_calls_of_the_day_are_counted_by_account() -> None:
    """As deliveries count them."""
    place = Place()
    place.connections.known["acme-eu"] = connection(destinations={"ledger": {**LEDGER, "plan": "basic"}})
    place.secrets.put("acme-eu", "monday", {"token": "sEcReT"})
    budget = limits.monday("sEcReT", "basic")
    ms = int(NOW.timestamp() * 1000)
    place.limits[budget.key] = {"n": 540, f"86400.{ms // 86_400_000}": 500}
    assert "monday: 40 of 1000 calls today" in told(doctor_limits.left(place.patient)).what
    place.limits[budget.key] = {"n": 1500, f"86400.{ms // 86_400_000}": 500}
    verdict = told(doctor_limits.left(place.patient))
    assert (verdict.state, verdict.what) == ("wrong", "monday: 1000 calls in 86400 s are made, until 00:00 UTC")
