"""Whether anything secret of a sandbox is where it must not be: in a log, a table, a queue, a variable, an output.

Secret is what stands in Secrets Manager, in any version, and what vendors were shown or gave.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from sandbox.session import Box

SHORTEST = 12
"""Characters: shorter texts are found in others by chance."""
PLAIN = {"client_id", "tenant_id", "user", "user_id", "account", "account_id", "by", "at", "of", "scopes", "reason"}
"""Keys in our secrets whose values are no secrets; nor are times, `…_at`."""


def leaks(box: Box, said: Iterable[str] = ()) -> list[str]:
    """Where a secret was found, and which kind of secret, but never the secret; `said`: what commands printed."""
    kinds = {**dict.fromkeys(box.zoho.secrets(), "what a vendor was shown or gave"), **dict(_stored(box))}
    # To a person the addresses of webhooks are told: they have to be put into Zoho.
    printable = {secret: kind for secret, kind in kinds.items() if not kind.startswith("webhooks")}
    written = Sieve(kinds)
    found = [f"{place}: {kind}" for place, text in _texts(box) for kind in written.kinds(text)]
    spoken = Sieve(printable)
    return found + [f"a command's output: {kind}" for text in said for kind in spoken.kinds(text)]


class Sieve:
    """Finds many secrets in much text: by their first characters, so that their number does not matter."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._by_head: dict[str, list[tuple[str, str]]] = {}
        for secret, kind in kinds.items():
            for form in _forms(secret) if len(secret) >= SHORTEST else ():
                self._by_head.setdefault(form[:SHORTEST], []).append((form, kind))

    def kinds(self, text: str) -> list[str]:
        """Of all that are in it."""
        heads = self._by_head
        return sorted(
            {
                kind
                for at in range(len(text) - SHORTEST + 1)
                if (head := text[at : at + SHORTEST]) in heads
                for form, kind in heads[head]
                if text.startswith(form, at)
            }
        )


def _forms(secret: str) -> set[str]:
    """As it is, in JSON, in an address, and in base64."""
    plain = base64.b64encode(secret.encode()).decode().rstrip("=")
    # The last characters of base64 depend on what follows.
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), plain[: len(plain) // 4 * 4]}


def _stored(box: Box) -> Iterator[tuple[str, str]]:
    """Each text of each secret, with the secret's purpose and the text's key."""
    client = box.stack.client("secretsmanager")
    for page in client.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            purpose = secret["Name"].rpartition("/")[2]
            for stage in ("AWSCURRENT", "AWSPREVIOUS"):
                try:
                    text = client.get_secret_value(SecretId=secret["ARN"], VersionStage=stage)["SecretString"]
                except client.exceptions.ClientError:  # there is no such version, or it is deleted
                    continue
                try:
                    yield from _leaves(json.loads(text), purpose)
                except ValueError:
                    yield text, purpose


def _leaves(value: Any, place: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield value, place
        case Mapping():
            for key, each in value.items():
                if key not in PLAIN and not key.endswith("_at"):
                    yield from _leaves(each, f"{place} {key}")
        case list():
            for each in value:
                yield from _leaves(each, place)


def _texts(box: Box) -> Iterator[tuple[str, str]]:
    """Everything that the stack has written down or says of itself."""
    stack = box.stack
    functions = stack.client("lambda")
    for logical, name in stack.deployment.of_type("AWS::Lambda::Function").items():
        yield f"the log of {logical}", "\n".join(stack.logs(logical))
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        # Credentials of the local runtime are no matter of ours.
        yield f"the variables of {logical}", json.dumps(variables)
    yield "the stack's outputs", json.dumps(dict(stack.outputs))
    for logical, name in stack.deployment.of_type("AWS::DynamoDB::Table").items():
        for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=name):
            for item in page["Items"]:
                yield f"{logical}, row {item['pk']['S'].partition('#')[0]}#…", " ".join(_written(item))
    for output in ("DeliveriesQueueUrl", "ParkedQueueUrl", "SchedulesDeadLetterQueueUrl"):
        for message in _messages(stack.client("sqs"), stack.outputs[output]):
            yield f"a message in {output}", json.dumps(message, default=str)


def _written(item: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for value in item.values():
        if "B" in value:
            yield zlib.decompress(bytes(value["B"])).decode()
        else:
            yield str(next(iter(value.values())))


def _messages(client: Any, url: str) -> Iterator[Any]:
    """What waits in a queue. It stays there."""
    taken: list[str] = []
    while found := client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=60
    ).get("Messages"):
        taken += (each["ReceiptHandle"] for each in found)
        yield from found
    for handle in taken:
        client.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
