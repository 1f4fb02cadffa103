"""Workflows webhooks of Power Automate (contracts: microsoft-teams 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from ml_connector.errors import Undeliverable
from ml_connector.limits import FREE, Share
from ml_connector.vendors.http import Answer, Http

_CONNECTORS = ("*.webhook.office.com", "outlook.office.com", "outlook.office365.com")
"""Office 365 connectors, switched off in May 2026."""


class Workflows:
    """Posts to a channel through a Workflows webhook, whose address is a bearer secret (1.3)."""

    def __init__(self, http: Http, share: Share = FREE) -> None:
        self._http = http
        self._share = share

    def post(self, url: str, body: Mapping[str, Any]) -> Answer:
        """202 means that the flow has started, not that a message is there. No Authorization header: it would fail."""
        if is_connector(url):
            raise Undeliverable(
                "this is the address of an Office 365 connector; Microsoft switched these off in May 2026. "
                "Make a Workflows webhook in the channel and store its address"
            )
        answer = self._share.call(lambda: self._http.call("POST", url, body=body))
        if 200 <= answer.status < 300:
            return answer
        if answer.status == 429:
            self._share.closed(answer.retry_after())
        from ml_connector.vendors.microsoft.faults import WORKFLOW, fault

        raise fault(WORKFLOW, answer)


def is_connector(url: str) -> bool:
    """Whether it is the address of an Office 365 connector, which works no more (1.3)."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return any(fnmatchcase(host, pattern) for pattern in _CONNECTORS)
