"""Secrets Manager: one JSON secret per connection and purpose, named `<stack>/<connection>/<purpose>`.

`webhooks` holds the endpoints' path tokens and signing secrets, `graph` the token and key of Microsoft Graph's calls,
`boards` the tokens of monday's, `zoho`, `microsoft` and `monday` credentials and tokens, `workflows` the addresses of
Workflows webhooks, which are bearer secrets (contracts: teams 1.3).

Secrets Manager is eventually consistent: for a while after a write a read may still give what was there before. Who
changes credentials must not start from that, or the change would put a spent refresh token over the new one. So each
write is first noted in a table that is consistent (`Written`), and `newest` believes no other version.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from ml_connector.connections import Endpoint
from ml_connector.errors import RetryLater
from ml_connector.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT = 300.0
"""Seconds that a secret is kept in a function's memory."""
FRESH = 15.0
"""Seconds within which "look again" is not worth a call: bounds what forged calls can cost."""
SETTLED = timedelta(minutes=2)
"""After which Secrets Manager shows what was written; and for which it stands still at most if a write was noted and
then not made, or if somebody changes the secret in AWS's console in that time."""


class Written:
    """The version of each secret that was written last, in the limits table: `written#<secret>`, for SETTLED."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def note(self, name: str, version: str) -> None:
        """That this version is about to be written."""
        self._client.update_item(
            TableName=self._table,
            Key={"pk": {"S": f"written#{name}"}},
            UpdateExpression="SET version = :version, expires_at = :until",
            ExpressionAttributeValues={
                ":version": {"S": version},
                ":until": {"N": str(int((self._clock() + SETTLED).timestamp()))},
            },
        )

    def version(self, name: str) -> str:
        """ "" if none was written lately."""
        key = {"pk": {"S": f"written#{name}"}}
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        # The table's own removal of what has ended comes days later.
        if not item or int(item["expires_at"]["N"]) < self._clock().timestamp():
            return ""
        return item["version"]["S"]


class SecretStore:
    """Reads and writes connection secrets. Values never leave this process but to their vendor."""

    def __init__(
        self,
        client: SecretsManagerClient,
        prefix: str,
        key: str,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        denied_is_missing: bool = True,
        written: Written | None = None,
    ) -> None:
        self._missing = ("ResourceNotFoundException", *(("AccessDeniedException",) if denied_is_missing else ()))
        self._client = client
        self._prefix = prefix
        self._key = key
        self._monotonic = monotonic
        self._written = written
        self._cache: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._texts: dict[str, tuple[float, str]] = {}
        self._ended: set[str] = set()
        """Names of secrets that were seen deleted, and that AWS keeps for their recovery time."""

    def get(self, connection: str, purpose: str, *, max_age: float = KEPT) -> Mapping[str, Any]:
        """An empty mapping if there is no such secret.

        A function may only read secrets of certain names, so AWS tells it "access denied" of one that is not there.
        `mlc` may read all of them: to it, denied is denied (`denied_is_missing`).
        """
        name = self._name(connection, purpose)
        now = self._monotonic()
        if (hit := self._cache.get(name)) and now - hit[0] < max_age:
            return hit[1]
        return self._read(name, now)[1]

    def newest(self, connection: str, purpose: str) -> Mapping[str, Any]:
        """What was written last, for who is its only writer. Raises RetryLater as long as that is not to be seen."""
        name = self._name(connection, purpose)
        expected = self._written.version(name) if self._written else ""
        version, value = self._read(name, self._monotonic())
        if expected and version != expected:
            raise RetryLater(f"the {purpose} credentials of {connection} have just changed", 10)
        return value

    def _read(self, name: str, now: float) -> tuple[str, Mapping[str, Any]]:
        """Version and value."""
        try:
            answer = self._client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        except self._client.exceptions.ClientError as error:
            if _ends(error):
                self._ended.add(name)
            elif error.response["Error"]["Code"] not in self._missing:
                raise
            return "", {}
        value: Mapping[str, Any] = json.loads(answer["SecretString"])
        self._cache[name] = (now, value)
        return answer["VersionId"], value

    def text(self, purpose: str) -> str:
        """A secret of the whole stack, as it is; kept as long as the others, so that nobody's calls are paid for."""
        now = self._monotonic()
        if (hit := self._texts.get(purpose)) and now - hit[0] < KEPT:
            return hit[1]
        answer = self._client.get_secret_value(SecretId=f"{self._prefix}/{purpose}", VersionStage="AWSCURRENT")
        self._texts[purpose] = (now, answer["SecretString"])
        return answer["SecretString"]

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        """A new version; the one before stays readable as AWSPREVIOUS."""
        name = self._name(connection, purpose)
        text, version = json.dumps(value), str(uuid4())
        if self._written:
            self._written.note(name, version)
        if name in self._ended:
            # Its connection was removed and comes back. Whoever writes has read before.
            self._client.restore_secret(SecretId=name)
            self._ended.discard(name)
        try:
            self._client.put_secret_value(SecretId=name, SecretString=text, ClientRequestToken=version)
        except self._client.exceptions.ResourceNotFoundException:
            self._client.create_secret(
                Name=name,
                SecretString=text,
                ClientRequestToken=version,
                KmsKeyId=self._key,
                Description=f"ml-connector: {purpose} of connection {connection}",
            )
        self._cache[name] = (self._monotonic(), value)

    def remove(self, connection: str, purpose: str) -> None:
        """It can be restored in AWS's console for seven days; to us it is gone."""
        self._cache.pop(self._name(connection, purpose), None)
        try:
            self._client.delete_secret(SecretId=self._name(connection, purpose), RecoveryWindowInDays=7)
        except self._client.exceptions.ResourceNotFoundException:
            return

    def _name(self, connection: str, purpose: str) -> str:
        return f"{self._prefix}/{connection}/{purpose}"


def _ends(error: ClientError) -> bool:
    """True if AWS says that a secret "is marked deleted", or "for deletion": its recovery time has not passed."""
    told = error.response["Error"]
    return told["Code"] == "InvalidRequestException" and bool(re.search("marked .*delet", told.get("Message", "")))


class EndpointSecrets:
    """The signing secrets of inbound endpoints."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def secrets(self, endpoint: Endpoint, *, fresh: bool = False) -> Sequence[str]:
        stored = self._store.get(endpoint.connection, "webhooks", max_age=FRESH if fresh else KEPT)
        secrets: Sequence[str] = stored.get("endpoints", {}).get(endpoint.id, {}).get("secrets", ())
        return secrets
