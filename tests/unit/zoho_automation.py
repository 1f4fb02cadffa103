"""Zoho's automation settings, in memory: webhooks and rules with the refusals that matter (contracts: zoho-books 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ml_connector.connections import Connection
from ml_connector.errors import Undeliverable
from ml_connector.webhook_plan import Installed, ZohoRule, ZohoWebhook
from ml_connector.webhook_setup import NameTaken, RulesUnavailable
from tests.fakes import ORGANIZATION


@dataclass
class Automation:
    """Implements webhook_setup.Settings. What it holds is in `hooks` and `ruled`; secrets by webhook in `secrets`."""

    hooks: dict[str, ZohoWebhook] = field(default_factory=dict)
    ruled: dict[str, ZohoRule] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    entities: frozenset[str] | None = None
    """The names it takes for modules; None: all."""
    edit: bool = True
    rules_in_plan: bool = True
    short: bool = True
    """Lists of rules say no more than id, name and whether they are active."""
    calls: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda call: None
    after: Callable[[str], None] = lambda call: None
    """Raise for a call that fails, before or after it took effect."""
    made: int = 0

    @property
    def changes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("get")]

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)

    def _id(self) -> str:
        self.made += 1
        return f"{415_000 + self.made}"

    def _takes(self, body: Mapping[str, Any]) -> None:
        if self.entities is not None and body["entity"] not in self.entities:
            raise Undeliverable(f"Invalid value passed for entity: {body['entity']}", 400)

    def related(self, hook_id: str) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.ruled.values() if ("webhook", hook_id) in (rule.actions or ()))

    # --- the port

    def webhooks(self, connection: Connection) -> list[ZohoWebhook]:
        assert connection.organization_id == ORGANIZATION
        self._call("get webhooks")
        return [replace(hook, rules=self.related(hook.id)) for hook in self.hooks.values()]

    def rules(self, connection: Connection) -> list[ZohoRule]:
        self._call("get rules")
        if self.short:
            return [ZohoRule(rule.id, rule.name, rule.active) for rule in self.ruled.values()]
        return list(self.ruled.values())

    def rule(self, connection: Connection, rule_id: str) -> ZohoRule:
        self._call(f"get rule {rule_id}")
        return self.ruled[rule_id]

    def create_webhook(self, connection: Connection, body: Mapping[str, Any]) -> str:
        self._call("create webhook")
        self._takes(body)
        self._unique(body, "")
        identity = self._id()
        self._keep(identity, body)
        self.after("create webhook")
        return identity

    def update_webhook(self, connection: Connection, webhook_id: str, body: Mapping[str, Any]) -> None:
        self._call(f"update webhook {webhook_id}")
        self._takes(body)
        self._unique(body, webhook_id)
        if self.hooks[webhook_id].entity != body["entity"] and self.related(webhook_id):
            raise Undeliverable("The module cannot be changed while a workflow rule uses it.", 400)
        self._keep(webhook_id, body)
        self.after(f"update webhook {webhook_id}")

    def _unique(self, body: Mapping[str, Any], own: str) -> None:
        assert len(body["webhook_name"]) <= 50
        assert len(body["description"]) <= 100
        if any(hook.name == body["webhook_name"] for hook in self.hooks.values() if hook.id != own):
            raise NameTaken("A webhook with the same name already exists.", 400)

    def _keep(self, identity: str, body: Mapping[str, Any]) -> None:
        assert 12 <= len(body["secret"]) <= 50
        assert body["secret"].isalnum()
        self.hooks[identity] = ZohoWebhook(identity, body["webhook_name"], body["url"], body["entity"], body["method"])
        self.secrets[identity] = body["secret"]

    def delete_webhook(self, connection: Connection, webhook_id: str) -> None:
        self._call(f"delete webhook {webhook_id}")
        if self.related(webhook_id):
            raise Undeliverable("This webhook is associated with a workflow rule.", 400)
        self.hooks.pop(webhook_id, None)
        self.after(f"delete webhook {webhook_id}")

    def create_rule(self, connection: Connection, body: Mapping[str, Any]) -> str:
        self._call("create rule")
        if not self.rules_in_plan:
            raise RulesUnavailable("Workflow rules are not available in your plan.", 400)
        identity = self._id()
        self._rule(identity, body)
        self.after("create rule")
        return identity

    def update_rule(self, connection: Connection, rule_id: str, body: Mapping[str, Any]) -> None:
        self._call(f"update rule {rule_id}")
        if rule_id not in self.ruled:
            raise Undeliverable("Workflow does not exist.", 404)
        self._rule(rule_id, body)
        self.after(f"update rule {rule_id}")

    def _rule(self, identity: str, body: Mapping[str, Any]) -> None:
        self._takes(body)
        if body["rule_type"] == "edit" and not self.edit:
            raise Undeliverable("Invalid value passed for rule_type", 400)
        (action,) = body["instant_actions"]
        assert set(action) == {"action_type", "action_id"}
        if self.hooks[action["action_id"]].entity != body["entity"]:
            raise Undeliverable("Invalid value passed for action_id", 400)
        active = self.ruled[identity].active if identity in self.ruled else True
        self.ruled[identity] = ZohoRule(
            identity,
            body["workflow_name"],
            active,
            body["entity"],
            body["rule_type"],
            ((action["action_type"], action["action_id"]),),
            tuple(body["field_update"]),
        )

    def delete_rule(self, connection: Connection, rule_id: str) -> None:
        self._call(f"delete rule {rule_id}")
        self.ruled.pop(rule_id, None)
        self.after(f"delete rule {rule_id}")


@dataclass
class Installations:
    """What was installed, of one connection."""

    held: dict[str, Installed] = field(default_factory=dict)

    def all(self, connection: str) -> Mapping[str, Installed]:
        return dict(self.held)

    def set(self, connection: str, endpoint: str, installed: Installed) -> None:
        self.held[endpoint] = installed

    def forget(self, connection: str, endpoint: str) -> None:
        self.held.pop(endpoint, None)
