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

    def secrets(self) -> set[str]:
        """Every token and credential that was shown to a vendor or given by one."""
        return set(self._do("GET", "secrets")["secrets"])

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

    def channels(self) -> list[dict[str, Any]]:
        """All channels, and the bots' chats with people (`person`), without their messages."""
        return list(self._do("GET", "teams/channels")["channels"])

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

    def install_for(self, user_id: str, bots: list[str]) -> None:
        """Which bots (client ids) the person has."""
        self._do("PATCH", f"teams/users/{user_id}", {"installed": bots})

    def chat(self, user_id: str) -> list[dict[str, Any]]:
        """Messages of the bots to a person."""
        chats = [each["channel_id"] for each in self.channels() if each["person"] == user_id]
        return [message for chat in chats for message in self.messages(chat)]

    # --- Teams: people, and what Graph tells of them

    def reply(self, channel_id: str, message_id: str, text: str, *, user_id: str = "", name: str = "") -> str:
        """A person answers in a message's thread (Asha Rao, if nobody is named); returns the reply's id."""
        path = f"{_channel(channel_id)}/messages/{message_id}/replies"
        return str(self._do("POST", path, {"text": text, "user_id": user_id, "name": name})["id"])

    def say(self, channel_id: str, text: str, *, user_id: str = "", name: str = "") -> str:
        """A person begins a thread; returns the message's id."""
        body = {"text": text, "user_id": user_id, "name": name}
        return str(self._do("POST", f"{_channel(channel_id)}/messages", body)["id"])

    def edit_message(self, channel_id: str, message_id: str, text: str) -> None:
        """A person changes what somebody wrote."""
        self._do("PATCH", f"{_channel(channel_id)}/messages/{message_id}", {"text": text})

    def rename_channel(self, channel_id: str, name: str) -> None:
        """An administrator gives a channel another name."""
        self._do("PATCH", _channel(channel_id), {"name": name})

    def delete_channel(self, channel_id: str) -> None:
        """An administrator deletes a channel: bots and Graph find it no more."""
        self._do("POST", f"{_channel(channel_id)}/delete")

    def restore_channel(self, channel_id: str) -> None:
        """And brings it back, with its messages; its subscriptions stay gone."""
        self._do("POST", f"{_channel(channel_id)}/restore")

    def notifying(self, **trouble: Any) -> None:
        """Trouble with notifications: lose (so many of the next), copies (of each), delay (s), reorder."""
        self._do("PATCH", "graph/notifying", trouble)

    def lifecycle(self, subscription_id: str, event: str) -> None:
        """Graph says reauthorizationRequired or missed of a subscription."""
        self._do("POST", f"graph/subscriptions/{subscription_id}/lifecycle", {"event": event})

    def remove_subscription(self, subscription_id: str) -> None:
        """Graph takes a subscription away, and says so."""
        self._do("DELETE", f"graph/subscriptions/{subscription_id}")

    def notifications(self) -> list[dict[str, Any]]:
        """What Graph sent and still holds: subscription_id, changeType, resource, lifecycleEvent, attempts, status."""
        return list(self._do("GET", "graph/notifications")["notifications"])

    def settle_graph(self) -> None:
        """Send the notifications that are due."""
        self._do("POST", "graph/settle")

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

    # --- monday: people before the board, and what monday tells of it

    def boards(self) -> list[dict[str, Any]]:
        """All boards: board_id, account_id, name, state, hierarchy_type, parent_board_id (of subitems), items."""
        return list(self._do("GET", "monday/boards")["boards"])

    def person(self, user_id: str, do: str, **what: Any) -> str:
        """What a user does before a board (`control_monday.act` lists it); returns the id of what was made, if any.

        E.g. `person("55667799", "set", item=key, column="zb_status", value={"label": "Paid"})`.
        """
        return str(self._do("POST", f"monday/people/{user_id}", {"do": do, **what}).get("id", ""))

    def monday_board(self, board_id: str, **values: Any) -> None:
        """Change a board: editors (user ids; none: everybody), items_limit, subitems_limit, name, hierarchy_type."""
        self._do("PATCH", f"monday/boards/{board_id}", values)

    def monday_account(self, account_id: str, **values: Any) -> None:
        """Change an account: plan, calls_per_day, calls_per_minute, complexity_per_minute, concurrency, calls_today,
        index_lag, ingest_seconds, keeps (answers for idempotency keys)."""
        self._do("PATCH", f"monday/accounts/{account_id}", values)

    def monday_user(self, user_id: str, **values: Any) -> None:
        """Change a user: enabled, view_only, name."""
        self._do("PATCH", f"monday/users/{user_id}", values)

    def monday_sign_in(self, user_id: str = "", *, denies: bool = False) -> None:
        """Who sits before monday's consent page from now on ("": anybody), and what that person answers."""
        self._do("PUT", "monday/signed-in", {"user_id": user_id, "denies": denies})

    def monday_app(self, client_id: str, **values: Any) -> None:
        """Change an app: client_secret, signing_secret, redirect_uris, scopes, flow ("2.0", "2.1"), installed (account
        ids), token_seconds."""
        self._do("PATCH", f"monday/apps/{quote(client_id, safe='')}", values)

    def end_monday_tokens(self, client_id: str, action: Literal["expire", "uninstall"]) -> int:
        """The app's access tokens end now, or the app is uninstalled everywhere; returns how many tokens there were."""
        return int(self._do("POST", f"monday/apps/{quote(client_id, safe='')}/tokens", {"action": action})["ended"])

    def monday_webhooks(self) -> list[dict[str, Any]]:
        """The registrations, with their addresses."""
        return list(self._do("GET", "monday/webhooks")["webhooks"])

    def remove_monday_webhook(self, webhook_id: str) -> None:
        """A registration is gone, as if monday had switched it off."""
        self._do("DELETE", f"monday/webhooks/{webhook_id}")

    def monday_events(self) -> list[dict[str, Any]]:
        """What was composed for them, oldest first: id, webhook, at, event, statuses of its attempts."""
        return list(self._do("GET", "monday/events")["events"])

    def telling(self, **trouble: Any) -> None:
        """How monday's events leave: hold (until `tell`), copies (of each), lose (so many of the next), reverse."""
        self._do("PATCH", "monday/events", trouble)

    def tell(self, event_id: str, copies: int = 1) -> list[int]:
        """Send a held or an already sent event (again); returns the statuses."""
        return list(self._do("POST", f"monday/events/{event_id}/send", {"copies": copies})["statuses"])

    def settle_monday(self) -> list[dict[str, Any]]:
        """Send the events that are due, retries included."""
        return list(self._do("POST", "monday/events/settle")["events"])

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


def _channel(channel_id: str) -> str:
    return f"teams/channels/{quote(channel_id, safe='')}"
