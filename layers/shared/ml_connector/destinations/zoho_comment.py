"""A note on the Zoho record itself: what happened to it, and where it was told (contracts: zoho-books 7).

Each event is a note of its own; none is ever changed. Zoho repeats what is repeated, so every note begins with a marker
by which one whose answer was lost is found again. A note may look to Zoho like a change of the record and come back as
an event: that shows nothing new and is skipped (`covered`), so a note never leads to another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ml_connector import regions
from ml_connector.connections import Connection
from ml_connector.destinations import Toolbox
from ml_connector.errors import RetryLater, Unknown
from ml_connector.events import DELETED, Delivery, Event
from ml_connector.feedback import MODULE as FEEDBACK
from ml_connector.modules import MODULES, Module, no_notes_on
from ml_connector.money import shown
from ml_connector.ports import CannotTell, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record
from ml_connector.routing import destinations_for
from ml_connector.vendors.zoho_api import DOES_NOT_EXIST, Refused, ZohoApi, more

MARK = "ml-connector"
LENGTH = 500
"""Characters. What Zoho takes is not published."""
TEXT = "{title}: {amount}. Status: {status}. Routed to: {destinations}."
PLACEHOLDERS = (
    "title", "event", "number", "party", "date", "due", "amount", "balance", "status", "reference", "destinations",
)  # fmt: skip
PAGE = 200
"""Notes on a page, where Zoho does not say (zoho-books 6.1)."""
MOST_PAGES = 5

_BASE = "/books/v3/"
_BY_PATH = {module.path: module for module in MODULES.values()}
# Notes are plain text: nothing of a record may become markup on Zoho's page.
_PLAIN = str.maketrans("<>", "‹›")


def connect(name: str, settings: Mapping[str, Any], connection: Connection, tools: Toolbox) -> ZohoComment:
    api = ZohoApi(tools.http(regions.HOSTS), tools.tokens, tools.limits)
    return ZohoComment(name, settings, connection, api)


class ZohoComment:
    """The comments of the organization's own records as a destination."""

    covered = True

    def __init__(self, name: str, settings: Mapping[str, Any], connection: Connection, api: ZohoApi) -> None:
        self._name = name
        self._text = settings.get("text", TEXT)
        self._connection = connection
        self._api = api

    # --- rendering -------------------------------------------------------------------------------------------

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        module = MODULES[record.module]
        if event.action == DELETED:
            raise NothingThere("a deleted record takes no notes")
        if not module.comments:
            raise NothingThere(no_notes_on(module.name))
        body: dict[str, Any] = {"description": self._note(event, record)}
        if module.party == ("customer_name",):
            body["show_comment_to_clients"] = False
        api = regions.REGIONS[self._connection.region].api
        url = f"https://{api}{_BASE}{module.path}/{record.id}/comments"
        return Request("create", "POST", url, body, about=record.title)

    def _note(self, event: Event, record: Record) -> str:
        text = str((event.payload or {})["note"]) if event.module == FEEDBACK else self._told(event, record)
        # The same for the same version, whoever plans it: of a create that is tried again, either note is found.
        marker = f"[{MARK} {Delivery(event, self._name).id[:8]}]"
        note = " ".join(f"{marker} {text.translate(_PLAIN)}".split())
        return note if len(note) <= LENGTH else note[: LENGTH - 1] + "…"

    def _told(self, event: Event, record: Record) -> str:
        told = destinations_for(self._connection, event, record) or (self._name,)
        happened = event.names[-1].partition(".")[2]
        values = {
            "title": f"{record.label} {_words(happened)}",
            "event": event.names[-1],
            "number": record.number,
            "party": record.party,
            "date": str(record.date or ""),
            "due": str(record.due or ""),
            "amount": shown(record.amount, record.currency),
            "balance": shown(record.balance, record.currency),
            "status": _words(record.status),
            "reference": record.reference,
            "destinations": ", ".join(told),
        }
        text: str = self._text.format(**{name: value or "not given" for name, value in values.items()})
        return text

    # --- sending ---------------------------------------------------------------------------------------------

    def send(self, request: Request) -> Receipt:
        module, record_id = _record_of(request)
        try:
            data = self._add(request, request.body)
        except Refused as error:
            if error.code == DOES_NOT_EXIST:
                raise NothingThere("the record was deleted before the note") from error
            if module.name != "purchase_order":
                raise
            data = self._add(request, {**request.body, **self._own_date(module, record_id, error)})
        comment = data.get("comment")
        return self._receipt(request, comment if isinstance(comment, dict) else {})

    def _add(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._api.call(self._connection, _path(request), method="POST", body=body)

    def _own_date(self, module: Module, record_id: str, refusal: Refused) -> dict[str, str]:
        """Zoho's specification, not Zoho, demands a date with an order's note. Another than its own would change it."""
        try:
            data = self._api.call(self._connection, f"{module.path}/{record_id}")
        except Unknown as error:
            # This was a question only, and what came before it was refused.
            raise RetryLater(error.reason, error.after, error.status) from error
        orders = [data[key] for key in module.keys if isinstance(data.get(key), dict)]
        date = next((order[name] for order in orders for name in module.due if order.get(name)), None)
        if date is None:
            raise refusal
        return {"expected_delivery_date": str(date)}

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Looks for the marker among the record's comments."""
        if "description" not in request.body:
            return None
        marker = _marker(request.body)
        try:
            for comment in self._comments(_path(request)):
                if marker in str(comment.get("description")):
                    return self._receipt(request, comment)
        except Refused as error:
            if error.code != DOES_NOT_EXIST:
                raise
        return None

    def _comments(self, path: str) -> Iterator[Mapping[str, Any]]:
        for page in range(1, MOST_PAGES + 1):
            data = self._api.call(self._connection, path, {"page": str(page)} if page > 1 else None)
            comments = data.get("comments")
            if not isinstance(comments, list):
                # No list is no proof of absence.
                raise RetryLater("Zoho did not say which notes the record has")
            yield from (comment for comment in comments if isinstance(comment, dict))
            if not more(data, len(comments), PAGE):
                return
        raise CannotTell

    def _receipt(self, request: Request, comment: Mapping[str, Any]) -> Receipt:
        """Of some modules Zoho does not say the note's id: then the trail is found by what stands in the marker."""
        module, record_id = _record_of(request)
        at = self._connection
        return Receipt(
            "created",
            external_id=str(comment.get("comment_id") or _marker(request.body).partition(" ")[2]),
            link=regions.web_link(at.region, at.organization_id, module.route, record_id),
        )


def _marker(body: Mapping[str, Any]) -> str:
    """`ml-connector 3f2a91c0`, of a note that we have written."""
    return str(body["description"]).partition("]")[0].removeprefix("[")


def _path(request: Request) -> str:
    return request.url.partition(_BASE)[2]


def _record_of(request: Request) -> tuple[Module, str]:
    path, record_id, _ = _path(request).split("/")
    return _BY_PATH[path], record_id


def _words(status: str) -> str:
    return status.replace("_", " ")
