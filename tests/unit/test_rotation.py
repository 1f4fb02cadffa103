"""Signing secrets are rotated without losing an event (contracts: zoho-books 1.5, 1.6)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ml_connector import rotation
from ml_connector.aws.secrets import FRESH, EndpointSecrets, SecretStore
from ml_connector.connections import Endpoint
from ml_connector.errors import InboundRejected
from ml_connector.sources import Inbound, signature, zoho_books
from ml_connector.webhook_plan import Installed, secret_hash
from mlc import webhook_desk
from mlc.stack import Stack
from mlc.webhook_desk import Desk
from tests.fakes import NOW, Clock, connection
from tests.unit.zoho_automation import Installations

INVOICE, BILL = "zoho.invoice.created", "zoho.bill.created"
HOUR = timedelta(hours=1)


def stored(**secrets: list[str]) -> dict[str, Any]:
    return {"endpoints": {f"zoho.{name}.created": {"token": name, "secrets": kept} for name, kept in secrets.items()}}


def test_new_secrets_are_such_that_zoho_takes_them() -> None:
    """12 to 50 letters and digits (1.1); no two alike."""
    made = {rotation.new_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(12 <= len(secret) <= 50 and secret.isascii() and secret.isalnum() for secret in made)


def test_begun_once() -> None:
    """The newest last; said twice, no third; others and what else stands there are left alone."""
    before = {**stored(invoice=["old"], bill=["other"]), "more": 1}
    after, begun = rotation.begin(before, [INVOICE], NOW, lambda: "new")
    assert begun == [INVOICE]
    assert after["endpoints"][INVOICE] == {
        "token": "invoice",
        "secrets": ["old", "new"],
        "rotated_at": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
    }
    assert (after["endpoints"][BILL], after["more"]) == (before["endpoints"][BILL], 1)
    assert rotation.under_way(after) == [INVOICE]
    assert rotation.begin(after, [INVOICE], NOW, lambda: "newer") == (after, [])


@pytest.mark.parametrize(
    ("given_at", "minutes", "force", "finished"),
    [
        ({INVOICE: "2026-11-22T08:00:00Z"}, 60, False, True),
        ({INVOICE: "2026-11-22T08:00:00Z"}, 59, False, False),
        ({INVOICE: "2026-11-22T08:00:00Z"}, 1, True, True),
        ({INVOICE: ""}, 600, False, False),
        ({INVOICE: ""}, 600, True, False),  # Zoho surely has the old one: no force loses events
        ({}, 600, False, False),
        ({}, 0, True, True),
    ],
)
def test_finished_when_zoho_has_the_newest(given_at: dict[str, str], minutes: int, force: bool, finished: bool) -> None:
    """For an hour, by API; where people type it in, they say so."""
    begun, _ = rotation.begin(stored(invoice=["old"], bill=["other"]), [INVOICE], NOW, lambda: "new")
    later = NOW + timedelta(minutes=minutes)
    after, done, refused = rotation.finish(begun, [INVOICE, BILL], given_at, later, HOUR, force=force)
    assert (done == [INVOICE], list(refused) == [INVOICE]) == (finished, not finished)
    assert after["endpoints"][INVOICE]["secrets"] == (["new"] if finished else ["old", "new"])
    assert ("rotated_at" in after["endpoints"][INVOICE]) is not finished
    assert after["endpoints"][BILL]["secrets"] == ["other"]


def test_a_run_that_broke_off_still_waits() -> None:
    """The wait counts from the secret, not from the command."""
    begun, _ = rotation.begin(stored(invoice=["old"]), [INVOICE], NOW, lambda: "new")
    assert rotation.unsettled(begun, NOW + timedelta(seconds=5)) == rotation.SETTLE - 5
    assert rotation.unsettled(begun, NOW + timedelta(seconds=rotation.SETTLE)) == 0
    assert rotation.unsettled(stored(invoice=["old"]), NOW) == 0


# --- no event is lost, whatever comes between what ---------------------------------------------------------------

LAG = 5.0
"""Seconds for which AWS may show the secret before."""


@dataclass
class SecretsManager:
    """One secret; for `lag` seconds readers are shown the version before."""

    clock: Clock
    versions: list[tuple[float, str]] = field(default_factory=list)
    lag: float = 0.0
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(ClientError=ClientError))

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        now = self.clock.monotonic()
        seen = [text for at, text in self.versions if at <= now - self.lag] or [self.versions[0][1]]
        return {"SecretString": seen[-1], "VersionId": str(len(seen))}

    def put_secret_value(self, SecretString: str, **_: Any) -> None:  # noqa: N803 - boto3's names
        self.versions.append((self.clock.monotonic(), SecretString))


class Rotating(RuleBasedStateMachine):
    """One endpoint, its Zoho, `mlc`, and two ingest functions with caches of their own, in any interleaving."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.aws = SecretsManager(self.clock)
        self.installations = Installations()
        self.store().put("acme-eu", "webhooks", stored(invoice=["FirstSecret0123"]))
        self.zoho = "FirstSecret0123"
        self.remember()
        self.ingests = [EndpointSecrets(self.store()) for _ in range(2)]
        self.under_way: list[tuple[float, int, bytes, str]] = []
        self.calls = 0

    def store(self) -> SecretStore:
        return SecretStore(cast("Any", self.aws), "stack", "key", self.clock.monotonic)

    @property
    def secrets(self) -> list[str]:
        kept: list[str] = json.loads(self.aws.versions[-1][1])["endpoints"][INVOICE]["secrets"]
        return kept

    def remember(self) -> None:
        given_at = f"{self.clock():%Y-%m-%dT%H:%M:%SZ}"
        self.installations.set("acme-eu", INVOICE, Installed("1", "2", secret_hash(self.zoho), given_at))

    @contextmanager
    def mlc(self) -> Iterator[Desk]:
        """It reads what is true: its commands are seconds apart."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(webhook_desk, "utc_now", self.clock)
            patch.setattr(self.aws, "lag", 0.0)
            at = SimpleNamespace(secrets=self.store(), installations=self.installations)
            yield Desk(cast("Stack", at), connection(), at.secrets.get("acme-eu", "webhooks"))

    @rule(delay=st.just(0.0) | st.floats(0, 3500), ingest=st.integers(0, 1))
    def zoho_calls(self, delay: float, ingest: int) -> None:
        """Signed with what Zoho has now; it arrives up to an hour later."""
        self.calls += 1
        body = b'{"invoice": %d}' % self.calls
        signed = hmac.new(self.zoho.encode(), body, hashlib.sha256).hexdigest()
        self.under_way.append((self.clock.monotonic() + delay, ingest, body, signed))
        self.arrive()

    @rule(seconds=st.sampled_from([1.0, 14.0, 301.0]) | st.floats(0, 4000), lag=st.sampled_from([0.0, LAG]))
    def time_passes(self, seconds: float, lag: float) -> None:
        """Calls arrive when they are due."""
        self.aws.lag = lag
        ends = self.clock.monotonic() + seconds
        for at, *_ in sorted(self.under_way):
            if at <= ends:
                self.clock.advance(max(0.0, at - self.clock.monotonic()))
                self.arrive()
        self.clock.advance(max(0.0, ends - self.clock.monotonic()))

    def arrive(self) -> None:
        now = self.clock.monotonic()
        due = sorted(each for each in self.under_way if each[0] <= now)
        self.under_way = [each for each in self.under_way if each[0] > now]
        for _, ingest, body, signed in due:
            self.received(self.ingests[ingest], body, signed)

    def received(self, ingest: EndpointSecrets, body: bytes, signed: str) -> None:
        endpoint = Endpoint(INVOICE, "acme-eu", "zoho", "invoice", "created")
        headers = {signature.HEADER: signed, "content-type": "application/json"}
        call = Inbound("zoho", "token", "", headers, body)
        zoho_books.verify(call, ingest.secrets(endpoint), lambda: ingest.secrets(endpoint, fresh=True))

    @rule()
    def begins(self) -> None:
        """`mlc webhooks rotate`, which may break off right after."""
        with self.mlc() as desk:
            desk.begin_rotation([INVOICE])

    @precondition(lambda self: len(self.secrets) > 1)
    @rule(remembers=st.booleans())
    def zoho_is_given_it(self, remembers: bool) -> None:
        """After the wait; mlc may die before it has noted that."""
        lag = self.aws.lag
        with self.mlc() as desk, pytest.MonkeyPatch.context() as patch:
            patch.setattr(webhook_desk.time, "sleep", lambda seconds: self.time_passes(seconds, lag))
            desk.settle()
            self.zoho = desk.stored["endpoints"][INVOICE]["secrets"][-1]
        if remembers:
            self.remember()

    @rule(ingest=st.integers(0, 1), lag=st.sampled_from([0.0, LAG]))
    def rotates_when_a_function_has_just_looked(self, ingest: int, lag: float) -> None:
        """The tightest that there is: it looked a moment before the new secret came, and is called at once after."""
        self.time_passes(301.0, lag)
        self.zoho_calls(0.0, ingest)
        self.begins()
        if len(self.secrets) > 1:
            self.zoho_is_given_it(remembers=True)
        self.zoho_calls(0.0, ingest)

    @rule()
    def finishes(self) -> None:
        """`mlc webhooks rotate --finish`, refused as long as it must be."""
        with self.mlc() as desk:
            desk.finish_rotation([INVOICE], HOUR, force=False)

    def teardown(self) -> None:
        self.time_passes(4000, 0.0)


Rotating.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestNoCallThatZohoSignedIsRefused = Rotating.TestCase


def test_waiting_is_long_enough_for_a_function_that_has_just_looked() -> None:
    """Its memory of "just looked" and AWS's lag, and a second because times are whole."""
    assert rotation.SETTLE >= FRESH + LAG + 1


def test_the_oracle_can_fail() -> None:
    """A call signed with a secret that was never ours is refused."""
    machine = Rotating()
    machine.zoho = "AnotherSecret0123"
    with pytest.raises(InboundRejected):
        machine.zoho_calls(0.0, 0)
