"""What `mlc monday check` does: boards against what was put there (ml_connector/board_check.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any
from uuid import uuid4

from ml_connector.board_check import KINDS, BoardCheck, Repair, Report, neighbours
from ml_connector.connections import Connection
from mlc.monday import office_of
from mlc.output import console, line, literal, watch
from mlc.stack import Stack, utc_now

SHOWN = 50
"""Findings shown to people; --json has them all."""


def reports(
    at: Stack, connection: Connection, places: Mapping[str, Mapping[str, Any]], *, quiet: bool
) -> dict[str, Report]:
    """Of each board. All rows of the connection are read, for what is gone. Raises ConnectorError."""
    known = at.deliveries.of_connection(connection.name)
    found: dict[str, Report] = {}
    with watch(quiet, "items") as show_progress:
        for name, settings in places.items():
            check = BoardCheck(
                connection,
                name,
                settings,
                office_of(at, connection, settings).boards,
                at.deliveries,
                lambda items, name=name: show_progress(f"{name}: {items:,} items", items, None),  # type: ignore[misc]
                partial(_neighbours, at, connection, name),
                at.audit,
            )
            found[name] = check.run(known=known) or Report()
    return found


def _neighbours(at: Stack, connection: Connection, name: str) -> Iterable[tuple[str, str]]:
    return neighbours(connection, name, map(at.connections.connection, at.connections.names()))


def with_statuses(found: Mapping[str, Report]) -> dict[str, Report]:
    """For a repair that puts back what people have set as well."""
    every = {name: replace(each, findings=[*each.findings, *each.statuses]) for name, each in found.items()}
    return {name: each for name, each in every.items() if each.findings}


def question(found: Mapping[str, Report]) -> str:
    twins = sum(
        len(each.items) - 1 for report in found.values() for each in report.findings if each.kind == "duplicate"
    )
    records = sum(len({(each.module, each.record_id) for each in report.findings}) for report in found.values())
    archived = f", and archive {twins:,} twins of duplicates (a person can restore them in monday)" if twins else ""
    return f"Send {records:,} records again as Zoho has them now{archived}?"


def repair(
    at: Stack, connection: Connection, places: Mapping[str, Mapping[str, Any]], found: Mapping[str, Report]
) -> dict[str, dict[str, int]]:
    """Counts of what was done, by destination. Raises ConnectorError."""
    from ml_connector.aws.queues import DeliveriesQueue

    queue = DeliveriesQueue(at.session.client("sqs"), at.outputs["DeliveriesQueueUrl"])
    done = {}
    for name, report in found.items():
        archive = office_of(at, connection, places[name]).boards.archive
        board_id = str(places[name]["board_id"])
        repairing = Repair(connection, name, board_id, at.deliveries, queue, archive, utc_now, uuid4().hex)
        done[name] = dict(repairing.put_right(report.findings))
    return done


def data(found: Mapping[str, Report], repaired: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """For JSON."""
    return {
        name: {
            "items": report.items,
            "own": report.own,
            **{kind: report.counts[kind] for kind in KINDS},
            "findings": [asdict(each) | {"says": each.says} for each in report.findings],
            "statuses": [asdict(each) | {"says": each.says} for each in report.statuses],
            "repaired": dict(repaired.get(name, {})),
        }
        for name, report in found.items()
    }


def show(found: Mapping[str, Report]) -> None:
    """For people."""
    for name, report in found.items():
        people = f", {report.own:,} of people's own" if report.own else ""
        if report.findings:
            counts = ", ".join(f"{report.counts[kind]:,} {kind}" for kind in KINDS if report.counts[kind])
            console.print(f"[red]✗[/] {literal(name)}: {report.items:,} items{people}; {counts}")
        else:
            kept = f", but for {len(report.statuses):,} that people set" if report.statuses else ""
            console.print(
                f"[green]✓[/] {literal(name)}: {report.items:,} items{people}, all as they were put there{kept}"
            )
        every = [*report.findings, *report.statuses]
        for each in every[:SHOWN]:
            line(f"  {each.kind:<10} {each.says}")
        if len(every) > SHOWN:
            line(f"  and {len(every) - SHOWN:,} more: --json has them all", "dim")


def tell(
    found: Mapping[str, Report], repaired: Mapping[str, Mapping[str, int]], connection: Connection, *, asked: bool
) -> None:
    """What was found, or what was done about it."""
    if not repaired:
        show(found)
        if not asked and any(each.findings for each in found.values()):
            line(f"Zoho has the truth: mlc monday check {connection.name} --repair puts it there again", "dim")
        return
    for name, counts in repaired.items():
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        console.print(f"[green]✓[/] {literal(name)}: {said or 'nothing to do'}")
    if any(counts.get("busy") for counts in repaired.values()):
        line("busy: a delivery of it is under way; check again in a while", "dim")
