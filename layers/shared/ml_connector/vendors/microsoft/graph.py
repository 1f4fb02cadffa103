"""Microsoft Graph: posting as a person, reading, subscriptions (contracts: microsoft-teams 1.4, 3, 7).

An app alone cannot post to a channel here (0, fact 1): what posts is a service account's token, or an import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from ml_connector.clouds import CLOUDS, Cloud, cloud_of, hosts
from ml_connector.errors import ConnectorError, Gone, NeedsAttention, RetryLater, Throttled, Undeliverable, Unknown
from ml_connector.limits import FREE, UNLIMITED, Limits, Share, graph_reads
from ml_connector.ports import AccessTokens
from ml_connector.vendors.http import Answer, Http

BACKEND_TRIES = 3
"""A 400 `BadRequest` is at times Teams' backend and not our request: nothing was posted, so it is made again (8.3)."""
PATIENCE = 8.0
"""Seconds that a reader waits for each page of a list, at most. A channel's are read one a second (8.1), and a
destination's four lanes may look through it at the same time."""


class Graph:
    """Graph with tokens of `kind`. `share` is drawn on by what posts and replies; `edits` by what changes; `reads` by
    reading.

    `pause` waits some seconds for the next page of a list; without it nobody waits, and RetryLater comes at once.
    """

    def __init__(
        self,
        http: Http,
        tokens: AccessTokens,
        cloud: Cloud = CLOUDS["global"],
        kind: str = "microsoft.graph",
        share: Share = FREE,
        edits: Share | None = None,
        reads: Share = FREE,
        pause: Callable[[float], None] | None = None,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._kind = kind
        self._share = share
        self._edits = edits or share
        self._reads = reads
        self._pause = pause
        self._new_id = new_id
        self._root = f"https://{cloud.graph}/v1.0"

    # --- posting

    def post(self, connection: str, method: str, url: str, body: Mapping[str, Any]) -> Answer:
        """One call that posts or changes something; the answer is a 2xx.

        Raises RetryLater, Unknown, Gone (for a change of, or a reply to, what is not there) or Undeliverable.
        """
        share = self._share if method == "POST" else self._edits
        for _ in range(BACKEND_TRIES):
            answer = self._authorized(connection, method, url, body, share)
            if answer.status != 400 or _code(answer) != "BadRequest":
                break
        if 200 <= answer.status < 300:
            return answer
        if answer.status == 404 and (method != "POST" or url.endswith("/replies")):
            raise Gone("the message was deleted in Teams", 404)
        raise _fault(answer)

    # --- subscriptions

    def subscribe(self, connection: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates one (7.1); Graph calls both addresses in `body` before it answers. Its `id` and what was granted.

        Raises Undeliverable: with status 403 a permission is missing or there is one already, with 409 there is.
        RetryLater may leave one behind.
        """
        answer = self._authorized(connection, "POST", f"{self._root}/subscriptions", body)
        data = answer.json()
        if answer.status in (200, 201) and isinstance(data, dict) and data.get("id"):
            return data
        if answer.status == 409:
            raise Undeliverable("Graph has a subscription to this already", 409)
        refusal = _fault(answer, harmless=True)
        if isinstance(refusal, Undeliverable) and not isinstance(refusal, NeedsAttention):
            # A permission or a limit: only Graph's words tell. They may quote the address, which is a secret.
            said = _said(answer)
            reason = str(refusal).replace(said[:200], "").strip()
            for name in ("notificationUrl", "lifecycleNotificationUrl", "clientState"):
                if secret := str(body.get(name, "")).rpartition("/")[2]:
                    said = said.replace(secret, "…")
            raise Undeliverable(f"{reason} ({said[:300]})" if said else reason, answer.status)
        raise refusal

    def unsubscribe(self, connection: str, subscription_id: str) -> None:
        """Ends one; that there is none (any more) is just as well."""
        url = f"{self._root}/subscriptions/{quote(subscription_id, safe='')}"
        answer = self._authorized(connection, "DELETE", url)
        if not 200 <= answer.status < 300 and answer.status != 404:
            raise _fault(answer, harmless=True)

    def renew(self, connection: str, subscription_id: str, until: str) -> str:
        """Moves the expiry to `until` (UTC); gives back what Graph made of it. Raises Gone if there is none."""
        url = f"{self._root}/subscriptions/{quote(subscription_id, safe='')}"
        answer = self._authorized(connection, "PATCH", url, {"expirationDateTime": until})
        data = answer.json()
        if answer.status == 200 and isinstance(data, dict):
            return str(data.get("expirationDateTime", until))
        if answer.status == 404:
            raise Gone("Graph does not know this subscription any more", 404)
        raise _fault(answer, harmless=True)

    # --- reading

    def messages(self, connection: str, team_id: str, channel_id: str) -> Iterator[Mapping[str, Any]]:
        """A channel's posts, newest first, page by page. Raises Undeliverable where reading is not permitted."""
        yield from self.pages(connection, f"{channel_path(team_id, channel_id)}/messages?$top=50")

    def replies(self, connection: str, team_id: str, channel_id: str, message_id: str) -> Iterator[Mapping[str, Any]]:
        """A post's replies, page by page."""
        path = f"{channel_path(team_id, channel_id)}/messages/{quote(message_id, safe='')}/replies?$top=50"
        yield from self.pages(connection, path)

    def pages(self, connection: str, path: str) -> Iterator[Mapping[str, Any]]:
        """What a list holds, page by page. The next page's address is followed as it is, on Graph's own host."""
        url = f"{self._root}{path}"
        while url:
            data = self._page(connection, url)
            yield from (each for each in data.get("value", []) if isinstance(each, dict))
            url = str(data.get("@odata.nextLink") or "")

    def _page(self, connection: str, url: str) -> Mapping[str, Any]:
        """A page, as soon as it may be read: those before it are not read again for the sake of a second."""
        waited = 0.0
        while True:
            try:
                return self.read(connection, url)
            except RetryLater as busy:
                wait = max(1.0, busy.after or 0.0)
                too_many = isinstance(busy, Throttled) or busy.status == 429
                if self._pause is None or not too_many or waited + wait > PATIENCE:
                    raise
            self._pause(wait)
            waited += wait

    def read(self, connection: str, url: str) -> Mapping[str, Any]:
        """One object. `url` is whole, or a path below `/v1.0`. Raises RetryLater or Undeliverable."""
        whole = url if urlsplit(url).scheme else f"{self._root}{url}"
        if not whole.startswith(f"{self._root}/"):
            raise Undeliverable("Graph names a next page that is not its own")
        answer = self._authorized(connection, "GET", whole, share=self._reads)
        data = answer.json()
        if answer.status == 200 and isinstance(data, dict):
            return data
        if answer.status == 200:
            raise RetryLater("Graph's answer is not readable", status=200)
        raise _fault(answer, harmless=True)

    def _authorized(
        self, connection: str, method: str, url: str, body: Mapping[str, Any] | None = None, share: Share = FREE
    ) -> Answer:
        """With a token, and once more with a new one if that had ended. No other 401 is worth one (0, fact 2)."""
        token = self._tokens.access_token(connection, self._kind)
        answer = self._call(method, url, body, token, share)
        if answer.status == 401 and _code(answer) == "InvalidAuthenticationToken":
            token = self._tokens.access_token(connection, self._kind, rejected=token)
            answer = self._call(method, url, body, token, share)
        return answer

    def _call(self, method: str, url: str, body: Mapping[str, Any] | None, token: str, share: Share) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "client-request-id": self._new_id()}
        try:
            answer = share.call(lambda: self._http.call(method, url, headers=headers, body=body))
        except Unknown as error:
            error.request_id = headers["client-request-id"]
            raise
        if answer.status == 429:
            share.closed(answer.retry_after())
        return answer


class Graphs:
    """Graph as each connection's own app sees it: a token of one cloud must not be shown to another.

    `credentials` are the stored ones of a connection's app: its cloud, and whose limits its reads draw on.
    """

    def __init__(
        self,
        http: Callable[[frozenset[str]], Http],
        tokens: AccessTokens,
        credentials: Callable[[str], Mapping[str, Any]],
        limits: Limits = UNLIMITED,
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._credentials = credentials
        self._limits = limits

    def subscribe(self, connection: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """As Graph.subscribe."""
        return self._of(connection).subscribe(connection, body)

    def renew(self, connection: str, subscription_id: str, until: str) -> str:
        """As Graph.renew."""
        return self._of(connection).renew(connection, subscription_id, until)

    def unsubscribe(self, connection: str, subscription_id: str) -> None:
        """As Graph.unsubscribe."""
        self._of(connection).unsubscribe(connection, subscription_id)

    def subscriptions(self, connection: str) -> Iterator[Mapping[str, Any]]:
        """All of the app in its tenant, whoever made them."""
        yield from self._of(connection).pages(connection, "/subscriptions")

    def channel(self, connection: str, team_id: str, channel_id: str) -> Mapping[str, Any]:
        """Raises Undeliverable, with status 404 if there is no such channel (any more)."""
        path = f"{channel_path(team_id, channel_id)}?$select=id,displayName,webUrl"
        return self._of(connection, channel_id).read(connection, path)

    def message(self, connection: str, team_id: str, channel_id: str, root: str, message_id: str) -> Mapping[str, Any]:
        """A reply as it is now. Raises Undeliverable, with status 404 if it has gone."""
        place = f"{channel_path(team_id, channel_id)}/messages/{quote(root, safe='')}"
        return self._of(connection, channel_id).read(connection, f"{place}/replies/{quote(message_id, safe='')}")

    def changed(self, connection: str, team_id: str, channel_id: str, since: str, link: str = "") -> Mapping[str, Any]:
        """A page of the threads with anything new `since` (UTC), each post with its `replies`; `link` is the next one.

        Of the delta call: its filter is documented to look at posts together with their replies (7.8).
        """
        query = f"$top=50&$expand=replies&$filter=lastModifiedDateTime%20gt%20{since}"
        path = f"{channel_path(team_id, channel_id)}/messages/delta?{query}"
        return self._of(connection, channel_id).read(connection, link or path)

    def _of(self, connection: str, channel_id: str = "") -> Graph:
        """`channel_id` is the channel that is read, if one is."""
        credentials = self._credentials(connection)
        cloud, reads = cloud_of(credentials), FREE
        if channel_id:
            tenant, client = str(credentials.get("tenant_id", "")), str(credentials.get("client_id", ""))
            reads = Share(self._limits, graph_reads(tenant, client, channel_id))
        return Graph(self._http(hosts(cloud)), self._tokens, cloud, reads=reads)


def _code(answer: Answer) -> str:
    # Only a refusal needs the table of refusals.
    from ml_connector.vendors.microsoft.faults import error_code

    return error_code(answer)


def _said(answer: Answer) -> str:
    from ml_connector.vendors.microsoft.faults import said

    return said(answer)


def _fault(answer: Answer, *, harmless: bool = False) -> ConnectorError:
    from ml_connector.vendors.microsoft.faults import GRAPH, fault

    return fault(GRAPH, answer, harmless=harmless)


def channel_path(team_id: str, channel_id: str) -> str:
    return f"/teams/{quote(team_id, safe='')}/channels/{quote(channel_id, safe='')}"


def messages_url(cloud: Cloud, team_id: str, channel_id: str, message_id: str = "", *, replies: bool = False) -> str:
    """Where a channel's messages are; one of them; or the replies to it (1.4)."""
    url = f"https://{cloud.graph}/v1.0{channel_path(team_id, channel_id)}/messages"
    if message_id:
        url += f"/{quote(message_id, safe='')}"
    return f"{url}/replies" if replies else url
