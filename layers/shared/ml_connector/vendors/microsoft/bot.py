"""The Teams Bot Connector: messages of a channel, posted and edited as the bot (contracts: microsoft-teams 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ml_connector.clouds import Cloud
from ml_connector.errors import Undeliverable
from ml_connector.limits import FREE, Share
from ml_connector.ports import AccessTokens
from ml_connector.vendors.http import Answer, Http


class BotConnector:
    """Posts and edits messages of one channel as the bot (1.2.3, 1.2.4).

    `share` is drawn on by what makes a message, `edits` by what changes or removes one.
    """

    def __init__(self, http: Http, tokens: AccessTokens, share: Share = FREE, edits: Share | None = None) -> None:
        self._http = http
        self._tokens = tokens
        self._share = share
        self._edits = edits or share

    def call(self, connection: str, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        """One call; the answer is a 2xx. Raises RetryLater, Unknown, Gone or Undeliverable."""
        token = self._tokens.access_token(connection, "microsoft.bot")
        answer = self._call(method, url, body, token)
        if 200 <= answer.status < 300:
            return answer
        # Only a refusal needs the table of refusals.
        from ml_connector.vendors.microsoft.faults import CONNECTOR, error_code, fault

        if answer.status == 401 and error_code(answer) != "BotNotRegistered":
            # Once, and only for a token that has ended: other 401s do not go away with a new one (0, fact 2).
            token = self._tokens.access_token(connection, "microsoft.bot", rejected=token)
            answer = self._call(method, url, body, token)
        if 200 <= answer.status < 300:
            return answer
        raise fault(CONNECTOR, answer)

    def _call(self, method: str, url: str, body: Mapping[str, Any] | None, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        share = self._share if method == "POST" else self._edits
        answer = share.call(lambda: self._http.call(method, url, headers=headers, body=body))
        if answer.status == 429:
            share.closed(answer.retry_after())
        return answer


def conversations_url(cloud: Cloud) -> str:
    """Where new threads are posted. Raises Undeliverable where no address is documented (1.2.2)."""
    if not cloud.service:
        raise Undeliverable('no address for bots is documented in this cloud; use transport = "delegated"')
    # GCC and the government clouds are documented with the same path.
    return f"https://{cloud.service}/teams/v3/conversations"


def activity_url(thread_id: str, activity_id: str, cloud: Cloud) -> str:
    """`thread_id` is `19:...@thread.tacv2;messageid=...`; it travels as one encoded path segment (1.2.4)."""
    return f"{thread_url(thread_id, cloud)}/{quote(activity_id, safe='')}"


def thread_url(thread_id: str, cloud: Cloud) -> str:
    """Where replies of a thread are posted (1.2.4)."""
    return f"{conversations_url(cloud)}/{quote(thread_id, safe='')}/activities"


def message_link(channel_id: str, message_id: str, team_id: str, tenant_id: str, cloud: Cloud) -> str:
    """Where a person opens a posted message (1.7)."""
    return (
        f"https://{cloud.web}/l/message/{quote(channel_id, safe='')}/{message_id}"
        f"?groupId={quote(team_id, safe='')}&tenantId={quote(tenant_id, safe='')}"
        f"&createdTime={message_id}&parentMessageId={message_id}"
    )
