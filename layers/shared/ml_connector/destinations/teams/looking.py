"""Looks for a post whose answer was lost, in the channel itself (contracts: microsoft-teams 8.4, 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ml_connector.errors import NeedsAttention, Undeliverable
from ml_connector.ports import CannotTell

MOST_POSTS = 200
"""Posts of a channel that are looked through, four pages."""
PAGE = 50
"""Old posts one after the other that prove that only older ones follow: Graph promises no order (3)."""
SKEW = timedelta(minutes=5)
"""How far Microsoft's clock and ours may be apart."""


def found(
    posts: Iterable[Mapping[str, Any]], mark: re.Pattern[str], attempt: str, part: str = "attachments"
) -> Mapping[str, Any] | None:
    """The post with this mark in its `part` since the `attempt` (UTC); None if there is none. Raises CannotTell.

    A channel with more than MOST_POSTS since the attempt is not read through: then nobody can tell.
    """
    since = datetime.fromisoformat(attempt) - SKEW
    old = 0
    try:
        for number, post in enumerate(posts):
            if number == MOST_POSTS:
                raise CannotTell
            old = old + 1 if datetime.fromisoformat(str(post.get("createdDateTime"))) < since else 0
            if old == PAGE:
                return None
            if not old and not post.get("deletedDateTime") and mark.search(json.dumps(post.get(part))):
                return post
    except NeedsAttention:
        raise
    except (Undeliverable, ValueError) as error:
        # Not permitted to read, or not readable.
        raise CannotTell from error
    return None


def mark_of(identity: str) -> re.Pattern[str]:
    """What tells a message from all others: an id, and no longer one."""
    return re.compile(re.escape(identity) + r"(?![\w-])")
