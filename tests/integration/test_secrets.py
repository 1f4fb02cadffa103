"""Our Secrets Manager adapter (design 4, invariant 7)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ml_connector.aws.secrets import FRESH, KEPT, SETTLED, EndpointSecrets, SecretStore, Written
from ml_connector.connections import Endpoint
from ml_connector.errors import RetryLater
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


def test_secret_of_the_stack_is_asked_for_once_in_five_minutes(store: SecretStore, clock: Clock, aws: Aws) -> None:
    """Whoever calls the address of a consent again and again does not make us pay for each."""
    aws.secretsmanager.create_secret(Name="stack/oauth-state", SecretString="k")
    store.text("oauth-state")
    aws.secretsmanager.put_secret_value(SecretId="stack/oauth-state", SecretString="new")
    clock.advance(KEPT - 1)
    assert store.text("oauth-state") == "k"
    clock.advance(1)
    assert store.text("oauth-state") == "new"


# --- Secrets Manager is eventually consistent --------------------------------------------------------------------


class Shared:
    """A stack's secrets and its limits table, seen by several instances; `lag` shows what was there before."""

    def __init__(self, aws: Aws, clock: Clock) -> None:
        self.aws, self.clock = aws, clock
        self.before: dict[str, Any] = {}

    def store(self) -> SecretStore:
        client = SimpleNamespace(
            get_secret_value=lambda **asked: self.before or self.aws.secretsmanager.get_secret_value(**asked),
            put_secret_value=self.aws.secretsmanager.put_secret_value,
            create_secret=self.aws.secretsmanager.create_secret,
            exceptions=self.aws.secretsmanager.exceptions,
        )
        written = Written(self.aws.dynamodb, "limits", self.clock)
        return SecretStore(client, "stack", KEY, self.clock.monotonic, written=written)  # type: ignore[arg-type]

    def lag(self) -> None:
        self.before = self.aws.secretsmanager.get_secret_value(SecretId="stack/acme-eu/zoho")


@pytest.fixture
def shared(aws: Aws, clock: Clock) -> Shared:
    return Shared(aws, clock)


def test_version_before_the_last_is_not_taken_for_the_newest(shared: Shared) -> None:
    """Another instance has just written: it is waited for, a plain read is not kept from anybody."""
    first, second = shared.store(), shared.store()
    assert first.newest("acme-eu", "zoho") == {}
    first.put("acme-eu", "zoho", {"n": 1})
    assert second.newest("acme-eu", "zoho") == {"n": 1}
    shared.lag()
    first.put("acme-eu", "zoho", {"n": 2})
    for store in (first, second):
        with pytest.raises(RetryLater, match="just changed") as caught:
            store.newest("acme-eu", "zoho")
        assert caught.value.after
    assert shared.store().get("acme-eu", "zoho") == {"n": 1}
    shared.before = {}
    assert second.newest("acme-eu", "zoho") == {"n": 2}


def test_new_secret_that_is_not_to_be_seen_yet_is_waited_for(shared: Shared, aws: Aws) -> None:
    """It is not taken for missing."""
    store = shared.store()
    store.put("acme-eu", "zoho", {"n": 1})
    aws.secretsmanager.delete_secret(SecretId="stack/acme-eu/zoho", ForceDeleteWithoutRecovery=True)
    with pytest.raises(RetryLater):
        store.newest("acme-eu", "zoho")


def test_write_that_was_noted_and_not_made_holds_nobody_up_for_long(shared: Shared, clock: Clock) -> None:
    """A crash between the two, or somebody at AWS's console: after two minutes what is there counts."""
    store = shared.store()
    store.put("acme-eu", "zoho", {"n": 1})
    Written(shared.aws.dynamodb, "limits", clock).note("stack/acme-eu/zoho", "never-written")
    clock.advance(SETTLED.total_seconds())
    with pytest.raises(RetryLater):
        store.newest("acme-eu", "zoho")
    clock.advance(1)
    assert store.newest("acme-eu", "zoho") == {"n": 1}


def test_note_is_made_before_the_write(shared: Shared, clock: Clock) -> None:
    """Afterwards would be too late for whoever reads in between."""
    store = shared.store()
    store.put("acme-eu", "zoho", {"n": 1})
    noted: list[str] = []
    plain = shared.aws.secretsmanager.put_secret_value
    version = Written(shared.aws.dynamodb, "limits", clock).version

    def put(**asked: Any) -> Any:
        noted.append(version("stack/acme-eu/zoho"))
        assert asked["ClientRequestToken"] == noted[-1]
        return plain(**asked)

    store._client.put_secret_value = put  # type: ignore[method-assign]
    store.put("acme-eu", "zoho", {"n": 2})
    assert len(noted) == 1
    assert store.newest("acme-eu", "zoho") == {"n": 2}


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
