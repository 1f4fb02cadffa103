"""Queues that call their function as AWS does: in parallel, one message group at a time each.

The local AWS keeps one batch of a FIFO queue in flight (contracts: aws-local 5), so one slow destination would hold
up all others there, though not in AWS. These feeders take the place of its event source mappings where that matters.
They read the queue with the function's own role, so its permissions on the queue are tried too.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.clients import REGION, Clients
from sandbox.aws.host import Function
from sandbox.aws.runtime import Answer

_WAIT_SECONDS = 1


def event_of(messages: Sequence[Mapping[str, Any]], queue_arn: str) -> dict[str, Any]:
    """The Lambda event of received messages (https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": {
                    name: {key[0].lower() + key[1:]: value for key, value in attribute.items()}
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def done(messages: Sequence[Mapping[str, Any]], answer: Answer, *, partial: bool) -> list[Mapping[str, Any]]:
    """Which messages the queue may forget. `partial`: the mapping has ReportBatchItemFailures.

    As in AWS an empty report means that all succeeded, and one that names an unknown message or makes no sense that
    all failed (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
    """
    if answer.failed:
        return []
    report = answer.value
    if not partial or not report or not (isinstance(report, dict) and report.get("batchItemFailures")):
        return list(messages)
    try:
        failed = {failure["itemIdentifier"] for failure in report["batchItemFailures"]}
    except (KeyError, TypeError):
        return []
    if not failed <= {message["MessageId"] for message in messages}:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


class Feeder:
    """Feeds one function from one queue, by the settings of a deployed event source mapping (which it replaces)."""

    def __init__(self, clients: Clients, mapping: Mapping[str, Any], function: Function) -> None:
        self._function = function
        self._arn = mapping["EventSourceArn"]
        self._batch = mapping.get("BatchSize", 10)
        self._partial = "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
        wanted = mapping.get("ScalingConfig", {}).get("MaximumConcurrency", function.most)
        self._workers = min(wanted, function.most)
        spec = function.spec()
        role = spec.environment
        self._patience = spec.timeout + 15
        self._sqs = clients.client(
            "sqs",
            aws_access_key_id=role["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=role["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=role["AWS_SESSION_TOKEN"],
        )
        self._url = clients("sqs").get_queue_url(QueueName=self._arn.rsplit(":", 1)[1])["QueueUrl"]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.trouble: Exception | None = None

    def start(self) -> None:
        """Begin to take messages."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._work, name=f"{self._function.logical}-feeder-{n}", daemon=True)
            for n in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Take no more; done when the invocations under way are finished."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=self._patience)
        self._threads = []

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._take_one_batch()
            except (BotoCoreError, ClientError) as error:
                self.trouble = error  # e.g. the role may not receive; keep trying, as AWS does
                self._stop.wait(_WAIT_SECONDS)

    def _take_one_batch(self) -> None:
        messages = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=self._batch,
            WaitTimeSeconds=_WAIT_SECONDS,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return
        answer = self._function.invoke(json.dumps(event_of(messages, self._arn)).encode())
        for message in done(messages, answer, partial=self._partial):
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


def take_over(clients: Clients, function: Function) -> list[Feeder]:
    """Switch off the function's queue mappings in the local AWS; a feeder, not yet started, for each.

    Those that are off were switched off for an earlier release: the template has none that is.
    """
    aws, feeders = clients("lambda"), []
    for mapping in aws.list_event_source_mappings(FunctionName=function.name)["EventSourceMappings"]:
        if ":sqs:" in mapping["EventSourceArn"]:
            aws.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
            feeders.append(Feeder(clients, mapping, function))
    return feeders
