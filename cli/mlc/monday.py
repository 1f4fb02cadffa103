"""`mlc monday`: boards that fit, their first filling, and whether they are still right."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer

from ml_connector.board_maker import Maker, Step
from ml_connector.board_mapping import propose
from ml_connector.boards import EXTERNAL_ID, Plan, plan
from ml_connector.errors import ConfigError, RetryLater, Unknown
from ml_connector.modules import MODULES
from mlc import monday_toml, options
from mlc.options import AsJson, Name, Yes, date_option, on_stack, sure, word
from mlc.output import Exit, console, fail, line, literal, problems, say
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.connections import Connection
    from ml_connector.monday_consent import Member
    from ml_connector.vendors.monday import MondayApi, Reply
    from ml_connector.vendors.monday_boards import MondayBoards

T = TypeVar("T")

group = typer.Typer(no_args_is_help=True, help="Boards on monday.com.")
board = typer.Typer(no_args_is_help=True, help="Make a board, or map one that is there.")
group.add_typer(board, name="board")

PATIENCE = 120.0
"""Seconds that a call waits for limits."""
TRIES = 5
PLANS = ("free", "basic", "standard", "pro", "enterprise")
STATES = ("Open", "Overdue", "Partially paid", "Paid", "Void")
"""Groups of a board that is sorted by what is to be done."""


def _number(text: str) -> str:
    if text and not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no board's id: it is the number in its address, …/boards/1234567890")
    return text


DestinationName = Annotated[
    str | None, typer.Option("--destination", help="Name of the monday destination; the only one if left out.")
]


class Method(StrEnum):
    """Ways to make many items."""

    AUTO = "auto"
    IMPORT = "import"
    REQUESTS = "requests"


class Groups(StrEnum):
    """What the groups of a new board stand for."""

    MODULES = "modules"
    STATES = "states"
    NONE = "none"


@board.command("create", epilog='Example: mlc monday board create acme-eu --name "Zoho Books"')
@on_stack
def board_create(
    at: Stack,
    connection: Name,
    destination: DestinationName = None,
    name: Annotated[str, typer.Option(help="Of the board.  [default: Zoho Books · CONNECTION]")] = "",
    board_id: Annotated[
        str, typer.Option("--board", parser=_number, metavar="ID", help="Complete this board instead of making one.")
    ] = "",
    workspace: Annotated[str, typer.Option(help="Id of the workspace; the account's main one if left out.")] = "",
    groups: Annotated[Groups, typer.Option(help="What items are grouped by.")] = Groups.MODULES,
    currencies: Annotated[str, typer.Option(help="Labels of the currency column, as EUR,USD.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a board with all columns, labels and groups, and print what goes into the connection file.

    What exists is left as it is: if it stops half-way, run it again.
    """
    configured = at.connection(connection)
    key, settings = settings_of(configured, destination)
    office = office_of(at, configured, settings)
    wanted = wanted_of(at, configured, settings, groups, tuple(filter(None, currencies.split(","))))
    places = {name: str(each["board_id"]) for name, each in configured.destinations.items() if each["type"] == "monday"}
    further = key != next(iter(places), key)
    title = name or f"Zoho Books · {connection}{f' · {key}' if further else ''}"
    taken = {board: other for other, board in places.items() if other != key}
    board_id = board_id or _made_before(office.boards, title, taken)
    if not board_id:
        board_id = office.boards.create(title, workspace, f"{connection}:{key}:{title}:{workspace}")
        _tell(f"board {board_id} is made; adding its columns")
    made: list[str] = []

    def tell(step: Step) -> None:
        made.append(f"{step.what} {step.title}")
        _tell(f"  + {made[-1]}")

    done = Maker(office.boards, time.sleep, tell).complete(board_id, wanted, f"{connection}:{board_id}")
    by_title = {title: identity for identity, title in done.groups.items()}
    named = {each: by_title[each] for each in wanted.groups}
    settings = {
        **settings,
        "board_id": int(board_id),
        "group": next(iter(named.values()), settings["group"]),
        **_grouped(settings, configured, groups, named),
        **_account(office.member),
    }
    toml = monday_toml.destination(key, _spoken(settings))
    data = {
        "connection": connection,
        "destination": key,
        "board_id": board_id,
        "name": done.name,
        "made": made,
        "groups": named,
        "toml": toml,
    }

    def people() -> None:
        console.print(f"[green]✓[/] board {literal(done.name)} ({board_id}) has all that it needs")
        _tell(f"In the connection's file, then mlc connections apply FILE and mlc doctor {connection}:\n")
        line(toml)

    say(data, as_json=as_json, people=people)


@board.command("map", epilog="Example: mlc monday board map acme-eu --board 1234567890")
@on_stack
def board_map(
    at: Stack,
    connection: Name,
    board_id: Annotated[
        str, typer.Option("--board", parser=_number, metavar="ID", help="The number in the board's address.")
    ],
    destination: DestinationName = None,
    as_json: AsJson = False,
) -> None:
    """Look at an existing board and propose a mapping for the connection file. Nothing is changed.

    Exit code 3 if the board has no column for the Zoho id, without which nothing can be found again.
    """
    from ml_connector.config.model import ColumnType

    configured = at.connection(connection)
    key, settings = settings_of(configured, destination)
    office = office_of(at, configured, settings)
    there = office.boards.board(board_id)
    if there is None:
        fail(f"the token's user does not see board {board_id}", Exit.FOUND_PROBLEMS)
    found = propose(there, configured.modules, get_args(ColumnType))
    below = office.boards.board(there.subitems.board) if there.subitems and there.subitems.board else None
    has_lines = below is not None and below.column(_defaults()["line_id_column"]) is not None
    proposed = {
        "type": "monday",
        "board_id": int(board_id),
        "group": next(iter(there.groups), ""),
        **_account(office.member),
        "external_id_column": found.external_id or EXTERNAL_ID,
        **({} if has_lines else {"lines": "none"}),
        "columns": dict(found.columns),
    }
    add = f"mlc monday board create {connection} --board {board_id} --groups none"
    remarks = [
        *(f"column {each.id} ({each.title}, {each.type}) is left to people" for each in found.unused),
        *(f"nothing on the board is for {source}" for source in found.unmapped),
        *(f"{column} has no label like {', '.join(words)}" for column, words in found.unlabelled.items()),
    ]
    if not has_lines:
        remarks.append(f"it has no subitems for line items; for those leave lines out, apply, and {add}")
    if there.multi_level:
        remarks.append("this is a multi-level board: columns that sum up subitems lose what is written to them")
    toml = monday_toml.destination(key, proposed, remarks)
    data = {
        "connection": connection,
        "destination": key,
        "settings": proposed,
        "external_id": found.external_id,
        "unused": [each.id for each in found.unused],
        "unmapped": list(found.unmapped),
        "unlabelled": found.unlabelled,
        "toml": toml,
    }
    say(data, as_json=as_json, people=lambda: line(toml))
    if not found.external_id:
        fail(
            f"{there.name} has no text column for the Zoho id. Add one called 'Zoho ID' and run this again, or have "
            f"all columns added: {add}",
            Exit.FOUND_PROBLEMS,
        )


@group.command("load", epilog="Example: mlc monday load acme-eu --since 2026-01-01")
@on_stack
def load(
    at: Stack,
    connection: Name,
    destination: DestinationName = None,
    since: Annotated[
        datetime | None, date_option("--since", "First document date; all of the past if left out.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="How items are made; auto takes the import where it can.")
    ] = Method.AUTO,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch each record: for columns that Zoho's lists do not fill.")
    ] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Queue each record afterwards, for its line items.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Fill a board with what Zoho has: hundreds of items per call instead of one. Run it again and it goes on.

    What comes by webhook meanwhile waits for its item. Exit code 1 if a limit stopped it before the end.
    """
    configured = at.connection(connection)
    ((key, settings),) = boards_of(configured, settings_of(configured, destination)[0]).items()
    from mlc import monday_load

    if not yes:
        # Nothing is counted where nobody can be asked.
        terminal = options.terminal()
        what = (
            f"{monday_load.missing(at, configured, key, settings, since):,} records" if terminal else "what is missing"
        )
        sure(f"Put {what} onto board {settings['board_id']} of {key}?", yes=False)
    loaded = monday_load.load(at, configured, key, settings, since, method, fetch=fetch, lines=lines, quiet=as_json)
    say(asdict(loaded), as_json=as_json, people=lambda: monday_load.show(loaded, configured, key))
    if loaded.stopped:
        raise typer.Exit(Exit.FAILED)


@group.command("check", epilog="Example: mlc monday check acme-eu   or   mlc monday check acme-eu --repair")
@on_stack
def check(
    at: Stack,
    connection: Name,
    destination: DestinationName = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Send what differs again, and archive the twins of duplicates.")
    ] = False,
    statuses: Annotated[
        bool, typer.Option("--statuses", help="With --repair: also statuses that people have set, which are no fault.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Compare boards with what was put there: duplicates, orphans, drift, and what is gone. Nothing is changed.

    With --repair the newest state of each record is put there again through the queue, and all but one item of a
    duplicate are archived, which a person can undo in monday. Exit code 3 if something is wrong; a status that a person
    has set is not, and is put back only with --statuses.
    """
    from mlc import monday_check

    if statuses and not repair:
        fail("--statuses goes with --repair", Exit.USAGE)
    configured = at.connection(connection)
    places = boards_of(configured, destination)
    reports = monday_check.reports(at, configured, places, quiet=as_json)
    found = {key: each for key, each in reports.items() if each.findings}
    repaired: dict[str, dict[str, int]] = {}
    todo = monday_check.with_statuses(reports) if statuses else found
    if repair and todo:
        if not as_json:
            monday_check.show(reports)
        sure(monday_check.question(todo), yes=yes)
        repaired = monday_check.repair(at, configured, places, todo)
    data = monday_check.data(reports, repaired)
    say(data, as_json=as_json, people=lambda: monday_check.tell(reports, repaired, configured, asked=repair))
    raise typer.Exit(Exit.FOUND_PROBLEMS if found and not repaired else Exit.DONE)


# --- the work ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Patient:
    """The API, for a person who waits: what monday puts off for a minute or two is made again by itself."""

    api: MondayApi
    sleep: Callable[[float], None] = time.sleep

    def call(self, body: Mapping[str, Any], *, idempotency_key: str = "", partial: bool = False) -> Reply:
        # What may have been made is not made again, unless its key tells monday that it is the same.
        open_end = not idempotency_key and body["query"].startswith("mutation")
        return patiently(
            lambda: self.api.call(body, idempotency_key=idempotency_key, partial=partial), self.sleep, open_end=open_end
        )


def patiently(call: Callable[[], T], sleep: Callable[[float], None], *, open_end: bool = False) -> T:
    """Calls again after each wait, PATIENCE in all. With an `open_end` not if it may have happened."""
    waited = 0.0
    for left in reversed(range(TRIES)):
        try:
            return call()
        except RetryLater as error:
            wait = max(error.after or 0.0, 1.0)
            waited += wait
            if not left or (open_end and isinstance(error, Unknown)) or waited > PATIENCE:
                raise
            _tell(f"{error.reason}; going on in {wait:.0f} s")
            sleep(wait)
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class Office:
    """What the commands work with."""

    api: Patient
    boards: MondayBoards
    member: Member


def office_of(at: Stack, connection: Connection, settings: Mapping[str, Any]) -> Office:
    """Raises NeedsAttention for a token that monday refuses."""
    from ml_connector.vendors.monday_boards import MondayBoards, whoami

    api = Patient(api_of(at, connection, settings, optional=True))
    return Office(api, MondayBoards(api), whoami(api))


def api_of(at: Stack, connection: Connection, settings: Mapping[str, Any], *, optional: bool = False) -> MondayApi:
    """`optional` is work that can wait: a part of the day's calls is left to deliveries."""
    from ml_connector.vendors import monday
    from ml_connector.vendors.monday_token import Access

    access = Access(at.secrets, at.tokens, connection.name)
    return monday.MondayApi(
        at.http(monday.HOSTS),
        access.token,
        utc_now,
        at.limiter,
        settings.get("plan", "basic"),
        reserve=settings.get("reserve", 0),
        optional=optional,
        renew=access.renew,
        account=access.account,
    )


def settings_of(connection: Connection, name: str | None) -> tuple[str, dict[str, Any]]:
    """The destination's settings; those of a new one, called `ledger`, if the connection has none. ConfigError."""
    places = {key: each for key, each in connection.destinations.items() if each["type"] == "monday"}
    if name in connection.destinations and name not in places:
        raise ConfigError(f"destination {name!r} of {connection.name} is not on monday.com")
    if name is None and len(places) > 1:
        raise ConfigError(f"{connection.name} has several boards: name one with --destination {' | '.join(places)}")
    key = name or next(iter(places), "ledger")
    return key, {**_defaults(), **places.get(key, {})}


def boards_of(connection: Connection, name: str | None) -> dict[str, dict[str, Any]]:
    """The connection's monday destinations, or the one of that name. Raises ConfigError if it has none."""
    places = {key: dict(each) for key, each in connection.destinations.items() if each["type"] == "monday"}
    if not places:
        raise ConfigError(f"connection {connection.name!r} has no monday destination")
    if name is not None:
        return {name: places[word(name, places, f"monday destination of {connection.name}")]}
    return places


def wanted_of(
    at: Stack, connection: Connection, settings: Mapping[str, Any], groups: Groups, currencies: tuple[str, ...]
) -> Plan:
    from ml_connector.aws.organizations import Organizations

    connected = Organizations(at.connections).of(connection.name)
    base = connection.zoho.get("base_currency") or (connected.organization.currency if connected else "")
    wanted = plan(settings, connection.modules, base, *([currencies] if currencies else []))
    titles = {
        Groups.MODULES: tuple(_plural(MODULES[module].label) for module in connection.modules),
        Groups.STATES: STATES,
        Groups.NONE: (),
    }
    return replace(wanted, groups=titles[groups])


def _plural(label: str) -> str:
    """`Invoices`, `Payments received`."""
    first, _, rest = label.partition(" ")
    return f"{first}s {rest}" if rest in ("received", "made") else f"{label}s"


def _grouped(
    settings: Mapping[str, Any], connection: Connection, groups: Groups, named: Mapping[str, str]
) -> dict[str, Any]:
    """`groups` of the destination: which module's items, or which status, belong into which group."""
    if groups is Groups.MODULES:
        return {"groups": {module: named[_plural(MODULES[module].label)] for module in connection.modules}}
    if groups is Groups.STATES:
        words = {each.lower().replace(" ", "_"): each for each in STATES}
        return {"groups": {word: named[title] for word, title in words.items()}}
    return {}


def _made_before(boards: MondayBoards, title: str, taken: Mapping[str, str]) -> str:
    """The board of this name, which is gone on with; `taken`: boards of other destinations. Raises ConfigError if
    there are several, or if it may be somebody's own.
    """
    found = boards.named(title)
    if not found:
        return ""
    ways = f"name a board with --board {' | '.join(found)}, or another name with --name"
    if len(found) > 1:
        raise ConfigError(f"there are {len(found)} boards called {title!r}: {ways}")
    if found[0] in taken:
        raise ConfigError(f"the board called {title!r} is that of destination {taken[found[0]]}: {ways}")
    there = boards.board(found[0])
    if there and there.items and not there.column(EXTERNAL_ID):
        raise ConfigError(f"there is a board called {title!r} with {there.items:,} items, not made from here: {ways}")
    _tell(f"board {found[0]} has this name: what it lacks is added")
    return found[0]


def _account(member: Member) -> dict[str, str]:
    """What is known of the account; a plan that monday calls otherwise is for the person to say."""
    plan = {"plan": member.plan} if member.plan in PLANS else {}
    return {**plan, **({"account": member.account} if member.account else {})}


def _defaults() -> dict[str, Any]:
    from ml_connector.config.model import Monday

    plain = Monday(type="monday", board_id=1)
    return plain.compiled(plain.model_dump(mode="json", exclude_none=True, by_alias=True))


def _spoken(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a file has to say: not what holds anyway."""
    usual = _defaults()
    return {key: each for key, each in settings.items() if key in ("type", "board_id") or each != usual.get(key)}


def _tell(text: str) -> None:
    """On the error output: what a program reads is the end of it."""
    problems.print(literal(text), soft_wrap=True, highlight=False)
