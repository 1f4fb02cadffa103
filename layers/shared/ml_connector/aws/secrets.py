"""Secrets Manager: one JSON secret per connection and purpose, named `<stack>/<connection>/<purpose>`.

`webhooks` holds the endpoints' path tokens and signing secrets, `zoho`, `microsoft` and `monday` credentials and
tokens, `workflows` the addresses of Workflows webhooks, which are bearer secrets (contracts: teams 1.3).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_connector.connections import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT = 300.0
"""Seconds that a secret is kept in a function's memory."""
FRESH = 15.0
"""Seconds within which "look again" is not worth a call: bounds what forged calls can cost."""


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
    ) -> None:
        self._missing = ("ResourceNotFoundException", *(("AccessDeniedException",) if denied_is_missing else ()))
        self._client = client
        self._prefix = prefix
        self._key = key
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def get(self, connection: str, purpose: str, *, max_age: float = KEPT) -> Mapping[str, Any]:
        """An empty mapping if there is no such secret.

        A function may only read secrets of certain names, so AWS tells it "access denied" of one that is not there.
        `mlc` may read all of them: to it, denied is denied (`denied_is_missing`).
        """
        name = self._name(connection, purpose)
        now = self._monotonic()
        if (hit := self._cache.get(name)) and now - hit[0] < max_age:
            return hit[1]
        try:
            answer = self._client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in self._missing:
                return {}
            raise
        value: Mapping[str, Any] = json.loads(answer["SecretString"])
        self._cache[name] = (now, value)
        return value

    def text(self, purpose: str) -> str:
        """A secret of the whole stack, as it is."""
        answer = self._client.get_secret_value(SecretId=f"{self._prefix}/{purpose}", VersionStage="AWSCURRENT")
        return answer["SecretString"]

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        """A new version; the one before stays readable as AWSPREVIOUS."""
        name = self._name(connection, purpose)
        text = json.dumps(value)
        try:
            self._client.put_secret_value(SecretId=name, SecretString=text)
        except self._client.exceptions.ResourceNotFoundException:
            self._client.create_secret(
                Name=name,
                SecretString=text,
                KmsKeyId=self._key,
                Description=f"ml-connector: {purpose} of connection {connection}",
            )
        self._cache[name] = (self._monotonic(), value)

    def remove(self, connection: str, purpose: str) -> None:
        try:
            self._client.delete_secret(SecretId=self._name(connection, purpose), RecoveryWindowInDays=7)
        except self._client.exceptions.ResourceNotFoundException:
            return

    def _name(self, connection: str, purpose: str) -> str:
        return f"{self._prefix}/{connection}/{purpose}"


class EndpointSecrets:
    """The signing secrets of inbound endpoints."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def secrets(self, endpoint: Endpoint, *, fresh: bool = False) -> Sequence[str]:
        stored = self._store.get(endpoint.connection, "webhooks", max_age=FRESH if fresh else KEPT)
        secrets: Sequence[str] = stored.get("endpoints", {}).get(endpoint.id, {}).get("secrets", ())
        return secrets
