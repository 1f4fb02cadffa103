"""A new signing secret for an endpoint without losing an event: for a while two are live (zoho-books 1.5, 1.6).

    one ── begin ──► two: the newest is not in Zoho yet ── Zoho is given it ──► two ── finish ──► one

What is here changes the `webhooks` secret of a connection: `{"endpoints": {id: {"token", "secrets", "rotated_at"}}}`,
the newest secret last. Calls signed with either are accepted in between.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from ml_connector.times import stamp

SETTLE = 21.0
"""Seconds between a new secret and its use by Zoho. Who has just looked for newer secrets does not look again for 15
seconds (aws/secrets.py), AWS may take a few to show the new one everywhere, and we note times in whole seconds."""

LENGTH = 40
"""Zoho takes 12 to 50 letters and digits (1.1)."""
_ALPHANUMERIC = string.ascii_letters + string.digits

Stored = Mapping[str, Any]


def new_secret() -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(LENGTH))


def begin(
    stored: Stored, endpoints: Collection[str], now: datetime, invent: Callable[[], str] = new_secret
) -> tuple[dict[str, Any], list[str]]:
    """With a second secret for each of `endpoints`, and which got one: not those that have two already."""
    changed = {}
    for name in endpoints:
        each = stored["endpoints"][name]
        if len(each["secrets"]) == 1:
            changed[name] = {**each, "secrets": [*each["secrets"], invent()], "rotated_at": stamp(now)}
    return {**stored, "endpoints": {**stored["endpoints"], **changed}}, list(changed)


def unsettled(stored: Stored, now: datetime) -> float:
    """Seconds until all secrets are known everywhere on our side."""
    begun = [
        datetime.fromisoformat(each["rotated_at"]) for each in stored["endpoints"].values() if "rotated_at" in each
    ]
    return max([SETTLE - (now - last).total_seconds() for last in begun], default=0.0)


def under_way(stored: Stored) -> list[str]:
    """The endpoints with more than one live secret."""
    return [name for name, each in stored.get("endpoints", {}).items() if len(each["secrets"]) > 1]


def finish(
    stored: Stored,
    endpoints: Collection[str],
    given_at: Mapping[str, str],
    now: datetime,
    after: timedelta,
    *,
    force: bool = False,
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """With the newest secret alone: the endpoints for which that was done, and why it was not for others.

    `given_at`: when Zoho was given the newest secret, "" if it surely was not; an endpoint that people have installed
    is not in it. `force` believes that people have put the secret in, and does not wait.
    """
    changed, refused = {}, {}
    for name in endpoints:
        each = stored["endpoints"][name]
        if len(each["secrets"]) == 1:
            continue
        since = given_at.get(name)
        if since == "":
            refused[name] = "Zoho does not have the new secret yet; rotate again to give it"
        elif since is None and not force:
            refused[name] = "whether Zoho has the new secret is not known; if you have put it in there, say --force"
        elif since and not force and (left := datetime.fromisoformat(since) + after - now) > timedelta():
            minutes = -(-left // timedelta(minutes=1))
            refused[name] = f"calls signed with the old secret may still come; in {minutes} min, or say --force"
        else:
            rest = {key: value for key, value in each.items() if key != "rotated_at"}
            changed[name] = {**rest, "secrets": each["secrets"][-1:]}
    return {**stored, "endpoints": {**stored["endpoints"], **changed}}, list(changed), refused
