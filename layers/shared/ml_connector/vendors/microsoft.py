"""Microsoft: tokens of Entra ID, the Bot Connector, Workflows webhooks and Graph subscriptions.

One app registration, one secret, two audiences: the bot service for posting, Graph for reading and subscriptions
(contracts: microsoft-teams 0, 1.2, 1.3, 6, 7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.limits import FREE, Share
from ml_connector.ports import AccessTokens, Issued
from ml_connector.vendors.http import Answer, Http

BOT_SCOPE = "https://api.botframework.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
GRAPH = "https://graph.microsoft.com/v1.0"
SERVICE = "https://smba.trafficmanager.net/teams"

HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "graph.microsoft.com",
        "smba.trafficmanager.net",
        "smba.infra.gcc.teams.microsoft.com",
        "*.logic.azure.com",
        "*.environment.api.powerplatform.com",
    }
)

_TRANSIENT = {90033, 90024, 90006, 90012, 90055, 50033, 90090}
_ADVICE = {
    7000215: "The client secret is wrong. Paste the secret value, not its id.",
    70002: "The client secret is wrong. Paste the secret value, not its id.",
    7000222: "The client secret has expired. Create a new one.",
    700016: "App id or tenant id is wrong, or the app was never consented in this tenant.",
    700011: "App id or tenant id is wrong, or the app was never consented in this tenant.",
    7000112: "An administrator disabled the app.",
    90002: "The tenant id is unknown in this cloud.",
    65001: "Grant admin consent.",
    53003: "Conditional Access blocks the app.",
}


@dataclass(frozen=True, slots=True)
class Entra:
    """Issues app-only tokens for one audience (6.1 to 6.3)."""

    http: Http
    scope: str

    def issue(self, credentials: Mapping[str, Any]) -> Issued:
        for name in ("tenant_id", "client_id", "client_secret"):
            if not credentials.get(name):
                raise NeedsAttention(f"the Microsoft credentials lack {name}; store them whole")
        answer = self.http.call(
            "POST",
            f"https://login.microsoftonline.com/{quote(credentials['tenant_id'], safe='')}/oauth2/v2.0/token",
            form={
                "grant_type": "client_credentials",
                "client_id": credentials["client_id"],
                "client_secret": credentials["client_secret"],
                "scope": self.scope,
            },
        )
        data = answer.json()
        data = data if isinstance(data, dict) else {}
        if answer.status == 200 and data.get("access_token"):
            return Issued(str(data["access_token"]), int(data.get("expires_in", 3599)))
        codes = [code for code in data.get("error_codes") or [] if isinstance(code, int)]
        error = str(data.get("error", ""))
        if answer.status >= 500 or answer.status == 429 or not error or error == "temporarily_unavailable":
            raise RetryLater(f"Entra ID answered {answer.status}", answer.retry_after(), answer.status)
        if _TRANSIENT & set(codes):
            raise RetryLater(f"Entra ID is busy (AADSTS{codes[0]})", answer.retry_after(), answer.status)
        advice = next((_ADVICE[code] for code in codes if code in _ADVICE), f"Entra ID refuses a token: {error[:60]}")
        raise NeedsAttention(f"{advice} (AADSTS{codes[0]})" if codes else advice, answer.status)


# What to do about each answer of the Bot Connector (1.2.5). Statuses not named here: see _bot_error.
_BOT_FAULTS = {
    "BotNotRegistered": "the bot is not registered, or the Teams channel of its registration is off",
    "BotNotInConversationRoster": "the Teams app is not installed in this team; install it there, then retry",
    "BotDisabledByAdmin": "a Teams administrator's policy blocks the app",
    "ConversationBlockedByUser": "the channel does not let the app write (moderation)",
    "ConversationNotFound": "the channel does not exist (any more)",
    "MessageSizeTooBig": "the card is too large for Teams",
    "InvalidBotApiHost": "the tenant is in another cloud; set its service URL",
}


class BotConnector:
    """Posts and edits messages of one channel as the bot (1.2.3, 1.2.4)."""

    def __init__(self, http: Http, tokens: AccessTokens, share: Share = FREE) -> None:
        self._http = http
        self._tokens = tokens
        self._share = share

    def call(self, connection: str, method: str, url: str, body: Mapping[str, Any]) -> Answer:
        """One call; the answer is a 2xx. Raises RetryLater, Unknown, Gone or Undeliverable."""
        token = self._tokens.access_token(connection, "microsoft.bot")
        answer = self._call(method, url, body, token)
        if answer.status == 401 and _error_code(answer) != "BotNotRegistered":
            # Once, and only for a token that has ended: other 401s do not go away with a new one (0, fact 2).
            token = self._tokens.access_token(connection, "microsoft.bot", rejected=token)
            answer = self._call(method, url, body, token)
        if 200 <= answer.status < 300:
            return answer
        raise _bot_error(answer)

    def _call(self, method: str, url: str, body: Mapping[str, Any], token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._share.call(lambda: self._http.call(method, url, headers=headers, body=body))
        if answer.status == 429:
            self._share.closed(answer.retry_after())
        return answer


def conversations_url() -> str:
    return f"{SERVICE}/v3/conversations"


def activity_url(thread_id: str, activity_id: str) -> str:
    """`thread_id` is `19:...@thread.tacv2;messageid=...`; it travels as one encoded path segment (1.2.4)."""
    return f"{SERVICE}/v3/conversations/{quote(thread_id, safe='')}/activities/{quote(activity_id, safe='')}"


def message_link(channel_id: str, message_id: str, team_id: str, tenant_id: str) -> str:
    """Where a person opens a posted message (1.7)."""
    return (
        f"https://teams.microsoft.com/l/message/{quote(channel_id, safe='')}/{message_id}"
        f"?groupId={quote(team_id, safe='')}&tenantId={quote(tenant_id, safe='')}"
        f"&createdTime={message_id}&parentMessageId={message_id}"
    )


def _error_code(answer: Answer) -> str:
    data = answer.json()
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _said(answer: Answer) -> str:
    data = answer.json()
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get("message", ""))[:200] if isinstance(error, dict) else ""


def _bot_error(answer: Answer) -> Exception:
    code, status = _error_code(answer), answer.status
    if status == 429:
        return RetryLater("Teams is throttling the bot", answer.retry_after(), status)
    if status == 412:
        return RetryLater("Teams has another operation under way in this conversation", answer.retry_after(), status)
    if status >= 500:
        # Documented as "dependency, unavailable, time-out": the message may be there all the same.
        return Unknown(f"Teams answered {status}", answer.retry_after(), status)
    if code == "ActivityNotFoundInConversation":
        return Gone("the message was deleted in Teams", status)
    return Undeliverable(f"Teams refuses it: {_BOT_FAULTS.get(code) or f'{code or status} {_said(answer)}'}", status)


class Workflows:
    """Posts to a channel through a Workflows webhook, whose address is a bearer secret (1.3)."""

    def __init__(self, http: Http, share: Share = FREE) -> None:
        self._http = http
        self._share = share

    def post(self, url: str, body: Mapping[str, Any]) -> Answer:
        """202 means that the flow has started, not that a message is there. No Authorization header: it would fail."""
        answer = self._share.call(lambda: self._http.call("POST", url, body=body))
        if 200 <= answer.status < 300:
            return answer
        if answer.status == 429:
            self._share.closed(answer.retry_after())
        if answer.status in (408, 429):
            raise RetryLater(f"the workflow answered {answer.status}", answer.retry_after(), answer.status)
        if answer.status >= 500:
            raise Unknown(f"the workflow answered {answer.status}", answer.retry_after(), answer.status)
        advice = {
            401: "its trigger is not open to anyone",
            403: "its trigger is not open to anyone",
            404: "it was deleted or switched off, or its address is old",
        }.get(answer.status, "it refuses the card")
        raise Undeliverable(f"the workflow answered {answer.status}: {advice}", answer.status)


class Graph:
    """Graph with the app's own permissions: subscriptions (7.5) and reading a channel (3)."""

    def __init__(self, http: Http, tokens: AccessTokens) -> None:
        self._http = http
        self._tokens = tokens

    def renew(self, connection: str, subscription_id: str, until: str) -> str:
        """Moves the expiry to `until` (UTC); gives back what Graph made of it. Raises Gone if there is none."""
        url = f"{GRAPH}/subscriptions/{quote(subscription_id, safe='')}"
        answer = self._call(connection, "PATCH", url, {"expirationDateTime": until})
        data = answer.json()
        if answer.status == 200 and isinstance(data, dict):
            return str(data.get("expirationDateTime", until))
        if answer.status == 404:
            raise Gone("Graph does not know this subscription any more", 404)
        raise _graph_error(answer)

    def messages(self, connection: str, team_id: str, channel_id: str) -> Iterator[Mapping[str, Any]]:
        """A channel's posts, newest first, page by page. Raises Undeliverable where reading is not permitted."""
        url = f"{GRAPH}/teams/{quote(team_id, safe='')}/channels/{quote(channel_id, safe='')}/messages?$top=50"
        while url:
            answer = self._call(connection, "GET", url)
            data = answer.json()
            if answer.status != 200 or not isinstance(data, dict):
                raise _graph_error(answer)
            yield from (each for each in data.get("value", []) if isinstance(each, dict))
            url = str(data.get("@odata.nextLink") or "")

    def _call(self, connection: str, method: str, url: str, body: Mapping[str, Any] | None = None) -> Answer:
        token = self._tokens.access_token(connection, "microsoft.graph")
        answer = self._http.call(method, url, headers={"Authorization": f"Bearer {token}"}, body=body)
        if answer.status == 401 and _error_code(answer) == "InvalidAuthenticationToken":
            token = self._tokens.access_token(connection, "microsoft.graph", rejected=token)
            answer = self._http.call(method, url, headers={"Authorization": f"Bearer {token}"}, body=body)
        return answer


def _graph_error(answer: Answer) -> Exception:
    if answer.status in (409, 412, 429) or answer.status >= 500 or answer.status < 400:
        return RetryLater(f"Graph answered {answer.status}", answer.retry_after(), answer.status)
    return Undeliverable(f"Graph refuses it: {answer.status} {_error_code(answer)}", answer.status)
