"""monday.com: one item per record, made once and then kept up to date (contracts: monday 3, 4, 6).

Three layers keep a retry from making a second item: the delivery table's row, the external id that is written in the
same `create_item`, and a deterministic Idempotency-Key with the stored exact body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import jmespath
from jmespath.exceptions import JMESPathError

from ml_connector.connections import Connection
from ml_connector.destinations import Toolbox
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.events import DELETED, Event
from ml_connector.modules import MODULES
from ml_connector.ports import Clock, Memory, NothingThere, Receipt, Request
from ml_connector.records import Record, as_mapping, same_status
from ml_connector.regions import web_link
from ml_connector.vendors import monday

KEY_LIVES = timedelta(minutes=25)
"""How long an unanswered create is repeated with its key; monday keeps answers for 30 minutes (6)."""
COVERED = frozenset({
    "module", "id", "number", "party", "date", "due", "currency", "amount", "balance", "status", "reference", "mode",
    "applied", "custom", "label", "title", "external_id", "link", "lines_text",
})  # fmt: skip
"""What of `as_mapping` and of our own fields cannot change without the record's fingerprint (records.py)."""
NAME_LENGTH = 255
LONG_TEXT = 2000
TEXT = 2000
_PLAIN_PATH = re.compile(r"\w+(\.\w+)*")


def connect(name: str, settings: Mapping[str, Any], connection: Connection, tools: Toolbox) -> Monday:
    def token() -> str:
        stored = tools.secrets.get(connection.name, "monday").get("token")
        if not stored:
            raise NeedsAttention(
                f"connection {connection.name} has no monday token yet; set it with "
                f"`mlc credentials set {connection.name} monday`"
            )
        return str(stored)

    # Connections applied before there were plans have none.
    plan = settings.get("plan", "basic")
    api = monday.MondayApi(tools.http(monday.HOSTS), token, tools.clock, tools.limits, plan)
    return Monday(settings, connection, api, tools.clock)


class Monday:
    """A board as a destination."""

    def __init__(
        self, settings: Mapping[str, Any], connection: Connection, api: monday.MondayApi, clock: Clock
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._api = api
        self._clock = clock
        self._columns = [
            (column, each["type"], jmespath.compile(each["from"]), _by_status(each.get("labels", {})))
            for column, each in settings["columns"].items()
        ]
        self.covered = all(_covered(each["from"]) for each in settings["columns"].values())

    # --- rendering -------------------------------------------------------------------------------------------

    def plan(self, event: Event, record: Record, memory: Memory) -> Request:
        if event.action == DELETED:
            return self._mark(record, memory)
        external_id = self._external_id(record)
        variables: dict[str, Any] = {
            "board": str(self._settings["board_id"]),
            "name": item_name(record),
            # Declared JSON, but it must be a string that contains JSON (0, fact 4).
            "cols": json.dumps(self._values(record, external_id), ensure_ascii=False, separators=(",", ":")),
            "labels": self._settings["create_labels"],
        }
        if memory.external_id and memory.target in ("", variables["board"]):
            variables["item"] = memory.external_id
            return self._request("update", monday.UPDATE, variables, record)
        variables["group"] = self._settings["group"] or None
        key = uuid5(
            NAMESPACE_URL, f"ml-connector:{self._settings['board_id']}:{external_id}:create:{memory.generation}"
        )
        return self._request("create", monday.CREATE, variables, record, str(key))

    def _mark(self, record: Record, memory: Memory) -> Request:
        """Sets the item's status and leaves all else as it was: of a deleted record nothing else is known."""
        board = str(self._settings["board_id"])
        values = {
            column: encode(kind, record.status, labels, record.title)
            for column, kind, path, labels in self._columns
            if path.expression == "status"
        }
        if not values or not memory.external_id or memory.target not in ("", board):
            raise NothingThere
        variables = {
            "board": board,
            "item": memory.external_id,
            "cols": json.dumps(values, ensure_ascii=False, separators=(",", ":")),
            "labels": self._settings["create_labels"],
        }
        return self._request("update", monday.MARK, variables, record)

    def _request(
        self, operation: str, query: str, variables: Mapping[str, Any], record: Record, key: str = ""
    ) -> Request:
        body = {"query": query, "variables": variables}
        target = str(variables["board"])
        return Request(operation, "POST", monday.URL, body, idempotency_key=key, target=target, about=record.title)

    def _external_id(self, record: Record) -> str:
        return f"zb:{self._connection.organization_id}:{record.module}:{record.id}"

    def _values(self, record: Record, external_id: str) -> dict[str, Any]:
        source = as_mapping(record)
        source["external_id"] = external_id
        source["link"] = web_link(
            self._connection.region, self._connection.organization_id, MODULES[record.module].route, record.id
        )
        source["lines_text"] = "\n".join(
            f"{line.quantity or ''} × {line.name}: {line.total or ''}".strip(" ×") for line in record.lines
        )
        values: dict[str, Any] = {}
        for column, kind, path, labels in self._columns:
            try:
                values[column] = encode(kind, path.search(source), labels, record.title)
            except (ArithmeticError, JMESPathError) as error:
                raise Undeliverable(f"column {column}: the record holds no {kind} there; map it differently") from error
        return {**values, self._settings["external_id_column"]: external_id}

    # --- sending ---------------------------------------------------------------------------------------------

    def send(self, request: Request) -> Receipt:
        try:
            reply = self._api.call(request.body, idempotency_key=request.idempotency_key)
        except (RetryLater, NeedsAttention):
            raise
        except Undeliverable as error:
            if request.operation == "update":
                self._explain_refusal(str(request.body["variables"]["item"]), error)
            raise
        item = reply.data.get("item")
        if not isinstance(item, dict) or not item.get("id"):
            # No item and no error either: the outcome is open (5.4).
            raise Unknown("monday answered without an item", status=reply.status)
        return Receipt(
            "created" if request.operation == "create" else "updated",
            external_id=str(item["id"]),
            link=str(item.get("url") or ""),
            status=reply.status,
            request_id=reply.request_id,
            replayed=reply.replayed,
        )

    def _explain_refusal(self, item_id: str, error: Undeliverable) -> None:
        """Raises Gone if the update failed because the item is no longer on the board (6, procedure 1)."""
        reply = self._api.call({"query": monday.STATE, "variables": {"ids": [item_id]}})
        found = reply.data.get("items")
        if not isinstance(found, list):
            # No list is no proof of absence.
            raise RetryLater("monday did not say whether the item is there", status=reply.status) from error
        if not any(isinstance(item, dict) and item.get("state") == "active" for item in found):
            raise Gone(f"item {item_id} was archived or deleted on the board", error.status) from error

    def settle(self, request: Request, memory: Memory) -> Receipt | None:
        """Within 25 minutes the same key and body are sent again; after that the item is looked for (6.3)."""
        age = self._clock() - datetime.fromisoformat(memory.first_attempt_at)
        if age < KEY_LIVES:
            return self.send(request)
        column = self._settings["external_id_column"]
        wanted = json.loads(request.body["variables"]["cols"])[column]
        variables = {"board": str(self._settings["board_id"]), "col": column, "val": wanted}
        reply = self._api.call({"query": monday.FIND, "variables": variables})
        page = reply.data.get("items_page_by_column_values")
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise RetryLater("monday did not say whether the item is there", status=reply.status)
        # The search ignores case and matches whole values: compare exactly here. Of several, the first made counts.
        hits = [
            item
            for item in page["items"]
            if any(value.get("id") == column and value.get("text") == wanted for value in item["column_values"])
        ]
        if not hits:
            return None
        first = min(hits, key=lambda item: int(item["id"]))
        return Receipt("created", external_id=str(first["id"]), link=str(first.get("url") or ""), status=reply.status)


def _covered(path: str) -> bool:
    """True for a plain path to what the record's fingerprint covers; whatever else a path may reach is unknown."""
    return _PLAIN_PATH.fullmatch(path) is not None and path.partition(".")[0] in COVERED


def item_name(record: Record) -> str:
    """Document and party, 1 to 255 characters (3.3, 12)."""
    name = f"{record.title} · {record.party}" if record.party else record.title
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def encode(kind: str, value: Any, labels: Mapping[str, str], title: str) -> Any:
    """A value as its column type wants it written; None clears every type, where "" would store 0 (4)."""
    if value is None or value == "":
        return None
    text = str(value)
    match kind:
        case "text":
            return text[:TEXT]
        case "long_text":
            return {"text": text if len(text) <= LONG_TEXT else text[: LONG_TEXT - 1] + "…"}
        case "numbers":
            return format(Decimal(text), "f")
        case "status":
            return {"label": _label(text, labels)}
        case "dropdown":
            return {"labels": [_label(text, labels) if labels else text]}
        case "date":
            return _date(text)
        case "link":
            return {"url": text, "text": title[:NAME_LENGTH]}
        case "email":
            return {"email": text, "text": text}
        case "checkbox":
            return {"checked": "true" if text.lower() in ("true", "1", "yes") else "false"}
    raise AssertionError(f"unknown column type {kind}: the configuration's model should have refused it")


def _by_status(labels: Mapping[str, str]) -> dict[str, str]:
    """The board's labels by the one word that we have for each status, whichever of Zoho's stands in the file."""
    return {same_status(word): label for word, label in labels.items()}


def _label(status: str, labels: Mapping[str, str]) -> str:
    """The board's label for a Zoho status: mapped, else in words ("partially_paid" → "Partially paid")."""
    return labels.get(status) or labels.get("*") or status.replace("_", " ").capitalize()[:30]


def _date(text: str) -> dict[str, str]:
    """A day, or a UTC moment as day and time: monday keeps times in UTC."""
    return {"date": text[:10], "time": text[11:19]} if "T" in text else {"date": text[:10]}
