"""What the session's end asserts of everything that was written and said (sandbox/secrecy.py) can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.secrecy import leaks
from sandbox.session import Box
from sandbox.vendors import default_world as world

pytestmark = pytest.mark.e2e


def test_a_secret_in_a_table_is_found(box: Box) -> None:
    """A credential, a token that a vendor gave for it, and a webhook's secret: in a row, whatever its form."""
    endpoints = box.secrets.get(box.connection, "webhooks")["endpoints"]
    given = max(box.zoho.secrets(), key=len)
    for planted in (world.ZOHO_CLIENT_SECRET, given, next(iter(endpoints.values()))["secrets"][0]):
        box.connections.put("planted", "-", text=f"said: {json.dumps({'x': planted})}")
        found = leaks(box)
        box.connections.delete("planted", "-")
        assert [each.partition(":")[0] for each in found] == ["ConnectionsTable, row planted#…"]
        assert planted not in str(found)
        assert leaks(box) == []


def test_a_secret_in_a_parked_message_is_found(box: Box) -> None:
    """Queues keep what they are given for two weeks."""
    sqs, url = box.stack.client("sqs"), box.stack.outputs["SchedulesDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=world.MONDAY_TOKEN)
    found = leaks(box)
    sqs.purge_queue(QueueUrl=url)
    assert [each.partition(":")[0] for each in found] == ["a message in SchedulesDeadLetterQueueUrl"]


def test_a_secret_that_a_command_prints_is_found(box: Box, mlc: Callable[..., Any]) -> None:
    """An address of a webhook is printed on purpose; the token of a vendor never is."""
    known = leaks(box, [json.dumps(mlc("connections", "show", box.connection))])
    assert known == []
    assert leaks(box, [f"token: {world.MONDAY_TOKEN}"])
