"""The two queues. What a message group is, and why, stands in ml_connector.lanes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ml_connector.errors import NotQueued
from ml_connector.events import Delivery
from ml_connector.parked import shown

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_BATCH = 10
MAX_BYTES = 1024 * 1024 - 4096
"""SQS takes 1 MiB per message and per batch; the rest is left for its own bookkeeping, and a reason when parked."""
MAX_SHOWN = 300
"""Bytes of the reason beside a parked message."""


class DeliveriesQueue:
    """Sends deliveries, and hides a message until its next attempt."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Raises NotQueued unless SQS took them all; what it refused is sent once more first."""
        for batch in _batches(deliveries):
            refused = self._send(batch)
            if refused and (refused := self._send(refused)):
                raise NotQueued(f"SQS refused {len(refused)} of {len(batch)} messages")

    def _send(self, batch: list[SendMessageBatchRequestEntryTypeDef]) -> list[SendMessageBatchRequestEntryTypeDef]:
        """What was refused."""
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=batch)
        except (BotoCoreError, ClientError) as error:
            raise NotQueued(f"SQS took nothing ({type(error).__name__})") from error
        taken = {entry["Id"] for entry in answer.get("Successful", [])}
        return [entry for entry in batch if entry["Id"] not in taken]

    def move(self, delivery: Delivery, key: str) -> None:
        """Sends it again: into a group of its own while it waits, else into its lane.

        The same `key` within five minutes is the same message.
        """
        body = delivery.to_json()
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body if len(body) <= MAX_BYTES else delivery.thin().to_json(),
            MessageGroupId=delivery.group,
            MessageDeduplicationId=key,
        )

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )


class ParkedDeliveries:
    """Keeps what a person must look at (parked.py); its reason also beside it, for whoever looks into the console.

    Each message has a group of its own: SQS shows at most ten of a group, and order is made when they are sent again.
    """

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def park(self, body: str, *, key: str, reason: str) -> None:
        name = hashlib.sha256(f"{key}#{reason}".encode()).hexdigest()
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageGroupId=name,
            MessageDeduplicationId=name,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": shown(reason, MAX_SHOWN)}},
        )


def _batches(deliveries: Sequence[Delivery]) -> Iterator[list[SendMessageBatchRequestEntryTypeDef]]:
    """Groups of at most ten messages and 1 MiB. A record that would not fit alone travels as a thin event."""
    batch: list[SendMessageBatchRequestEntryTypeDef] = []
    size = 0
    for index, delivery in enumerate(deliveries):
        body = delivery.to_json()
        if len(body) > MAX_BYTES:
            body = delivery.thin().to_json()
        if len(batch) == MAX_BATCH or (batch and size + len(body) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(
            {
                "Id": str(index),
                "MessageBody": body,
                "MessageGroupId": delivery.group,
                "MessageDeduplicationId": delivery.id,
            }
        )
        size += len(body)
    if batch:
        yield batch


def counts(client: SQSClient, url: str) -> tuple[int, int]:
    """Messages that can be received, and hidden ones: about so many, says SQS."""
    answer = client.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )
    known = answer["Attributes"]
    return int(known["ApproximateNumberOfMessages"]), int(known["ApproximateNumberOfMessagesNotVisible"])
