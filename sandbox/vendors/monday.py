"""monday.com's `POST /v2`: token, version, limits, idempotency, then GraphQL against the schema.

contracts: monday 1 (headers, versions), 5 (limits and errors), 6 (Idempotency-Key).
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from sandbox.vendors.cards import contracts
from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.monday_api import CURRENT, MAINTENANCE, PLANS, VERSIONS, Session, daily_calls
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import Kept, MondayAccount, MondayUser, World

HOST = "api.monday.com"
EXCERPT = Path(__file__).with_name("monday_excerpt.graphql")
_KEPT_SECONDS = 30 * 60
_KEPT_BYTES = 1_000_000
_MOST_COMPLEXITY = 5_000_000
_COSTS = {"create_item": 10_001, "create_board": 30_001, "complexity": 0, "version": 10, "me": 20}
_MUTATION_COST, _QUERY_COST = 5_001, 1_001


def schema_path() -> Path:
    """The real schema when the contracts lie beside the repository, else our excerpt of it."""
    real = contracts() / "schemas" / "monday-2026-10.graphql"
    return real if real.is_file() else EXCERPT


@lru_cache(maxsize=2)
def schema(path: Path) -> GraphQLSchema:
    """A schema, built once (0.2 s for the real one)."""
    return build_schema(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def _prepared(text: str, path: Path) -> DocumentNode | list[dict[str, Any]]:
    """The parsed and valid document, or the errors of section 5.2 g and 5.3."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return [{"message": f"Parse error on {error.message}", "locations": error.formatted.get("locations", [])}]
    return [_validation(error) for error in validate(schema(path), document)] or document


def _validation(error: GraphQLError) -> dict[str, Any]:
    shaped: dict[str, Any] = dict(error.formatted)
    unknown = re.match(r"Cannot query field '(\w+)' on type '(\w+)'", error.message)
    extensions = {"code": "GRAPHQL_VALIDATION_FAILED"}
    if unknown:
        extensions = {"code": "undefinedField", "fieldName": unknown[1], "typeName": unknown[2]}
    return shaped | {"extensions": extensions}


def handle(world: World, call: Call) -> Answer:
    """One request."""
    if call.path != ("v2",):
        return reply(404, {"error": "Not Found"})
    if call.method != "POST":
        return reply(405, {"error": "Method Not Allowed"})
    user = world.monday.users.get(call.headers.get("authorization", ""))  # the bare token, no scheme
    if user is None:
        return reply(401, {"errors": ["Not Authenticated"]})
    if not user.enabled:
        return _errors("USER_ACCESS_DENIED", "User access denied", 403)
    account = world.monday.accounts[user.account_id]
    version = _version(call)
    try:
        answer = _answer(world, call, account, user, version or CURRENT)
    except Refusal as refusal:
        answer = refusal.answer
    answer = Answer(answer.status, answer.body, dict(answer.headers))
    answer.headers["API-Version"] = version or CURRENT
    answer.headers |= _limit_headers(world, account, user)
    return answer


def _errors(code: str, message: str, status: int, headers: dict[str, str] | None = None, **extra: Any) -> Answer:
    extensions = {"code": code, **extra}
    return reply(status, {"errors": [{"message": message, "extensions": extensions}]}, headers)


def _version(call: Call) -> str | None:
    """The version that serves the call, None when the header is malformed (contracts: monday 1)."""
    asked = call.headers.get("api-version")
    if asked is None:
        return CURRENT
    if not re.fullmatch(r"\d{4}-\d{2}", asked):
        return None
    if asked in VERSIONS:
        return asked
    return MAINTENANCE if "2023-07" <= asked <= "2025-01" and asked[5:] in ("01", "04", "07", "10") else CURRENT


def _answer(world: World, call: Call, account: MondayAccount, user: MondayUser, version: str) -> Answer:
    asked = _request(call)
    prepared = _prepared(asked["query"], schema_path())
    operation = None if isinstance(prepared, list) else _operation(prepared, asked.get("operationName"))
    mutates = operation is not None and operation.operation is OperationType.MUTATION
    key = call.headers.get("idempotency-key", "") if mutates else ""
    now = world.clock.now()
    if key:
        kept = world.monday.kept.get((user.token, key))
        if kept is not None and now < kept.busy_until:
            wait = str(max(1, math.ceil(kept.busy_until - now)))
            text = "A request with this idempotency key is currently being processed"
            return _errors("IDEMPOTENCY_CONFLICT", text, 409, {"Retry-After": wait})
        if kept is not None and kept.answer is not None and now - kept.at < _KEPT_SECONDS:
            # Also for another body: the old answer comes back (contracts: monday 6, assumed).
            old = kept.answer
            return Answer(old.status, old.body, {**old.headers, "Idempotency-Replayed": "true"})
    fields = [] if operation is None else _root_fields(operation)
    cost = _cost(fields, mutates)
    _limit(world, account, user, call, fields, cost)
    if _version(call) is None:
        return _errors("InvalidVersionException", "The API-Version header is malformed.", 200, status_code=200)
    if isinstance(prepared, list):
        return _wrapped(world, {"errors": prepared})
    if operation is None:
        return _wrapped(world, {"errors": [{"message": "operationName does not name one operation."}]})
    if cost > _MOST_COMPLEXITY:
        return _errors("REQUEST_MAX_COMPLEXITY_EXCEEDED", "Query has complexity above the maximum", 200)
    answer = _execute(world, account, user, version, prepared, asked, cost)
    if key and len(answer.body) <= _KEPT_BYTES:
        world.monday.kept[user.token, key] = Kept(answer, now, now + call.delay)
        _forget_old(world, now)
    return answer


def _forget_old(world: World, now: float) -> None:
    kept = world.monday.kept
    for key in list(kept):
        if now - kept[key].at < _KEPT_SECONDS:
            break
        del kept[key]


def _request(call: Call) -> dict[str, Any]:
    if call.content_type != "application/json":
        raise Refusal(_errors("Bad request", "Content-Type must be application/json.", 400))
    try:
        asked = json.loads(call.body)
    except ValueError:
        raise Refusal(_errors("JsonParseException", "The request body is not valid JSON.", 400)) from None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str) or not asked["query"].strip():
        raise Refusal(_errors("Bad request", "No query was given.", 400))
    if not isinstance(asked.get("variables"), dict | None):
        raise Refusal(_errors("Bad request", "variables must be an object.", 400))
    return asked


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is not None:
        found = [one for one in found if one.name is not None and one.name.value == name]
    return found[0] if len(found) == 1 else None


def _root_fields(operation: OperationDefinitionNode) -> list[str]:
    return [one.name.value for one in operation.selection_set.selections if isinstance(one, FieldNode)]


def _cost(fields: list[str], mutates: bool) -> int:
    usual = _MUTATION_COST if mutates else _QUERY_COST
    return sum(_COSTS.get(name, usual) for name in fields)


# --- limits -----------------------------------------------------------------------------------------------------


def _of(given: int | None, plan: str, place: int) -> int:
    return PLANS[plan][place] if given is None else given


def _limit(world: World, account: MondayAccount, user: MondayUser, call: Call, fields: list[str], cost: int) -> None:
    """Daily calls, calls a minute, calls in flight, complexity a minute; in the shapes of 5.2 b and h."""
    if "monday" in world.unlimited:
        return
    now = world.clock.now()
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    if account.day != today:
        account.day, account.calls_today = today, 0.0
    if account.calls_today >= daily_calls(account):
        account.calls_today += 0.1
        raise Refusal(_errors("DAILY_LIMIT_EXCEEDED", "Daily limit exceeded", 429, status_code=429))
    account.window = account.window or SlidingWindow((_of(account.calls_per_minute, account.plan, 1), 60))
    wait = account.window.take(now)
    if wait:
        account.calls_today += 0.1
        seconds = math.ceil(wait)
        header = {"Retry-After": str(seconds)}
        raise Refusal(
            _errors(
                "RATE_LIMIT_EXCEEDED", "Rate Limit Exceeded", 429, header, retry_in_seconds=seconds, status_code=429
            )
        )
    account.busy_until = [until for until in account.busy_until if until > now]
    if len(account.busy_until) >= _of(account.concurrency, account.plan, 2):
        account.calls_today += 0.1
        raise Refusal(_errors("maxConcurrencyExceeded", "Concurrency limit exceeded", 429, status_code=429))
    if call.delay:
        account.busy_until.append(now + call.delay)
    if now - user.budget_since >= 60:
        user.budget_since, user.budget_used = now, 0
    if user.budget_used + cost > _of(account.complexity_per_minute, account.plan, 3) and cost <= _MOST_COMPLEXITY:
        account.calls_today += 0.1
        seconds = math.ceil(user.budget_since + 60 - now)
        # No Retry-After here: the real answer may carry the body field only (contracts: monday 5.3).
        raise Refusal(
            _errors("COMPLEXITY_BUDGET_EXHAUSTED", "Complexity budget exhausted", 429, retry_in_seconds=seconds)
        )
    user.budget_used += cost
    account.calls_today += 0.1 if fields and set(fields) == {"complexity"} else 1


def _limit_headers(world: World, account: MondayAccount, user: MondayUser) -> dict[str, str]:
    now = world.clock.now()
    minute, flight, points = (
        _of(own, account.plan, place)
        for own, place in (
            (account.calls_per_minute, 1),
            (account.concurrency, 2),
            (account.complexity_per_minute, 3),
        )
    )
    left = minute - (account.window.used(now) if account.window else 0)
    reset = f";t={math.ceil(account.window.wait(now))}" if account.window and left <= 0 else ""
    busy = len([until for until in account.busy_until if until > now])
    spent = user.budget_used if now - user.budget_since < 60 else 0
    return {
        "RateLimit-Policy": f'"minuteRate";q={minute};w=60, "concurrency";q={flight};qu="concurrent-requests",'
        f' "complexityMinute";q={points};w=60;qu="content-bytes"',
        "RateLimit": f'"minuteRate";r={max(0, left)}{reset}, "concurrency";r={max(0, flight - busy)},'
        f' "complexityMinute";r={max(0, points - spent)};t={max(0, math.ceil(user.budget_since + 60 - now))}',
    }


# --- execution --------------------------------------------------------------------------------------------------


def _execute(
    world: World,
    account: MondayAccount,
    user: MondayUser,
    version: str,
    document: DocumentNode,
    asked: dict[str, Any],
    cost: int,
) -> Answer:
    budget = _of(account.complexity_per_minute, account.plan, 3)
    after = max(0, budget - user.budget_used)
    complexity = {
        "query": cost,
        "before": after + cost,
        "after": after,
        "reset_in_x_seconds": max(0, math.ceil(user.budget_since + 60 - world.clock.now())),
    }
    result = execute_sync(
        schema(schema_path()),
        document,
        Session(world, account, user, version, complexity).root(),
        variable_values=asked.get("variables") or {},
        operation_name=asked.get("operationName"),
    )
    content: dict[str, Any] = {} if result.data is None and result.errors else {"data": result.data}
    if result.errors:
        content["errors"] = [_error(error) for error in result.errors]
        if result.data is None and any(error.path for error in result.errors):
            content["data"] = None
    return _wrapped(world, content)


def _error(error: GraphQLError) -> dict[str, Any]:
    shaped: dict[str, Any] = dict(error.formatted)
    if "extensions" not in shaped:
        # A resolver that broke is the stand-in's own bug; a bad variable or argument is the caller's.
        broken = error.path is not None and not isinstance(error.original_error, GraphQLError | None)
        code = "INTERNAL_SERVER_ERROR" if broken else "GRAPHQL_VALIDATION_FAILED"
        shaped["extensions"] = {"code": code, "status_code": 500 if broken else 200}
    return shaped


def _wrapped(world: World, content: dict[str, Any]) -> Answer:
    """HTTP 200 with `extensions.request_id`; 500 where the only field broke inside."""
    errors = content.get("errors", ())
    statuses = {error.get("extensions", {}).get("status_code") for error in errors}
    status = next((one for one in (500, 429) if one in statuses), 200)
    return reply(status, {**content, "extensions": {"request_id": world.guid()}})
