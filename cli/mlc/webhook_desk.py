"""One connection's webhooks as `mlc` works with them: what shall be, what is, what was installed, and the changes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ml_connector import rotation, webhook_plan, webhook_setup
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError, RetryLater
from ml_connector.times import stamp
from ml_connector.webhook_plan import Found, Installed, Plan, Wanted, secret_hash
from ml_connector.webhook_setup import Done, Setup
from mlc.output import near, problems
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.vendors.zoho_settings import Sent, ZohoSettings

LEASE_SECONDS = 900
OVERDUE = timedelta(days=1)
"""After which a rotation that nobody has finished is a finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should put right, why, and what to type."""

    event: str
    what: str
    why: str
    type: str


@dataclass
class Desk:
    """The webhooks of `connection`. `stored` is the connection's `webhooks` secret."""

    at: Stack
    connection: Connection
    stored: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    """What the last look has found that is no fault."""

    @cached_property
    def settings(self) -> ZohoSettings:
        return self.at.zoho_settings(waiting)

    @property
    def by_hand(self) -> bool:
        return not self.connection.zoho["manage_webhooks"]

    @property
    def installed(self) -> Mapping[str, Installed]:
        return self.at.installations.all(self.connection.name)

    @property
    def endpoints(self) -> list[Wanted]:
        """All that there are, heard or not."""
        return webhook_plan.wanted(self.connection, self.stored["endpoints"], self.at.webhook_address)

    def chosen(self, names: Sequence[str]) -> list[Wanted]:
        """By `invoice.created` or `zoho.invoice.created`; without names all that a route hears."""
        every = self.endpoints
        wanted = [name if name.startswith("zoho.") else f"zoho.{name}" for name in names]
        if unknown := set(wanted) - {each.endpoint for each in every}:
            given = min(unknown).removeprefix("zoho.")
            raise ConfigError(f"there is no endpoint {given!r}; {near(given, [each.event for each in every])}")
        return [each for each in every if (each.endpoint in wanted if names else each.heard)]

    def look(self, endpoints: Sequence[Wanted], *, deep: bool = True) -> Found:
        return webhook_setup.look(self.settings, self.connection, endpoints, self.installed, deep=deep)

    def plan(self, endpoints: Sequence[Wanted], *, deep: bool = True) -> Plan:
        found = self.look(endpoints, deep=deep)
        plan = webhook_plan.plan(endpoints, found, self.installed, by_hand=self.by_hand)
        self.notes = plan.notes
        return plan

    def carry_out(self, plan: Plan, endpoints: Sequence[Wanted], only: Sequence[str] | None = None) -> Iterator[Done]:
        setup = Setup(self.settings, self.at.installations, utc_now)
        return setup.carry_out(self.connection, plan, endpoints, only)

    def removal(self) -> tuple[Plan, list[Wanted]]:
        """Everything of ours goes; addresses and secrets stay, so that it can be installed again."""
        gone = [replace(each, heard=False) for each in self.endpoints]
        plan = self.plan(gone)
        return replace(plan, changes=tuple(replace(change, why="") for change in plan.changes)), gone

    def findings(self, *, deep: bool = True) -> list[Finding]:
        """What is not as it shall be. Without `deep`, rules are judged by what their list says: two calls."""
        name = self.connection.name
        repair = f"mlc webhooks {'manual' if self.by_hand else 'install'} {name}"
        late, spent = "until it is put right, only reconcile finds these events", "it spends the day's webhooks"
        plan = self.plan(self.endpoints, deep=deep)
        found = [
            Finding(change.event, f"{change.what}: {change.why}", spent if change.do == "delete" else late, repair)
            for change in plan.drift
        ]
        if deep:
            found += [Finding(event, text, spent, repair) for event, text in plan.blocked]
        for endpoint in rotation.under_way(self.stored):
            since = self.stored["endpoints"][endpoint].get("rotated_at", "")
            if since < stamp(utc_now() - OVERDUE):
                event = endpoint.removeprefix("zoho.")
                what, why = f"two secrets are live since {since[:10]}", "a secret that you wanted gone still works"
                found.append(Finding(event, what, why, f"mlc webhooks rotate {name} --finish"))
        return found

    # --- the history

    def history(self, since: str, until: str, *, failed: bool) -> list[tuple[str, Sent]]:
        """What Zoho has sent to our endpoints, each with its event."""
        events = {installed.webhook_id: name.removeprefix("zoho.") for name, installed in self.installed.items()}
        if not events or self.by_hand:
            found = self.look(self.endpoints, deep=False)
            events |= {hook.id: each.event for each in self.endpoints for hook in found.webhooks_of(each, None)}
        sent = self.settings.history(self.connection, since, until, failed=failed)
        return [(events[each.webhook_id], each) for each in sent if each.webhook_id in events]

    # --- rotation

    def begin_rotation(self, names: Sequence[str]) -> list[str]:
        """Makes second secrets and gives back for which endpoints; those that have two are left as they are."""
        self.stored, begun = rotation.begin(self._fresh(), names, utc_now())
        if begun:
            self.at.secrets.put(self.connection.name, "webhooks", self.stored)
        return begun

    def settle(self) -> None:
        """Waits until Zoho may be given the newest secrets, also those of a run that has broken off."""
        if (seconds := rotation.unsettled(self.stored, utc_now())) > 0:
            waiting(seconds, "until new secrets are known everywhere on our side")
            time.sleep(seconds)
            self._fresh()

    def finish_rotation(
        self, names: Sequence[str], after: timedelta, *, force: bool
    ) -> tuple[list[str], dict[str, str]]:
        stored, finished, refused = rotation.finish(
            self._fresh(), names, self._given_at(), utc_now(), after, force=force
        )
        if finished:
            self.at.secrets.put(self.connection.name, "webhooks", stored)
        self.stored = stored
        return finished, refused

    def _given_at(self) -> dict[str, str]:
        """When Zoho was given each endpoint's newest secret; "" if it was not; nothing where people do that."""
        if self.by_hand:
            return {}
        newest = {name: secret_hash(each["secrets"][-1]) for name, each in self.stored["endpoints"].items()}
        return {
            name: installed.given_at if secrets.compare_digest(installed.secret_hash, newest[name]) else ""
            for name, installed in self.installed.items()
            if name in newest
        }

    def _fresh(self) -> Mapping[str, Any]:
        """As it is now: somebody may have applied the connection in the meantime."""
        self.stored = _stored(self.at, self.connection.name)
        return self.stored

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes this connection's webhooks meanwhile."""
        with self.at.leases.held(f"{self.connection.name}#webhooks", LEASE_SECONDS) as mine:
            if not mine:
                raise RetryLater(
                    f"somebody else is changing the webhooks of {self.connection.name}; try again in a minute "
                    f"({LEASE_SECONDS // 60} if they have broken off)"
                )
            yield


def open_desk(at: Stack, connection: str, *, strict: bool = True) -> Desk:
    """Raises ConfigError if the connection was not applied or, with `strict`, lacks addresses."""
    configured = at.connection(connection)
    desk = Desk(at, configured, _stored(at, connection))
    if strict and (lacking := webhook_plan.lacking(configured, desk.stored["endpoints"])):
        raise ConfigError(
            f"there are no addresses yet for {', '.join(lacking)}: put the connection into force again with "
            "mlc connections apply FILE"
        )
    return desk


def _stored(at: Stack, connection: str) -> Mapping[str, Any]:
    stored = at.secrets.get(connection, "webhooks", max_age=0.0)
    if not stored.get("endpoints"):
        raise ConfigError(f"connection {connection!r} has no endpoints; apply it first")
    return stored


def waiting(seconds: float, reason: str) -> None:
    """Tells a person why nothing happens."""
    problems.print(f"waiting {seconds:.0f} s: {reason}", style="dim", markup=False, highlight=False, soft_wrap=True)
