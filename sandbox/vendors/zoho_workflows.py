"""The workflow rules of Zoho Books' settings (contracts: zoho-books 1.8 limits, 3.2 rules, 3.3 entities)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors import zoho_webhook_settings
from sandbox.vendors.wire import Answer, Call
from sandbox.vendors.world import World
from sandbox.vendors.zoho_api import content_of, invalid, missing, page_of, refusal, success, too_long
from sandbox.vendors.zoho_modules import ENTITIES
from sandbox.vendors.zoho_records import next_id
from sandbox.vendors.zoho_rules import RULE_TYPES
from sandbox.vendors.zoho_state import Organization, Record, Rule
from sandbox.vendors.zoho_webhook_settings import OTHER_ENTITIES

_PLAN, _TOO_MANY = 107001, 107053  # invented
_RULES_PER_MODULE, _RULES = 10, 200
_COMPARATORS = ("and", "or", "any", "except_or", "except_and")


def _rule(org: Organization, key: str) -> Rule:
    rule = org.rules.get(key)
    if rule is None:
        raise missing("Workflow")
    return rule


def listing(call: Call, org: Organization) -> Answer:
    """All of them."""
    shown, context = page_of(call, list(org.rules.values()))
    return success({"workflows": [_workflow(each) for each in shown], "page_context": context})


def _workflow(rule: Rule, *, whole: bool = False) -> Record:
    short = {
        "workflow_id": rule.workflow_id,
        "workflow_name": rule.workflow_name,
        "entity": rule.entity,
        "rule_type": rule.rule_type,
        "is_active": rule.is_active,
    }
    if not whole:
        return short
    return short | {
        "description": rule.description,
        "field_update": rule.field_update or "",
        "field_update_comparator": rule.field_update_comparator,
        "apply_rule_always": rule.apply_rule_always,
        "instant_actions": [{"action_type": "webhook", "action_id": rule.webhook_id}] if rule.webhook_id else "",
    }


def get(org: Organization, key: str) -> Answer:
    """One of them, whole."""
    return success({"workflow": _workflow(_rule(org, key), whole=True)})


def create(world: World, call: Call, org: Organization) -> Answer:
    """A new one, where the plan has rules and none of the limits is reached (1.8)."""
    if not org.plan.rules:
        raise refusal(400, _PLAN, "Workflow rules are not available in your current plan. Upgrade your plan.")
    if len(org.rules) >= _RULES:
        raise refusal(400, _TOO_MANY, f"You can have up to {_RULES} workflow rules in your plan.")
    values = _values(world, org, content_of(call), None)
    if sum(rule.entity == values["entity"] for rule in org.rules.values()) >= _RULES_PER_MODULE:
        raise refusal(400, _TOO_MANY, f"You can have up to {_RULES_PER_MODULE} workflow rules for a module.")
    rule = Rule(next_id(world), **values)
    org.rules[rule.workflow_id] = rule
    return success({"workflow": _workflow(rule)}, 201, "The workflow rule has been created.")


def update(world: World, call: Call, org: Organization, key: str) -> Answer:
    """What is not given stays as it is. Switched on and off it is elsewhere (3.2), at addresses nobody knows."""
    rule = _rule(org, key)
    for name, value in _values(world, org, content_of(call), rule).items():
        setattr(rule, name, value)
    return success({"workflow": _workflow(rule)}, message="The workflow rule has been updated.")


def _values(world: World, org: Organization, given: Mapping[str, Any], old: Rule | None) -> dict[str, Any]:
    """What a create or (with `old`) an update sets; raises Refusal. Name, type and entity are required in both."""
    values: dict[str, Any] = {}
    for name, most in {"workflow_name": 100, "rule_type": 100, "entity": 100, "description": 1000}.items():
        if name == "description" and name not in given:
            continue
        if not isinstance(given.get(name), str) or (name != "description" and not given[name].strip()):
            raise invalid(name)
        if len(given[name]) > most:
            raise too_long(name, most)
        values[name] = given[name]
    if values["entity"] not in (*ENTITIES, *OTHER_ENTITIES) or (old and old.entity != values["entity"]):
        raise invalid("entity")
    if values["rule_type"] not in RULE_TYPES or (values["rule_type"] == "edit" and org.switches.edit_refused):
        raise invalid("rule_type")
    if "field_update" in given:
        fields = given["field_update"]
        if not isinstance(fields, list) or len(fields) > 1000 or not all(isinstance(each, str) for each in fields):
            raise invalid("field_update")
        values["field_update"] = list(fields)
    if "field_update_comparator" in given:
        if given["field_update_comparator"] not in _COMPARATORS:
            raise invalid("field_update_comparator")
        values["field_update_comparator"] = given["field_update_comparator"]
    if "apply_rule_always" in given:
        if not isinstance(given["apply_rule_always"], bool):
            raise invalid("apply_rule_always")
        values["apply_rule_always"] = given["apply_rule_always"]
    if _criteria(given):
        raise invalid("rule")  # the real one takes criteria; this one only knows "all records"
    if old is None or "instant_actions" in given:
        values["webhook_id"] = _action_of(world, org, given, values["entity"])
    return values


def _criteria(given: Mapping[str, Any]) -> bool:
    subs = given.get("sub_rules") or []
    return bool(given.get("rule")) or any(isinstance(each, dict) and each.get("rule") for each in subs)


def _action_of(world: World, org: Organization, given: Mapping[str, Any], entity: str) -> str:
    """The webhook of the rule, at most one. An action that describes a webhook makes a new one (3.2)."""
    actions = given.get("instant_actions") or []
    subs = given.get("sub_rules") or []
    if not isinstance(actions, list) or not all(isinstance(each, dict) for each in (*actions, *subs)):
        raise invalid("instant_actions")
    asked = [*actions, *(each for sub in subs for each in sub.get("instant_actions") or ())]
    wanted = {}
    for each in asked:
        if not isinstance(each, dict) or each.get("action_type") != "webhook":
            raise invalid("action_type")
        if "url" in each:
            return zoho_webhook_settings.make(world, org, {"entity": entity, **each}).webhook_id
        wanted[each.get("action_id")] = org.actions.get(str(each.get("action_id")))
    if len(wanted) > 1:
        raise refusal(400, _TOO_MANY, "You can associate only one webhook with a workflow rule.")
    if not wanted or None in wanted.values():
        raise invalid("action_id")
    (action,) = (each for each in wanted.values() if each)
    if action.entity and action.entity != entity:
        raise invalid("action_id")
    return action.webhook_id


def delete(org: Organization, key: str) -> Answer:
    """Its webhook stays."""
    del org.rules[_rule(org, key).workflow_id]
    return success({}, message="The workflow rule has been deleted.")
