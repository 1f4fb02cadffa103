"""`ingest_items`: the job, the upload, what becomes of each row. contracts: monday 3.2."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest
from monday_calls import code, data, item
from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer

BOARD = w.MONDAY_BOARD
START = """mutation ($board: ID!, $group: ID!, $match: OnMatchInput) {
  ingest_items(board_id: $board, group_id: $group, on_match: $match) { job_id upload_url } }"""
STATUS = """query ($job: ID!) { fetch_job_status(job_id: $job) { ... on ItemsJobStatus {
  status failure_reason failure_message fully_imported progress_percentage
  counts { submitted invalid skipped created updated failed } } } }"""
HEADER = ("name", "zb_doc_id", "zb_total", "zb_status", "zb_due", "zb_currency", "zb_link")


def start(desk: Desk, behaviour: str = "UPSERT", column: str = "zb_doc_id") -> dict[str, str]:
    """A job and its upload address."""
    match = {"match_column_id": column, "behaviour": behaviour}
    made = desk.monday(START, {"board": BOARD, "group": w.MONDAY_GROUP, "match": match})
    return dict(data(made)["ingest_items"])


def table(*rows: Sequence[str], header: Sequence[str] = HEADER) -> bytes:
    """A CSV file; short rows are filled up."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([*row, *[""] * (len(header) - len(row))] for row in rows)
    return text.getvalue().encode()


def put(desk: Desk, job: dict[str, str], content: bytes, **headers: str) -> Answer:
    """Upload."""
    return desk.ask("PUT", job["upload_url"], raw=content, headers=headers)


def status(desk: Desk, job: dict[str, str], wait: float = 2) -> dict[str, Any]:
    """What the job says after a while."""
    desk.world.clock.advance(wait)
    return dict(data(desk.monday(STATUS, {"job": job["job_id"]}))["fetch_job_status"])


def run(desk: Desk, content: bytes, behaviour: str = "UPSERT", column: str = "zb_doc_id") -> dict[str, Any]:
    """A whole import."""
    job = start(desk, behaviour, column)
    assert put(desk, job, content).status == 200
    return status(desk, job)


def texts(desk: Desk, column: str) -> list[str]:
    """A column of the board, in order of creation."""
    items = desk.control("GET", f"monday/boards/{BOARD}").json()["items"]
    return [one["name"] if column == "name" else one["text"][column] for one in items]


def test_rows_become_items(desk: Desk) -> None:
    """Every type in its plain form; the job tells when the work is done."""
    row = ("INV-1", "zb:1", "1180.50", "Paid", "2026-12-05", "USD", "https://a.b INV-1")
    job = start(desk)
    assert put(desk, job, table(row)).status == 200
    assert status(desk, job, 0)["status"] == "PROCESSING"
    done = status(desk, job)
    assert (done["status"], done["fully_imported"], done["progress_percentage"]) == ("COMPLETED", True, 100)
    assert done["counts"] == {"submitted": 1, "invalid": 0, "skipped": 0, "created": 1, "updated": 0, "failed": 0}
    assert [texts(desk, column)[0] for column in HEADER[:6]] == ["INV-1", "zb:1", "1180.5", *row[3:6]]


def test_an_upsert_changes_what_matches_and_leaves_empty_cells_alone(desk: Desk) -> None:
    """`<NULL>` clears; the newest of several matches is taken; the last row of equal ones in the file wins."""
    item(desk, {"zb_doc_id": "zb:1"}, name="older twin")
    item(desk, {"zb_doc_id": "zb:1", "zb_total": "5", "zb_status": {"label": "Sent"}}, name="newer twin")
    counts = run(desk, table(("", "zb:1", "7"), ("", "zb:1", "", "<NULL>"), ("new", "zb:2")))["counts"]
    assert (counts["updated"], counts["created"], counts["skipped"]) == (1, 1, 1)
    assert texts(desk, "name") == ["older twin", "newer twin", "new"]
    assert texts(desk, "zb_total") == ["", "5", ""]
    assert texts(desk, "zb_status") == [None, None, None]


def test_skip_leaves_what_matches(desk: Desk) -> None:
    """`behaviour: SKIP`."""
    item(desk, {"zb_doc_id": "zb:1", "zb_total": "5"})
    counts = run(desk, table(("x", "zb:1", "7"), ("y", "zb:2", "8")), "SKIP")["counts"]
    assert (counts["skipped"], counts["created"], counts["updated"]) == (1, 1, 0)
    assert texts(desk, "zb_total") == ["5", "8"]


def test_an_empty_match_value_is_a_new_item(desk: Desk) -> None:
    """Twice the same row is then two items."""
    assert run(desk, table(("x", ""), ("x", "")))["counts"]["created"] == 2


def test_archived_items_match_nothing(desk: Desk) -> None:
    """They are not on the board."""
    key = item(desk, {"zb_doc_id": "zb:1"})
    data(desk.monday("mutation ($i: ID) { archive_item(item_id: $i) { id } }", {"i": key}))
    assert run(desk, table(("x", "zb:1")))["counts"]["created"] == 1


def test_bad_rows_are_counted_and_the_others_go_on(desk: Desk) -> None:
    """A wrong number, an unknown label, no name: `invalid`, and not fully imported."""
    done = run(desk, table(("a", "1", "much"), ("b", "2", "", "Nothing"), ("", "3"), ("c", "4", "5")))
    assert (done["counts"]["invalid"], done["counts"]["created"]) == (3, 1)
    assert (done["status"], done["fully_imported"]) == ("COMPLETED", False)
    assert texts(desk, "name") == ["c"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "INVALID_UPLOAD"),
        (b"", "INVALID_UPLOAD"),
        (table(("x",), header=("name", "nothing", "zb_doc_id")), "INVALID_UPLOAD"),
        (table(("x",), header=("name", "zb_total")), "INVALID_UPLOAD"),
        (b"name,zb_doc_id\nx\n", "INVALID_UPLOAD"),
        (table(*[("x", str(n)) for n in range(10_001)], header=("name", "zb_doc_id")), "INVALID_UPLOAD"),
    ],
)
def test_files_that_cannot_be_read_are_rejected_whole(desk: Desk, content: bytes, reason: str) -> None:
    """UTF-8, known columns, the matching one among them, full rows, at most 10,000 of them."""
    done = run(desk, content)
    assert (done["status"], done["failure_reason"]) == ("REJECTED", reason)
    assert done["failure_message"]
    assert desk.world.monday.items == {}


def test_a_board_without_room_fails_the_job(desk: Desk) -> None:
    """BOARD_CAPACITY_EXCEEDED, and nothing was made."""
    desk.control("PATCH", f"monday/boards/{BOARD}", {"items_limit": 1})
    done = run(desk, table(("a", "1"), ("b", "2")))
    assert (done["status"], done["failure_reason"]) == ("FAILED", "BOARD_CAPACITY_EXCEEDED")
    assert desk.world.monday.items == {}


def test_nineteen_thousand_items_an_hour(desk: Desk) -> None:
    """ACCOUNT_CAPACITY_EXCEEDED; free again when the hour is over."""
    desk.world.monday.accounts[w.MONDAY_ACCOUNT].ingested.append((desk.world.clock.now(), 18_999))
    assert run(desk, table(("a", "1"), ("b", "2")))["failure_reason"] == "ACCOUNT_CAPACITY_EXCEEDED"
    desk.world.clock.advance(3600)
    assert run(desk, table(("a", "1"), ("b", "2")))["counts"]["created"] == 2


def test_a_hundred_starts_an_hour(desk: Desk) -> None:
    """HTTP 429, `retryAfterMs`."""
    for _ in range(100):
        start(desk)
    answer = desk.monday(START, {"board": BOARD, "group": w.MONDAY_GROUP})
    assert (answer.status, code(answer)) == (429, "RATE_LIMIT_EXCEEDED")
    assert answer.json()["errors"][0]["extensions"]["retryAfterMs"] == 3_600_000


def test_the_address_lives_ten_minutes_and_takes_a_put_without_checksum(desk: Desk) -> None:
    """S3 answers 403, in XML."""
    job = start(desk)
    assert desk.ask("POST", job["upload_url"], raw=b"x").status == 403
    assert desk.ask("PUT", job["upload_url"].partition("?")[0], raw=b"x").status == 403
    assert put(desk, job, b"x", **{"x-amz-checksum-crc32": "AAAA"}).status == 403
    assert status(desk, job, 0)["status"] == "UPLOAD_PENDING"
    desk.world.clock.advance(601)
    late = put(desk, job, table(("x", "1")))
    assert (late.status, late.headers["Content-Type"]) == (403, "application/xml")
    assert status(desk, job)["status"] == "REJECTED"


def test_a_file_is_taken_once(desk: Desk) -> None:
    """The same upload again does nothing."""
    job = start(desk)
    for _ in range(2):
        assert put(desk, job, table(("x", ""))).status == 200
    assert len(desk.world.monday.items) == 1


@pytest.mark.parametrize("column", ["zb_currency", "subitems", "nothing"])
def test_not_every_column_matches(desk: Desk, column: str) -> None:
    """Email, phone, text, name, numbers, link, date, long text, status."""
    match = {"match_column_id": column, "behaviour": "UPSERT"}
    answer = desk.monday(START, {"board": BOARD, "group": w.MONDAY_GROUP, "match": match})
    assert code(answer) in ("InvalidArgumentException", "InvalidColumnIdException")


def test_jobs_need_a_board_a_group_and_are_the_accounts_own(desk: Desk) -> None:
    """Unknown ones are errors."""
    assert code(desk.monday(START, {"board": "1", "group": "g"})) == "InvalidBoardIdException"
    assert code(desk.monday(START, {"board": BOARD, "group": "g"})) == "ResourceNotFoundException"
    assert code(desk.monday(STATUS, {"job": "1"})) == "ResourceNotFoundException"


def test_side_effects_happen_as_usual(desk: Desk) -> None:
    """3.2: webhooks are told, of the program's user."""
    desk.hook_status = 200
    hook = 'mutation { create_webhook(board_id: BOARD, url: "https://hooks.example.com", event: create_item) { id } }'
    data(desk.monday(hook.replace("BOARD", BOARD)))
    run(desk, table(("x", "1")))
    desk.control("POST", "monday/events/settle")
    assert [one["event"]["userId"] for one in desk.control("GET", "monday/events").json()["events"]] == [
        int(w.MONDAY_USER)
    ]


def test_ten_thousand_rows_are_one_import(desk: Desk) -> None:
    """And the second time they are all updates."""
    content = table(*[("x", str(n), str(n)) for n in range(10_000)], header=("name", "zb_doc_id", "zb_total"))
    assert run(desk, content)["counts"]["created"] == 10_000
    assert run(desk, content)["failure_reason"] == "ACCOUNT_CAPACITY_EXCEEDED"
    desk.world.clock.advance(3600)
    assert run(desk, content)["counts"]["updated"] == 10_000
