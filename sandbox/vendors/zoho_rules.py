"""Which webhooks an event sets off: the active workflow rules of its module, and the hooks of tests.

contracts: zoho-books 1.8 (caps), 3.2 (rule types, field updates).
"""

from __future__ import annotations

from collections.abc import Set

from sandbox.vendors import zoho_webhooks
from sandbox.vendors.world import World
from sandbox.vendors.zoho_modules import ENTITIES, Module
from sandbox.vendors.zoho_state import Hook, Organization, Record, Rule, Webhook
from sandbox.vendors.zoho_time import today_in

EVENTS = ("created", "updated", "deleted")
_TYPES = {"created": ("add", "add_edit"), "updated": ("edit", "add_edit"), "deleted": ("delete",)}
RULE_TYPES = ("add", "edit", "add_edit", "delete")


def fire(
    world: World,
    org: Organization,
    module: Module,
    event: str,
    record: Record,
    changed: Set[str] = frozenset(),
    *,
    signed: str = "valid",
    form: bool = False,
) -> list[Webhook]:
    """The composed webhooks, not sent yet. `changed`: the fields that an update gave other values."""
    made = []
    record_id = str(record[module.id_field])
    for hook in org.hooks:
        if (hook.module, hook.event) == (module.plural, event):
            body = zoho_webhooks.hook_body(org, module, hook, record, event, form=form)
            made.append(zoho_webhooks.of_hook(world, org, hook, record_id, body, signed=signed))
    for rule in org.rules.values():
        action = org.actions.get(rule.webhook_id)
        if action is None or not _runs(rule, module, event, record_id, changed):
            continue
        rule.ran.add(record_id)
        if _leaves(world, org):
            made.append(
                zoho_webhooks.of_action(
                    world, org, module, action, record, event, workflow_id=rule.workflow_id, signed=signed
                )
            )
    return made


def listeners(org: Organization, module: Module, event: str) -> list[Hook]:
    """Who would hear of an event of some record, for bodies that no record stands behind."""
    heard = [hook for hook in org.hooks if (hook.module, hook.event) == (module.plural, event)]
    for rule in org.rules.values():
        action = org.actions.get(rule.webhook_id)
        if action and rule.is_active and ENTITIES.get(rule.entity) is module and rule.rule_type in _TYPES[event]:
            heard.append(Hook(zoho_webhooks.address(action), module.plural, event, action.secret))
    return heard


def _runs(rule: Rule, module: Module, event: str, record_id: str, changed: Set[str]) -> bool:
    if not rule.is_active or ENTITIES.get(rule.entity) is not module or rule.rule_type not in _TYPES[event]:
        return False
    if not rule.apply_rule_always and record_id in rule.ran:
        return False
    return event != "updated" or _touches(rule, changed)


def _touches(rule: Rule, changed: Set[str]) -> bool:
    """Whether an edit changed what the rule looks at; without fields it looks at every edit."""
    fields = set(rule.field_update)
    if not fields:
        return True
    match rule.field_update_comparator:
        case "and":
            return fields <= changed
        case "except_or":
            return bool(changed - fields)
        case "except_and":
            return not changed & fields
    return bool(changed & fields)


def _leaves(world: World, org: Organization) -> bool:
    """False for a webhook that is lost, and beyond the day's cap: Zoho tells nobody (1.8)."""
    day, _ = today_in(org, world.clock.now())
    if org.webhook_day != day:
        org.webhook_day, org.webhooks_today = day, 0
    cap = org.switches.webhooks_per_day
    if cap is not None and org.webhooks_today >= cap and "zoho" not in world.unlimited:
        return False
    org.webhooks_today += 1
    if org.lose > 0:
        org.lose -= 1
        return False
    return True
