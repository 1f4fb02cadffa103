"""Webhooks in Zoho Books: what is there, and carrying out what is to change (contracts: zoho-books 3).

That is found out first, as data (webhook_plan.py); carried out twice, the second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ml_connector.connections import Connection
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.ports import Clock
from ml_connector.times import stamp
from ml_connector.webhook_plan import (
    Change,
    Found,
    Installed,
    Plan,
    Wanted,
    ZohoRule,
    ZohoWebhook,
    rule_body,
    secret_hash,
    webhook_body,
)


class NameTaken(Undeliverable):
    """There is a webhook of that name already."""


class RulesUnavailable(Undeliverable):
    """The organization's plan has no workflow rules, or no more of them."""


class Settings(Protocol):
    """Zoho's settings. Calls raise RetryLater, NeedsAttention (NotAllowed without the scope) or Undeliverable."""

    def webhooks(self, connection: Connection) -> Sequence[ZohoWebhook]: ...

    def rules(self, connection: Connection) -> Sequence[ZohoRule]: ...

    def rule(self, connection: Connection, rule_id: str) -> ZohoRule: ...

    def create_webhook(self, connection: Connection, body: Mapping[str, Any]) -> str:
        """Its id. Raises NameTaken."""
        ...

    def update_webhook(self, connection: Connection, webhook_id: str, body: Mapping[str, Any]) -> None: ...

    def delete_webhook(self, connection: Connection, webhook_id: str) -> None:
        """Also if there is none (any more)."""
        ...

    def create_rule(self, connection: Connection, body: Mapping[str, Any]) -> str:
        """Its id. Raises RulesUnavailable, and Unknown if it may have been created."""
        ...

    def update_rule(self, connection: Connection, rule_id: str, body: Mapping[str, Any]) -> None: ...

    def delete_rule(self, connection: Connection, rule_id: str) -> None:
        """Also if there is none (any more)."""
        ...


class Installations(Protocol):
    """What was installed, by connection and endpoint."""

    def all(self, connection: str) -> Mapping[str, Installed]: ...

    def set(self, connection: str, endpoint: str, installed: Installed) -> None: ...

    def forget(self, connection: str, endpoint: str) -> None: ...


def look(
    settings: Settings,
    connection: Connection,
    endpoints: Iterable[Wanted],
    installed: Mapping[str, Installed],
    *,
    deep: bool = True,
) -> Found:
    """Two lists, and each rule of ours whole, as far as the list does not say enough and unless `deep` is off."""
    hooks = tuple(settings.webhooks(connection))
    found = Found(hooks, {rule.id: rule for rule in settings.rules(connection)})
    if not deep:
        return found
    concerned: dict[str, ZohoRule] = {}
    for each in endpoints:
        known = installed.get(each.endpoint)
        rules = [rule for hook in found.webhooks_of(each, known) for rule in found.rules_of(hook)]
        concerned |= {rule.id: rule for rule in (*rules, *found.named(each, known))}
    whole = {
        rule.id: settings.rule(connection, rule.id)
        for rule in concerned.values()
        if rule.actions is None or not rule.rule_type
    }
    return replace(found, rules={**found.rules, **whole})


@dataclass(frozen=True, slots=True)
class Done:
    """How a step ended: `failed` says why it did not work."""

    change: Change
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """Carries plans out. Each step is remembered when it is done, so a run that breaks off is simply begun again."""

    settings: Settings
    installations: Installations
    clock: Clock

    def carry_out(
        self, connection: Connection, todo: Plan, endpoints: Iterable[Wanted], only: Collection[str] | None = None
    ) -> Iterator[Done]:
        """What goes first goes: rules, then webhooks; then each endpoint's webhook and its rule. Tells each step.

        One endpoint's refusal does not keep the others from being put right. Raises what concerns all of them:
        RetryLater, NeedsAttention (NotAllowed), RulesUnavailable. `only`: of these endpoints.
        """
        changes = [change for change in todo.changes if only is None or change.endpoint in only]
        for what in ("rule", "webhook"):
            yield from (
                self._delete(connection, change) for change in changes if (change.do, change.what) == ("delete", what)
            )
        rest = [change for change in changes if change.do != "delete"]
        for each in endpoints:
            pair = {change.what: change for change in rest if change.endpoint == each.endpoint}
            if pair and any(change.do != "keep" for change in pair.values()):
                yield from self._put_right(connection, each, pair["webhook"], pair["rule"])

    def _delete(self, connection: Connection, change: Change) -> Done:
        try:
            if change.what == "rule":
                self.settings.delete_rule(connection, change.id)
            else:
                self.settings.delete_webhook(connection, change.id)
        except NeedsAttention:
            raise
        except Undeliverable as error:
            return Done(change, error.reason)
        known = self.installations.all(connection.name).get(change.endpoint)
        if known and change.what == "webhook" and known.webhook_id == change.id:
            self.installations.forget(connection.name, change.endpoint)
        return Done(change)

    def _put_right(self, connection: Connection, each: Wanted, webhook: Change, rule: Change) -> Iterator[Done]:
        """What Zoho calls the module, and its word for "edited", are tried in order (3.2, 3.3)."""
        work = _Work(self, connection, each, webhook, rule)
        if rule.do == "replace":
            self.settings.delete_rule(connection, rule.id)
        refused = ""
        for entity in sorted(each.entities, key=lambda name: name != webhook.entity):
            try:
                work.webhook_of(entity)
                work.rule_of(entity)
            except (NeedsAttention, RulesUnavailable):
                work.undo()
                raise
            except Undeliverable as error:
                refused = refused or error.reason
            else:
                yield from (Done(change) for change in (webhook, rule) if change.do != "keep")
                return
        work.undo()
        yield Done(work.step, refused)


@dataclass(slots=True)
class _Work:
    """One endpoint on its way. A webhook that we have made goes again if no rule can be made for it (3.4)."""

    setup: Setup
    connection: Connection
    each: Wanted
    webhook: Change
    rule: Change
    step: Change = field(init=False)
    webhook_id: str = field(init=False)
    installed: Installed = field(init=False)
    right: bool = field(init=False)
    """The webhook is as it shall be, whatever Zoho calls its module."""
    made: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.step, self.webhook_id, self.right = self.webhook, self.webhook.id, self.webhook.do == "keep"
        known = self.setup.installations.all(self.connection.name)
        self.installed = known.get(self.each.endpoint, Installed(""))

    def webhook_of(self, entity: str) -> None:
        self.step = self.webhook
        if self.right:
            self.right = False  # for the next entity, if this one will not do
            return
        body = webhook_body(self.each, entity)
        settings = self.setup.settings
        if self.webhook_id:
            settings.update_webhook(self.connection, self.webhook_id, body)
        else:
            self.webhook_id = self._created(body)
        given_at = stamp(self.setup.clock())
        same = self.installed.webhook_id == self.webhook_id
        rule_id = self.installed.workflow_id if same else ""
        self._remember(Installed(self.webhook_id, rule_id, secret_hash(self.each.secret), given_at))

    def _created(self, body: Mapping[str, Any]) -> str:
        """Where an answer was lost, or the list did not show it, it is there already: nobody else has such a name."""
        settings = self.setup.settings
        try:
            created = settings.create_webhook(self.connection, body)
        except NameTaken:
            there = [hook.id for hook in settings.webhooks(self.connection) if hook.name == self.each.name]
            if not there:
                raise
            settings.update_webhook(self.connection, there[0], body)
            return there[0]
        self.made = True
        return created

    def rule_of(self, entity: str) -> None:
        self.step = self.rule
        if self.rule.do == "keep":
            return
        settings = self.setup.settings
        rule_id = self.rule.id if self.rule.do == "update" else ""
        for rule_type in self.each.rule_types:
            body = rule_body(self.each, entity, rule_type, self.webhook_id)
            try:
                if rule_id:
                    settings.update_rule(self.connection, rule_id, body)
                else:
                    rule_id = self._ruled(body)
            except (NeedsAttention, RulesUnavailable):
                raise
            except Undeliverable:
                if rule_type == self.each.rule_types[-1]:
                    raise
            else:
                break
        self._remember(replace(self.installed, webhook_id=self.webhook_id, workflow_id=rule_id))

    def _ruled(self, body: Mapping[str, Any]) -> str:
        """Zoho takes two rules of one name, so after a lost answer it is looked for before it is made again."""
        settings = self.setup.settings
        try:
            return settings.create_rule(self.connection, body)
        except Unknown:
            there = [rule.id for rule in settings.rules(self.connection) if rule.name == self.each.name]
            return there[0] if there else settings.create_rule(self.connection, body)

    def undo(self) -> None:
        """Its name would stand in the way, and people would wonder."""
        if self.made:
            # If that does not work either, the next run finds it and goes on from there.
            with suppress(Undeliverable, RetryLater):
                self.setup.settings.delete_webhook(self.connection, self.webhook_id)
                self.setup.installations.forget(self.connection.name, self.each.endpoint)

    def _remember(self, installed: Installed) -> None:
        self.installed = installed
        self.setup.installations.set(self.connection.name, self.each.endpoint, installed)
