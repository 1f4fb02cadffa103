"""Our Secrets Manager adapter (design 4, invariant 7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ml_connector.aws.secrets import FRESH, KEPT, EndpointSecrets, SecretStore
from ml_connector.connections import Endpoint
from tests.fakes import Clock
from tests.integration.conftest import Aws

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(aws: Aws, clock: Clock) -> SecretStore:
    return SecretStore(aws.secretsmanager, "stack", KEY, clock.monotonic)


def test_secret_comes_back(store: SecretStore, aws: Aws) -> None:
    """One secret per connection and purpose, under our key; what is not there is empty."""
    assert store.get("acme-eu", "zoho") == {}
    store.put("acme-eu", "zoho", {"client_id": "1000.X"})
    assert store.get("acme-eu", "zoho", max_age=0) == {"client_id": "1000.X"}
    described = aws.secretsmanager.describe_secret(SecretId="stack/acme-eu/zoho")
    assert described["KmsKeyId"] == KEY
    assert "1000.X" not in str(described)


def test_new_version_leaves_the_one_before(store: SecretStore, aws: Aws) -> None:
    """A bad write can be taken back: AWSPREVIOUS stays readable."""
    for number in (1, 2):
        store.put("acme-eu", "zoho", {"n": number})
    answer = aws.secretsmanager.get_secret_value(SecretId="stack/acme-eu/zoho", VersionStage="AWSPREVIOUS")
    assert (json.loads(answer["SecretString"]), store.get("acme-eu", "zoho", max_age=0)) == ({"n": 1}, {"n": 2})


def test_cache_lives_as_long_as_asked(store: SecretStore, clock: Clock, aws: Aws) -> None:
    """Another instance's write is seen after five minutes, or at once with `max_age=0`."""
    store.put("acme-eu", "zoho", {"n": 1})
    SecretStore(aws.secretsmanager, "stack", KEY).put("acme-eu", "zoho", {"n": 2})
    clock.advance(KEPT - 1)
    assert store.get("acme-eu", "zoho") == {"n": 1}
    clock.advance(1)
    assert store.get("acme-eu", "zoho") == {"n": 2}
    SecretStore(aws.secretsmanager, "stack", KEY).put("acme-eu", "zoho", {"n": 3})
    assert store.get("acme-eu", "zoho", max_age=0) == {"n": 3}


def test_missing_secret_is_looked_for_again(store: SecretStore, aws: Aws) -> None:
    """Credentials that are set now work now."""
    assert store.get("acme-eu", "monday") == {}
    SecretStore(aws.secretsmanager, "stack", KEY).put("acme-eu", "monday", {"token": "t"})
    assert store.get("acme-eu", "monday") == {"token": "t"}


def test_secret_of_the_stack_is_text(store: SecretStore, aws: Aws) -> None:
    """Such as the key that signs the consent's state."""
    aws.secretsmanager.create_secret(Name="stack/oauth-state", SecretString="k")
    assert store.text("oauth-state") == "k"


def test_rotated_endpoint_secrets_are_seen_within_seconds(store: SecretStore, clock: Clock, aws: Aws) -> None:
    """A failed signature looks again, but forged calls cannot make it look every time."""
    endpoint = Endpoint("zoho.invoice.created", "acme-eu", "zoho", "invoice", "created")
    secrets = EndpointSecrets(store)
    assert list(secrets.secrets(endpoint)) == []
    store.put("acme-eu", "webhooks", {"endpoints": {endpoint.id: {"token": "t", "secrets": ["old"]}}})
    other = SecretStore(aws.secretsmanager, "stack", KEY)
    other.put("acme-eu", "webhooks", {"endpoints": {endpoint.id: {"token": "t", "secrets": ["old", "new"]}}})
    assert list(secrets.secrets(endpoint, fresh=True)) == ["old"]
    clock.advance(FRESH)
    assert list(secrets.secrets(endpoint)) == ["old"]
    assert list(secrets.secrets(endpoint, fresh=True)) == ["old", "new"]


class _Refuses:
    """Secrets Manager with this one answer to every read."""

    def __init__(self, real: Any, code: str) -> None:
        self.exceptions = real.exceptions
        self._code = code

    def get_secret_value(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "GetSecretValue")


def test_denied_is_missing_to_a_function_and_denied_to_a_person(aws: Aws) -> None:
    """A function may read certain names only, so AWS says "denied" of a secret that is not there; `mlc` may read all,
    and must not take a missing right for a missing secret and write over it."""
    client: Any = _Refuses(aws.secretsmanager, "AccessDeniedException")
    assert SecretStore(client, "stack", KEY).get("acme-eu", "zoho") == {}
    with pytest.raises(ClientError, match="AccessDenied"):
        SecretStore(client, "stack", KEY, denied_is_missing=False).get("acme-eu", "zoho")


def test_trouble_is_not_a_missing_secret(aws: Aws) -> None:
    """Who cannot read now is not told that there is nothing."""
    client: Any = _Refuses(aws.secretsmanager, "InternalServiceError")
    with pytest.raises(ClientError):
        SecretStore(client, "stack", KEY).get("acme-eu", "zoho")
    assert SecretStore(aws.secretsmanager, "stack", KEY, denied_is_missing=False).get("acme-eu", "zoho") == {}
