"""`mlc routes test`: where an event would go, and why. Needs no AWS, sends nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_connector.errors import ConfigError
from ml_connector.modules import EVENTS, MODULES
from ml_connector.sources.zoho_books import loads
from mlc.options import AsJson, File, event_named
from mlc.output import Exit, fail, friendly, line, say
from mlc.samples import sample, told

if TYPE_CHECKING:
    from mlc.verdicts import Reading

group = typer.Typer(no_args_is_help=True, help="Who hears about what.")

_ZOHO = {"currency": "currency_code", "rate": "exchange_rate", "office": "location_name"}
_MARKS = {"taken": "green", "perhaps": "yellow"}


@group.callback()
def _group() -> None:
    """Keeps `test` a command of its own while it is the only one."""


@group.command(
    "test", epilog="Example: mlc routes test connections/example.toml --event invoice.paid --with amount=20000"
)
@friendly
def tried(
    file: File,
    event: Annotated[str, typer.Option("--event", help="A made-up one, such as invoice.paid; or a webhook's body.")],
    module: Annotated[str, typer.Option(help="What a body is of, where it does not say so.")] = "",
    action: Annotated[
        str, typer.Option(help="What happened to a body's record: created, updated, deleted or its status.")
    ] = "created",
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME=VALUE",
            help="Another value: amount, rate, currency, party, status, office or custom.<API name>.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show for every route whether it is taken, and if not, which condition fails. Exit code 3 if it goes nowhere."""
    from ml_connector.config.load import load
    from mlc.verdicts import reading

    name, body = _webhook(event, module, action)
    if values:
        body = _changed(body, told(name)[0], values)
    read = reading(load(file), name, body, "application/json")
    found = _report(read)
    say(found, as_json=as_json, people=lambda: _show(found))
    if not found["destinations"]:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


def _webhook(event: str, module: str, action: str) -> tuple[str, bytes]:
    """The event's name and the body that Zoho would send."""
    if event in EVENTS:
        if module:
            fail(f"{event} says itself of which module it is: leave out --module", Exit.USAGE)
        of, what, status = told(event)
        made_up = sample(of, "1000000000000001", "TEST-1", datetime.now(UTC), action=what, status=status)
        return event, json.dumps(made_up).encode()
    path = Path(event)
    if not path.is_file():
        if path.suffix == ".json" or path.name != event:
            fail(f"there is no file {event}", Exit.USAGE)
        event_named(event)
    body = path.read_bytes()
    return event_named(f"{module or _module_of(body)}.{action}"), body


def _module_of(body: bytes) -> str:
    """Which kind of record the body names. Raises ConfigError if none or several."""
    data = _parsed(body)
    found = [name for name, shape in MODULES.items() if any(isinstance(data.get(key), dict) for key in shape.keys)]
    found = found or [name for name, shape in MODULES.items() if shape.id_field in data]
    if len(found) != 1:
        which = " or ".join(found) or "which of " + ", ".join(MODULES)
        raise ConfigError(f"the body does not say of what it is: say {which} with --module")
    return found[0]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the body is not JSON as Zoho sends it: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError("the body is not a JSON object")
    return data


def _changed(body: bytes, module: str, values: Sequence[str]) -> bytes:
    """The body with other values; what Zoho would work out of them is left to be worked out again."""
    data, shape = _parsed(body), MODULES[module]
    record = next((data[key] for key in shape.keys if isinstance(data.get(key), dict)), data)
    ours = {"amount": shape.amount, "party": shape.party[0], "status": shape.status[0], **_ZOHO}
    for each in values:
        name, equals, value = each.partition("=")
        if equals and name.startswith("custom.") and len(name) > len("custom."):
            rows = record.get("custom_fields")
            record["custom_fields"] = [
                *(rows if isinstance(rows, list) else []),
                {"api_name": name.removeprefix("custom."), "value": value},
            ]
        elif equals and name in ours:
            record[ours[name]] = value
        else:
            names = ", ".join((*ours, "custom.<API name>"))
            fail(f"--with {each}: write NAME=VALUE with a name of {names}", Exit.USAGE)
        if name in ("amount", "rate"):
            record.pop(f"bcy_{shape.amount}", None)
    return json.dumps(data).encode()


def _report(read: Reading) -> dict[str, Any]:
    from mlc.verdicts import verdicts

    return {
        "connection": read.connection.name,
        "event": read.event.name,
        "names": list(read.event.names),
        "record": read.record.id,
        "title": read.record.title,
        "routing": read.connection.routing,
        "asked": read.asked,
        "routes": verdicts(read),
        "destinations": [each.destination for each in read.deliveries],
    }


def _show(found: Mapping[str, Any]) -> None:
    from mlc.verdicts import unmet

    line(f"{', '.join(found['names'])} {found['title']}", "bold")
    if found["asked"]:
        line(f"Zoho is asked first for the {', '.join(found['asked'])}", "yellow")
    for route in found["routes"]:
        verdict = route["verdict"]
        line(f"route {route['route']} → {', '.join(route['to'])}: {verdict}", _MARKS.get(verdict, "dim"))
        for says in unmet(route) or [each["says"] for each in route["rules"]]:
            line(f"    {says}")
    if found["destinations"]:
        line(f"it goes to {', '.join(found['destinations'])}", "bold")
    else:
        line("it goes nowhere", "yellow")
