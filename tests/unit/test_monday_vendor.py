"""monday's answers and what we make of them (contracts: monday 5)."""

from __future__ import annotations

from typing import Any

import pytest

from ml_connector.errors import NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.limits import Budget
from ml_connector.vendors import monday
from ml_connector.vendors.monday import MondayApi, Reply
from tests.fakes import Clock, Says, Wire, http

BODY = {"query": monday.CREATE, "variables": {}}


def call(answer: Says | Exception, key: str = "") -> Reply:
    return MondayApi(http(Wire(answer), monday.HOSTS), lambda: "monday-token-sEcReT", Clock()).call(
        BODY, idempotency_key=key
    )


def fails(code: str, message: str = "…", **extensions: Any) -> dict[str, Any]:
    """The current format (5.2 a)."""
    return {"data": {"item": None}, "errors": [{"message": message, "extensions": {"code": code, **extensions}}]}


_TABLE: list[tuple[type[Exception], int, Any]] = [
    # 5.3, row by row
    (RetryLater, 429, fails("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=22)),
    (RetryLater, 200, fails("ComplexityException")),
    (RetryLater, 429, fails("complexityBudgetExhausted")),
    (Undeliverable, 200, fails("REQUEST_MAX_COMPLEXITY_EXCEEDED", "Query has complexity above the maximum")),
    (RetryLater, 429, fails("RATE_LIMIT_EXCEEDED", "Rate Limit Exceeded", retry_in_seconds=60)),
    (RetryLater, 200, {"errors": [{"message": "Minute limit rate exceeded"}]}),
    (RetryLater, 429, fails("maxConcurrencyExceeded")),
    (RetryLater, 200, {"errors": [{"message": "Concurrency limit exceeded"}]}),
    (RetryLater, 429, fails("FIELD_LIMIT_EXCEEDED")),
    (RetryLater, 429, fails("FIELD_MINUTE_RATE_LIMIT_EXCEEDED")),
    (RetryLater, 429, fails("IP_RATE_LIMIT_EXCEEDED")),
    (RetryLater, 429, fails("DAILY_LIMIT_EXCEEDED")),
    (Unknown, 409, {"errors": [{"message": "being processed", "extensions": {"code": "IDEMPOTENCY_CONFLICT"}}]}),
    (RetryLater, 423, {"errors": [{"message": "Resource is currently locked, please try again later"}]}),
    (RetryLater, 200, {"errors": [{"message": "Resource is currently locked, please try again later"}]}),
    (RetryLater, 200, fails("API_TEMPORARILY_BLOCKED")),
    (Unknown, 500, fails("INTERNAL_SERVER_ERROR")),
    (Unknown, 200, fails("INTERNAL_SERVER_ERROR")),
    (Unknown, 500, fails("Internal Server Error")),
    (Undeliverable, 200, fails("ColumnValueException", error_data={"column_id": "zb_status"})),
    (Undeliverable, 400, fails("ColumnValueException")),
    (Undeliverable, 200, fails("CorrectedValueException")),
    (Undeliverable, 200, fails("InvalidColumnIdException")),
    (Undeliverable, 200, fails("InvalidBoardIdException")),
    (Undeliverable, 200, fails("InvalidUserIdException")),
    (Undeliverable, 200, fails("InvalidArgumentException")),
    (Undeliverable, 200, fails("InvalidVersionException")),
    (Undeliverable, 200, fails("ItemNameTooLongException")),
    (Undeliverable, 200, fails("ItemsLimitationException")),
    (Undeliverable, 200, fails("ResourceNotFoundException")),
    (Undeliverable, 404, fails("ResourceNotFoundException")),
    (NeedsAttention, 200, fails("missingRequiredPermissions")),
    (NeedsAttention, 200, fails("UNAUTHORIZED_FIELD_OR_TYPE")),
    (Undeliverable, 200, fails("UserUnauthorizedException", status_code=403)),
    (Undeliverable, 403, fails("USER_UNAUTHORIZED")),
    (NeedsAttention, 403, fails("USER_ACCESS_DENIED")),
    (NeedsAttention, 401, {"errors": ["Not Authenticated"]}),
    (NeedsAttention, 401, {"errors": [{"message": "Your ip is restricted"}]}),
    (NeedsAttention, 401, b"<html>"),
    (NeedsAttention, 401, None),
    (Undeliverable, 400, fails("JsonParseException")),
    (Undeliverable, 200, {"errors": [{"message": "Parse error on \"}\""}]}),
    (Undeliverable, 200, fails("undefinedField", typeName="Item", fieldName="x")),
    (Undeliverable, 422, fails("RecordInvalidException")),
    (Undeliverable, 409, fails("DeleteLastGroupException")),
    # 5.2 d: the legacy format, also with HTTP 200
    (RetryLater, 200, {"error_code": "ComplexityException", "status_code": 429, "error_message": "reset in 3 seconds"}),
    (RetryLater, 200, {"errors": ["Complexity budget exhausted, query cost 30001 reset in 3 seconds"]}),
    (Undeliverable, 200, {"error_code": "InvalidBoardIdException", "error_message": "no board"}),
    # 5.2 i: gateways
    (Unknown, 502, b"<html><title>Bad Gateway</title></html>"),
    (Unknown, 504, b""),
    (Unknown, 200, b"<html>"),
    (Unknown, 200, []),
    (RetryLater, 429, b"slow down"),
    (Unknown, 503, {}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "status", "body"), _TABLE)
def test_error_table(error: type[Exception], status: int, body: Any) -> None:
    """Every row of the error table has one outcome, and nothing else is assumed to have happened or not."""
    with pytest.raises(error) as caught:
        call(Says(status, body))
    assert type(caught.value) is error
    assert "sEcReT" not in str(caught.value)


def test_a_status_is_said_once() -> None:
    """Where monday gives no words of its own."""
    with pytest.raises(Unknown) as caught:
        call(Says(503, {}))
    assert str(caught.value) == "monday answered 503"


@pytest.mark.parametrize("code", ["complexity_budget_exhausted", "COMPLEXITYEXCEPTION", "Rate_Limit_Exceeded"])
def test_codes_are_matched_without_regard_to_case(code: str) -> None:
    """monday spells them in several ways."""
    with pytest.raises(RetryLater):
        call(Says(200, fails(code)))


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (fails("RATE_LIMIT_EXCEEDED", retry_in_seconds=7), {"Retry-After": "9"}, 9),
        (fails("RATE_LIMIT_EXCEEDED"), {"Retry-After": "Sun, 22 Nov 2026 08:00:30 GMT"}, 30),
        (fails("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=22), {}, 22),
        (fails("COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=1.5), {}, 1.5),
        (fails("FIELD_LIMIT_EXCEEDED", error_data={"retry_in_seconds": 15}), {}, 15),
        ({"error_code": "FIELD_LIMIT_EXCEEDED", "error_data": {"retry_in_seconds": 15}}, {}, 15),
        (fails("RATE_LIMIT_EXCEEDED", retryAfterMs=2500), {}, 2.5),
        (fails("RATE_LIMIT_EXCEEDED"), {"RateLimit": '"minuteRate";r=0;t=38, "concurrency";r=39'}, 38),
        (fails("ComplexityException", "Complexity budget exhausted, reset in 3 seconds"), {}, 3),
        ({"errors": ["Complexity budget exhausted, reset in 3 seconds"]}, {}, 3),
        (fails("RATE_LIMIT_EXCEEDED", retry_in_seconds="soon"), {}, None),
        (fails("RATE_LIMIT_EXCEEDED"), {}, None),
        # Only after midnight UTC; the test's clock stands at eight.
        (fails("DAILY_LIMIT_EXCEEDED"), {}, 16 * 3600 + 60),
    ],
)
def test_wait_is_read_wherever_it_stands(body: Any, headers: dict[str, str], seconds: float | None) -> None:
    """The order of 5.3: Retry-After, the error's own fields, the exhausted policy, the message."""
    with pytest.raises(RetryLater) as caught:
        call(Says(429, body, headers))
    assert caught.value.after == seconds


def test_data_beside_errors_means_it_happened() -> None:
    """The id of what a create has made counts, whatever the errors say (5.4); other calls can be made again."""
    body = {**fails("INTERNAL_SERVER_ERROR"), "data": {"item": {"id": "77"}}, "extensions": {"request_id": "r-1"}}
    assert call(Says(200, body), "key") == Reply({"item": {"id": "77"}}, 200, "r-1", False)
    assert call(Says(500, body), "key").data == {"item": {"id": "77"}}
    with pytest.raises(Unknown):
        call(Says(200, body))


def test_kept_answer_is_recognised() -> None:
    """`Idempotency-Replayed: true` says that the item holds an earlier attempt's values."""
    assert call(Says(200, {"data": {"item": {"id": "7"}}}, {"Idempotency-Replayed": "true"})).replayed


def test_headers() -> None:
    """The bare token, the pinned version, and a key for creates only (1)."""
    wire = Wire(Says(200, {"data": {"item": {"id": "7"}}}))
    api = MondayApi(http(wire, monday.HOSTS), lambda: "monday-token-sEcReT", Clock())
    api.call(BODY, idempotency_key="k")
    api.call(BODY)
    first, second = (each.headers for each in wire.calls)
    assert (first["Authorization"], first["API-Version"], first["Idempotency-Key"]) == (
        "monday-token-sEcReT",
        "2026-10",
        "k",
    )
    assert "Idempotency-Key" not in second


# --- what people are told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        ("InvalidColumnIdException", "take it out of the mapping"),
        ("ColumnValueException", "`mlc doctor` compares"),
        ("ItemsLimitationException", "The board is full"),
        ("UserUnauthorizedException", "an editor of the board"),
        ("USER_ACCESS_DENIED", "a viewer"),
        ("missingRequiredPermissions", "give access again"),
        ("InvalidBoardIdException", "The board was deleted"),
        ("ResourceNotFoundException", "is gone"),
    ],
)
def test_refusal_says_what_to_do(code: str, todo: str) -> None:
    """A sentence that somebody can act on, with the column if monday names one (5.2 a)."""
    with pytest.raises(Undeliverable) as caught:
        call(Says(200, fails(code, "it does not fit", error_data={"column_id": "zb_status"})))
    assert todo in caught.value.reason
    assert "zb_status: it does not fit" in caught.value.reason


def test_of_several_errors_the_one_that_can_be_waited_for_counts() -> None:
    """A limit beside a refusal: nothing is given up that may go through later."""
    body = {"errors": [*fails("ColumnValueException")["errors"], *fails("RATE_LIMIT_EXCEEDED")["errors"]]}
    with pytest.raises(RetryLater):
        call(Says(200, body))


# --- limits --------------------------------------------------------------------------------------------------------


class Told:
    """What the shared limits are told."""

    def __init__(self) -> None:
        self.scarce_for: list[float] = []
        self.closed_for: list[float | None] = []

    def take(self, budget: Budget, *, optional: bool = False) -> None: ...

    def closed(self, budget: Budget, seconds: float | None) -> None:
        self.closed_for.append(seconds)

    def scarce(self, budget: Budget, seconds: float) -> None:
        self.scarce_for.append(seconds)


@pytest.mark.parametrize(
    ("left", "scarce", "closed"),
    [
        ('"minuteRate";r=500, "complexityMinute";r=4000000', [], []),
        ('"minuteRate";r=99;t=12, "complexityMinute";r=4000000', [12.0], []),
        ('"minuteRate";r=99', [60.0], []),
        ('"minuteRate";r=500, "complexityMinute";r=1000;t=7', [7.0], []),
        ('"concurrency";r=1', [], []),
        ('"minuteRate";r=0;t=38', [38.0], [38.0]),
        ("nonsense", [], []),
    ],
)
def test_rate_limit_headers_are_read_on_every_answer(left: str, scarce: list[float], closed: list[float]) -> None:
    """Under a tenth of a minute's quota what can wait waits; when it is used up, everybody (5.1)."""
    policy = '"minuteRate";q=1000;w=60, "concurrency";q=40;qu="concurrent-requests", "complexityMinute";q=5000000;w=60'
    told = Told()
    wire = Wire(Says(200, {"data": {"item": {"id": "7"}}}, {"RateLimit-Policy": policy, "RateLimit": left}))
    MondayApi(http(wire, monday.HOSTS), lambda: "t", Clock(), told).call(BODY)
    assert (told.scarce_for, told.closed_for) == (scarce, closed)


@pytest.mark.parametrize(("after", "closed"), [(400_000, []), (199_999, [9.0])])
def test_points_that_would_not_do_for_another_such_call_are_waited_for(after: int, closed: list[float]) -> None:
    """A batch of lines says what it cost and what is left (5.1)."""
    told = Told()
    points = {"query": 200_000, "after": after, "reset_in_x_seconds": 9}
    wire = Wire(Says(200, {"data": {"l0": {"id": "7"}, "complexity": points}}))
    MondayApi(http(wire, monday.HOSTS), lambda: "t", Clock(), told).call(BODY)
    assert told.closed_for == closed
