"""The Teams Bot Connector: messages posted and edited as the bot (contracts: microsoft-teams 1.2, 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ml_connector.clouds import CLOUDS, Cloud
from ml_connector.errors import Undeliverable
from ml_connector.limits import FREE, Share
from ml_connector.ports import AccessTokens
from ml_connector.vendors.http import Answer, Http


class BotConnector:
    """Posts and edits messages of one channel, or of one person's chat, as the bot (1.2.3, 1.2.4, 2).

    `share` is drawn on by what makes a message or a reply, `edits` by what changes or removes one; not given, they are
    `share`. `personal`: refusals are told in the words for a person's chat. A tenant that another host serves (GCC) is
    served there from then on.
    """

    def __init__(
        self,
        http: Http,
        tokens: AccessTokens,
        share: Share = FREE,
        edits: Share | None = None,
        *,
        personal: bool = False,
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._share = share
        self._edits = edits or share
        self._personal = personal
        self._moved = False

    def call(self, connection: str, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        """One call; the answer is a 2xx. Raises RetryLater, Unknown, Gone or Undeliverable."""
        token = self._tokens.access_token(connection, "microsoft.bot")
        answer = self._call(method, url, body, token)
        if 200 <= answer.status < 300:
            return answer
        # Only a refusal needs the table of refusals.
        from ml_connector.vendors.microsoft.faults import CONNECTOR, PERSONAL, error_code, fault

        if answer.status == 401 and error_code(answer) != "BotNotRegistered":
            # Once, and only for a token that has ended: other 401s do not go away with a new one (0, fact 2).
            token = self._tokens.access_token(connection, "microsoft.bot", rejected=token)
            answer = self._call(method, url, body, token)
        if error_code(answer) == "InvalidBotApiHost" and not self._moved and _moved(url) != url:
            # For this host says so itself: the call was not made, and is counted already (1.2.5).
            self._moved = True
            answer = self._call(method, url, body, token, FREE)
        if 200 <= answer.status < 300:
            return answer
        raise fault(PERSONAL if self._personal else CONNECTOR, answer)

    def _call(
        self, method: str, url: str, body: Mapping[str, Any] | None, token: str, share: Share | None = None
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        share = share or (self._share if method == "POST" else self._edits)
        place = _moved(url) if self._moved else url
        answer = share.call(lambda: self._http.call(method, place, headers=headers, body=body))
        if answer.status == 429:
            share.closed(answer.retry_after())
        return answer


def _moved(url: str) -> str:
    """The same at the host for tenants that have moved; as it is, where there is none."""
    for cloud in CLOUDS.values():
        if cloud.moved and url.startswith(f"https://{cloud.service}/"):
            return url.replace(cloud.service, cloud.moved, 1)
    return url


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


def message_link(channel_id: str, message_id: str, team_id: str, tenant_id: str, cloud: Cloud, root: str = "") -> str:
    """Where a person opens a posted message (1.7); of a reply, `root` is the id of its thread's first one."""
    return (
        f"https://{cloud.web}/l/message/{quote(channel_id, safe='')}/{message_id}"
        f"?groupId={quote(team_id, safe='')}&tenantId={quote(tenant_id, safe='')}"
        f"&createdTime={message_id}&parentMessageId={root or message_id}"
    )
