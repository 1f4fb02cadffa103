"""Zoho's settings endpoints: what is sent, what answers mean, and the pace (contracts: zoho-books 3.1 to 3.4, 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from ml_connector import limits
from ml_connector.errors import NotAllowed, RetryLater, Undeliverable, Unknown
from ml_connector.regions import HOSTS
from ml_connector.vendors.zoho_api import Refused, ZohoApi
from ml_connector.vendors.zoho_settings import AT_ONCE, PACE, TRIES, Sent, ZohoSettings
from ml_connector.webhook_plan import ZohoRule, ZohoWebhook
from ml_connector.webhook_setup import NameTaken, RulesUnavailable
from tests.fakes import ORGANIZATION, AccessTokens, Clock, Says, Wire, connection, http

URL = "https://api.example/webhooks/zoho/path-token-sEcReT"
BODY = {"webhook_name": "n", "url": URL, "secret": "SecretOfTheWebhook0123"}
OK = Says(200, {"code": 0, "message": "success"})
MADE = Says(201, {"code": 0, "webhook": {"webhook_id": "4711"}})
EU = connection()


@dataclass
class Budget:
    """The shared limits, as far as they are told."""

    closings: list[float | None] = field(default_factory=list)

    def take(self, budget: limits.Budget, *, optional: bool = False) -> None: ...

    def closed(self, budget: limits.Budget, seconds: float | None) -> None:
        self.closings.append(seconds)

    def scarce(self, budget: limits.Budget, seconds: float) -> None: ...


class Desk:
    """The client at a terminal, with a clock that stands still but for its waits."""

    def __init__(
        self, *steps: Says | Exception | Callable[[requests.PreparedRequest], Says], waits: bool = True
    ) -> None:
        self.wire = Wire(*steps)
        self.clock = Clock()
        self.budget = Budget()
        self.waited: list[float] = []
        self.told: list[tuple[float, str]] = []
        api = ZohoApi(http(self.wire, HOSTS), AccessTokens(), self.budget)
        self.zoho = ZohoSettings(
            api,
            self.wait if waits else None,
            self.clock.monotonic,
            lambda seconds, reason: self.told.append((seconds, reason)),
        )

    def wait(self, seconds: float) -> None:
        self.waited.append(round(seconds, 3))
        self.clock.advance(seconds)

    @property
    def called(self) -> list[str]:
        """Method, path and query, without what every call has."""
        said = []
        for call in self.wire.calls:
            url = urlsplit(str(call.url))
            query = {name: value for name, (value,) in parse_qs(url.query).items()}
            assert query.pop("organization_id") == ORGANIZATION
            assert call.headers["Authorization"] == "Zoho-oauthtoken bot-token-sEcReT"
            query = {name: value for name, value in query.items() if name not in ("page", "per_page")}
            said.append(f"{call.method} {url.path.removeprefix('/books/v3/settings/')} {query or ''}".strip())
        return said


def test_paths_and_bodies() -> None:
    """As documented; changes go as JSON."""
    desk = Desk(MADE)
    assert desk.zoho.create_webhook(EU, BODY) == "4711"
    assert desk.wire.sent() == BODY
    assert desk.wire.calls[0].headers["Content-Type"].startswith("application/json")
    desk.zoho.update_webhook(EU, "1", BODY)
    desk.zoho.delete_webhook(EU, "1")
    desk.wire.steps = [Says(200, {"code": 0, "workflow": {"workflow_id": "12"}})]
    assert desk.zoho.create_rule(EU, {"workflow_name": "n"}) == "12"
    desk.zoho.update_rule(EU, "2", {"workflow_name": "n"})
    desk.zoho.delete_rule(EU, "2")
    assert desk.called == [
        "POST webhooks",
        "PUT webhooks/1",
        "DELETE webhooks/1",
        "POST workflows",
        "PUT workflows/2",
        "DELETE workflows/2",
    ]


def test_calls_are_paced() -> None:
    """600 ms from one to the next, whatever the time in between was spent on (3.4)."""
    desk = Desk(MADE)
    desk.zoho.create_webhook(EU, BODY)
    desk.clock.advance(0.25)
    desk.zoho.create_webhook(EU, BODY)
    desk.clock.advance(7)
    desk.zoho.create_webhook(EU, BODY)
    assert desk.waited == [round(PACE - 0.25, 3)]


def test_throttled_settings_are_waited_for_and_nobody_else_waits() -> None:
    """Settings have a tight limit of their own: growing waits here, and deliveries go on (3.4, 8)."""
    desk = Desk(Says(429, {"code": 43}), Says(429, b"<html>"), MADE)
    assert desk.zoho.create_webhook(EU, BODY) == "4711"
    assert [seconds for seconds, _ in desk.told] == [2, 4]
    assert desk.budget.closings == []


@pytest.mark.parametrize(("code", "pause"), [(44, 60.0), (1070, 5.0)])
def test_limits_of_the_organization_hold_for_all(code: int, pause: float) -> None:
    """They are not the settings' own (8)."""
    desk = Desk(Says(429, {"code": code}), MADE)
    desk.zoho.create_webhook(EU, BODY)
    assert desk.budget.closings == [pause]
    assert [seconds for seconds, _ in desk.told] == [pause]


def test_a_day_is_not_waited_for() -> None:
    """Nor is what does not end."""
    desk = Desk(Says(429, {"code": 45}, {"X-Rate-Limit-Reset": "5400"}))
    with pytest.raises(RetryLater) as caught:
        desk.zoho.webhooks(EU)
    assert (caught.value.after, desk.told) == (5400, [])
    desk = Desk(Says(503, b""))
    with pytest.raises(RetryLater):
        desk.zoho.webhooks(EU)
    assert len(desk.wire.calls) == TRIES


def test_without_a_wait_nothing_is_paced_or_repeated() -> None:
    """Who can wait says how."""
    desk = Desk(Says(429, {"code": 43}), waits=False)
    with pytest.raises(RetryLater):
        desk.zoho.webhooks(EU)
    assert len(desk.wire.calls) == 1


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (NotAllowed, 401, {"code": 57, "message": "You are not authorized to perform this operation"}),
        (NameTaken, 400, {"code": 107051, "message": "A webhook with the same name already exists."}),
        (RulesUnavailable, 400, {"code": 9, "message": "Workflow rules are not available in your current plan."}),
        (RulesUnavailable, 400, {"code": 9, "message": "Upgrade to use this feature"}),
        (Refused, 400, {"code": 4, "message": f"Invalid value passed for url: {URL} (SecretOfTheWebhook0123)"}),
        # What Zoho repeats may stand where its words are cut, and in a refusal of the access.
        (Refused, 400, {"code": 4, "message": f"{'x' * 152} {URL}"}),
        (NotAllowed, 401, {"code": 57, "message": f"Not allowed: {URL} SecretOfTheWebhook0123"}),
        (Unknown, 500, {"code": 1000}),
    ],
)
@pytest.mark.parametrize("kind", ["webhook", "rule"])
def test_refusals_by_name(outcome: type[Exception], status: int, body: Any, kind: str) -> None:
    """For what to do next; and no secret in any of them, though Zoho may repeat what it was sent."""
    desk = Desk(Says(status, body))
    create = desk.zoho.create_webhook if kind == "webhook" else desk.zoho.create_rule
    with pytest.raises(outcome) as caught:
        create(EU, BODY)
    assert type(caught.value) is outcome
    assert "path-token" not in str(caught.value)
    assert "SecretOfTheWebhook" not in str(caught.value)


def test_answer_that_names_nothing_is_no_success() -> None:
    """Success is `code` 0 and an id (3.1)."""
    desk = Desk(OK)
    with pytest.raises(Unknown):
        desk.zoho.create_rule(EU, {})


def test_lost_answers() -> None:
    """A webhook's name is unique, so it is made again and refused by name; a rule's is not, so it is not (3.1)."""
    taken = Says(400, {"code": 107051})
    desk = Desk(requests.ReadTimeout(), taken)
    with pytest.raises(NameTaken):
        desk.zoho.create_webhook(EU, BODY)
    desk = Desk(requests.ReadTimeout(), MADE)
    with pytest.raises(Unknown):
        desk.zoho.create_rule(EU, {})
    assert len(desk.wire.calls) == 1


@pytest.mark.parametrize("gone", [Says(404, {"code": 1002}), Says(400, {"code": 1002}), Says(404, {"code": 5}), OK])
def test_deleting_what_is_not_there(gone: Says) -> None:
    """Is done already."""
    desk = Desk(gone)
    desk.zoho.delete_rule(EU, "1")
    desk.zoho.delete_webhook(EU, "1")
    desk = Desk(Says(400, {"code": 107052, "message": "associated with a workflow rule"}))
    with pytest.raises(Undeliverable):
        desk.zoho.delete_webhook(EU, "1")


def test_lists() -> None:
    """All pages; `related_rules` is an empty text without rules; what is not said is empty (3.1)."""
    pages = iter(
        [
            {"webhooks": [{"webhook_id": 1, "webhook_name": "a", "url": URL, "entity": "bill", "method": "post",
                           "related_rules": [{"workflow_id": "2", "workflow_name": "a"}]}],
             "page_context": {"has_more_page": True}},
            {"webhooks": [{"webhook_id": "3", "related_rules": ""}, "?"], "page_context": {"has_more_page": False}},
        ]
    )  # fmt: skip
    desk = Desk(lambda call: Says(200, {"code": 0, **next(pages)}))
    assert list(desk.zoho.webhooks(EU)) == [
        ZohoWebhook("1", "a", URL, "bill", "POST", ("2",)),
        ZohoWebhook("3", "", "", "", "", ()),
    ]
    assert [parse_qs(urlsplit(str(call.url)).query)["page"] for call in desk.wire.calls] == [["1"], ["2"]]


def test_rules() -> None:
    """Short in the list, whole by themselves; one that is switched off says so."""
    short = {"workflow_id": "2", "workflow_name": "a", "is_active": False}
    desk = Desk(Says(200, {"code": 0, "workflows": [short]}))
    assert list(desk.zoho.rules(EU)) == [ZohoRule("2", "a", False)]
    whole = {
        "workflow_name": "a",
        "entity": "bill",
        "rule_type": "edit",
        "field_update": ["status"],
        "instant_actions": [{"action_type": "webhook", "action_id": 1}],
        "time_based_actions": [{"action_type": "alert", "action_id": "9"}],
    }
    desk = Desk(Says(200, {"code": 0, "workflow": whole}))
    actions = (("webhook", "1"), ("alert", "9"))
    assert desk.zoho.rule(EU, "2") == ZohoRule("2", "a", True, "bill", "edit", actions, ("status",))
    desk = Desk(Says(200, {"code": 0, "workflow": {"instant_actions": "", "field_update": ""}}))
    assert desk.zoho.rule(EU, "2") == ZohoRule("2", "", actions=())


ENTRY = {
    "history_id": "9001",
    "webhook_id": "1",
    "webhook_name": "a",
    "entity": "invoice",
    "entity_id": "46",
    "status": "Failed",
    "retry_count": 2,
    "last_execution_time": "2026-11-22T09:00:00+0100",
    "next_retry_time": "2026-11-22T09:30:00+0100",
}


@pytest.mark.parametrize("key", ["webhook_histories", "histories"])
def test_history(key: str) -> None:
    """By days; filters that Zoho silently ignores are applied here (3.1)."""
    succeeded = {**ENTRY, "history_id": "9002", "status": "success"}
    other = {**ENTRY, "history_id": "9003", "webhook_id": "7"}
    desk = Desk(Says(200, {"code": 0, key: [ENTRY, succeeded, other]}))
    days = ("2026-11-20", "2026-11-22")
    assert len(list(desk.zoho.history(EU, *days))) == 3
    (sent,) = desk.zoho.history(EU, *days, failed=True, webhook_id="1")
    assert sent == Sent(
        "9001", "1", "a", "2026-11-22T09:00:00+0100", "Failed", "invoice", "46", 2, "2026-11-22T09:30:00+0100"
    )
    assert desk.called[1] == (
        "GET webhooks/histories {'from_date': '2026-11-20', 'to_date': '2026-11-22', "
        "'filter_by': 'Status.Failed', 'webhook_id': '1'}"
    )


def test_history_of_full_pages_is_read_to_its_end() -> None:
    """Nobody has published an answer: without a context a full page is not the last; another name is no empty list."""
    full = [{"history_id": "1", "status": "Failed"}] * 200
    desk = Desk(
        Says(200, {"code": 0, "webhook_histories": full}),
        Says(200, {"code": 0, "webhook_histories": full[:3]}),
        Says(200, {"code": 0, "executions": full}),
    )
    assert len(list(desk.zoho.history(EU, "2026-11-22", "2026-11-22"))) == 203
    with pytest.raises(Undeliverable, match="executions"):
        list(desk.zoho.history(EU, "2026-11-22", "2026-11-22"))


def test_resend() -> None:
    """One by its own path, up to ten by another; a lost answer is not sent again by itself (3.1)."""
    desk = Desk(OK)
    desk.zoho.resend(EU, ["1"])
    desk.zoho.resend(EU, [str(number) for number in range(AT_ONCE)])
    assert desk.called == [
        "POST webhooks/histories/1/resend",
        "POST webhooks/histories/bulkresend {'history_ids': '0,1,2,3,4,5,6,7,8,9'}",
    ]
    desk = Desk(requests.ReadTimeout(), OK)
    with pytest.raises(Unknown):
        desk.zoho.resend(EU, ["1"])
