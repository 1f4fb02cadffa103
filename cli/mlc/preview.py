"""What an event would do, without doing it: the same planning as in delivery, and no call (`mlc preview`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ml_connector.config.model import ConnectionFile
from ml_connector.connections import Connection, Endpoint
from ml_connector.destinations import Registry, Toolbox
from ml_connector.errors import ConfigError, InboundRejected
from ml_connector.ports import Memory
from ml_connector.routing import destinations_for, routes_taken
from ml_connector.sources import Inbound
from ml_connector.sources.zoho_books import translate
from ml_connector.vendors.http import Http
from mlc.output import console, line, printable


class _NoSecrets:
    """Planning needs none."""

    def get(self, connection: str, purpose: str, *, max_age: float = 0) -> dict[str, Any]:
        raise AssertionError(f"planning asked for {purpose} of {connection}")

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        raise AssertionError(f"planning asked for a {kind} token of {connection}")


def preview(file: ConnectionFile, event_name: str, body: bytes, content_type: str) -> dict[str, Any]:
    """The event, the routes taken (counted from 1) and the exact requests of a first delivery. Raises ConfigError."""
    if not body.strip():
        raise ConfigError("the file is empty: ingest would answer 400 (body_unreadable)")
    module, _, action = event_name.partition(".")
    now = datetime.now(UTC)
    connection = Connection.from_data({**file.compiled(), "version": 1, "applied_at": ""})
    endpoint = Endpoint("preview", connection.name, "zoho", module, action)
    call = Inbound("zoho", "", "", {"content-type": content_type}, body)
    try:
        event, record = translate(
            call, endpoint, connection, received_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), correlation_id="preview"
        )
    except InboundRejected as refusal:
        detail = f": {refusal}" if str(refusal) != refusal.reason else ""
        raise ConfigError(f"ingest would answer {refusal.status} ({refusal.reason}){detail}") from refusal
    nothing = _NoSecrets()
    registry = Registry(Toolbox(lambda hosts: Http(hosts), nothing, nothing, lambda: now))
    requests = {}
    for name in destinations_for(connection, event, record):
        requests[name] = asdict(registry.destination(connection, name).plan(event, record, Memory()))
    return {
        "event": event.name,
        "connection": connection.name,
        "record": record.id,
        "title": record.title,
        "version": str(event.version),
        "routes": [
            {"route": index + 1, "to": list(connection.routes[index]["to"])}
            for index in routes_taken(connection, event, record)
        ],
        "requests": requests,
    }


# --- for people ----------------------------------------------------------------------------------------------------


def show(plan: Mapping[str, Any], *, raw: bool) -> None:
    """The event, the routes, and what people will see in each place; with `raw` the exact bodies instead."""
    line(f"{plan['event']} {plan['title']}", "bold")
    for route in plan["routes"]:
        line(f"  route {route['route']} → {', '.join(route['to'])}")
    if not plan["routes"]:
        line("  no route matches: nothing would be sent", "yellow")
    before: dict[tuple[str, ...], str] = {}
    for name, request in plan["requests"].items():
        console.print()
        if raw:
            line(f"{name}: {request['operation']} {request['method']} {request['url']}", "bold")
            if request["idempotency_key"]:
                line(f"Idempotency-Key: {request['idempotency_key']}")
            console.print_json(data=request["body"])
        elif (card := _card(request["body"])) is not None:
            texts = tuple(_texts(card))
            same = before.setdefault(texts, name)
            line(f"{name}: {'a' if same == name else 'the same'} card in Teams", "bold")
            for text in texts if same == name else ():
                line(f"  {text}")
        else:
            variables = request["body"]["variables"]
            line(f"{name}: an item on monday board {variables['board']}", "bold")
            line(f"  {variables['name']}")
            values = json.loads(variables["cols"])
            width = max(map(len, values))
            for column, value in values.items():
                first, *others = _said(value).splitlines() or [""]
                line(f"    {column:<{width}}  {first}")
                for other in others:
                    line(f"    {'':<{width}}  {other}")


def _card(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The card in a message, or in the message of a new conversation."""
    for attachment in body.get("activity", body).get("attachments", ()):
        content: Mapping[str, Any] = attachment["content"]
        return content
    return None


def _texts(part: Any) -> Iterator[str]:
    """What stands on a card, from top to bottom; facts and rows on one line each."""
    match part:
        case {"type": "TextBlock", "text": text}:
            yield _unescaped(text)
        case {"type": "ColumnSet", "columns": columns}:
            # Side by side on the card: the first texts of all columns, then the second ones.
            for texts in zip(*(list(_texts(column["items"])) for column in columns), strict=False):
                yield "   ".join(texts)
        case {"type": "FactSet", "facts": facts}:
            width = max((len(fact["title"]) for fact in facts), default=0)
            for fact in facts:
                yield f"{fact['title']:<{width}}  {_unescaped(fact['value'])}"
        case {"type": "Table", "rows": rows}:
            for row in rows:
                yield " | ".join(" ".join(_texts(cell["items"])) for cell in row["cells"])
        case {"type": "Action.OpenUrl", "title": title, "url": url}:
            yield f"[{title}] {url}"
        case list():
            for each in part:
                yield from _texts(each)
        case dict():
            for name in ("body", "items", "actions"):
                yield from _texts(part.get(name, []))


def _unescaped(text: str) -> str:
    """As Teams shows it: without the backslashes that keep markdown away."""
    return re.sub(r"\\([^\w\s])", r"\1", printable(text))


def _said(value: Any) -> str:
    """A column's value in monday's form, in few words."""
    match value:
        case None:
            return "(empty)"
        case {"label": label}:
            return str(label)
        case {"labels": labels}:
            return ", ".join(labels)
        case {"date": day, "time": clock}:
            return f"{day} {clock} UTC"
        case {"url": url}:
            return str(url)
        case {"checked": checked}:
            return "yes" if checked == "true" else "no"
        case dict():
            return str(next(iter(value.values()), ""))
    return str(value)
