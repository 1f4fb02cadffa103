"""monday's import with a real upsert: `ingest_items`, the upload, the job. contracts: monday 3.2.

The host of the upload and the form of the file are not published. Here the file is CSV in UTF-8; its header names
column ids, `name` among them; cells are written as `change_simple_column_value` takes them.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from typing import Any

from graphql import GraphQLError

from sandbox.vendors import monday_columns as columns_of
from sandbox.vendors import monday_deeds as deeds
from sandbox.vendors.monday_columns import Around, BadValue
from sandbox.vendors.monday_items import find_group
from sandbox.vendors.monday_session import Fields, Session, refuse
from sandbox.vendors.monday_state import MondayBoard, MondayItem, MondayJob
from sandbox.vendors.wire import Answer, Call
from sandbox.vendors.world import World

UPLOADS = "monday-imports.s3.us-east-1.amazonaws.com"
_UPLOAD_SECONDS = 600
_MOST_ROWS, _MOST_BYTES = 10_000, 150 * 1024 * 1024
_ITEMS_PER_HOUR = 19_000
_CLEAR = "<NULL>"
_COUNTS = ("submitted", "invalid", "skipped", "created", "updated", "failed")


def ingest_items(session: Session, _info: Any, board_id: str, group_id: str, on_match: Any = None) -> Any:
    """A job, and the address that takes its file for ten minutes. 100 starts an hour."""
    board = session.board(board_id, change=True)
    if board.parent_board_id or board.state != "active":
        raise refuse("InvalidBoardIdException", "Items cannot be imported into this board.")
    find_group(board, group_id)
    match = (on_match or {}).get("match_column_id", "")
    if match and match != "name" and session.column(board, match).type not in columns_of.MATCHED:
        raise refuse("InvalidArgumentException", "Items cannot be matched by this column.", column_id=match)
    wait = session.account.ingests.take(session.now)
    if wait:
        told = {"code": "RATE_LIMIT_EXCEEDED", "retryAfterMs": math.ceil(wait * 1000), "status_code": 429}
        raise GraphQLError("Too many imports were started.", extensions=told)
    job = MondayJob(
        session.world.guid(),
        session.account.account_id,
        session.user_id,
        board.board_id,
        group_id,
        match,
        (on_match or {}).get("behaviour", ""),
        session.world.opaque(32),
        session.now + _UPLOAD_SECONDS,
    )
    session.world.monday.jobs[job.job_id] = job
    return {"job_id": job.job_id, "upload_url": f"https://{UPLOADS}/{job.job_id}?X-Amz-Signature={job.key}"}


def fetch_job_status(session: Session, _info: Any, job_id: str) -> Any:
    """How far it is. An upload that never came is refused by its end."""
    job = session.world.monday.jobs.get(job_id)
    if job is None or job.account_id != session.account.account_id:
        raise refuse("ResourceNotFoundException", "Job not found.", job_id=job_id)
    if job.status == "UPLOAD_PENDING" and session.now > job.until:
        _end(job, "REJECTED", "INVALID_UPLOAD", "The file was not uploaded in time.")
    if job.status == "PROCESSING" and session.now >= job.done_at:
        job.status = job.outcome
    done = job.status == "COMPLETED"
    counts = job.counts if job.status in ("COMPLETED", "FAILED") else dict.fromkeys(_COUNTS, 0)
    return {
        "__typename": "ItemsJobStatus",
        "status": job.status,
        "progress_percentage": 100 if done else 0,
        "failure_reason": job.failure_reason if job.status in ("FAILED", "REJECTED") else None,
        "failure_message": job.failure_message if job.status in ("FAILED", "REJECTED") else None,
        "fully_imported": done and not (counts["invalid"] or counts["failed"]),
        "report_created": False,
        "report_url": None,
        "counts": counts,
    }


def _end(job: MondayJob, status: str, reason: str, message: str) -> None:
    job.status, job.outcome, job.failure_reason, job.failure_message = status, status, reason, message


def upload(world: World, call: Call) -> Answer:
    """`PUT` of the file. The storage answers in XML and knows nothing of monday's errors."""
    job = world.monday.jobs.get(call.path[0]) if len(call.path) == 1 else None
    signed = job is not None and call.param("X-Amz-Signature") == job.key and world.clock.now() <= job.until
    if job is None or not signed or call.method != "PUT" or "x-amz-checksum-crc32" in call.headers:
        return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
    if job.status == "UPLOAD_PENDING":
        _process(world, job, call.body)
    return Answer(200)


def _process(world: World, job: MondayJob, body: bytes) -> None:
    """Decide and do all of it now; it is told when the time of the work is over."""
    account = world.monday.accounts[job.account_id]
    job.status, job.outcome = "PROCESSING", "COMPLETED"
    job.done_at = world.clock.now() + account.ingest_seconds
    job.counts = dict.fromkeys(_COUNTS, 0)
    if len(body) > _MOST_BYTES:
        return _end(job, "REJECTED", "FILE_TOO_LARGE", "The file is larger than 150 MB.")
    board = world.monday.boards[job.board_id]
    try:
        rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return _end(job, "REJECTED", "INVALID_UPLOAD", "The file is not CSV in UTF-8.")
    header = list(rows[0]) if rows else []
    flaw = _flaw(board, job, header, rows)
    if flaw:
        return _end(job, "REJECTED", "INVALID_UPLOAD", flaw)
    job.counts["submitted"] = len(rows)
    plan = _plan(board, job, rows)
    new = sum(found is None for _, found in plan)
    work = new + (sum(found is not None for _, found in plan) if job.behaviour == "UPSERT" else 0)
    hour = world.clock.now() - 3600
    account.ingested = [(at, count) for at, count in account.ingested if at > hour]
    if sum(count for _, count in account.ingested) + work > _ITEMS_PER_HOUR:
        job.outcome, job.failure_reason = "FAILED", "ACCOUNT_CAPACITY_EXCEEDED"
        job.failure_message = f"{_ITEMS_PER_HOUR} items an hour may be imported."
        return None
    if board.live() + new > board.items_limit:
        job.outcome, job.failure_reason = "FAILED", "BOARD_CAPACITY_EXCEEDED"
        job.failure_message = "The board has no room for these items."
        return None
    account.ingested.append((world.clock.now(), work))
    users = frozenset(one.user_id for one in world.monday.users.values() if one.account_id == job.account_id)
    around = Around(users, lambda key: world.monday.items[key].board_id if key in world.monday.items else "")
    counts = Counter(_row(world, board, job, row, found, around) for row, found in plan)
    job.counts |= counts
    job.counts["skipped"] += len(rows) - len(plan)  # rows that a later one of the file replaces
    return None


def _flaw(board: MondayBoard, job: MondayJob, header: list[Any], rows: list[dict[Any, Any]]) -> str:
    if not rows or len(rows) > _MOST_ROWS:
        return f"A file holds 1 to {_MOST_ROWS} rows."
    unknown = [key for key in header if key != "name" and (key is None or key not in board.columns)]
    if unknown or len(set(header)) < len(header):
        return f"Unknown columns: {', '.join(map(str, unknown))}"
    if job.match_column_id and job.match_column_id not in header:
        return "The column to match by is missing."
    if any(None in row or None in row.values() for row in rows):
        return "A row has too many or too few cells."
    return ""


def _plan(board: MondayBoard, job: MondayJob, rows: list[dict[str, str]]) -> list[tuple[dict[str, str], Any]]:
    """Each row with the item that it matches: of equal ones in the file the last counts, on the board the newest."""
    key = job.match_column_id
    if not key:
        return [(row, None) for row in rows]
    held: dict[str, MondayItem] = {}
    for item in board.items.values():
        if item.state == "active":
            shown = item.name if key == "name" else columns_of.search_text(board.columns[key], item.values.get(key))
            held[shown] = item  # in order of creation: the newest stays
    last = {row[key]: row for row in rows if row[key]}
    return [(row, held.get(row[key]) if row[key] else None) for row in rows if not row[key] or last[row[key]] is row]


def _row(
    world: World, board: MondayBoard, job: MondayJob, row: dict[str, str], found: MondayItem | None, around: Around
) -> str:
    """What became of a row; side effects as usual."""
    if found is not None and job.behaviour == "SKIP":
        return "skipped"
    values, name = dict(found.values) if found else {}, row.get("name", "")
    try:
        for key, text in row.items():
            if key == "name" or not text:
                continue
            values.pop(key, None)
            if text != _CLEAR:
                values[key] = columns_of.imported(board.columns[key], text, around)
    except BadValue:
        return "invalid"
    if len(name) > 255 or (found is None and not name):
        return "invalid"
    if found is None:
        deeds.make_item(world, board, board.groups[job.group_id], name, values, job.user_id)
        return "created"
    deeds.set_values(world, found, values, job.user_id)
    if name:
        deeds.rename(world, found, name, job.user_id)
    return "updated"


INGEST_QUERIES: Fields = {"fetch_job_status": (fetch_job_status, "boards:read")}
INGEST_MUTATIONS: Fields = {"ingest_items": (ingest_items, "boards:write")}
