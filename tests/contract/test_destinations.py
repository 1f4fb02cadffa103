"""One suite that every destination passes. A new destination is one more line in `PLACES` (design 8)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from ml_connector.config.model import Teams
from ml_connector.connections import Connection
from ml_connector.destinations import KINDS, Registry
from ml_connector.errors import ConnectorError, Gone, Missing, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.events import Version
from ml_connector.ports import CannotTell, Destination, Memory, NothingThere, Request
from tests import fakes
from tests.fakes import (
    CHANNEL,
    SECRET_URL,
    SECRETS,
    STORED,
    TEAM,
    TENANT,
    Clock,
    Says,
    Wire,
    delivery,
    record_of,
    toolbox,
)


@dataclass(frozen=True)
class Place:
    """A destination of the test connection, and how its vendor speaks.

    `updates`: it changes what it has made; `replies`: it answers it. `proves`: an answer says what was made, and it can
    be looked for. `opens`: what is answered before anything is made. `private`: it cannot be looked for, nor linked to.
    """

    name: str
    made: Says
    refuses: Says
    updates: bool = True
    proves: bool = True
    replies: bool = False
    gone: tuple[Says, ...] = ()
    keys: bool = False
    opens: tuple[Says, ...] = ()
    private: bool = False

    @property
    def targets(self) -> bool:
        """Whether what it has made is where it goes on."""
        return self.updates or self.replies

    @property
    def remembered(self) -> Memory:
        return Memory("done", external_id="1794301234567", thread_id=f"{CHANNEL};messageid=1794301234567", rev=1)


_PEOPLE = {"type": "teams", "team_id": TEAM, "channel_id": CHANNEL}
MARKS = re.compile(r"\[ml-connector \w{8}\]|(?<=98765-)\w{16}\b|\w{8}(-\w{4}){3}-\w{12}")
"""What names the version in a note or in a message of a thread, and the marker of a card that has such a name."""
MORE = {
    "as-a-person": {**_PEOPLE, "transport": "delegated", "edits": True},
    "as-a-person-replying": {**_PEOPLE, "transport": "delegated", "edits": False},
    "history": {**_PEOPLE, "transport": "graph_import", "author": {"id": TENANT, "displayName": "Books"}},
    "feed": {**_PEOPLE, "transport": "activity", "people": ["ola@acme.example"]},
    "boss": {"type": "teams", "transport": "bot", "person": TENANT},
}
"""Destinations beside those of the test connection: every transport of Teams passes this suite."""


def connection() -> Connection:
    plain = fakes.connection()
    return replace(plain, destinations={**plain.destinations, **MORE})


def _monday(data: Any) -> Says:
    return Says(200, {"data": data, "extensions": {"request_id": "r"}})


_POSTED = Says(201, {"id": "1794301234567", "replyToId": None, "webUrl": "https://teams.microsoft.com/l/message/1"})
_DENIED = Says(403, {"error": {"code": "Forbidden", "message": "Missing role permissions on the request."}})
_IMPORTS_ONLY = Says(401, {"error": {"code": "Unauthorized", "message": "Message POST is allowed for import only."}})
_NOT_FOUND = Says(404, {"error": {"code": "NotFound", "message": "MessageNotFound"}})
PLACES = [
    Place(
        "ledger",
        made=_monday({"item": {"id": "1794301234567", "url": "https://acme.monday.com/boards/1/pulses/2"}}),
        refuses=Says(200, {"errors": [{"message": "no label", "extensions": {"code": "ColumnValueException"}}]}),
        gone=(
            Says(200, {"errors": [{"message": "?", "extensions": {"code": "ResourceNotFoundException"}}]}),
            _monday(
                {"items": [{"id": "1794301234567", "state": "archived"}], "boards": [{"id": "1", "state": "active"}]}
            ),
        ),
        keys=True,
    ),
    Place(
        "finance",
        made=Says(201, {"id": f"{CHANNEL};messageid=1794301234567", "activityId": "1794301234567"}),
        refuses=Says(403, {"error": {"code": "BotNotInConversationRoster", "message": "…"}}),
        gone=(Says(404, {"error": {"code": "ActivityNotFoundInConversation"}}),),
    ),
    Place(
        "purchasing",
        made=Says(202),
        refuses=Says(404, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": SECRET_URL}}),
        updates=False,
        proves=False,
    ),
    Place("as-a-person", made=_POSTED, refuses=_DENIED, gone=(_NOT_FOUND,)),
    Place("as-a-person-replying", made=_POSTED, refuses=_DENIED, updates=False, replies=True, gone=(_NOT_FOUND,)),
    Place("history", made=_POSTED, refuses=_IMPORTS_ONLY, updates=False, replies=True, gone=(_NOT_FOUND,)),
    Place("feed", made=Says(204), refuses=_DENIED, updates=False, proves=False),
    Place(
        "boss",
        made=Says(201, {"id": "1794301234567"}),
        refuses=Says(403, {"error": {"code": "ForbiddenOperationException", "message": "…"}}),
        gone=(Says(404, {"error": {"code": "ActivityNotFoundInConversation"}}),),
        opens=(Says(201, {"id": "a:1chat"}),),
        private=True,
    ),
    Place(
        "notes",
        made=Says(201, {"code": 0, "message": "Comments added.", "comment": {"comment_id": "1794301234567"}}),
        refuses=Says(400, {"code": 4, "message": "Invalid value passed for description"}),
        updates=False,
    ),
]


@pytest.fixture(params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.param
    return found


def built(place: Place, *answers: Says | Exception, new: bool = True) -> tuple[Destination, Wire]:
    wire = Wire(*(place.opens if new else ()), *answers or (place.made,))
    return Registry(toolbox(wire)).destination(connection(), place.name), wire


def planned(destination: Destination, memory: Memory | None = None, **changes: Any) -> Request:
    each = delivery(**changes)
    return destination.plan(each.event, record_of(each), memory or Memory())


def caught(place: Place, *answers: Says | Exception, memory: Memory | None = None) -> ConnectorError:
    destination, _ = built(place, *answers, new=memory is None)
    with pytest.raises(ConnectorError) as raised:
        destination.send(planned(destination, memory))
    return raised.value


def test_every_kind_is_in_this_suite() -> None:
    """No destination without its contract."""
    settings = connection().destinations
    assert {settings[each.name]["type"] for each in PLACES} == set(KINDS)
    transports = {settings[each.name].get("transport", "") for each in PLACES} - {""}
    assert transports == set(Teams.model_fields["transport"].annotation.__args__)  # type: ignore[union-attr]


# --- planning ----------------------------------------------------------------------------------------------------


def test_planning_is_pure(place: Place) -> None:
    """No call, no secret, no credentials: a request can be stored and shown (`mlc preview`)."""
    destination, wire = built(place)
    for memory in (Memory(), place.remembered):
        text = json.dumps(asdict(planned(destination, memory)))
        assert not [secret for secret in SECRETS if secret in text]
    assert wire.calls == []


def test_same_event_twice_is_the_same_request(place: Place) -> None:
    """Same key, same body, byte for byte, also in another process and after a way through the table."""
    first, again = (planned(built(place)[0]) for _ in range(2))
    assert first == again
    assert Request(**json.loads(json.dumps(asdict(first)))) == first
    assert bool(first.idempotency_key) is place.keys


def test_any_step_may_be_asked_for_again(place: Place) -> None:
    """A version's requests are planned by the row alone: the same after a crash, and after what else has changed."""
    for step in range(3):
        memory = replace(place.remembered, step=step, shown='{"balance":"2000","status":"draft"}')
        first, again = (planned(built(place)[0], memory) for _ in range(2))
        assert first == again
        if step == 2 and place.name != "ledger":
            assert not first.more, "in Teams and in Zoho there are no more than two"


def test_key_depends_on_the_generation_alone(place: Place) -> None:
    """Two deliveries about one new record share a key; a removed item's successor gets another."""
    destination, _ = built(place)
    if not place.keys:
        assert planned(destination).idempotency_key == ""
        return
    created, updated = planned(destination), planned(destination, action="updated", status="paid")
    assert created.idempotency_key == updated.idempotency_key
    assert planned(destination, Memory(generation=1)).idempotency_key != created.idempotency_key
    assert planned(destination, invoice_id="460000000098766").idempotency_key != created.idempotency_key


def test_update_targets_the_remembered_item(place: Place) -> None:
    """What was made once is changed, not made again; where it cannot be, a new message says so."""
    destination, _ = built(place)
    request = planned(destination, place.remembered)
    assert request.operation == ("update" if place.updates else "create")
    assert ("1794301234567" in json.dumps(asdict(request))) is place.targets
    assert planned(destination).operation == "create"


def test_deletion_marks_what_is_there(place: Place) -> None:
    """It is told where the record is, and nothing else of it is changed or said anew."""
    destination, wire = built(place)
    memory = replace(place.remembered, version=Version("2026-11-22T07:00:00Z", "aa"))
    if place.name == "notes":  # a record that is no more takes no notes
        with pytest.raises(NothingThere):
            planned(destination, memory, action="deleted")
        return
    request = planned(destination, memory, action="deleted")
    assert request.operation == ("update" if place.updates else "create")
    text = json.dumps(asdict(request))
    assert "Deleted" in text
    assert "Harbour Lane Bakery" not in text, "a deletion tells no party"
    assert wire.calls == []


def test_deletion_of_what_is_not_there_is_nothing(place: Place) -> None:
    """Neither a card nor an item is made to say that there is none; nor where the destination was pointed elsewhere."""
    destination, _ = built(place)
    elsewhere = replace(place.remembered, target="another") if place.targets else Memory()
    for memory in (Memory(), elsewhere):
        with pytest.raises(NothingThere):
            planned(destination, memory, action="deleted")


def test_destination_that_was_pointed_elsewhere_begins_anew(place: Place) -> None:
    """Another channel or board: what stands in the old one stays as it is, and the new one gets its own."""
    destination, _ = built(place)
    target = planned(destination).target
    assert bool(target) is place.targets
    if place.targets:
        for known, there in ((target, True), ("", True), ("elsewhere", False)):
            request = planned(destination, replace(place.remembered, target=known))
            operation = "update" if there and place.updates else "create"
            assert (request.operation, request.target) == (operation, target)
            assert ("1794301234567" in json.dumps(asdict(request))) is there


@pytest.mark.parametrize(
    "change",
    [
        {"modified": "2026-11-22T09:30:00+0100"},
        {"notes": "Thank you", "terms": "Net 14", "last_modified_by_id": "7"},
        {"exchange_rate": "", "bcy_total": ""},
        {"line_items": [{"line_item_id": "9", "name": "Display case", "quantity": "1.0", "item_total": "1284.5"}]},
    ],
    ids=str,
)
def test_what_is_covered_shows_nothing_beyond_the_fingerprint(place: Place, change: dict[str, Any]) -> None:
    """A version with the fingerprint that is there already is not sent: nothing that people see may be lost by that."""
    destination, _ = built(place)
    before, after = delivery(), delivery(**change)
    assert before.event.version.fingerprint == after.event.version.fingerprint
    if destination.covered:
        first, second = (
            MARKS.sub("", json.dumps(asdict(planned(destination, place.remembered, **each)))) for each in ({}, change)
        )
        assert first == second
    else:
        assert place.name == "ledger", "its default columns show when the record was changed"


# --- sending -----------------------------------------------------------------------------------------------------


def test_receipt_names_what_was_made(place: Place) -> None:
    """The trail leads to the item, or says honestly that it was only accepted."""
    destination, _ = built(place)
    receipt = destination.send(planned(destination))
    if place.proves:
        assert (receipt.outcome, receipt.external_id) == ("created", "1794301234567")
        assert receipt.link.startswith("https://") is not place.private
    else:
        assert (receipt.outcome, receipt.external_id) == ("accepted", "")


def test_exact_body_is_sent(place: Place) -> None:
    """What was planned and stored is what goes out."""
    destination, wire = built(place)
    request = planned(destination)
    destination.send(request)
    destination.send(request)
    assert [wire.sent(index) for index in (-2, -1)] == [request.body] * 2
    keys = [each.headers.get("Idempotency-Key") for each in wire.calls[-2:]]
    assert keys == [request.idempotency_key or None] * 2


def test_busy_means_later_as_long_as_asked(place: Place) -> None:
    """Retry-After is obeyed, as seconds."""
    error = caught(place, Says(429, {"error": {"code": "Throttled"}}, {"Retry-After": "37"}))
    assert type(error) is RetryLater
    assert error.after == 37


def test_refused_means_undeliverable(place: Place) -> None:
    """A refusal is for a person, with a reason."""
    error = caught(place, place.refuses)
    assert isinstance(error, Undeliverable)
    assert not isinstance(error, Gone | Missing | NeedsAttention)
    assert error.reason


def _unreachable() -> Exception:
    pool: Any = None
    return requests.ConnectionError(MaxRetryError(pool, SECRET_URL, NewConnectionError(pool, SECRET_URL)))


def test_unreachable_means_later(place: Place) -> None:
    """Nothing was sent, so nothing happened."""
    assert type(caught(place, _unreachable())) is RetryLater


@pytest.mark.parametrize(
    "trouble",
    [
        requests.ReadTimeout(SECRET_URL),
        requests.ConnectionError(SECRET_URL),
        Says(502, b"<html>"),
        Says(500),
        Says(503),
    ],
    ids=str,
)
def test_no_readable_answer_means_unknown(place: Place, trouble: Says | Exception) -> None:
    """It may have happened: neither retried as if it had not, nor given up."""
    assert type(caught(place, trouble)) is Unknown


@pytest.mark.parametrize("body", [b"", b"<html>", [], {}, {"data": {"item": None}}], ids=str)
def test_success_without_a_receipt_means_unknown(place: Place, body: Any) -> None:
    """A 2xx that does not say what was made proves nothing, where a proof is to be had."""
    if place.proves:
        assert type(caught(place, Says(200, body))) is Unknown


def test_removed_item_is_gone(place: Place) -> None:
    """What a person removed is told apart from what is refused."""
    if place.targets:
        assert type(caught(place, *place.gone, memory=place.remembered)) is Gone


def test_redirect_is_refused(place: Place) -> None:
    """Credentials and records go to the vendor's own hosts only."""
    assert type(caught(place, Says(302, None, {"Location": "https://evil.com/"}))) is Undeliverable


def _troubles(place: Place) -> Iterator[Says | Exception]:
    yield from (place.refuses, _unreachable(), requests.ReadTimeout(SECRET_URL), Says(302), Says(400, b"x"))
    yield from (Says(status, {"error": {"code": "x", "message": "y"}}) for status in (401, 403, 404, 413, 429, 500))


def test_no_error_holds_a_secret(place: Place) -> None:
    """Whatever goes wrong, neither text nor fields nor causes show a token or a webhook's address."""
    for trouble in _troubles(place):
        error: BaseException | None = caught(place, trouble)
        while error is not None:
            assert not [secret for secret in SECRETS if secret in f"{error!r} {error} {vars(error)}"]
            error = error.__cause__


def test_missing_credentials_are_named(place: Place) -> None:
    """A place that has no credentials yet says which command sets them."""
    settings = connection().destinations[place.name]
    if settings["type"] == "zoho_comment" or settings.get("transport", "workflows") != "workflows":
        return  # their tokens are issued by ml_connector.tokens, which says so there
    tools = toolbox(Wire(place.made), **{purpose: {} for purpose in STORED})
    destination = Registry(tools).destination(connection(), place.name)
    with pytest.raises(Undeliverable, match="mlc credentials set acme-eu"):
        destination.send(planned(destination))


# --- settling ----------------------------------------------------------------------------------------------------


def test_settling_never_guesses(place: Place) -> None:
    """It repeats under the same key, or looks, or says that it cannot tell."""
    destination, wire = built(place)
    request = planned(destination)
    memory = Memory("unknown", request=request, first_attempt_at="2026-11-22T07:59:00.000000Z")
    if not place.keys:
        # The answer of a create, or of a webhook, is no list of posts: looking there tells nothing.
        with pytest.raises((CannotTell, RetryLater)):
            destination.settle(request, memory)
        looks = place.proves and not place.private
        assert [each.method for each in wire.calls] == ["GET"] * looks, "looked, and made nothing"
        return
    receipt = destination.settle(request, memory)
    assert receipt is not None
    assert receipt.external_id == "1794301234567"
    assert (wire.sent(), wire.calls[0].headers["Idempotency-Key"]) == (request.body, request.idempotency_key)


@pytest.mark.parametrize("before", PLACES, ids=lambda place: place.name)
def test_question_of_another_place_is_no_fault(before: Place, place: Place) -> None:
    """The file was changed while a create, or what follows one, was in question: it is not here, or nobody can tell.

    What was made there stays there; here it begins anew. A fault would hold up the record for good.
    """
    other, _ = built(before)
    waits = {"shown": '{"status":"draft"}', "step": 1, "first_attempt_at": "2026-11-22T07:00:00.000000Z"}
    for memory in (Memory(), replace(before.remembered, **waits)):
        request = planned(other, memory)
        here, wire = built(place, Says(200, {"value": []}), new=False)
        if (
            request.operation == "update"
            or before is place
            or (place.targets and request.target == planned(here).target)
        ):
            continue
        try:
            assert here.settle(request, replace(memory, **waits)) is None
        except CannotTell:
            assert (request.target, place.targets) == ("", False), "neither says where it is"
        assert wire.calls == [], "there is nothing to look for"


# --- the registry ------------------------------------------------------------------------------------------------


def test_unknown_destination_is_undeliverable() -> None:
    """A destination that was removed from the file parks what was on its way there."""
    with pytest.raises(Undeliverable, match="not configured"):
        Registry(toolbox(Wire(Says()))).destination(connection(), "removed")


def test_registry_builds_anew_for_a_new_version() -> None:
    """A change of the configuration is live without a new process."""
    registry = Registry(toolbox(Wire(Says()), Clock()))
    first = connection()
    assert registry.destination(first, "ledger") is registry.destination(first, "ledger")
    assert registry.destination(replace(first, version=2), "ledger") is not registry.destination(first, "ledger")
