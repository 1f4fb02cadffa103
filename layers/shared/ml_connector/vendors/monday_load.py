"""Two ways to put many items on a board: monday's import, and several mutations in one request (monday 3.1, 3.2).

The import takes a CSV file. Its form is not published (3.2, unconfirmed): we name columns by their ids in its header,
as the schema's arguments do, and look for each item afterwards; what is not found is nobody's guess, but another
delivery's. A file that monday rejects is reason to take the other way.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

from ml_connector.bulk_load import PART, Placed
from ml_connector.errors import RetryLater, Undeliverable, Unknown
from ml_connector.ports import Request
from ml_connector.vendors.http import Http
from ml_connector.vendors.monday import Reply
from ml_connector.vendors.monday_boards import Item, MondayBoards, items_of

UPLOADS = frozenset({"*.amazonaws.com", "*.monday.com"})
"""Where a file may be uploaded to: monday names the address, and it lies with Amazon (3.2)."""
IMPORTED = frozenset({"text", "long_text", "numbers", "status", "dropdown", "date", "link", "email", "phone"})
"""Types of columns that the import takes as we write them (3.2)."""
ALIASES = 20
"""Mutations of one request, at most (3.1, assumed)."""
FILE_ROWS = 500
"""Of the 10,000 that a file may have: as many as are claimed at a time."""
SOUGHT = 100
"""External ids that are looked for with one call."""
POLLS = (2.0, 3.0, 5.0, 10.0, 20.0)
"""Seconds between two looks at a job; the last goes on. Each look is one of the day's calls."""
LOOKS = (5.0, 20.0)
"""Seconds before each further look for what was not to be seen."""
MANY = 20
"""So many unseen items cost their deliveries more calls than paging through a whole board."""
_HOUR = 3600.0
"""Of an account's 19,000 items (3.2)."""
_CLEAR = "<NULL>"

INGEST = """mutation Ingest($board: ID!, $group: ID!, $match: String!) {
  job: ingest_items(board_id: $board, group_id: $group, on_match: {match_column_id: $match, behaviour: UPSERT}) {
    job_id upload_url
  }
}"""

STATUS = """query IngestStatus($job: ID!) {
  fetch_job_status(job_id: $job) {
    ... on ItemsJobStatus {
      status failure_reason failure_message counts { submitted invalid skipped created updated failed }
    }
  }
}"""

SOUGHT_ITEMS = """query LoadedItems($ids: [ID!]!, $col: ID!, $cols: [String!], $vals: CompareValue!) {
  boards(ids: $ids) {
    items_page(limit: 500, query_params: {rules: [{column_id: $col, compare_value: $vals, operator: any_of}]}) {
      cursor items { id url name group { id } column_values(ids: $cols) { id type text value } }
    }
  }
}"""


def load_items(kinds: Sequence[str]) -> str:
    """`create` or `change` of one item each: `$n0` and `$c0` are name and values of the first, `$i0` its id."""
    declared, made = [], []
    for at, kind in enumerate(kinds):
        if kind == "create":
            declared.append(f"$n{at}: String!, $g{at}: String, $c{at}: JSON!")
            made.append(
                f"l{at}: create_item(board_id: $board, group_id: $g{at}, item_name: $n{at}, column_values: $c{at},"
                " create_labels_if_missing: $labels) { id url }"
            )
        else:
            declared.append(f"$i{at}: ID!, $c{at}: JSON!")
            made.append(
                f"l{at}: change_multiple_column_values(board_id: $board, item_id: $i{at}, column_values: $c{at},"
                " create_labels_if_missing: $labels) { id url }"
            )
    body = "\n  ".join([*made, "complexity { query after reset_in_x_seconds }"])
    return f"mutation LoadItems($board: ID!, $labels: Boolean, {', '.join(declared)}) {{\n  {body}\n}}"


class Api(Protocol):
    def call(self, body: Mapping[str, Any], *, idempotency_key: str = "", partial: bool = False) -> Reply: ...


class _Board:
    """What both ways have in common: the board that is filled, and the column that names the record."""

    def __init__(self, api: Api, board_id: str, external_id_column: str) -> None:
        self._api = api
        self._board = board_id
        self._column = external_id_column
        self._twins: set[str] = set()
        """External ids that several items have."""

    def there(self) -> dict[str, Placed]:
        """What is on the board. Of several items of one record the first made counts (6)."""
        found: dict[str, Placed] = {}
        for page in MondayBoards(self._api).pages(self._board, [self._column]):
            self._twins |= _add(found, page, self._column)
        return found

    def name(self, request: Request) -> str:
        name: str = json.loads(request.body["variables"]["cols"])[self._column]
        return name


class Aliases(_Board):
    """Several mutations in one request: one call of the day's budget (3.1). Its key covers all of them, and this
    attempt alone: monday would repeat a refusal when it has been put right (6).
    """

    batch = ALIASES

    def lot(self, request: Request) -> str:
        return ""

    def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> dict[str, Placed]:
        variables: dict[str, Any] = {"board": self._board, "labels": requests[0].body["variables"].get("labels")}
        kinds, names = [], [self.name(each) for each in requests]
        for at, (name, request) in enumerate(zip(names, requests, strict=True)):
            asked = request.body["variables"]
            kinds.append("change" if name in there else "create")
            variables |= {f"c{at}": asked["cols"]}
            variables |= {f"i{at}": there[name].id} if name in there else {
                f"n{at}": asked["name"], f"g{at}": asked.get("group"),
            }  # fmt: skip
        body = {"query": load_items(kinds), "variables": variables}
        data = self._api.call(body, idempotency_key=str(uuid4()), partial=True).data
        answers = [data.get(f"l{at}") for at in range(len(requests))]
        return {
            name: Placed(str(answer["id"]), str(answer.get("url") or ""))
            for name, answer in zip(names, answers, strict=True)
            if isinstance(answer, dict) and answer.get("id")
        }


class Import(_Board):
    """monday's import with an upsert by the external id: a few calls for hundreds of items (3.2)."""

    batch = FILE_ROWS

    def __init__(
        self,
        api: Api,
        uploads: Http,
        board_id: str,
        external_id_column: str,
        first_group: str,
        sleep: Callable[[float], None],
    ) -> None:
        super().__init__(api, board_id, external_id_column)
        self._uploads = uploads
        self._first_group = first_group
        self._sleep = sleep

    def lot(self, request: Request) -> str:
        """Its group: a job fills one."""
        return request.body["variables"].get("group") or self._first_group

    def fill(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> dict[str, Placed]:
        # Of twins the import changes the newest (3.2), and the first made is ours: their own deliveries change that.
        plain = [each for each in requests if self.name(each) not in self._twins]
        if not plain:
            return {}
        late = None
        try:
            self._import(self.lot(plain[0]), plain, there)
        except Unknown as error:
            late = error
        found = self._found([self.name(each) for each in plain])
        if late and len(found) < len(plain):
            raise late  # the rest may come yet
        return found

    def _import(self, group: str, requests: Sequence[Request], there: Mapping[str, Placed]) -> None:
        file = self._file(requests, there)
        job = self._api.call(
            {"query": INGEST, "variables": {"board": self._board, "group": group, "match": self._column}}
        ).data.get("job")
        if not isinstance(job, dict) or not job.get("job_id") or not job.get("upload_url"):
            raise Undeliverable("monday began no import")
        answer = self._uploads.call("PUT", str(job["upload_url"]), content=file)
        if answer.status >= 300:
            raise Undeliverable(f"the storage did not take the file for monday's import ({answer.status})")
        self._await(str(job["job_id"]))

    def _await(self, job: str) -> None:
        """Returns when the job has done what it could. Raises Undeliverable if monday rejects the file."""
        waited, polls = 0.0, list(POLLS)
        while waited < PART.total_seconds():
            pause = polls.pop(0) if len(polls) > 1 else polls[0]
            self._sleep(pause)
            waited += pause
            said = self._api.call({"query": STATUS, "variables": {"job": job}}).data.get("fetch_job_status") or {}
            match said.get("status"):
                case "COMPLETED":
                    return
                case "REJECTED":
                    raise Undeliverable(f"monday rejects the import: {_why(said)}")
                case "FAILED":
                    raise _failed(said)
        raise Unknown("monday's import takes too long")

    def _file(self, requests: Sequence[Request], there: Mapping[str, Placed]) -> bytes:
        rows = [
            {"name": each.body["variables"]["name"], **json.loads(each.body["variables"]["cols"])} for each in requests
        ]
        text = io.StringIO()
        header = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.writer(text)
        writer.writerow(header)
        for row in rows:
            empty = _CLEAR if row[self._column] in there else ""
            writer.writerow([_cell(row.get(name), empty) for name in header])
        return text.getvalue().encode(errors="replace")

    def _found(self, names: Sequence[str]) -> dict[str, Placed]:
        """Looked for again after a while: what was just made need not be shown at once (3.1, assumed)."""
        found = self._sought(names)
        for pause in LOOKS:
            if not (absent := [name for name in names if name not in found]):
                return found
            self._sleep(pause)
            found |= self._sought(absent)
        absent = [name for name in names if name not in found]
        if len(absent) > MANY:
            # The board itself, page by page, is no search index.
            found |= {name: place for name, place in self.there().items() if name in set(absent)}
        return found

    def _sought(self, names: Sequence[str]) -> dict[str, Placed]:
        found: dict[str, Placed] = {}
        for at in range(0, len(names), SOUGHT):
            asked = {"ids": [self._board], "col": self._column, "cols": [self._column]}
            values = list(names[at : at + SOUGHT])
            data = self._api.call({"query": SOUGHT_ITEMS, "variables": {**asked, "vals": values}}).data
            boards = data.get("boards") or [{}]
            _add(found, items_of(boards[0].get("items_page")), self._column)
        return found


def _failed(said: Mapping[str, Any]) -> RetryLater | Undeliverable:
    """By what it has done: an import that made nothing can be made again, or another way taken."""
    counts, why = said.get("counts"), f"monday's import failed: {_why(said)}"
    if not isinstance(counts, dict) or counts.get("created") or counts.get("updated"):
        return Unknown(why)
    if said.get("failure_reason") == "ACCOUNT_CAPACITY_EXCEEDED":
        return RetryLater(why, _HOUR)
    return Undeliverable(why)


def _add(found: dict[str, Placed], items: Iterable[Item], column: str) -> set[str]:
    """Adds them by external id, and gives those that others have already."""
    twins = set()
    for item in items:
        name = item.cells.get(column, "")
        if name in found:
            twins.add(name)
        if name and (name not in found or int(item.id) < int(found[name].id)):
            found[name] = Placed(item.id, item.url)
    return twins


def _cell(value: Any, empty: str) -> str:
    """A value of `column_values` as the text that the import takes: that of a simple string (4)."""
    match value:
        case None:
            return empty
        case {"label": text} | {"index": text}:
            return str(text)
        case {"labels": texts} | {"ids": texts}:
            return ",".join(map(str, texts))
        case {"url": url, "text": text}:
            return f"{url} {text}"
        case {"email": address, "text": text}:
            return f"{address} {text}"
        case {"phone": number, "countryShortName": country}:
            return f"{number} {country}"
        case {"date": date}:
            return f"{date} {value.get('time', '')}".rstrip()
        case {"text": text}:
            return str(text)
    return str(value)


def _why(said: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (said.get("failure_reason"), said.get("failure_message")))) or "without a reason"
