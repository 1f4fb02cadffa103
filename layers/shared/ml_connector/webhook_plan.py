"""Webhooks in Zoho Books, as data: what shall be there, what is, and what is to change (contracts: zoho-books 3).

A webhook of Zoho's is two objects: the webhook (address, secret) and a workflow rule that runs it. Ours is what we
remember having made, what calls an address of ours, or what bears a name of ours: no two stacks make the same names.
Anything else of the organization is left alone. Pure: webhook_setup.py looks and carries out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_connector.connections import Connection, token_hash
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.routing import hears

PREFIX = "ml-connector"
RULE_TYPES: Mapping[str, tuple[str, ...]] = {
    "created": ("add",),
    # `edit` is not confirmed; `add_edit` is, and tells of a new record twice (3.2).
    "updated": ("edit", "add_edit"),
    "deleted": ("delete",),
}


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


@dataclass(frozen=True, slots=True)
class Installed:
    """What we have made for an endpoint. Zoho never tells a secret: its hash says which one it was given, and when."""

    webhook_id: str
    workflow_id: str = ""
    secret_hash: str = ""
    given_at: str = ""


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
