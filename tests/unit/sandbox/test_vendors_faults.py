"""Trouble on demand, the control API, and the HTTP shell around the stand-ins."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any

import pytest
from vendors_desk import Desk, refresh_form

from sandbox.vendors import default_world as w
from sandbox.vendors.app import Vendors
from sandbox.vendors.limits import SlidingWindow

TOKEN = "https://accounts.zoho.eu/oauth/v2/token"
CREATE = f'mutation {{ create_item(board_id: {w.MONDAY_BOARD}, item_name: "x") {{ id }} }}'


def fault(desk: Desk, kind: str, **rule: Any) -> None:
    """Add a rule."""
    assert desk.control("POST", "faults", {"kind": kind, **rule}).status == 200


# --- faults


def test_a_lost_request_has_no_effect_and_a_lost_answer_has(desk: Desk) -> None:
    """The two halves of "unknown"; only the vendor knows which."""
    fault(desk, "timeout_before", vendor="monday", contains="create_item")
    assert desk.monday(CREATE).dropped
    assert desk.world.monday.items == {}
    desk.control("DELETE", "faults")
    fault(desk, "timeout_after", vendor="monday", contains="create_item")
    assert desk.monday(CREATE).dropped
    assert len(desk.world.monday.items) == 1


def test_a_status_comes_with_body_headers_and_retry_after(desk: Desk) -> None:
    """And the call has no effect, unless it is to fail after its work."""
    fault(desk, "status", vendor="monday", status=429, retry_after=7, body={"error": "busy"}, headers={"X-A": "b"})
    answer = desk.monday(CREATE)
    assert (answer.status, answer.headers["Retry-After"], answer.headers["X-A"]) == (429, "7", "b")
    assert answer.json() == {"error": "busy"}
    assert desk.world.monday.items == {}
    fault(desk, "status", vendor="monday", status=503, after=True)
    assert desk.monday(CREATE).status == 503
    assert len(desk.world.monday.items) == 1


def test_a_gateway_answers_html(desk: Desk) -> None:
    """Never assume JSON."""
    fault(desk, "html", host="api.monday.com")
    answer = desk.monday(CREATE)
    assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html")
    assert desk.monday(CREATE).status == 200


@pytest.mark.parametrize(("body", "data"), [(None, True), ("null", False)])
def test_partial_answers(desk: Desk, body: str | None, data: bool) -> None:
    """The item exists in both cases."""
    fault(desk, "partial", vendor="monday", body=body)
    content = desk.monday(CREATE).json()
    assert (content["data"]["create_item"] is not None, "errors" in content) == (data, data)
    assert len(desk.world.monday.items) == 1


def test_rules_match_skip_and_count(desk: Desk) -> None:
    """By vendor, method, path; after `skip` calls, `count` times."""
    fault(desk, "status", vendor="zoho", method="GET", path="/books/v3/invoices*", status=500, skip=1, count=2)
    token = desk.zoho_token()
    paths = ["invoices", "bills", "invoices", "invoices/1", "invoices"]
    assert [desk.books(path, token).status for path in paths] == [200, 200, 500, 500, 200]
    (rule,) = desk.control("GET", "faults").json()["faults"]
    assert (rule["hits"], rule["count"]) == (2, 0)


def test_chance_is_seeded(desk: Desk) -> None:
    """The same seed gives the same trouble."""
    runs = []
    for _ in range(2):
        desk.control("POST", "reset", {})
        fault(desk, "status", vendor="zoho_accounts", status=500, probability=0.5, count=None, seed=3)
        runs.append([desk.ask("POST", TOKEN, form=refresh_form()).status for _ in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.parametrize("rule", [{"kind": "earthquake"}, {"kind": "status", "colour": 1}, {}])
def test_bad_rules_are_refused(desk: Desk, rule: dict[str, Any]) -> None:
    """A typo in a test must not pass as "no fault"."""
    assert desk.control("POST", "faults", rule).status == 400


# --- control


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("GET", "monday/boards/1", None, 404),
        ("GET", "teams/channels/nowhere/messages", None, 404),
        ("GET", "zoho/1/records", None, 404),
        ("POST", f"zoho/{w.ZOHO_ORGANIZATION}/records/contacts", {}, 404),
        ("POST", f"zoho/{w.ZOHO_ORGANIZATION}/records/invoice", {"webhook": "maybe"}, 400),
        ("POST", f"zoho/{w.ZOHO_ORGANIZATION}/records/invoice", {"field": {}}, 400),
        ("PATCH", f"zoho/{w.ZOHO_ORGANIZATION}/records/invoice/1", {"fields": {}}, 404),
        ("POST", "limits", {"excel": False}, 400),
        ("PATCH", f"monday/accounts/{w.MONDAY_ACCOUNT}", {"slug": "x"}, 400),
        ("POST", "seed", {"zoho": {"clients": [{"client_id": "x"}]}}, 400),
    ],
)
def test_wrong_control_calls(desk: Desk, method: str, path: str, body: dict[str, Any] | None, status: int) -> None:
    """The control API is strict as well."""
    assert desk.control(method, path, body).status == status


def test_reset_goes_back_to_the_first_world(desk: Desk) -> None:
    """All of it, and nothing of what happened since, not even a label."""
    desk.save("invoice")
    desk.monday(CREATE)
    desk.world.monday.boards[w.MONDAY_BOARD].columns["zb_status"].settings["labels"].clear()
    desk.control("POST", "reset", {})
    assert desk.control("GET", f"zoho/{w.ZOHO_ORGANIZATION}/records").json()["records"] == {}
    board = desk.control("GET", f"monday/boards/{w.MONDAY_BOARD}").json()
    assert board["items"] == []
    status = next(column for column in board["columns"] if column["id"] == "zb_status")
    assert len(status["settings"]["labels"]) == len(w.STATUS_LABELS)
    desk.control("POST", "reset", {"empty": True})
    assert desk.control("GET", "teams/channels").json() == {"channels": []}
    desk.control("POST", "seed", w.seed())
    assert len(desk.control("GET", "teams/channels").json()["channels"]) == 3


def test_the_log_of_requests_holds_no_secret(desk: Desk) -> None:
    """Method, host, path, status; no query, no header, no body."""
    desk.zoho_token()
    desk.ask("POST", w.WORKFLOW_URL, content={})
    desk.monday(CREATE)
    desk.ask("GET", "https://example.com/")
    log = desk.control("GET", "requests").json()
    assert [one["vendor"] for one in log["requests"]] == ["zoho_accounts", "workflows", "monday"]
    assert log["requests"][2]["operation"] == "create_item"
    text = json.dumps(log)
    for secret in (w.ZOHO_CLIENT_SECRET, w.ZOHO_REFRESH_TOKEN, w.MONDAY_TOKEN, "sandboxSignature"):
        assert secret not in text
    assert len(desk.control("GET", "requests?vendor=monday").json()["requests"]) == 1


def test_limits_can_be_switched_off(desk: Desk) -> None:
    """For benches, which measure us and not the vendors."""
    desk.control("POST", "limits", {"zoho": False})
    token = desk.zoho_token()
    assert {desk.books("invoices", token).status for _ in range(150)} == {200}
    assert desk.control("POST", "limits", {"zoho": True}).json() == {"off": []}


def test_windows_count_only_what_fits() -> None:
    """A refused call does not move the window."""
    window = SlidingWindow((2, 10), (3, 100))
    assert [window.take(at) for at in (0, 1, 2, 9, 10, 11, 100)] == [0, 0, 8, 1, 0, 89, 0]


# --- the HTTP shell


def asgi(desk: Desk, method: str, path: bytes, body: bytes = b"") -> list[dict[str, Any]]:
    """Drive the application by hand: it waits for nothing, so it needs no event loop."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw, _, query = path.partition(b"?")
    scope = {
        "type": "http",
        "method": method,
        "path": raw.decode(),
        "raw_path": raw,
        "query_string": query,
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    work: Coroutine[Any, Any, None] = Vendors(desk.world)(scope, receive, send)
    with pytest.raises(StopIteration):
        work.send(None)
    return sent


def test_the_first_segment_is_the_host(desk: Desk) -> None:
    """As the product rewrites it."""
    body = "&".join(f"{key}={value}" for key, value in refresh_form().items()).encode()
    start, content = asgi(desk, "POST", b"/accounts.zoho.eu/oauth/v2/token", body)
    assert start["status"] == 200
    assert "access_token" in json.loads(content["body"])


def test_an_unknown_host_is_misdirected(desk: Desk) -> None:
    """A call to a host outside the sandbox shows at once."""
    assert asgi(desk, "GET", b"/example.com/x")[0]["status"] == 421


def test_a_workflow_url_arrives_byte_for_byte(desk: Desk) -> None:
    """Percent signs and the port stay as they are."""
    target = "/" + w.WORKFLOW_URL.removeprefix("https://")
    assert asgi(desk, "POST", target.encode())[0]["status"] == 400  # the right URL, a wrong body
    assert asgi(desk, "POST", target.replace("%2F", "%2f").encode())[0]["status"] == 401
