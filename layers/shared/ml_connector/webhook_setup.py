"""Webhooks in Zoho Books: what shall be there, what is, and the way from one to the other (contracts: zoho-books 3).

A webhook of Zoho's is two objects: the webhook (address, secret) and a workflow rule that runs it. What is to change
is found out first, as data, and then carried out; carried out twice, the second time changes nothing. Ours is what we
remember having made, what calls an address of ours, or what bears a name of ours: no two stacks make the same names.
Anything else of the organization is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ml_connector.connections import Connection, token_hash
from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.ports import Clock
from ml_connector.routing import hears
from ml_connector.times import stamp

PREFIX = "ml-connector"
RULE_TYPES: Mapping[str, tuple[str, ...]] = {
    "created": ("add",),
    # `edit` is not confirmed; `add_edit` is, and tells of a new record twice (3.2).
    "updated": ("edit", "add_edit"),
    "deleted": ("delete",),
}


class NameTaken(Undeliverable):
    """There is a webhook of that name already."""


class RulesUnavailable(Undeliverable):
    """The organization's plan has no workflow rules, or no more of them."""


# --- what Zoho has -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ZohoWebhook:
    """A webhook as Zoho lists it; what it does not say is empty. It never says the secret."""

    id: str
    name: str
    url: str
    entity: str = ""
    method: str = ""
    rules: tuple[str, ...] = ()
    """Ids of the rules that run it."""


@dataclass(frozen=True, slots=True)
class ZohoRule:
    """A workflow rule; what Zoho does not say is empty. `actions` are pairs of type and id, None if not said."""

    id: str
    name: str
    active: bool = True
    entity: str = ""
    rule_type: str = ""
    actions: tuple[tuple[str, str], ...] | None = None
    fields: tuple[str, ...] = ()
    """It runs only when one of these changes."""


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


@dataclass(frozen=True, slots=True)
class Installed:
    """What we have made for an endpoint. Zoho never tells a secret: its hash says which one it was given, and when."""

    webhook_id: str
    workflow_id: str = ""
    secret_hash: str = ""
    given_at: str = ""


class Installations(Protocol):
    """What was installed, by connection and endpoint."""

    def all(self, connection: str) -> Mapping[str, Installed]: ...

    def set(self, connection: str, endpoint: str, installed: Installed) -> None: ...

    def forget(self, connection: str, endpoint: str) -> None: ...


# --- what shall be there -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """One endpoint of ours. Without `heard` no route wants it (any more), and Zoho shall not have it."""

    endpoint: str
    module: str
    action: str
    token: str
    url: str
    secret: str
    name: str
    description: str
    heard: bool = True

    @property
    def event(self) -> str:
        return f"{self.module}.{self.action}"

    @property
    def entities(self) -> tuple[str, ...]:
        return MODULES[self.module].entities

    @property
    def rule_types(self) -> tuple[str, ...]:
        return RULE_TYPES[self.action]


def wanted(
    connection: Connection, endpoints: Mapping[str, Mapping[str, Any]], address: Callable[[str], str]
) -> list[Wanted]:
    """All endpoints that there are, in the order of modules. `address` makes a path token's URL."""
    found = []
    for module in MODULES:
        for action in ACTIONS:
            endpoint = f"zoho.{module}.{action}"
            if (stored := endpoints.get(endpoint)) is None:
                continue
            token = stored["token"]
            found.append(
                Wanted(
                    endpoint=endpoint,
                    module=module,
                    action=action,
                    token=token,
                    url=address(token),
                    secret=stored["secrets"][-1],
                    # Of the token's hash, because names are unique in an organization: another stack, or a connection
                    # that is made anew, has others. At most 50 signs; the longest is 46 (3.1).
                    name=f"{PREFIX} {module.replace('_', ' ')} {action} {token_hash(token)[:8]}",
                    description=f"Connection {connection.name}: kept by `mlc webhooks install`; do not edit",
                    heard=is_heard(connection, module, action),
                )
            )
    return found


def lacking(connection: Connection, endpoints: Collection[str]) -> list[str]:
    """Events that a route hears and that have no address yet: applying the connection again makes them."""
    every = ((module, action) for module in connection.modules for action in ACTIONS)
    return [
        f"{module}.{action}"
        for module, action in every
        if is_heard(connection, module, action) and f"zoho.{module}.{action}" not in endpoints
    ]


def is_heard(connection: Connection, module: str, action: str) -> bool:
    """True if a route can match what the endpoint tells: a day's webhooks and a module's ten rules are scarce (1.8)."""
    if module not in connection.modules:
        return False
    changes = MODULES[module].statuses if action != "deleted" else ()
    names = [f"{module}.{what}" for what in (action, *changes)]
    return any(hears(route["events"], names) for route in connection.routes)


def webhook_body(each: Wanted, entity: str) -> dict[str, Any]:
    """The default payload: without `body_type` and `raw_data` (2.1). A PUT is whole, too: the secret must stay."""
    return {
        "webhook_name": each.name,
        "description": each.description,
        "entity": entity,
        "method": "POST",
        "url": each.url,
        "secret": each.secret,
    }


def rule_body(each: Wanted, entity: str, rule_type: str, webhook_id: str) -> dict[str, Any]:
    """At every time, for every record, whatever changes (3.2)."""
    # Only these two: with anything else of the webhook, Zoho makes another one.
    actions = [{"action_type": "webhook", "action_id": webhook_id}]
    return {
        "workflow_name": each.name,
        "description": each.description,
        "entity": entity,
        "rule_type": rule_type,
        "rule": {},
        "apply_rule_always": True,
        "field_update_comparator": "any",
        "field_update": [],
        "instant_actions": actions,
        "time_based_actions": [],
        "sub_rules": [{"index": 1, "rule": {}, "instant_actions": actions, "time_based_actions": []}],
    }


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# --- what is there -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What the organization has, ours and others'."""

    webhooks: tuple[ZohoWebhook, ...]
    rules: Mapping[str, ZohoRule]

    def webhooks_of(self, each: Wanted, installed: Installed | None) -> list[ZohoWebhook]:
        """Ours for this endpoint, the best first; more than one if people have added some."""
        known = installed.webhook_id if installed else ""
        mine = [hook for hook in self.webhooks if hook.id == known or each.token in hook.url or hook.name == each.name]
        return sorted(mine, key=lambda hook: (hook.id != known, hook.url != each.url, hook.name != each.name))

    def rules_of(self, hook: ZohoWebhook) -> list[ZohoRule]:
        """All that run this webhook."""
        return [rule for rule in self.rules.values() if rule.id in hook.rules or _calls(rule, hook.id)]

    def named(self, each: Wanted, installed: Installed | None) -> list[ZohoRule]:
        """Rules that we have made for this endpoint."""
        known = installed.workflow_id if installed else ""
        mine = [rule for rule in self.rules.values() if rule.id == known or rule.name == each.name]
        return sorted(mine, key=lambda rule: rule.id != known)


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


def _calls(rule: ZohoRule, webhook_id: str) -> bool:
    return ("webhook", webhook_id) in (rule.actions or ())


# --- what is to be done ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One step. `what` is webhook or rule; `do` is create, update, replace (a rule, by another), delete or keep."""

    endpoint: str
    event: str
    what: str
    do: str
    id: str = ""
    why: str = ""
    entity: str = ""
    """What Zoho calls the module of the webhook that is there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and what a person should know and we leave alone."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    """What should go and cannot, because somebody else's rule uses it: the event, and what a person must do first."""

    @property
    def drift(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.do != "keep")


def plan(
    endpoints: Sequence[Wanted], found: Found, installed: Mapping[str, Installed], *, by_hand: bool = False
) -> Plan:
    """The way from what is there to what shall be. `by_hand`: people install them, and only they know the secrets."""
    changes: list[Change] = []
    notes: list[str] = []
    blocked: list[tuple[str, str]] = []
    ours: set[str] = set()
    for each in endpoints:
        known = installed.get(each.endpoint)
        hooks = found.webhooks_of(each, known)
        ours |= {hook.id for hook in hooks}
        spare, own = hooks, found.named(each, known)
        if each.heard:
            best, spare = next(iter(hooks), None), hooks[1:]
            changes.append(_webhook(each, best, known, by_hand=by_hand))
            # A rule of ours that runs one of the others goes with it: until it has, the other cannot go.
            going = {rule.id for hook in spare for rule in found.rules_of(hook)}
            rule, others = _rule(each, best, [rule for rule in own if rule.id not in going], found)
            changes.append(rule)
            notes += others
            own = [each_rule for each_rule in own if each_rule.id != rule.id]
        gone = {rule.id for rule in own}
        why = "a second one for the same" if each.heard else "no route hears it"
        changes += [Change(each.endpoint, each.event, "rule", "delete", rule.id, why) for rule in own]
        for hook in spare:
            rules = [rule for rule in found.rules_of(hook) if rule.id not in gone]
            if mixed := [rule for rule in rules if rule.actions != (("webhook", hook.id),)]:
                blocked += [(each.event, f"take the webhook {hook.name!r} out of your rule {r.name!r}") for r in mixed]
                continue
            changes += [Change(each.endpoint, each.event, "rule", "delete", rule.id, why) for rule in rules]
            changes.append(Change(each.endpoint, each.event, "webhook", "delete", hook.id, why))
    both = [each.module for each in endpoints if each.heard and _runs_at_both(each, found, installed)]
    if both:
        notes.append(f"Zoho took no rules for edits alone: each new {', '.join(both)} costs two of the day's webhooks")
    notes += [
        f"{hook.name!r} is of another stack or of an earlier installation: it is left alone"
        for hook in found.webhooks
        if hook.name.startswith(f"{PREFIX} ") and hook.id not in ours
    ]
    return Plan(tuple(changes), tuple(notes), tuple(blocked))


def _runs_at_both(each: Wanted, found: Found, installed: Mapping[str, Installed]) -> bool:
    return any(rule.rule_type == "add_edit" for rule in found.named(each, installed.get(each.endpoint)))


def _webhook(each: Wanted, hook: ZohoWebhook | None, known: Installed | None, *, by_hand: bool) -> Change:
    if hook is None:
        return Change(each.endpoint, each.event, "webhook", "create", why="it is not there")
    remembered = known is not None and known.webhook_id == hook.id
    faults = {
        "it calls another address": hook.url != each.url,
        f"it is of {hook.entity!r}": not _right_module(each, hook),
        f"it calls with {hook.method}": hook.method not in ("", "POST"),
        "Zoho has not been given its newest secret": known is not None
        and remembered
        and known.secret_hash != secret_hash(each.secret),
        "which secret it has is not known": not remembered and not by_hand,
    }
    why = "; ".join(fault for fault, holds in faults.items() if holds)
    entity = hook.entity if hook.entity in each.entities else ""
    return Change(each.endpoint, each.event, "webhook", "update" if why else "keep", hook.id, why, entity)


def _rule(each: Wanted, hook: ZohoWebhook | None, own: Sequence[ZohoRule], found: Found) -> tuple[Change, list[str]]:
    """One rule that runs the webhook: ours, or one that somebody has made and that does what ours would."""
    theirs = [rule for rule in (found.rules_of(hook) if hook else ()) if rule not in own]
    suits = {rule.id: _fault(each, rule, hook) == "" for rule in (*own, *theirs)}
    notes = [
        f"{each.event}: your rule {rule.name!r} runs its webhook, too"
        for rule in theirs
        if rule.active and (own or not suits[rule.id])
    ]
    step = Change(each.endpoint, each.event, "rule", "create", why="no rule runs it")
    for rule in own:
        if suits[rule.id]:
            return replace(step, do="keep", id=rule.id, why=""), notes
    if not own:
        kept = next((rule for rule in theirs if suits[rule.id]), None)
        return (replace(step, do="keep", id=kept.id, why="a rule of yours runs it") if kept else step), notes
    # How a rule is switched on by API is not known; a new one is active (3.2). Nor may a rule or, as long as one runs
    # it, a webhook change its module.
    do = "update" if own[0].active and _right_module(each, own[0], hook) else "replace"
    return replace(step, do=do, id=own[0].id, why=_fault(each, own[0], hook)), notes


def _right_module(each: Wanted, *what: ZohoRule | ZohoWebhook | None) -> bool:
    return all(one is None or one.entity in ("", *each.entities) for one in what)


def _fault(each: Wanted, rule: ZohoRule, hook: ZohoWebhook | None) -> str:
    """What keeps the rule from doing what ours shall; "" if nothing does."""
    faults = {
        "its rule is switched off": not rule.active,
        "its rule or webhook is of another module": not _right_module(each, rule, hook),
        f"its rule runs at {rule.rule_type!r}": rule.rule_type not in ("", *each.rule_types),
        "its rule runs for some fields only": bool(rule.fields),
        "its rule runs something else": hook is None or not (rule.id in hook.rules or _calls(rule, hook.id)),
    }
    return "; ".join(fault for fault, holds in faults.items() if holds)


# --- doing it ----------------------------------------------------------------------------------------------------


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
