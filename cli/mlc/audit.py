"""`mlc audit`: what happened to which record, and where it went."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from ml_connector import stories
from ml_connector.audit import Outcome
from ml_connector.ports import AuditEntry
from mlc import trail
from mlc.options import AsJson, Name, date_option, on_stack
from mlc.output import Exit, answered, cell, console, fail, json_text, line, near, plain, problems, say, table, watch
from mlc.stack import Stack

group = typer.Typer(no_args_is_help=True, help="What happened to which record, and where it went.")

What = Annotated[str, typer.Argument(help="Document number, Zoho id, Teams message or monday item id, or a link.")]
WhatOrAll = Annotated[str | None, typer.Argument(help="Number, id or link of one record; all if left out.")]
Whats = Annotated[
    list[str] | None,
    typer.Argument(help="Numbers, ids or links of records; all if left out.", metavar="WHAT"),
]
COLUMNS = tuple(field.name for field in fields(AuditEntry))


class Format(StrEnum):
    """What an export is written as: `ndjson` is one JSON object to a line."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


def _outcome(text: str) -> Outcome:
    if text not in set(Outcome):
        raise typer.BadParameter(f"{text!r} is no outcome; {near(text, Outcome)}")
    return Outcome(text)


def _format(text: str) -> Format:
    if text not in set(Format):
        raise typer.BadParameter(f"{text!r} is no format; there are {', '.join(Format)}")
    return Format(text)


State = Annotated[
    Outcome | None,
    typer.Option(
        "--state",
        parser=_outcome,
        metavar="OUTCOME",
        autocompletion=lambda: list(Outcome),
        help=f"Only this outcome: {', '.join(Outcome)}.",
    ),
]


@group.command("list", epilog="Example: mlc audit list acme-eu --since 2026-11-20 --state parked")
@on_stack
def audit_list(
    at: Stack,
    connection: Name,
    what: Whats = None,
    since: Annotated[
        datetime | None,
        date_option(
            "--since", "First UTC day; today if nothing is named, and with a --state of what is under way, all."
        ),
    ] = None,
    until: Annotated[datetime | None, date_option("--until", "Last UTC day; today if left out.")] = None,
    state: State = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest entries of a connection, the newest first; one record's story, oldest first, has `mlc audit show`."""
    _in_order(since, until)
    at.connection(connection)
    entries = trail.newest(
        at.audit, at.deliveries, connection, limit, what=what or (), since=since, until=until, state=state
    )

    def people() -> None:
        trail.show(entries, newest_first=True)
        if len(entries) == limit:
            line(f"the newest {limit}; more with --limit, all with mlc audit export {connection}", "dim")
        elif not entries and not (what or since or until):
            line("of today (UTC); earlier ones with --since DATE", "dim")

    say(entries, as_json=as_json, people=people)


@group.command("show", epilog="Example: mlc audit show acme-eu INV-000412   or a Zoho id, an item id, a link")
@on_stack
def audit_show(at: Stack, connection: Name, what: What, as_json: AsJson = False) -> None:
    """The whole story of one record, oldest first: every attempt, with its receipt and what it changed there."""
    if not what.strip():
        fail("say which record: a document number, an id or a link", Exit.USAGE)
    at.connection(connection)
    entries = trail.story(at.audit, at.deliveries, connection, what)
    if not entries:
        foreign = "; it is no link to a record in Zoho Books, Teams or monday.com" if stories.foreign(what) else ""
        fail(f"nothing is known of {what!r} in connection {connection!r}{foreign}", Exit.FOUND_PROBLEMS)
    say(entries, as_json=as_json, people=lambda: trail.show(entries))


@group.command("verify", epilog="Example: mlc audit verify acme-eu INV-000412")
@on_stack
def audit_verify(at: Stack, connection: Name, what: WhatOrAll = None, as_json: AsJson = False) -> None:
    """Check that no audit entry was changed or removed, of one record or (reading both tables whole) of all.

    Exit code 3 if one was.
    """
    every = (
        trail.everything(at.audit, at.deliveries, connection)
        if what is None
        else stories.records(at.audit, at.deliveries, connection, what)
    )
    if what is not None and not every:
        fail(f"nothing is known of {what!r} in connection {connection!r}", Exit.FOUND_PROBLEMS)
    found = []
    with watch(as_json, "records") as show:
        for done, (module, record_id) in enumerate(every):
            show("records checked", done, len(every))
            faults = trail.faults(at.audit, at.deliveries, connection, module, record_id)
            found += [{"record": f"{module}/{record_id}", "fault": fault} for fault in faults]

    def people() -> None:
        if found:
            table(("record", "fault"), [(each["record"], each["fault"]) for each in found])
        else:
            console.print(f"[green]✓[/] {connection}: the trail of {len(every)} record(s) is whole")

    say({"records": len(every), "faults": found}, as_json=as_json, people=people)
    if found:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


@group.command("export", epilog="Example: mlc audit export acme-eu --since 2026-11-01 --format csv -o november.csv")
@on_stack
def audit_export(
    at: Stack,
    connection: Name,
    what: Whats = None,
    since: Annotated[datetime | None, date_option("--since", "First UTC day; all that is kept if left out.")] = None,
    until: Annotated[datetime | None, date_option("--until", "Last UTC day; today if left out.")] = None,
    state: State = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            parser=_format,
            metavar="FORMAT",
            autocompletion=lambda: list(Format),
            help=f"{', '.join(Format)}; by the file's name if left out, else ndjson.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="A file, there when it is whole; else stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write entries whole, oldest first, as they are read: for auditors, spreadsheets and other systems.

    With the hashes of their chains, so that who has the file can see later whether it is the same. Exit code 3 if
    there is no such entry.
    """
    if as_json and form not in (None, Format.JSON):
        fail(f"--json and --format {form} are two different things", Exit.USAGE)
    _in_order(since, until)
    form = form or (Format.JSON if as_json else _by_name(output))
    at.connection(connection)
    entries = trail.chosen(at.audit, at.deliveries, connection, what=what or (), since=since, until=until, state=state)
    count = write(entries, form, output)
    if not count:
        fail("there is no such entry", Exit.FOUND_PROBLEMS)


def _in_order(since: datetime | None, until: datetime | None) -> None:
    if since and until and until < since:
        fail("--until lies before --since", Exit.USAGE)


def write(entries: Iterable[AuditEntry], form: Format, file: Path | None) -> int:
    """How many were written. A file appears when it is whole; how far it is, is told on stderr."""
    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for entry in entries:
            yield asdict(entry)
            count += 1
            show(f"{entry.at[:10]}, entries", count, None)

    with watch(False, "entries") as show, _target(file) as out:
        _WRITERS[form](counted(), out)
    problems.print(f"{count} entries" + (f" written to {file}" if file else ""), style="dim", soft_wrap=True)
    return count


def _by_name(file: Path | None) -> Format:
    ending = file.suffix[1:].lower() if file else ""
    return Format(ending) if ending in set(Format) else Format.NDJSON


@contextmanager
def _target(file: Path | None) -> Iterator[TextIO]:
    if file is None:
        answered()
        try:
            yield sys.stdout
        except BrokenPipeError:
            # Whoever reads has seen enough, as `head` does; Python shall not complain of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None
        return
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(file)
    except OSError as error:
        fail(f"cannot write {file}: {error.strerror}")
    finally:
        part.unlink(missing_ok=True)


def _csv(entries: Iterable[dict[str, Any]], out: TextIO) -> None:
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    for entry in entries:
        rows.writerow([cell(str(value)) for value in entry.values()])


def _json(entries: Iterable[dict[str, Any]], out: TextIO) -> None:
    out.write("[")
    for index, entry in enumerate(entries):
        out.write(",\n " if index else "\n ")
        out.write(_text(entry))
    out.write("\n]\n")


def _ndjson(entries: Iterable[dict[str, Any]], out: TextIO) -> None:
    for entry in entries:
        out.write(f"{_text(entry)}\n")


def _text(entry: dict[str, Any]) -> str:
    return json_text(plain(entry), separators=(",", ":"))


_WRITERS: dict[Format, Callable[[Iterable[dict[str, Any]], TextIO], None]] = {
    Format.CSV: _csv,
    Format.JSON: _json,
    Format.NDJSON: _ndjson,
}
