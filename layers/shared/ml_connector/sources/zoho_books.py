"""Webhooks from Zoho Books: verified over the raw bytes, then read (contracts: zoho-books 1 and 2).

The body does not say what happened; the endpoint does. It may wrap the record in one of several keys, hold it at
the root, or carry it in a form field `JSONString`. Of a deleted record it holds no more than the id.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ml_connector.connections import Connection, Endpoint
from ml_connector.errors import InboundRejected
from ml_connector.events import DELETED, Event, Version
from ml_connector.modules import MODULES
from ml_connector.records import BadRecord, Record, deleted, read
from ml_connector.sources import Inbound, Secrets, signature

JSON_TYPES = ("application/json", "text/plain", "text/json")
MAX_DEPTH = 40


def verify(call: Inbound, secrets: Secrets, again: Callable[[], Secrets]) -> None:
    """Raises InboundRejected(401) unless one of the secrets signed these bytes.

    `again` looks for secrets newer than the cached ones: a rotation must not cost an event.
    """
    given = call.headers.get(signature.HEADER)
    if (reason := signature.fault(given)) or given is None:
        raise InboundRejected(401, reason or "signature_missing")
    content_type = call.headers.get("content-type", "")

    def right(live: Secrets) -> bool:
        return signature.matches(given, live, call.query, content_type, call.body) is not None

    if not right(secrets):
        newer = again()
        if list(newer) == list(secrets) or not right(newer):
            raise InboundRejected(401, "signature_wrong")


def translate(
    call: Inbound, endpoint: Endpoint, connection: Connection, *, received_at: str, correlation_id: str
) -> tuple[Event, Record]:
    """The event in a verified call. Raises InboundRejected(400, 415 or 422) with what is wrong with it."""
    data = _parse(call)
    organization = data.get("organization_id")
    if organization not in (None, "") and str(organization) != connection.organization_id:
        raise InboundRejected(422, "organization_mismatch")
    payload = _record(data, endpoint.module)
    deletes = endpoint.action == DELETED
    try:
        record = (deleted if deletes else read)(endpoint.module, payload)
    except BadRecord as error:
        raise InboundRejected(422, "record_unusable", str(error)) from error
    event = Event(
        connection=endpoint.connection,
        module=endpoint.module,
        record_id=record.id,
        action=endpoint.action,
        version=Version.deletion(received_at) if deletes else record.version,
        origin="webhook",
        received_at=received_at,
        correlation_id=correlation_id,
        payload=payload,
    )
    return event, record


def _parse(call: Inbound) -> dict[str, Any]:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == signature.FORM:
            fields = signature.form_fields(call.body)
            data = loads(fields["JSONString"]) if "JSONString" in fields else dict(fields)
        elif kind in JSON_TYPES:
            data = loads(call.body.decode("utf-8-sig"))
        else:
            raise InboundRejected(415, "content_type")
    except (ValueError, RecursionError) as error:
        raise InboundRejected(400, "body_unreadable", str(error)[:200]) from error
    if not isinstance(data, dict):
        raise InboundRejected(400, "body_unreadable", "the body is not a JSON object")
    return data


def _record(data: dict[str, Any], module: str) -> dict[str, Any]:
    shape = MODULES[module]
    for key in shape.keys:
        if isinstance(data.get(key), dict):
            return dict(data[key])
    if shape.id_field in data:
        return data
    raise InboundRejected(422, "record_missing", f"the body holds no {module}")


def loads(text: str) -> Any:
    """JSON as Zoho means it: fractions keep their exact text; duplicate keys, NaN and absurd nesting are refused."""
    data = json.loads(text, parse_float=str, parse_constant=_refuse, object_pairs_hook=_unique)
    _check_depth(data, MAX_DEPTH)
    if "\\ud" in text.lower():
        # Half a surrogate pair can be written in JSON but not in UTF-8: better refused here than failing further on.
        json.dumps(data, ensure_ascii=False).encode()
    return data


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return data


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError("nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)
