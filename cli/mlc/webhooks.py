"""`mlc webhooks`: the addresses that Zoho and monday call, and the webhooks there that call them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Annotated, NoReturn, ParamSpec, TypeVar

import typer
from rich.text import Text

from ml_connector.errors import ConnectorError, NeedsAttention, NotAllowed, RetryLater
from ml_connector.sources import signature
from ml_connector.tokens import remedy
from ml_connector.webhook_plan import Change, Plan, Wanted
from ml_connector.webhook_setup import Done, RulesUnavailable
from mlc import webhook_steps
from mlc.board_webhooks import BoardDesk, Outcome
from mlc.options import AsJson, Name, Yes, date_option, on_stack, sure
from mlc.output import Exit, blocks, console, fail, friendly, line, literal, printable, problems, say, table, watch
from mlc.stack import Stack, utc_now
from mlc.webhook_desk import Desk, Finding, open_desk

group = typer.Typer(
    no_args_is_help=True, help="The addresses that Zoho and monday call, and the webhooks that call them."
)

Endpoints = Annotated[
    list[str] | None, typer.Option("--endpoint", help="Only this one, such as invoice.created. May be repeated.")
]
From = Annotated[
    datetime | None, date_option("--from", "First day, as the organization counts; a week ago if left out.")
]
To = Annotated[datetime | None, date_option("--to", "Last day; today if left out.")]


P = ParamSpec("P")
R = TypeVar("R")


def _asks_zoho(command: Callable[P, R]) -> Callable[P, R]:
    """A command that Zoho refuses for our access ends with what to type."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except NeedsAttention as error:
            # Good credentials that may not do this: whoever connects again is to be somebody who may.
            what = "consent" if isinstance(error, NotAllowed) else error.remedy
            fail(f"{error.reason}: {remedy(str(kwargs['connection']), 'zoho', what)}", Exit.FOUND_PROBLEMS)

    return run


@group.command("list", epilog="Example: mlc webhooks list acme-eu --reveal")
@on_stack
def list_addresses(
    at: Stack,
    connection: Name,
    reveal: Annotated[bool, typer.Option(help="Show addresses and secrets whole, to be pasted into Zoho.")] = False,
    as_json: AsJson = False,
) -> None:
    """One address and secret per module and event, and an address per board. Whoever has them can send events: they are
    hidden unless you say --reveal.
    """
    desk = open_desk(at, connection, strict=False)
    rows = [
        {
            "event": identity.removeprefix("zoho."),
            "url": at.webhook_address(each["token"] if reveal else "…"),
            "secret": each["secrets"][-1] if reveal else "…",
        }
        for identity, each in sorted(desk.stored["endpoints"].items())
    ]
    rows += [
        {"event": f"board {board}", "url": url if reveal else f"{url.rpartition('/')[0]}/…", "secret": ""}
        for board, url in BoardDesk(at, desk.connection).addresses()
    ]
    say(rows, as_json=as_json, people=lambda: blocks(rows))


# --- installing --------------------------------------------------------------------------------------------------


@group.command(epilog="Example: mlc webhooks install acme-eu")
@on_stack
@_asks_zoho
def install(
    at: Stack,
    connection: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a webhook and a workflow rule in Zoho for each event that a route hears, and the boards' webhooks on
    monday.com; repair what has drifted.

    Said twice, the second time changes nothing. Where Zoho does not allow it by API, the steps by hand are printed
    (exit code 3).
    """
    desk = open_desk(at, connection)
    boards = Outcome()
    if not dry_run:
        with desk.alone():
            boards = BoardDesk(at, desk.connection).install()
        if not as_json:
            boards.show()
    if desk.by_hand and not dry_run:
        reason = f"connection {connection!r} says manage_webhooks = false, so webhooks are installed by hand"
        _by_hand(reason, desk.chosen(()), boards, as_json=as_json)
    with desk.alone():
        desk.settle()
        endpoints = desk.endpoints
        try:
            with _looking(desk, as_json=as_json):
                plan = desk.plan(endpoints)
            if dry_run:
                _show_plan(plan, as_json=as_json)
                return
            done = _carried_out(desk, plan, endpoints, as_json=as_json)
        except (NotAllowed, RulesUnavailable) as error:
            _by_hand(_why_not(error, connection), desk.chosen(()), boards, as_json=as_json)
    _report(plan, done, boards, as_json=as_json, nothing=f"{connection}: all webhooks are in order")


@group.command(epilog="Example: mlc webhooks verify acme-eu")
@on_stack
@_asks_zoho
def verify(
    at: Stack,
    connection: Name,
    as_json: AsJson = False,
) -> None:
    """Compare Zoho's webhooks and rules, and the boards', with what shall be there. Exit code 3 if they differ."""
    desk = open_desk(at, connection)
    with _looking(desk, as_json=as_json):
        found = desk.findings()
        unheard, repair = "what people do on the board is not heard", f"mlc webhooks install {connection}"
        for board, what in BoardDesk(at, desk.connection).lacking():
            found.append(Finding(f"board {board}".strip(), what, unheard, repair))
    count = len(desk.chosen(()))

    def people() -> None:
        if not found:
            console.print(f"[green]✓[/] {literal(connection)}: {count} webhooks with their rules are in order")
        for why, command in dict.fromkeys((each.why, each.type) for each in found):
            for each in found:
                if (each.why, each.type) == (why, command):
                    line(f"{each.event}  {each.what}", "bold")
            line(f"  why it matters  {why}")
            line(f"  type            {command}")
        for text in desk.notes:
            line(text, "yellow")

    data = {"webhooks": count, "findings": [asdict(each) for each in found], "notes": desk.notes}
    say(data, as_json=as_json, people=people)
    if found:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


@group.command(epilog="Example: mlc webhooks remove acme-eu")
@on_stack
@_asks_zoho
def remove(
    at: Stack,
    connection: Name,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete our workflow rules and webhooks in Zoho and on the boards, and nothing else there. The addresses stay."""
    desk = open_desk(at, connection, strict=False)
    with desk.alone():
        with _looking(desk, as_json=as_json):
            plan, endpoints = desk.removal()
        on_boards = BoardDesk(at, desk.connection)
        if plan.changes or on_boards.installed:
            also = f", and {on_boards.installed} on boards" if on_boards.installed else ""
            sure(f"Delete {_counted(plan)} of {connection} in Zoho{also}?", yes=yes)
        boards = on_boards.remove()
        if not as_json:
            boards.show()
        done = _carried_out(desk, plan, endpoints, as_json=as_json)
    _report(plan, done, boards, as_json=as_json, nothing=f"{connection}: Zoho has no webhooks of ours")


@group.command(epilog="Example: mlc webhooks manual acme-eu --endpoint invoice.created")
@on_stack
def manual(
    at: Stack,
    connection: Name,
    endpoint: Endpoints = None,
    as_json: AsJson = False,
) -> None:
    """Print the steps by hand in Zoho Books, with addresses and secrets: do not print this where others read it."""
    chosen = open_desk(at, connection).chosen(endpoint or ())
    say(webhook_steps.for_programs(chosen), as_json=as_json, people=lambda: webhook_steps.show(chosen))


# --- what Zoho has sent ------------------------------------------------------------------------------------------


@group.command(epilog="Example: mlc webhooks history acme-eu --from 2026-11-20 --failed")
@on_stack
@_asks_zoho
def history(
    at: Stack,
    connection: Name,
    since: From = None,
    until: To = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """What Zoho has sent to this connection's addresses, by its own account."""
    desk = open_desk(at, connection, strict=False)
    sent = desk.history(*_days(since, until), failed=failed)
    rows = [{"event": event, **asdict(each)} for event, each in sent]

    def people() -> None:
        if not rows:
            console.print("Zoho tells of none")
            return
        table(
            ("id", "at", "event", "record", "status", "answer", "retries", "next retry"),
            [
                (each.id, each.at, event, each.record_id, each.status, each.answer, each.retries, each.next_retry_at)
                for event, each in sent
            ],
        )

    say(rows, as_json=as_json, people=people)


@group.command(epilog="Example: mlc webhooks resend acme-eu --failed --from 2026-11-20")
@on_stack
@_asks_zoho
def resend(
    at: Stack,
    connection: Name,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids in `mlc webhooks history`.", metavar="ID")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed from --from to --to.")] = False,
    since: From = None,
    until: To = None,
    as_json: AsJson = False,
) -> None:
    """Let Zoho send webhooks again, ten with each call. What is there already is recognised: nothing comes twice."""
    if bool(ids) == failed:
        fail("say which: ids of `mlc webhooks history`, or else --failed", Exit.USAGE)
    desk = open_desk(at, connection, strict=False)
    from ml_connector.vendors.zoho_settings import AT_ONCE

    wanted = ids or [each.id for _, each in desk.history(*_days(since, until), failed=True)]
    if not wanted:
        fail("Zoho tells of no failed webhook in that time", Exit.FOUND_PROBLEMS)
    sent: list[str] = []
    with watch(as_json, "webhooks") as show:
        for start in range(0, len(wanted), AT_ONCE):
            batch = wanted[start : start + AT_ONCE]
            try:
                desk.settings.resend(desk.connection, batch)
            except NeedsAttention:
                raise
            except ConnectorError as error:
                fail(f"{len(sent)} of {len(wanted)} are being sent again; then: {error}")
            sent += batch
            show("webhooks sent again", len(sent), len(wanted))
    say(
        {"resent": sent},
        as_json=as_json,
        people=lambda: console.print(f"[green]✓[/] Zoho sends {len(sent)} webhook(s) again"),
    )


# --- secrets -----------------------------------------------------------------------------------------------------


@group.command(epilog="Example: mlc webhooks rotate acme-eu   and an hour later   mlc webhooks rotate acme-eu --finish")
@on_stack
@_asks_zoho
def rotate(
    at: Stack,
    connection: Name,
    endpoint: Endpoints = None,
    finish: Annotated[bool, typer.Option("--finish", help="Let the old secrets end.")] = False,
    after: Annotated[
        float, typer.Option(min=0, help="With --finish: minutes since Zoho was given the new secret.")
    ] = 60,
    force: Annotated[
        bool, typer.Option("--force", help="With --finish: do not wait; you have put the new secret into Zoho.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give each webhook a new secret. Old and new are both accepted until you say --finish: no event is lost.

    Where webhooks are installed by hand, the secrets to type into Zoho are printed.
    """
    if force and not finish:
        fail("--force goes with --finish", Exit.USAGE)
    desk = open_desk(at, connection, strict=False)
    names = [each.endpoint for each in desk.chosen(endpoint or ())]
    with desk.alone():
        if finish:
            _finish(desk, names, timedelta(minutes=after), force=force, as_json=as_json)
        else:
            _rotate(desk, names, as_json=as_json)


def _rotate(desk: Desk, names: Sequence[str], *, as_json: bool) -> None:
    """First we know the new secret everywhere, then Zoho does. What Zoho was not given is given when said again."""
    name = desk.connection.name
    begun = desk.begin_rotation(names)
    desk.settle()
    endpoints = desk.endpoints
    chosen = [each for each in endpoints if each.endpoint in names]
    if desk.by_hand:
        _new_secrets_by_hand(name, chosen, begun, as_json=as_json)
        return
    with _looking(desk, as_json=as_json):
        plan = replace(desk.plan(endpoints, deep=False), notes=(), blocked=())
    there = {change.endpoint for change in plan.changes if change.what == "webhook" and change.do in ("update", "keep")}
    try:
        done = _carried_out(desk, plan, endpoints, [each for each in names if each in there], as_json=as_json)
    except (NotAllowed, RulesUnavailable) as error:
        problems.print(_why_not(error, name), style="red", markup=False, soft_wrap=True)
        _new_secrets_by_hand(name, chosen, begun, as_json=as_json)
        raise typer.Exit(Exit.FOUND_PROBLEMS) from None
    nothing = "two secrets are live already, and Zoho has the newest: let the old ones end with --finish"
    _report(plan, done, as_json=as_json, nothing=nothing)
    if missing := [each.event for each in chosen if each.endpoint not in there]:
        fail(f"Zoho has no webhook for {', '.join(missing)}: mlc webhooks install {name}", Exit.FOUND_PROBLEMS)
    if not as_json and done:
        line(f"In an hour: mlc webhooks rotate {name} --finish")


def _new_secrets_by_hand(connection: str, endpoints: Sequence[Wanted], begun: Sequence[str], *, as_json: bool) -> None:
    rows = [{"event": each.event, "webhook": each.name, "secret": each.secret} for each in endpoints]

    def people() -> None:
        line(webhook_steps.SECRET, "bold")
        blocks(rows)
        line(f"{len(begun)} of them are new. When all are in Zoho: mlc webhooks rotate {connection} --finish --force")

    say({"by_hand": rows, "new": list(begun)}, as_json=as_json, people=people)


def _finish(desk: Desk, names: Sequence[str], after: timedelta, *, force: bool, as_json: bool) -> None:
    finished, refused = desk.finish_rotation(names, after, force=force)
    events = [name.removeprefix("zoho.") for name in finished]

    def people() -> None:
        if not finished and not refused:
            console.print("no rotation is under way")
        if events:
            console.print(f"[green]✓[/] the old secrets of {', '.join(events)} have ended")
        for reason in dict.fromkeys(why_not.values()):
            line(f"{', '.join(event for event, why in why_not.items() if why == reason)}: {reason}")

    why_not = {name.removeprefix("zoho."): why for name, why in refused.items()}
    say({"finished": events, "refused": why_not}, as_json=as_json, people=people)
    if refused:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


_FAULTS = {
    "signature_missing": "there is no signature: tick “I want to secure this webhook” in Zoho and type the secret",
    "signature_scheme": "this is the scheme of Zoho Payments (t=…,v=…), not of Zoho Books: another product called",
    "signature_malformed": "this is no signature of Zoho Books: they are 64 hexadecimal digits (or 44 signs of base64)",
}


@group.command(
    "check-signature",
    epilog="Example: mlc webhooks check-signature --secret-stdin --body-file body.json --signature 5d5b… < secret.txt",
)
@friendly
def check_signature(
    given: Annotated[str, typer.Option("--signature", help="The header X-Zoho-Webhook-Signature.")],
    body_file: Annotated[
        Path, typer.Option("--body-file", help="The raw body, byte for byte.", exists=True, dir_okay=False)
    ],
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the secret from standard input (and from nowhere else).")
    ] = False,
    query: Annotated[str, typer.Option(help="The raw query string, without the question mark.")] = "",
    content_type: Annotated[str, typer.Option(help="Of the body.")] = "application/json",
    as_json: AsJson = False,
) -> None:
    """Say which reading of Zoho's rules makes a signature right, or that none does (exit code 1). AWS is not asked."""
    if not secret_stdin:
        fail("say --secret-stdin and give the secret there: on the command line others could read it", Exit.USAGE)
    secret = sys.stdin.readline().strip()
    if not secret:
        fail("standard input holds no secret", Exit.USAGE)
    body, query, given = body_file.read_bytes(), query.removeprefix("?"), given.strip()
    fault = signature.fault(given)
    reading = None if fault else signature.matches(given, [secret], query, content_type, body)
    says = _FAULTS.get(fault or "", fault or "") or _reading(reading, given, secret, query, content_type, body)
    say(
        {"matches": reading is not None, "reading": reading, "reason": fault or ("" if reading else "signature_wrong"),
         "says": says},
        as_json=as_json,
        people=lambda: line(says, "green" if reading else "red"),
    )  # fmt: skip
    if reading is None:
        raise typer.Exit(Exit.FAILED)


def _reading(reading: str | None, given: str, secret: str, query: str, content_type: str, body: bytes) -> str:
    """A sentence for a puzzled person. What ingest would not take may still show what went wrong on the way here."""
    if reading:
        return f"right; the signed text is: {reading}"
    tried = [name for name, _ in signature.candidates(query, content_type, body)]
    if signature.matches(given, [secret], query, content_type, body.rstrip(b"\r\n")):
        return "wrong, but right without the line end at the end of your file: an editor may have put it there"
    return f"wrong for this secret and these bytes; tried: {'; '.join(tried) or 'nothing, there are too many pairs'}"


# --- in common ---------------------------------------------------------------------------------------------------


def _looking(desk: Desk, *, as_json: bool) -> AbstractContextManager[object]:
    """It takes a second for each rule: a person shall see that something happens."""
    name = literal(desk.connection.name)
    return nullcontext() if as_json else problems.status(f"looking at what Zoho has for {name} …")


def _carried_out(
    desk: Desk, plan: Plan, endpoints: Sequence[Wanted], only: Sequence[str] | None = None, *, as_json: bool
) -> list[Done]:
    """Each step is shown when it is done."""
    done: list[Done] = []
    try:
        for each in desk.carry_out(plan, endpoints, only):
            done.append(each)
            if not as_json:
                mark = Text("✗ ", "red") if each.failed else Text("✓ ", "green")
                line(mark + Text(printable(_said(each.change) + (f": {each.failed}" if each.failed else ""))))
    except RetryLater as error:
        fail(f"{error}; {len(done)} step(s) are done: say the same again, and it goes on there")
    return done


_DID = {"create": "created", "update": "put right", "replace": "made anew", "delete": "deleted", "keep": "in order"}


def _said(change: Change) -> str:
    why = f" ({change.why})" if change.why and change.do not in ("create", "keep") else ""
    return f"{change.event}  {change.what} {_DID[change.do]}{why}"


def _report(plan: Plan, done: Sequence[Done], boards: Outcome | None = None, *, as_json: bool, nothing: str) -> None:
    """Exit code 1 if a step failed, 3 if something is in the way. The boards' steps have been shown."""
    boards = boards or Outcome()
    steps = [{**asdict(each.change), "failed": each.failed} for each in done]

    def people() -> None:
        if not done and not plan.blocked:
            console.print(f"[green]✓[/] {literal(nothing)}")
        for text in (*(f"{event}: {what}" for event, what in plan.blocked), *plan.notes):
            line(text, "yellow")

    data = {"steps": steps, "blocked": plan.blocked, "notes": plan.notes, "boards": boards.data}
    say(data, as_json=as_json, people=people)
    if boards.failed or any(each.failed for each in done):
        raise typer.Exit(Exit.FAILED)
    if plan.blocked or boards.by_hand:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    def people() -> None:
        for change in plan.drift:
            line(f"{change.event}  {change.do} {change.what}: {change.why}")
        if not plan.drift:
            console.print("nothing would be changed")
        for text in (*(f"{event}: {what}" for event, what in plan.blocked), *plan.notes):
            line(text, "yellow")

    say(asdict(plan), as_json=as_json, people=people)


def _by_hand(reason: str, endpoints: Sequence[Wanted], boards: Outcome, *, as_json: bool) -> NoReturn:
    """Why not by API, and what a person does instead."""

    def people() -> None:
        problems.print(printable(reason), style="red", markup=False, highlight=False, soft_wrap=True)
        webhook_steps.show(endpoints)

    data = {"problem": reason, "by_hand": webhook_steps.for_programs(endpoints), "boards": boards.data}
    say(data, as_json=as_json, people=people)
    raise typer.Exit(Exit.FOUND_PROBLEMS)


def _why_not(error: NotAllowed | RulesUnavailable, connection: str) -> str:
    if isinstance(error, NotAllowed):
        return (
            "Zoho does not let us manage webhooks: the access lacks ZohoBooks.settings.*, or the person who gave it "
            f"may not manage automation. Connect again as an administrator (mlc auth zoho {connection}), or do it by "
            f"hand. {error}"
        )
    return (
        "Zoho has no (more) workflow rules for this organization; they need the plan Professional or a higher one. "
        f"Until then reconcile alone finds what happens. After an upgrade say this again, or do it by hand. {error}"
    )


def _counted(plan: Plan) -> str:
    counts = {what: sum(change.what == what for change in plan.changes) for what in ("webhook", "rule")}
    return f"{counts['webhook']} webhook(s) and {counts['rule']} workflow rule(s)"


def _days(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    """Zoho counts in the organization's days: a day more than today is none too few anywhere."""
    last = f"{until or utc_now() + timedelta(days=1):%Y-%m-%d}"
    first = f"{since or utc_now() - timedelta(days=7):%Y-%m-%d}"
    if last < first:
        fail("--to lies before --from", Exit.USAGE)
    return first, last
