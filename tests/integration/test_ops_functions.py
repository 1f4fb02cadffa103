"""The widget's two functions on the tables and queues of the template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from functions.ops_retry import app as ops_retry
from functions.ops_widget import app as ops_widget
from ml_connector.events import Delivery
from tests.integration.conftest import Aws
from tests.widget_world import MONDAY, NO_COLUMN, RETRY, WIDGET, Desk, Page, asks, desk

NUMBER = "INV-000412"


@pytest.fixture
def acme(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with desk(aws, monkeypatch) as found:
        yield found


def context(arn: str) -> Any:
    return SimpleNamespace(function_name="f", memory_limit_in_mb=512, invoked_function_arn=arn, aws_request_id="r-1")


def look(view: str = "", /, **said: Any) -> Page:
    return Page(ops_widget.handler(asks(view, **said), context(WIDGET)))


def press(page: Page, label: str = "confirmation") -> Page:
    """The first button of the page that calls the other function."""
    ((attributes, said),) = [call for call in page.calls if label in call[0]]
    assert attributes["endpoint"] == RETRY
    return Page(ops_retry.handler({**json.loads(said), **asks()}, context(RETRY)))


def queued(aws: Aws) -> list[Delivery]:
    return [Delivery.from_json(each["Body"]) for each in aws.messages(aws.deliveries_url)]


def test_describe_is_markdown() -> None:
    """CloudWatch asks for it when somebody adds the widget; no table is read."""
    assert ops_widget.handler({"describe": True}, context(WIDGET)).startswith("## ")


def test_an_empty_stack_says_so(acme: Desk) -> None:
    """Every page of a stack in which nothing has happened yet."""
    assert "There is no such entry in the last 7 days." in look().text
    assert "Nothing waits for a person." in look("parked").text
    assert "none in 7 days" in look("connections").text
    assert "Nothing is known of “INV-1”" in look("search", form={"what": "INV-1"}).text


@pytest.mark.parametrize("what", [NUMBER, "inv-000412", "77", MONDAY, "460000000098765"])
def test_a_record_is_found_by_whatever_one_has(acme: Desk, what: str) -> None:
    """Number, item id, pasted link, Zoho id: its story, with the receipt's link."""
    acme.deliver(acme.of("ledger"), NUMBER, 5, MONDAY)
    page = look("search", form={"what": what})
    assert f"Invoice {NUMBER}" in page.text
    assert "Created in ledger" in page.text
    assert ("a", "href", MONDAY) in page.attributes


def test_day_and_outcome_choose(acme: Desk) -> None:
    """Settled outcomes by the day's index, others by their own."""
    acme.deliver(acme.of("ledger"), NUMBER, 5)
    acme.park(acme.of("finance", invoice_id="2", invoice_number="INV-2"), "INV-2")
    day = "2026-11-22"
    assert (NUMBER in look("search", state="delivered").text, "INV-2" in look("search", state="delivered").text) == (
        True,
        False,
    )
    assert "INV-2" in look("search", state="parked", day=day).text
    assert "There is no such entry." in look("search", day="2026-11-21").text


def test_parked_delivery_is_sent_again_by_its_button(acme: Desk) -> None:
    """Queued once, noted with who asked, and no longer shown as parked; its story goes on."""
    each = acme.of("ledger")
    acme.park(each, NUMBER)
    page = look("parked")
    assert NO_COLUMN in page.text
    done = press(page)
    assert f"{NUMBER} is on its way to ledger again" in done.text
    (sent,) = queued(acme.aws)
    assert (sent.id, sent.event.origin) == (each.id, "replay")
    assert acme.aws.counts(acme.aws.parked_url) == (0, 0)
    assert "Nothing waits for a person." in look("parked").text
    story = look("story", connection=acme.name, module="invoice", record="460000000098765")
    assert "CloudWatch dashboard of 123456789012, request r-1" in story.text
    assert not [call for call in story.calls if "confirmation" in call[0]]


def test_pressed_twice_it_is_sent_once(acme: Desk) -> None:
    """The second time there is nothing, and that is said."""
    acme.park(acme.of("ledger"), NUMBER)
    page = look("parked")
    press(page)
    assert "is parked under this name" in press(page).text
    assert len(queued(acme.aws)) == 1


def test_only_the_named_delivery_is_sent(acme: Desk) -> None:
    """Another one of the same connection stays where it is, visible for the next look."""
    acme.park(acme.of("ledger"), NUMBER)
    acme.park(acme.of("finance"), NUMBER)
    story = look("story", connection=acme.name, module="invoice", record="460000000098765")
    buttons = [json.loads(said) for attributes, said in story.calls if "confirmation" in attributes]
    assert len(buttons) == 2
    ops_retry.handler({**buttons[0], **asks()}, context(RETRY))
    assert len(queued(acme.aws)) == 1
    assert acme.aws.counts(acme.aws.parked_url) == (1, 0)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"connection": "acme-eu"},
        {"connection": "acme-eu", "delivery": ""},
        {"connection": "acme-eu", "delivery": "INV-000412"},
        {"connection": "acme-eu", "delivery": ["a" * 32]},
        {"connection": "<b>", "delivery": "a" * 32},
        {"connection": {"a": 1}, "delivery": "a" * 32},
        {"describe": True},
    ],
)
def test_junk_sends_nothing(acme: Desk, said: dict[str, Any]) -> None:
    """Whoever may call the function directly can send no more than a button does."""
    acme.park(acme.of("ledger"), NUMBER)
    assert "Nothing was sent" in Page(ops_retry.handler({**said, **asks()}, context(RETRY))).text
    assert queued(acme.aws) == []
    assert acme.aws.counts(acme.aws.parked_url) == (1, 0)


def test_another_connections_name_opens_nothing(acme: Desk) -> None:
    """The delivery must be the named connection's."""
    each = acme.of("ledger")
    acme.park(each, NUMBER)
    page = Page(ops_retry.handler({"connection": "other-us", "delivery": each.id, **asks()}, context(RETRY)))
    assert "Nothing of other-us is parked" in page.text
    assert queued(acme.aws) == []


def test_what_the_trail_does_not_name_is_told(acme: Desk) -> None:
    """A message that nobody could read has no entry: the queue's count gives it away."""
    acme.aws.sqs.send_message(
        QueueUrl=acme.aws.parked_url, MessageBody="poison", MessageGroupId="g", MessageDeduplicationId="d"
    )
    assert "mlc parked list" in look("parked").text


def test_connections_show_what_needs_a_person(acme: Desk) -> None:
    """A refused token with the command that helps, and how many are parked."""
    acme.park(acme.of("ledger"), NUMBER)
    acme.aws.dynamodb.put_item(
        TableName="connections",
        Item={
            "pk": {"S": "tokens"},
            "sk": {"S": f"{acme.name}#monday"},
            "due_at": {"S": "2026-11-22T08:30:00Z"},
            "state": {"S": "needs_attention"},
            "reason": {"S": "the token was revoked"},
            "command": {"S": f"mlc credentials set {acme.name} monday"},
        },
    )
    page = look("connections")
    assert "needs a person" in page.text
    assert f"mlc credentials set {acme.name} monday" in page.text
    assert "5 min ago · parked" in page.text
