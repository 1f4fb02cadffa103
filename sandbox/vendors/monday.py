"""monday.com's `POST /v2`: token, version, limits, idempotency, then GraphQL against the schema.

contracts: monday 1 (headers, versions), 5 (limits and errors), 6 (Idempotency-Key).
"""

from __future__ import annotations

import json
import math
import re
from functools import cache, lru_cache, partial
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from sandbox.vendors import monday_limits as limits
from sandbox.vendors.monday_boards import BOARD_MUTATIONS
from sandbox.vendors.monday_ingest import INGEST_MUTATIONS, INGEST_QUERIES
from sandbox.vendors.monday_items import ITEM_MUTATIONS
from sandbox.vendors.monday_limits import errors
from sandbox.vendors.monday_queries import CURRENT, MAINTENANCE, QUERIES, VERSIONS
from sandbox.vendors.monday_session import Caller, Fields, Resolver, Session
from sandbox.vendors.monday_state import Kept
from sandbox.vendors.schemas import FOLDER
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import World

HOST = "api.monday.com"
_KEPT_SECONDS = 30 * 60
_KEPT_BYTES = 1_000_000
FIELDS: Fields = {
    **QUERIES,
    **INGEST_QUERIES,
    **ITEM_MUTATIONS,
    **BOARD_MUTATIONS,
    **INGEST_MUTATIONS,
}
"""What the stand-in knows of the schema."""


@cache
def schema() -> GraphQLSchema:
    """monday's own, built once."""
    return build_schema((FOLDER / "monday-2026-10.graphql").read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def _prepared(text: str) -> DocumentNode | list[dict[str, Any]]:
    """The parsed and valid document, or the errors of section 5.2 g and 5.3."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return [{"message": f"Parse error on {error.message}", "locations": error.formatted.get("locations", [])}]
    return [_validation(error) for error in validate(schema(), document)] or document


def _validation(error: GraphQLError) -> dict[str, Any]:
    shaped: dict[str, Any] = dict(error.formatted)
    unknown = re.match(r"Cannot query field '(\w+)' on type '(\w+)'", error.message)
    extensions = {"code": "GRAPHQL_VALIDATION_FAILED"}
    if unknown:
        extensions = {"code": "undefinedField", "fieldName": unknown[1], "typeName": unknown[2]}
    return shaped | {"extensions": extensions}


def calls_out(call: Call) -> bool:
    """Whether the answer needs somebody else's first: `create_webhook` asks the address (contracts: monday 7.2)."""
    return call.host.removesuffix(":443") == HOST and b"create_webhook" in call.body


def handle(world: World, call: Call) -> Answer:
    """One request."""
    if call.path != ("v2",):
        return reply(404, {"error": "Not Found"})
    if call.method != "POST":
        return reply(405, {"error": "Method Not Allowed"})
    caller = _caller(world, call.headers.get("authorization", ""))  # the bare token, no scheme
    if caller is None:
        return reply(401, {"errors": ["Not Authenticated"]})
    if not caller.user.enabled or caller.user.view_only:
        return errors("USER_ACCESS_DENIED", "User access denied", 403)
    mutates = False
    try:
        asked = _request(call)
        prepared = _prepared(asked["query"])
        operation = None if isinstance(prepared, list) else _operation(prepared, asked.get("operationName"))
        mutates = operation is not None and operation.operation is OperationType.MUTATION
        answer = _answer(world, call, caller, asked, prepared, operation)
    except Refusal as refusal:
        answer = refusal.answer
    answer = Answer(answer.status, answer.body, dict(answer.headers))
    answer.headers["API-Version"] = _version(call) or CURRENT
    answer.headers |= limits.headers(world, caller, mutates)
    return answer


def _caller(world: World, token: str) -> Caller | None:
    """A personal token's user, or the user and the app of a token that is alive (contracts: monday 2)."""
    state = world.monday
    user = state.users.get(token)
    if user is not None:
        return Caller(token, user, state.accounts[user.account_id])
    grant = state.tokens.get(token)
    if grant is None or (grant.expires_at is not None and world.clock.now() >= grant.expires_at):
        return None
    user, app = state.user(grant.account_id, grant.user_id), state.apps.get(grant.client_id)
    if user is None or app is None or grant.account_id not in app.installed:
        return None
    return Caller(token, user, state.accounts[grant.account_id], app, frozenset(grant.scopes))


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


def _answer(
    world: World,
    call: Call,
    caller: Caller,
    asked: dict[str, Any],
    prepared: DocumentNode | list[dict[str, Any]],
    operation: OperationDefinitionNode | None,
) -> Answer:
    mutates = operation is not None and operation.operation is OperationType.MUTATION
    key = call.headers.get("idempotency-key", "") if mutates else ""
    now = world.clock.now()
    if key:
        kept = world.monday.kept.get((caller.key, key))
        if kept is not None and now < kept.busy_until:
            wait = str(max(1, math.ceil(kept.busy_until - now)))
            text = "A request with this idempotency key is currently being processed"
            return errors("IDEMPOTENCY_CONFLICT", text, 409, {"Retry-After": wait})
        if kept is not None and kept.answer is not None and now - kept.at < _KEPT_SECONDS:
            # Also for another body: the old answer comes back (contracts: monday 6, assumed).
            old = kept.answer
            return Answer(old.status, old.body, {**old.headers, "Idempotency-Replayed": "true"})
    unknown = [name for name in limits.root_fields(operation) if name not in FIELDS] if operation else []
    if unknown:
        return errors("NOT_IN_THE_SANDBOX", f"The stand-in does not know {', '.join(unknown)}.", 501)
    price = limits.cost(operation, mutates) if operation else 0
    limits.take(world, call, caller, limits.root_fields(operation) if operation else [], price, mutates)
    if _version(call) is None:
        return errors("InvalidVersionException", "The API-Version header is malformed.", 200, status_code=200)
    if isinstance(prepared, list):
        return _wrapped(world, {"errors": prepared})
    if operation is None:
        return _wrapped(world, {"errors": [{"message": "operationName does not name one operation."}]})
    if price > limits.MOST_COMPLEXITY:
        return errors("REQUEST_MAX_COMPLEXITY_EXCEEDED", "Query has complexity above the maximum", 200)
    session = Session(world, caller, _version(call) or CURRENT, _complexity(world, caller, price, mutates))
    answer = _execute(session, prepared, asked)
    if key and caller.account.keeps and len(answer.body) <= _KEPT_BYTES:
        world.monday.kept[caller.key, key] = Kept(answer, now, now + call.delay)
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
        raise Refusal(errors("Bad request", "Content-Type must be application/json.", 400))
    try:
        asked = json.loads(call.body)
    except ValueError:
        raise Refusal(errors("JsonParseException", "The request body is not valid JSON.", 400)) from None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str) or not asked["query"].strip():
        raise Refusal(errors("Bad request", "No query was given.", 400))
    if not isinstance(asked.get("variables"), dict | None):
        raise Refusal(errors("Bad request", "variables must be an object.", 400))
    return asked


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is not None:
        found = [one for one in found if one.name is not None and one.name.value == name]
    return found[0] if len(found) == 1 else None


# --- execution --------------------------------------------------------------------------------------------------


def _complexity(world: World, caller: Caller, price: int, mutates: bool) -> dict[str, int]:
    used = limits.budget(world, caller, mutates)
    after = max(0, limits.points(caller) - used.used)
    reset = max(0, math.ceil(used.since + 60 - world.clock.now()))
    return {"query": price, "before": after + price, "after": after, "reset_in_x_seconds": reset}


def _resolve(session: Session, resolver: Resolver, scope: str, info: Any, **asked: Any) -> Any:
    if scope:
        session.may(scope)
    return resolver(session, info, **asked)


def _execute(session: Session, document: DocumentNode, asked: dict[str, Any]) -> Answer:
    result = execute_sync(
        schema(),
        document,
        {name: partial(_resolve, session, resolver, scope) for name, (resolver, scope) in FIELDS.items()},
        variable_values=asked.get("variables") or {},
        operation_name=asked.get("operationName"),
    )
    content: dict[str, Any] = {} if result.data is None and result.errors else {"data": result.data}
    if result.errors:
        content["errors"] = [_error(error) for error in result.errors]
        if result.data is None and any(error.path for error in result.errors):
            content["data"] = None
    return _wrapped(session.world, content)


def _error(error: GraphQLError) -> dict[str, Any]:
    shaped: dict[str, Any] = dict(error.formatted)
    if "extensions" not in shaped:
        # A resolver that broke is the stand-in's own bug; a bad variable or argument is the caller's.
        broken = error.path is not None and not isinstance(error.original_error, GraphQLError | None)
        code = "INTERNAL_SERVER_ERROR" if broken else "GRAPHQL_VALIDATION_FAILED"
        shaped["extensions"] = {"code": code, "status_code": 500 if broken else 200}
    return shaped


def _wrapped(world: World, content: dict[str, Any]) -> Answer:
    """HTTP 200 with `extensions.request_id`; 500 or 429 where a field says so."""
    statuses = {error.get("extensions", {}).get("status_code") for error in content.get("errors", ())}
    status = next((one for one in (500, 429) if one in statuses), 200)
    return reply(status, {**content, "extensions": {"request_id": world.guid()}})
