"""From what a person has in hand (a number, an id, a pasted link) to the records that it means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

from ml_connector.audit import LENGTHS
from ml_connector.gathering import BUSY, DAILY, MODULE, QUIET
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry

# The id in a link to a Teams message, to a monday item, or to a record in Zoho Books (contracts: zoho-books 9).
_LINKS = (
    re.compile(r"/l/message/[^/]+/(\d+)"),
    re.compile(r"monday\.com/boards/\d+/(?:views/\d+/)?pulses/(\d+)"),
    re.compile(r"^https://\S+#/[\w/-]*?(\d{6,})(?:[?/&]\S*)?$"),
)
_THREAD = re.compile(r"[?&]parentMessageId=(\d+)")
LONGEST = 1900
"""Bytes of what is looked for, so that it fits into a key, of 2048, behind connection and module."""
_DIGEST = re.compile(rf"(?:{MODULE}/)?([^/]+\.(?:{BUSY}|{QUIET}|{DAILY})-\d{{8}}T\d{{4}}Z)")


class Trail(Protocol):
    """The audit trail, for reading."""

    def of_record(
        self, connection: str, module: str, record_id: str, *, newest_first: bool = False
    ) -> Iterator[AuditEntry]: ...

    def of_external_id(self, external_id: str) -> Iterator[AuditEntry]: ...


class Rows(Protocol):
    """The delivery table's index of document numbers."""

    def of_number(self, connection: str, number: str) -> Sequence[str]: ...


def records(
    audit: Trail, deliveries: Rows, connection: str, what: str, most: int | None = None
) -> list[tuple[str, str]]:
    """Module and id of the records with this number in either case, Zoho id, item or message id, or link.

    Of a digest's message that is the digest, and all that it told of; of a digest's id the digest. `most`: entries that
    are read of one message.
    """
    if not (what := _whole(what)):
        return []
    if digest := _DIGEST.fullmatch(what):
        return [(MODULE, digest[1])]
    what, thread = _ids(what)
    module, _, record_id = what.partition("/")
    if module in (*MODULES, MODULE) and record_id:
        return [(module, record_id)]
    for identity in filter(None, (what, thread)):
        named = (
            (each.module, each.record_id)
            for each in islice(audit.of_external_id(identity), most)
            if each.connection == connection
        )
        if found := list(dict.fromkeys(named)):
            return found
    # The index knows a number as it stands on the document; people type it in one case or the other.
    for number in dict.fromkeys((what, what.upper(), what.lower(), what.title())):
        if keys := deliveries.of_number(connection, number.encode()[: LENGTHS["number"]].decode(errors="ignore")):
            return [parts(key) for key in keys]
    return [
        (module, what) for module in MODULES if any(True for _ in islice(audit.of_record(connection, module, what), 1))
    ]


def holders(audit: Trail, what: str, most: int) -> list[str]:
    """Connections whose message or item this is, found without asking each. `most`: entries that are read."""
    named = (each.connection for one in filter(None, _ids(_whole(what))) for each in audit.of_external_id(one))
    return list(dict.fromkeys(islice(named, most)))


def _whole(what: str) -> str:
    """Without half signs, which no table takes; "" if it is too long to be anybody's name, or a link to one."""
    what = what.encode(errors="ignore").decode().strip()
    return what if len(what.encode()) <= LONGEST else ""


def _ids(what: str) -> tuple[str, str]:
    """What a link names, and of a reply in a thread, which the trail need not name, its first message; else ""."""
    for link in _LINKS:
        if match := link.search(what):
            return match[1], next(iter(_THREAD.findall(what)), "")
    return what, ""


def foreign(what: str) -> bool:
    """Whether it is a link, and none to a record, a message or an item."""
    return what.strip().startswith(("https://", "http://")) and _ids(what.strip()) == (what.strip(), "")


def parts(key: str) -> tuple[str, str]:
    """Module and id in a record's key."""
    _, module, record_id = key.split("#", 2)
    return module, record_id
