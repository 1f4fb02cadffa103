"""What the bench gives the functions is what AWS gives them: else its figures are of something else."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench.__main__ import _queue_event

SAMPLE = Path(__file__).parents[2] / "events" / "delivery" / "invoice_created.json"
UNREAD = {"SequenceNumber", "SenderId"}
"""Of SQS's attributes, those that no function reads."""


def test_a_message_has_the_attributes_that_sqs_gives_it() -> None:
    """A delivery of the bench must not fail for want of one."""
    (sample,) = json.loads(SAMPLE.read_text())["Records"]
    (record,) = _queue_event(cast(Any, SimpleNamespace(connection="acme-eu")))["Records"]
    assert set(sample["attributes"]) - UNREAD <= set(record["attributes"])
