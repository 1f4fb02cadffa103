"""What an event would do, without doing it: the same planning as in delivery, and no call (`mlc preview`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from html import unescape
from typing import Any

from ml_connector.config.model import ConnectionFile
from ml_connector.destinations import Registry, Toolbox
from ml_connector.events import DELETED, Version
from ml_connector.ports import Memory, NothingThere
from ml_connector.vendors.http import Http
from mlc.output import console, line, printable
from mlc.verdicts import PERHAPS, TAKEN, reading, unmet, verdicts

_THERE = Memory("done", version=Version("", ""), external_id="ITS-ID", thread_id="ITS-THREAD")
"""What a deletion finds: with nothing there, there would be nothing to mark."""
_PERHAPS = " (if the record that Zoho gives meets it)"


class NoSecrets:
    """Planning needs none."""

    def get(self, connection: str, purpose: str, *, max_age: float = 0) -> dict[str, Any]:
        raise AssertionError(f"planning asked for {purpose} of {connection}")

    def access_token(self, connection: str, kind: str, *, rejected: str = "") -> str:
        raise AssertionError(f"planning asked for a {kind} token of {connection}")


def preview(file: ConnectionFile, event_name: str, body: bytes, content_type: str) -> dict[str, Any]:
    """The event, the routes (counted from 1) and the exact requests, as if nothing were known of the record.

    Only a deletion is planned as of one that is there. `asked`: what Zoho would be asked for before anything is sent.
    Raises ConfigError.
    """
    read = reading(file, event_name, body, content_type)
    connection, event, record = read.connection, read.event, read.record
    deletes = event.action == DELETED
    nothing = NoSecrets()
    registry = Registry(Toolbox(lambda hosts: Http(hosts), nothing, nothing, lambda: read.now))
    requests, skipped = {}, {}
    routes = verdicts(read)
    for name in (each.destination for each in read.deliveries):
        place = registry.destination(connection, name)
        try:
            requests[name] = asdict(place.plan(event, record, _THERE if deletes else Memory()))
        except NothingThere as nothing:
            skipped[name] = str(nothing) or "nothing of it is there to mark"
    return {
        "event": event.name,
        "names": list(event.names),
        "connection": connection.name,
        "record": record.id,
        "title": record.title,
        "version": str(event.version),
        "asked": read.asked,
        "routes": [
            {"route": each["route"], "to": each["to"], **({"perhaps": True} if each["verdict"] == PERHAPS else {})}
            for each in routes
            if each["verdict"] in (TAKEN, PERHAPS)
        ],
        "not_taken": [
            {"route": each["route"], "to": each["to"], "why": unmet(each)}
            for each in routes
            if each["verdict"] not in (TAKEN, PERHAPS)
        ],
        "requests": requests,
        **({"skipped": skipped} if skipped else {}),
    }


# --- for people ----------------------------------------------------------------------------------------------------


def show(plan: Mapping[str, Any], *, raw: bool) -> None:
    """The event, the routes, and what people will see in each place; with `raw` the exact bodies instead."""
    line(f"{', '.join(plan['names'])} {plan['title']}", "bold")
    for route in plan["routes"]:
        line(f"  route {route['route']} → {', '.join(route['to'])}{_PERHAPS if 'perhaps' in route else ''}")
    if plan["asked"]:
        line(
            f"  Zoho is asked first for the {', '.join(plan['asked'])}; below is what the webhook alone gives", "yellow"
        )
    for route in plan["not_taken"]:
        line(f"  route {route['route']} is not taken: {'; '.join(route['why'])}", "dim")
    if not plan["routes"]:
        line("  no route matches: nothing would be sent", "yellow")
    for name, reason in plan.get("skipped", {}).items():
        line(f"  {name} is skipped: {reason}", "yellow")
    show_requests(plan["requests"], raw=raw)


def show_requests(requests: Mapping[str, Mapping[str, Any]], *, raw: bool) -> None:
    """What people will see in each place, by its name; with `raw` the exact bodies instead."""
    before: dict[tuple[str, ...], str] = {}
    for name, request in requests.items():
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
        elif (told := _told(request["body"])) is not None:
            what, text = told
            line(f"{name}: {what}", "bold")
            line(f"  {text}")
        elif (note := request["body"].get("description")) is not None:
            line(f"{name}: a note on the record in Zoho Books", "bold")
            line(f"  {note}")
        else:
            variables = request["body"]["variables"]
            line(f"{name}: an item on monday board {variables['board']}", "bold")
            line(f"  {variables.get('name', '(its name stays)')}")
            values = json.loads(variables["cols"])
            width = max(map(len, values))
            for column, value in values.items():
                first, *others = _said(value).splitlines() or [""]
                line(f"    {column:<{width}}  {first}")
                for other in others:
                    line(f"    {'':<{width}}  {other}")
            if request["more"]:
                line("  and below it the record's line items", "dim")


def _card(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The card in a message, or in the message of a new conversation."""
    for attachment in body.get("activity", body).get("attachments", ()):
        content: Mapping[str, Any] | str = attachment["content"]
        # To Graph a card is a text.
        card: Mapping[str, Any] = json.loads(content) if isinstance(content, str) else content
        return card
    return None


def _told(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """What Teams is told without a card: an imported message, or a notification to people."""
    match body:
        case {"createdDateTime": _, "body": {"content": html}}:
            return "an imported message in Teams", unescape(re.sub(r"<[^>]+>", " ", html)).strip()
        case {"previewText": {"content": text}}:
            return "a notification in people's activity feed", str(text)
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
