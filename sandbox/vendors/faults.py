"""Injected trouble: answers that fail, arrive late, arrive half or never arrive."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from sandbox.vendors.wire import Answer, Call, html, reply

KINDS = ("status", "timeout_before", "timeout_after", "html", "partial", "slow")


@dataclass
class Fault:
    """One rule. Empty match fields match everything; `count` None means "until removed".

    status          answer `status` (default 503) with `body`, `headers`, `retry_after`; no effect, unless `after`
    html            the same with an HTML page (default 502)
    timeout_before  no effect, the connection is dropped (after `slow_ms`)
    timeout_after   the effect happens, then the connection is dropped (after `slow_ms`)
    partial         monday: the effect happens; `errors` beside complete data, or with body "null" all data null
    slow            the effect happens, the answer comes after `slow_ms`
    """

    kind: str
    vendor: str = ""
    host: str = ""  # glob
    method: str = ""
    path: str = ""  # glob over the path without query
    contains: str = ""  # text in the request body, e.g. a GraphQL operation
    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    slow_ms: int = 0
    after: bool = False
    count: int | None = 1
    skip: int = 0  # let the first n matching calls pass
    probability: float = 1.0
    seed: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        self._random = random.Random(self.seed)

    def matches(self, vendor: str, call: Call) -> bool:
        """Whether the rule speaks about this call; says nothing about count and probability."""
        return (
            self.vendor in ("", vendor)
            and (not self.host or fnmatch(call.host, self.host))
            and self.method.upper() in ("", call.method)
            and (not self.path or fnmatch("/" + "/".join(call.path), self.path))
            and (not self.contains or self.contains.encode() in call.body)
        )

    @property
    def has_effect(self) -> bool:
        """Whether the vendor does its work although the caller sees trouble."""
        return self.after or self.kind in ("timeout_after", "partial", "slow")

    def bend(self, answer: Answer | None) -> Answer:
        """The answer the caller gets; `answer` is the vendor's own one, None when it did no work."""
        delay = self.slow_ms / 1000
        extra = dict(self.headers)
        if self.retry_after is not None:
            extra["Retry-After"] = str(self.retry_after)
        if self.kind in ("timeout_before", "timeout_after"):
            return Answer(0, dropped=True, delay=delay)
        if self.kind == "html":
            bent = html(self.status or 502, "Bad Gateway")
        elif self.kind == "status":
            content = self.body if self.body is not None else {"error": {"code": "Injected", "message": "Injected."}}
            bent = reply(self.status or 503, content)
        else:
            bent = _partial(answer, self.body) if self.kind == "partial" else answer or Answer()
        bent.headers.update(extra)
        bent.delay = delay
        return bent


class Faults:
    """The rules in force, first match wins."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def take(self, vendor: str, call: Call) -> Fault | None:
        """The fault to apply to this call, if any; counts it."""
        for fault in self.rules:
            if fault.count == 0 or not fault.matches(vendor, call):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.probability < 1.0 and fault._random.random() >= fault.probability:
                continue
            fault.hits += 1
            if fault.count is not None:
                fault.count -= 1
            return fault
        return None


def _partial(answer: Answer | None, body: Any) -> Answer:
    """Data together with errors, or data that is null without an error (contracts: monday 5.4)."""
    if answer is None or answer.status != 200:
        return answer or Answer()
    content = answer.json()
    data = content.get("data") or {}
    if body == "null":
        content["data"] = dict.fromkeys(data)
    else:
        extensions = {"code": "INTERNAL_SERVER_ERROR", "status_code": 200}
        error = {"message": "Internal server error", "path": list(data)[:1], "extensions": extensions}
        content["errors"] = [*content.get("errors", []), error]
    return Answer(200, json.dumps(content).encode(), answer.headers)
