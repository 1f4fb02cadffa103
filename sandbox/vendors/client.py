"""A small client of the control API."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import requests

from sandbox.vendors.default_world import ZOHO_CLIENT_ID

Signed = Literal["valid", "forged", "missing"]
Way = Literal["send", "hold", "lose"]


class ControlError(RuntimeError):
    """The control API refused a call; the message says why."""


class Control:
    """Talks to the stand-ins at `base`, e.g. `http://127.0.0.1:8400`. Every method returns the parsed answer."""

    def __init__(self, base: str, *, timeout: float = 60) -> None:
        self.base = base.rstrip("/")
        self._timeout = timeout
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the user's has no business here

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._http.close()

    def _do(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self._http.request(method, f"{self.base}/_control/{path}", json=body, timeout=self._timeout)
        if not answer.ok:
            raise ControlError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        content: dict[str, Any] = answer.json()
        return content

    # --- the world

    def health(self) -> dict[str, Any]:
        """`{ok, now}`."""
        return self._do("GET", "health")

    def reset(self, *, empty: bool = False) -> None:
        """Back to the world the server was started with, or to nothing."""
        self._do("POST", "reset", {"empty": empty})

    def seed(self, world: dict[str, Any]) -> None:
        """Add what a seed describes (shape: `default_world.seed()`)."""
        self._do("POST", "seed", world)

    def advance(self, seconds: float) -> str:
        """Let time pass for the vendors; returns their new time."""
        return str(self._do("POST", "clock", {"advance": seconds})["now"])

    def limits(self, **on: bool) -> None:
        """Rate limits of `zoho`, `bot`, `workflows`, `monday` off or on."""
        self._do("POST", "limits", on)

    def fault(self, kind: str, **rule: Any) -> None:
        """Add a fault rule; the fields are those of `faults.Fault`."""
        self._do("POST", "faults", {"kind": kind, **rule})

    def clear_faults(self) -> None:
        """No more trouble."""
        self._do("DELETE", "faults")

    def faults(self) -> list[dict[str, Any]]:
        """The rules with their `hits`."""
        return list(self._do("GET", "faults")["faults"])

    def requests(self, vendor: str = "", since: int = 0) -> list[dict[str, Any]]:
        """The last calls to the vendors: n, at, vendor, method, host, path, operation, status, ms, fault."""
        return list(self._do("GET", f"requests?vendor={vendor}&since={since}")["requests"])

    # --- Teams and monday

    def messages(self, channel_id: str) -> list[dict[str, Any]]:
        """Root posts of a channel in order, each with `replies`."""
        return list(self._channel(channel_id)["messages"])

    def card_history(self, channel_id: str) -> dict[str, list[Any]]:
        """By message: its card after the post and after each edit."""
        return self._do("GET", f"teams/channels/{quote(channel_id, safe='')}/history")

    def delete_message(self, channel_id: str, message_id: str) -> None:
        """What a person does in Teams."""
        self._do("DELETE", f"teams/channels/{quote(channel_id, safe='')}/messages/{message_id}")

    def workflow_runs(self, channel_id: str) -> list[dict[str, Any]]:
        """Run history of the channel's workflows: at, status, error, messages."""
        return list(self._channel(channel_id)["workflow_runs"])

    def _channel(self, channel_id: str) -> dict[str, Any]:
        return self._do("GET", f"teams/channels/{quote(channel_id, safe='')}/messages")

    def install(self, channel_id: str, bots: list[str]) -> None:
        """Which bots (client ids) the channel has."""
        self._do("PATCH", f"teams/channels/{quote(channel_id, safe='')}", {"installed": bots})

    def subscriptions(self) -> list[dict[str, Any]]:
        """Graph subscriptions of all apps."""
        return list(self._do("GET", "graph/subscriptions")["subscriptions"])

    def board(self, board_id: str) -> dict[str, Any]:
        """Columns, groups and items with `text` and `raw` by column id."""
        return self._do("GET", f"monday/boards/{board_id}")

    def items(self, board_id: str) -> list[dict[str, Any]]:
        """All items of a board, archived and deleted ones too."""
        return list(self.board(board_id)["items"])

    def item_history(self, board_id: str) -> dict[str, list[dict[str, str]]]:
        """By item: the texts of its columns after the create and after each change."""
        return self._do("GET", f"monday/boards/{board_id}/history")

    # --- Zoho: the bookkeeper

    def switch(self, organization: str, **values: Any) -> None:
        """How its Zoho behaves: plan_name, daily_limit, minute_limit, calls_today, time_zone, name, active; lose (so
        many of the next webhooks of rules); and the fields of `zoho_state.Switches`, e.g. edit_refused,
        webhooks_per_day, retry_after, comments_edit."""
        self._do("PATCH", f"zoho/{organization}", values)

    def sign_in(self, dc: str, organizations: list[str], *, denies: bool = False) -> None:
        """Who sits before the consent page from now on, and what that user sees and answers."""
        self._do("PUT", "zoho-user", {"dc": dc, "organization_ids": organizations, "denies": denies})

    def redirect_uri(self, uri: str, client_id: str = ZOHO_CLIENT_ID) -> None:
        """Register one more redirect URI with an API client, as in Zoho's API console."""
        self._do("POST", f"zoho-clients/{quote(client_id, safe='')}/redirect_uris", {"uri": uri})

    def api_client(self, client_id: str = ZOHO_CLIENT_ID, **values: Any) -> None:
        """Change an API client: client_secret, dc, multi_dc, redirect_uris, agreed."""
        self._do("PATCH", f"zoho-clients/{quote(client_id, safe='')}", values)

    def expire_tokens(self, organization: str) -> int:
        """The access tokens of the organization's users end now; returns how many."""
        return int(self._do("POST", f"zoho/{organization}/tokens", {"action": "expire"})["ended"])

    def revoke_tokens(self, organization: str) -> None:
        """The users of the organization take their consent back."""
        self._do("POST", f"zoho/{organization}/tokens", {"action": "revoke"})

    def installed(self, organization: str) -> dict[str, list[dict[str, Any]]]:
        """`{webhooks, workflows}` of its settings, without URLs and secrets."""
        return self._do("GET", f"zoho/{organization}/settings")

    def tamper(self, organization: str, kind: Literal["webhooks", "workflows"], key: str, **values: Any) -> None:
        """What a person changes in the settings: of webhooks url, secret, webhook_name, method; of workflows is_active,
        rule_type, workflow_name, field_update, webhook_id. Without values it is removed."""
        method = "PATCH" if values else "DELETE"
        self._do(method, f"zoho/{organization}/settings/{kind}/{key}", values or None)

    def webhooks(self, organization: str) -> list[dict[str, Any]]:
        """What was composed and sent, oldest first: id, module, event, record_id, workflow_id, status, attempts."""
        return list(self._do("GET", f"zoho/{organization}/webhooks")["webhooks"])

    def settle(self, organization: str) -> list[dict[str, Any]]:
        """Send the webhooks that are due: retries, resends, and those that calls of the API set off."""
        return list(self._do("POST", f"zoho/{organization}/webhooks/settle")["webhooks"])

    def comments(self, organization: str, record_id: str) -> list[dict[str, Any]]:
        """The comments that people and programs wrote on a record, newest first."""
        return list(self.records(organization)["comments"].get(record_id, []))

    def pay(
        self,
        organization: str,
        amounts: dict[str, float],
        module: Literal["customer_payment", "vendor_payment"] = "customer_payment",
        fields: dict[str, Any] | None = None,
        *,
        webhook: Way = "send",
        copies: int = 1,
    ) -> dict[str, Any]:
        """Apply a payment to invoices (or bills) by id: the answer of `create` for the payment, `changed` lists the
        documents. Balance and status follow; the payment's created and the documents' edited rules run."""
        body = {"amounts": amounts, "fields": fields or {}, "webhook": webhook, "copies": copies}
        return self._do("POST", f"zoho/{organization}/payments/{module}", body)

    def midnight(self, organization: str) -> list[dict[str, str]]:
        """Make overdue and expired what is so by its dates, as Zoho does by itself: no modification, no webhook."""
        return list(self._do("POST", f"zoho/{organization}/midnight")["changed"])

    def hook(self, organization: str, url: str, secret: str, module: str, event: str, **options: Any) -> None:
        """Call a URL at an event, without webhook and rule in the settings; options: `top_key`, `form`."""
        body = {"url": url, "secret": secret, "module": module, "event": event, **options}
        self._do("POST", f"zoho/{organization}/hooks", body)

    def create(
        self,
        organization: str,
        module: str,
        fields: dict[str, Any] | None = None,
        *,
        webhook: Way = "send",
        copies: int = 1,
        signed: Signed = "valid",
        form: bool = False,
    ) -> dict[str, Any]:
        """Save a new record: `{id, record, webhooks: [{id, status, attempts, ...}]}`."""
        return self._act("POST", f"{organization}/records/{module}", fields, webhook, copies, signed, form)

    def update(
        self,
        organization: str,
        module: str,
        record_id: str,
        fields: dict[str, Any],
        *,
        webhook: Way = "send",
        copies: int = 1,
        signed: Signed = "valid",
        form: bool = False,
    ) -> dict[str, Any]:
        """Edit a record; the answer is that of `create`."""
        path = f"{organization}/records/{module}/{record_id}"
        return self._act("PATCH", path, fields, webhook, copies, signed, form)

    def delete(self, organization: str, module: str, record_id: str, *, webhook: Way = "send") -> dict[str, Any]:
        """Delete a record; the answer is that of `create`."""
        return self._act("DELETE", f"{organization}/records/{module}/{record_id}", None, webhook, 1, "valid", False)

    def _act(
        self, method: str, path: str, fields: dict[str, Any] | None, way: Way, copies: int, signed: Signed, form: bool
    ) -> dict[str, Any]:
        body = {"fields": fields or {}, "webhook": way, "copies": copies, "signed": signed, "form": form}
        return self._do(method, f"zoho/{path}", body)

    def send_payload(
        self, organization: str, module: str, event: str, body: str, *, signed: Signed = "valid", **options: Any
    ) -> list[dict[str, Any]]:
        """Send a body of one's own to the hooks and webhooks of an event; options: `content_type`, `copies`."""
        wanted = {"event": event, "body": body, "signed": signed, **options}
        return list(self._do("POST", f"zoho/{organization}/payloads/{module}", wanted)["webhooks"])

    def send_again(self, organization: str, webhook_id: str, copies: int = 1) -> list[int]:
        """Send a held or an already sent webhook (again), byte for byte; returns the statuses."""
        return list(self._do("POST", f"zoho/{organization}/webhooks/{webhook_id}/send", {"copies": copies})["statuses"])

    def records(self, organization: str) -> dict[str, Any]:
        """`{records: {module: {id: record}}, comments: {id: [...]}}`."""
        return self._do("GET", f"zoho/{organization}/records")
