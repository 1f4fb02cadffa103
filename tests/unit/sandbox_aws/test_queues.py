"""What a queue makes of a function's answer, as AWS documents it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.aws.queues import done, event_of
from sandbox.aws.runtime import Answer

MESSAGES: list[dict[str, Any]] = [
    {"MessageId": name, "ReceiptHandle": f"r-{name}", "Body": "{}", "MD5OfBody": "m"} for name in ("a", "b")
]


def report(*failed: str) -> Answer:
    failures = [{"itemIdentifier": name} for name in failed]
    return Answer(json.dumps({"batchItemFailures": failures}).encode())


@pytest.mark.parametrize(
    ("answer", "partial", "forgotten"),
    [
        (report(), True, ["a", "b"]),
        (Answer(b"null"), True, ["a", "b"]),
        (Answer(b""), True, ["a", "b"]),
        (report("a"), True, ["b"]),
        (report("a", "b"), True, []),
        (report("a"), False, ["a", "b"]),
        (report("unknown"), True, []),
        (report(""), True, []),
        (Answer(b'{"batchItemFailures": ["a"]}'), True, []),
        (Answer(b'{"errorType": "ValueError"}', failed=True), True, []),
    ],
)
def test_a_message_leaves_the_queue_only_when_it_was_carried(
    answer: Answer, partial: bool, forgotten: list[str]
) -> None:
    """A failed, unreported or misreported message stays."""
    assert [message["MessageId"] for message in done(MESSAGES, answer, partial=partial)] == forgotten


def test_the_event_has_lambdas_shape() -> None:
    """A handler sees the names that Lambda uses, not those of SQS."""
    message = MESSAGES[0] | {
        "Attributes": {"ApproximateReceiveCount": "2", "MessageGroupId": "g"},
        "MessageAttributes": {"t0": {"DataType": "Number", "StringValue": "1"}},
    }
    assert event_of([message], "arn:aws:sqs:us-east-1:0:q.fifo")["Records"] == [
        {
            "messageId": "a",
            "receiptHandle": "r-a",
            "body": "{}",
            "attributes": {"ApproximateReceiveCount": "2", "MessageGroupId": "g"},
            "messageAttributes": {"t0": {"dataType": "Number", "stringValue": "1"}},
            "md5OfBody": "m",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:0:q.fifo",
            "awsRegion": "us-east-1",
        }
    ]
