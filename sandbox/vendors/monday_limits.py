"""monday's limits: calls a day, a minute and in flight, complexity a minute. contracts: monday 5.1, 5.2 b and h."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, OperationDefinitionNode, SelectionSetNode

from sandbox.vendors.limits import SlidingWindow
from sandbox.vendors.monday_session import PLANS, Caller, daily_calls
from sandbox.vendors.monday_state import Budget, MondayAccount
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import World

MOST_COMPLEXITY = 5_000_000
_APP_COMPLEXITY = 5_000_000  # for reads and for writes, separately
_COSTS = {
    "create_item": 10_001,
    "create_subitem": 10_001,
    "create_board": 30_001,
    "complexity": 0,
    "version": 10,
    "me": 20,
}
_MUTATION_COST, _QUERY_COST, _SUBITEMS_COST = 5_001, 1_001, 10_000
_MINUTE = 60


def errors(code: str, message: str, status: int, headers: dict[str, str] | None = None, **extra: Any) -> Answer:
    """One error in the shape of 5.2."""
    return reply(status, {"errors": [{"message": message, "extensions": {"code": code, **extra}}]}, headers)


def root_fields(operation: OperationDefinitionNode) -> list[str]:
    """What is asked for at the top."""
    return [one.name.value for one in operation.selection_set.selections if isinstance(one, FieldNode)]


def cost(operation: OperationDefinitionNode, mutates: bool) -> int:
    """Points: no formula is published; these follow monday's samples. Nested subitems raise it (3.1)."""
    usual = _MUTATION_COST if mutates else _QUERY_COST
    fields = root_fields(operation)
    nested = sum(name == "subitems" for name in _names(operation.selection_set))
    return sum(_COSTS.get(name, usual) for name in fields) + nested * _SUBITEMS_COST


def _names(selections: SelectionSetNode | None) -> Iterator[str]:
    for one in selections.selections if selections else ():
        if isinstance(one, FieldNode):
            yield one.name.value
        if not isinstance(one, FragmentSpreadNode):
            yield from _names(getattr(one, "selection_set", None))


def _of(given: int | None, account: MondayAccount, place: int) -> int:
    return PLANS[account.plan][place] if given is None else given


def points(caller: Caller) -> int:
    """Complexity a minute: a personal token's by the plan, an app's for each of reads and writes."""
    own = caller.account.complexity_per_minute
    return _APP_COMPLEXITY if caller.app and own is None else _of(own, caller.account, 3)


def budget(world: World, caller: Caller, mutates: bool) -> Budget:
    """What is used of this minute."""
    key = f"{caller.key} {'writes' if mutates else 'reads'}" if caller.app else caller.token
    found = world.monday.budgets.setdefault(key, Budget())
    if world.clock.now() - found.since >= _MINUTE:
        found.since, found.used = world.clock.now(), 0
    return found


def take(world: World, call: Call, caller: Caller, fields: list[str], price: int, mutates: bool) -> None:
    """Count a call, or raise Refusal. A refused one counts a tenth of a daily call, as does asking for complexity."""
    if "monday" in world.unlimited:
        return
    account, now = caller.account, world.clock.now()
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    if account.day != today:
        account.day, account.calls_today = today, 0.0
    used = budget(world, caller, mutates)
    refused = _refused(account, used, now, price, points(caller))
    if refused is not None:
        account.calls_today += 0.1
        raise Refusal(refused)
    if call.delay:
        account.busy_until.append(now + call.delay)
    used.used += price
    account.calls_today += 0.1 if fields and set(fields) == {"complexity"} else 1


def _refused(account: MondayAccount, used: Budget, now: float, price: int, most: int) -> Answer | None:
    if account.calls_today >= daily_calls(account):
        return errors("DAILY_LIMIT_EXCEEDED", "Daily limit exceeded", 429, status_code=429)
    account.window = account.window or SlidingWindow((_of(account.calls_per_minute, account, 1), _MINUTE))
    wait = math.ceil(account.window.take(now))
    if wait:
        text, header = "Rate Limit Exceeded", {"Retry-After": str(wait)}
        return errors("RATE_LIMIT_EXCEEDED", text, 429, header, retry_in_seconds=wait, status_code=429)
    account.busy_until = [until for until in account.busy_until if until > now]
    if len(account.busy_until) >= _of(account.concurrency, account, 2):
        return errors("maxConcurrencyExceeded", "Concurrency limit exceeded", 429, status_code=429)
    if used.used + price > most and price <= MOST_COMPLEXITY:
        seconds = math.ceil(used.since + _MINUTE - now)
        # No Retry-After here: the real answer may carry the body field only (contracts: monday 5.3).
        return errors("COMPLEXITY_BUDGET_EXHAUSTED", "Complexity budget exhausted", 429, retry_in_seconds=seconds)
    return None


def headers(world: World, caller: Caller, mutates: bool) -> dict[str, str]:
    """The `RateLimit` headers of every answer (contracts: monday 5.1)."""
    account, now = caller.account, world.clock.now()
    minute, flight, most = (
        _of(account.calls_per_minute, account, 1),
        _of(account.concurrency, account, 2),
        points(caller),
    )
    left = minute - (account.window.used(now) if account.window else 0)
    reset = f";t={math.ceil(account.window.wait(now))}" if account.window and left <= 0 else ""
    busy = len([until for until in account.busy_until if until > now])
    used = budget(world, caller, mutates)
    return {
        "RateLimit-Policy": f'"minuteRate";q={minute};w=60, "concurrency";q={flight};qu="concurrent-requests",'
        f' "complexityMinute";q={most};w=60;qu="content-bytes"',
        "RateLimit": f'"minuteRate";r={max(0, left)}{reset}, "concurrency";r={max(0, flight - busy)},'
        f' "complexityMinute";r={max(0, most - used.used)};t={max(0, math.ceil(used.since + _MINUTE - now))}',
    }
