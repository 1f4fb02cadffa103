"""Microsoft Graph: posting as a person, reading, subscriptions (contracts: microsoft-teams 1.4, 3, 7).

An app alone cannot post to a channel here (0, fact 1): what posts is a service account's token, or an import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ml_connector.clouds import CLOUDS, Cloud, hosts
from ml_connector.errors import ConnectorError, Gone, RetryLater, Undeliverable
from ml_connector.limits import FREE, Share
from ml_connector.ports import AccessTokens
from ml_connector.vendors.http import Answer, Http

BACKEND_TRIES = 3
"""A 400 `BadRequest` is at times Teams' backend and not our request: nothing was posted, so it is made again (8.3)."""


class Graph:
    """Graph with tokens of `kind`. `share` is drawn on by what posts; `edits` by what changes."""

    def __init__(
        self,
        http: Http,
        tokens: AccessTokens,
        cloud: Cloud = CLOUDS["global"],
        kind: str = "microsoft.graph",
        share: Share = FREE,
        edits: Share | None = None,
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._kind = kind
        self._share = share
        self._edits = edits or share
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
            data = self.read(connection, url)
            yield from (each for each in data.get("value", []) if isinstance(each, dict))
            url = str(data.get("@odata.nextLink") or "")

    def read(self, connection: str, url: str) -> Mapping[str, Any]:
        """One object. `url` is whole, or a path below `/v1.0`. Raises RetryLater or Undeliverable."""
        whole = url if urlsplit(url).scheme else f"{self._root}{url}"
        if not whole.startswith(f"{self._root}/"):
            raise Undeliverable("Graph names a next page that is not its own")
        answer = self._authorized(connection, "GET", whole)
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
        headers = {"Authorization": f"Bearer {token}"}
        answer = share.call(lambda: self._http.call(method, url, headers=headers, body=body))
        if answer.status == 429:
            share.closed(answer.retry_after())
        return answer


class Graphs:
    """Graph of each connection's own cloud: a token of one must not be shown to another."""

    def __init__(
        self, http: Callable[[frozenset[str]], Http], tokens: AccessTokens, cloud: Callable[[str], Cloud]
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._cloud = cloud

    def renew(self, connection: str, subscription_id: str, until: str) -> str:
        """As Graph.renew."""
        cloud = self._cloud(connection)
        return Graph(self._http(hosts(cloud)), self._tokens, cloud).renew(connection, subscription_id, until)


def _code(answer: Answer) -> str:
    # Only a refusal needs the table of refusals.
    from ml_connector.vendors.microsoft.faults import error_code

    return error_code(answer)


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
