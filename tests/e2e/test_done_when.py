"""What a newcomer is promised, by the command line alone: a story from a link, trouble told, repaired, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.alarms import Alarms
from sandbox.session import Box
from sandbox.vendors import default_world as world

pytestmark = pytest.mark.e2e


@pytest.fixture
def channel(box: Box) -> Iterator[str]:
    """The finance channel, which has the bot again at the end."""
    yield world.CHANNEL_FINANCE
    box.zoho.install(world.CHANNEL_FINANCE, [world.MICROSOFT_CLIENT_ID])


def test_a_story_a_breakdown_its_alarm_and_the_repair(box: Box, channel: str, mlc: Callable[..., Any]) -> None:
    """The link of a card is enough to find the record's story; what Teams refuses is parked, alarmed and sent again."""
    made = box.zoho.create(box.organization, "invoice")["id"]
    assert box.settled()
    (card,) = (each for each in box.audit() if each["record_id"] == made and each["destination"] == "finance")
    story = mlc("audit", "show", box.connection, card["link"])
    assert {(each["record_id"], each["outcome"]) for each in story} == {(made, "delivered")}
    assert {each["destination"] for each in story} == {"finance", "ledger"}

    before = alarm(box)
    assert before["metric"] == "MessagesParked"
    box.zoho.install(channel, [])
    refused = box.zoho.create(box.organization, "invoice")["id"]
    assert box.settled()
    told = alarm(box)
    assert (told["state"], told["value"]) == ("alarm", (before["value"] or 0) + 1)
    (waiting,) = (each for each in mlc("parked", "list", box.connection) if each["record"].endswith(refused))
    assert waiting["destination"] == "finance"

    box.zoho.install(channel, [world.MICROSOFT_CLIENT_ID])
    (sent,) = mlc("parked", "retry", box.connection, waiting["id"])
    assert sent["done"] == "sent"
    assert box.settled()
    assert alarm(box)["value"] == (before["value"] or 0)
    outcomes = [
        each["outcome"] for each in mlc("audit", "show", box.connection, refused) if each["destination"] == "finance"
    ]
    assert outcomes == ["parked", "resent", "delivered"]
    (message,) = [each for each in box.messages() if refused in str(each["card"])]
    assert message["edits"] == 0


def alarm(box: Box) -> dict[str, Any]:
    """The template's alarm for what is parked, as CloudWatch would judge it now; the local CloudWatch says the same."""
    (found,) = (each for each in Alarms(box.stack).states() if each["name"] == "ParkedAlarm")
    (told,) = box.stack.client("cloudwatch").describe_alarms(AlarmNames=[found["alarm"]])["MetricAlarms"]
    assert (told["StateValue"] == "ALARM") == (found["state"] == "alarm")
    return found
