"""Boards that fit: what a destination needs of one, making what is missing, proposing a mapping, telling what is wrong.

Needs are data: columns with fixed ids (contracts: monday 3.1, 12), which make a repeated creation harmless. Making
stops at any step and goes on there: what exists is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Protocol

from ml_connector.board_items import label_of
from ml_connector.errors import ConfigError, Undeliverable
from ml_connector.modules import MODULES

EXTERNAL_ID = "zb_doc_id"
SUBITEMS = "subtasks"
"""The type of the column that shows subitems."""
NEARLY_FULL = 0.95
"""Of the items that a board may hold."""
TURNS, LAG = 5, 2.0
"""How often a board is looked at while it is made (for its columns, its subitems', all of it), and seconds between."""
MOST_LABELS = 40
"""Of a status column (3.3)."""

TITLES: Mapping[str, str] = {
    "external_id": "Zoho ID",
    "number": "Number",
    "party": "Customer or vendor",
    "status": "Status",
    "date": "Date",
    "due": "Due",
    "amount": "Total",
    "balance": "Balance",
    "currency": "Currency",
    "exchange_rate": "Rate",
    "base_amount": "Total in base currency",
    "link": "Open in Zoho",
    "lines_text": "Lines",
    "modified_at": "Changed in Zoho",
    "amount_text": "Amount",
    "label": "Document",
    "organization": "Organization",
    "payment_status": "Payment",
    "reference": "Reference",
    "mode": "Paid by",
    "office": "Office",
    "position": "No.",
    "quantity": "Quantity",
    "rate": "Rate",
    "total": "Total",
}
"""What a column is called by what goes into it; others by their id."""

COLOURS: Mapping[str, str] = {
    "draft": "american_gray",
    "sent": "bright_blue",
    "viewed": "sky",
    "open": "river",
    "unpaid": "egg_yolk",
    "overdue": "stuck_red",
    "partially_paid": "working_orange",
    "paid": "done_green",
    "void": "blackish",
    "deleted": "pecan",
    "pending_approval": "lavender",
    "approved": "saladish",
    "rejected": "dark_red",
    "billed": "grass_green",
    "partially_billed": "tan",
    "cancelled": "brown",
    "closed": "steel",
    "invoiced": "bright_green",
    "partially_invoiced": "dark_orange",
    "accepted": "teal",
    "declined": "sunset",
    "expired": "coffee",
    "unbilled": "peach",
    "non-billable": "winter",
    "reimbursed": "aquamarine",
    "success": "navy",
    "confirmed": "royal",
    "issued": "lilac",
}
"""Zoho's statuses and the colour of their label: each colour once in a column (3.3)."""
_DONE = ("paid", "closed", "billed", "invoiced", "reimbursed")
_SPARE_COLOURS = ("dark_blue", "purple", "explosive", "sofia_pink", "lipstick", "dark_purple", "chili_blue", "bubble",
                  "berry", "indigo", "dark_indigo", "orchid")  # fmt: skip

CURRENCIES = (
    "USD", "EUR", "GBP", "INR", "AUD", "CAD", "JPY", "CNY", "CHF", "SEK", "NOK", "DKK", "NZD", "SGD", "HKD", "AED",
    "SAR", "ZAR", "BRL", "MXN", "PLN", "CZK", "HUF", "RON", "TRY", "ILS", "THB", "MYR", "IDR", "PHP", "KRW", "KES",
    "NGN", "EGP",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """`id` is monday's, which a file may name in place of the text; "" of one that is to be made."""

    text: str
    colour: str = ""
    done: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is, or as it shall be. `labels` of status and dropdown; `board`: of the subitems it shows."""

    id: str
    title: str
    type: str
    labels: tuple[Label, ...] = ()
    settings: Mapping[str, Any] | None = None
    board: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """A live board. `groups`: titles by id. `may_write`: whether the token's user may change it, as far as known."""

    id: str
    name: str
    columns: tuple[Column, ...]
    groups: Mapping[str, str]
    state: str = "active"
    may_write: bool = True
    multi_level: bool = False
    items: int = 0
    items_limit: int = 0

    def column(self, identity: str) -> Column | None:
        return next((each for each in self.columns if each.id == identity), None)

    @property
    def subitems(self) -> Column | None:
        return next((each for each in self.columns if each.type == SUBITEMS), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a board shall have: columns, titles of groups, and the columns of its subitems (none: no subitems)."""

    columns: tuple[Column, ...]
    groups: tuple[str, ...] = ()
    line_columns: tuple[Column, ...] = ()


class Boards(Protocol):
    """monday's boards. Raises RetryLater, NeedsAttention or Undeliverable."""

    def board(self, board_id: str) -> Board | None: ...

    def named(self, name: str) -> list[str]:
        """Ids of the active boards with exactly this name."""
        ...

    def create(self, name: str, workspace: str, key: str) -> str:
        """The id of a new board. The same `key` within 25 minutes makes it once (6)."""
        ...

    def add_column(self, board_id: str, column: Column) -> None: ...

    def add_group(self, board_id: str, title: str, key: str) -> None: ...


# --- what a board shall have -----------------------------------------------------------------------------------------


def plan(
    settings: Mapping[str, Any], modules: Iterable[str], base_currency: str = "", currencies: Sequence[str] = CURRENCIES
) -> Plan:
    """What the settings of a destination need, its `columns` being all of them. Labels: what records will ask for."""
    external = settings["external_id_column"]
    columns = [Column(external, TITLES["external_id"], "text")]
    columns += [
        _wanted(identity, each, modules, base_currency, currencies) for identity, each in settings["columns"].items()
    ]
    lines: tuple[Column, ...] = ()
    if settings.get("lines") == "subitems":
        line_id = settings.get("line_id_column", "")
        lines = (
            *((Column(line_id, "Zoho line", "text"),) if line_id else ()),
            *(
                _wanted(identity, each, modules, base_currency, currencies)
                for identity, each in settings.get("line_columns", {}).items()
            ),
        )
    return Plan(tuple(columns), line_columns=lines)


def _wanted(
    identity: str, mapped: Mapping[str, Any], modules: Iterable[str], base_currency: str, currencies: Sequence[str]
) -> Column:
    source, kind, labels = mapped["from"], mapped["type"], mapped.get("labels", {})
    title = TITLES.get(source, identity.removeprefix("zb_").replace("_", " ").capitalize())
    column = Column(identity, title, kind)
    if kind == "status":
        words = statuses(modules) if source == "status" else list(labels)
        return replace(column, labels=_labels(words, labels))
    if kind == "dropdown":
        texts = currencies if source == "currency" and not labels else [label_of(word, labels) for word in labels]
        return replace(column, labels=tuple(Label(str(text)) for text in dict.fromkeys(texts)))
    if kind == "numbers":
        return replace(column, settings=_unit(source, base_currency))
    return column


def statuses(modules: Iterable[str]) -> list[str]:
    """The words that records of these modules can come with: those that can be routed by, and the usual others."""
    return list(dict.fromkeys([*COLOURS, *_told(modules)]))


def _told(modules: Iterable[str]) -> list[str]:
    """Those that routes can name: what the records of these modules come into."""
    return list(dict.fromkeys(word for module in modules for word in MODULES[module].statuses))


def _labels(words: Iterable[str], labels: Mapping[str, str | int]) -> tuple[Label, ...]:
    found: dict[str, Label] = {}
    used: set[str] = set()
    for word in words:
        text = label_of(word, labels)
        if isinstance(text, int) or text in found or len(found) == MOST_LABELS:
            continue  # an id is of a label that is there
        free = (each for each in (COLOURS.get(word, ""), *_SPARE_COLOURS, *COLOURS.values()) if each)
        colour = next(each for each in free if each not in used)
        used.add(colour)
        found[text] = Label(text, colour, word in _DONE)
    return tuple(found.values())


def _unit(source: str, base_currency: str) -> Mapping[str, Any] | None:
    """Only one column has a unit: sums over several currencies mean something there alone (monday 4)."""
    if source == "exchange_rate":
        return {"unit": {"symbol": "custom", "custom_unit": "", "direction": "right", "precision": 5}}
    if source == "base_amount" and base_currency:
        return {"unit": {"symbol": "custom", "custom_unit": base_currency, "direction": "right", "precision": 2}}
    return None


# --- making it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is missing. `of`: the board or, for a line's column, `subitems`."""

    what: str
    title: str
    column: Column | None = None
    of: str = "board"


def missing(wanted: Plan, board: Board, lines: Board | None) -> list[Step]:
    """What the board lacks, in the order in which it is made. `lines`: the board of its subitems, if it has one.

    Raises ConfigError for what is there and of another kind: nothing of a board is changed.
    """
    steps = list(_lacking(wanted.columns, board, "board"))
    if wanted.line_columns:
        if board.subitems is None:
            steps.append(Step("column", "Subitems", Column("", "Subitems", SUBITEMS)))
        steps += _lacking(wanted.line_columns, lines or Board("", "", (), {}), "subitems")
    have = set(board.groups.values())
    return steps + [Step("group", title) for title in wanted.groups if title not in have]


def _lacking(columns: Iterable[Column], board: Board, of: str) -> Iterator[Step]:
    for column in columns:
        there = board.column(column.id)
        if there and there.type != column.type:
            raise ConfigError(
                f"{board.name}: column {column.id} is there as {there.type}, not as {column.type}; "
                "rename nothing, map another column instead: mlc monday board map"
            )
        if there is None:
            yield Step("column", column.title, column, of)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes what is missing. `pause` waits for that many seconds; `made` hears of each step."""

    boards: Boards
    pause: Callable[[float], None]
    made: Callable[[Step], None] = lambda step: None

    def complete(self, board_id: str, wanted: Plan, key: str) -> Board:
        """The board with all of it. `key` is this board's, for groups: their ids are monday's. Raises ConfigError."""
        for turn in range(TURNS):
            if turn > 1:
                self.pause(LAG)
            board = self._board(board_id)
            lines = self._lines(board)
            steps = missing(wanted, board, lines)
            if not steps:
                return board
            # What is made shows what can be made next: subitems have a board only when their column is there.
            ready = [step for step in steps if step.of == "board" or lines is not None]
            if not ready:
                raise ConfigError(
                    f"{board.name} has a subitems column, but monday does not say on which board its subitems are; "
                    "add one subitem by hand, then run this again"
                )
            for step in ready:
                self._make(step, board, lines, key)
        unseen = ", ".join(step.title for step in steps)
        raise ConfigError(f"monday does not show yet what was made: {unseen}. Run this again in a minute")

    def _make(self, step: Step, board: Board, lines: Board | None, key: str) -> None:
        place = lines if step.of == "subitems" else board
        assert place is not None  # noqa: S101 - for the type checker
        try:
            if step.column:
                self.boards.add_column(place.id, step.column)
            else:
                self.boards.add_group(place.id, step.title, f"{key}:group:{step.title}")
        except Undeliverable as error:
            # "already exists" has no code that is documented: only the board says whether it is there (3.1).
            if not self._has(step, self.boards.board(place.id)):
                raise ConfigError(
                    f"{step.what} {step.title!r} could not be made: {error.reason}. What was made stays: run this "
                    "again when it is put right"
                ) from error
        self.made(step)

    def _has(self, step: Step, board: Board | None) -> bool:
        if board is None or step.column is None:
            return bool(board and step.title in board.groups.values())
        return bool(board.column(step.column.id) or (step.column.type == SUBITEMS and board.subitems))

    def _board(self, board_id: str) -> Board:
        board = self.boards.board(board_id)
        if board is None or board.state != "active":
            raise ConfigError(f"the token's user does not see an active board {board_id}")
        return board

    def _lines(self, board: Board) -> Board | None:
        column = board.subitems
        return self.boards.board(column.board) if column and column.board else None


# --- proposing a mapping ---------------------------------------------------------------------------------------------

_WORDS: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]] = (
    # What goes in, the types that can hold it (the best first), and words of a title that mean it.
    ("external_id", ("text",), ("zoho id", "external id", "zoho record", "doc id", "zb_doc_id")),
    ("base_amount", ("numbers",), ("base currency", "in base", "home currency", "total base")),
    ("exchange_rate", ("numbers",), ("rate", "exchange")),
    ("balance", ("numbers",), ("balance", "outstanding", "amount due", "open amount", "remaining")),
    ("amount", ("numbers",), ("total", "amount", "value", "sum", "price")),
    ("due", ("date",), ("due", "deadline", "pay by", "payable")),
    ("modified_at", ("date",), ("changed in zoho", "synced", "updated", "modified", "last sync")),
    ("date", ("date",), ("date", "issued", "invoice date")),
    ("status", ("status", "dropdown", "text"), ("status", "state", "payment")),
    ("currency", ("dropdown", "text", "status"), ("currency", "ccy")),
    ("number", ("text",), ("number", "invoice no", "no.", "invoice #", "document")),
    ("party", ("text", "dropdown"), ("customer", "client", "vendor", "supplier", "party", "company", "account")),
    ("link", ("link",), ("zoho", "link", "open", "url")),
    ("lines_text", ("long_text", "text"), ("lines", "items", "description", "details")),
    ("reference", ("text",), ("reference", "po number", "ref")),
)
_LIKE: Mapping[str, tuple[str, ...]] = {
    "paid": ("paid", "done", "settled", "closed", "complete"),
    "overdue": ("overdue", "late", "stuck", "past due"),
    "partially_paid": ("partially paid", "partial", "part paid", "working on it"),
    "sent": ("sent", "open", "awaiting payment", "issued"),
    "open": ("open", "sent", "awaiting payment"),
    "draft": ("draft", "new", "not started"),
    "void": ("void", "cancelled", "canceled"),
    "cancelled": ("cancelled", "canceled", "void"),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping for an existing board: `columns` as in a connection file; what is not mapped, and what nothing fits."""

    external_id: str
    columns: Mapping[str, Mapping[str, Any]]
    unused: tuple[Column, ...]
    unmapped: tuple[str, ...]
    unlabelled: Mapping[str, tuple[str, ...]]
    """Statuses of Zoho that no label of the column is like, by column."""


def propose(board: Board, modules: Iterable[str], types: Iterable[str]) -> Proposal:
    """By id, then by the words of titles, then by type alone where only one column has it. `types` can be written."""
    types = tuple(types)
    left = [each for each in board.columns if each.type in types]
    chosen: dict[str, Column] = {}
    for fits in (_by_id, _by_title, _alone):
        for source, kinds, words in _WORDS:
            if source in chosen:
                continue
            if column := fits(source, kinds, words, left):
                chosen[source] = column
                left.remove(column)
    columns: dict[str, Mapping[str, Any]] = {}
    unlabelled: dict[str, tuple[str, ...]] = {}
    for source, column in chosen.items():
        if source == "external_id":
            continue
        mapped: dict[str, Any] = {"from": source, "type": column.type}
        if source == "status" and column.type in ("status", "dropdown"):
            labels, without = _alike(("draft", *_told(modules)), column)
            mapped |= {"labels": labels} if labels else {}
            unlabelled |= {column.id: tuple(without)} if without else {}
        columns[column.id] = mapped
    external = chosen.get("external_id")
    return Proposal(
        external.id if external else "",
        columns,
        tuple(each for each in board.columns if each not in chosen.values() and each.id != "name"),
        tuple(source for source, _, _ in _WORDS if source not in chosen and source != "external_id"),
        unlabelled,
    )


def _by_id(source: str, kinds: Sequence[str], _: Sequence[str], left: Sequence[Column]) -> Column | None:
    names = {f"zb_{source}", *(each for each, known in _IDS.items() if known == source)}
    return next((each for each in left if each.id in names and each.type in kinds), None)


def _by_title(_: str, kinds: Sequence[str], words: Sequence[str], left: Sequence[Column]) -> Column | None:
    for kind in kinds:
        for word in words:
            for column in left:
                if column.type == kind and f" {word}" in f" {column.title.casefold()}":
                    return column
    return None


def _alone(source: str, kinds: Sequence[str], _: Sequence[str], left: Sequence[Column]) -> Column | None:
    """The only status, the only link: of the other types there are too many meanings."""
    if source not in ("status", "link"):
        return None
    same = [each for each in left if each.type == kinds[0]]
    return same[0] if len(same) == 1 else None


_IDS = {"zb_doc_id": "external_id", "zb_total": "amount", "zb_rate": "exchange_rate", "zb_total_base": "base_amount",
        "zb_lines": "lines_text", "zb_synced": "modified_at"}  # fmt: skip


def _alike(words: Iterable[str], column: Column) -> tuple[dict[str, str], list[str]]:
    """Labels for Zoho's words where they are not what is sent anyway, and the words without one."""
    texts = {label.text.casefold(): label.text for label in column.labels}
    labels, without = {}, []
    for word in words:
        own = str(label_of(word, {}))
        if own in texts.values():
            continue
        like = [own.casefold(), *_LIKE.get(word, ())]
        found = next((texts[each] for each in like if each in texts), None)
        if found:
            labels[word] = found
        else:
            without.append(word)
    return labels, without


# --- telling what is wrong -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a board, why it matters, and how it is put right.

    `how`: `create` if `mlc monday board create` does, `map` if the file must say something else, `invite` if the user
    must be let onto the board, `restore` if that is archived or deleted.
    """

    what: str
    why: str
    how: str = "map"


_PARKED = "every item is refused and parked"


def faults_of(settings: Mapping[str, Any], board: Board, lines: Board | None, modules: Iterable[str]) -> list[Fault]:
    """What of the mapping does not fit the live board."""
    found: list[Fault] = []
    if board.state != "active":
        return [Fault(f"board {board.name} is {board.state}", _PARKED, how="restore")]
    if not board.may_write:
        found.append(Fault(f"the token's user may only view board {board.name}", _PARKED, how="invite"))
    if board.multi_level:
        found.append(
            Fault(
                f"board {board.name} is a multi-level board",
                "what is written to a column that sums up its subitems is accepted and lost",
            )
        )
    if board.items_limit and board.items >= NEARLY_FULL * board.items_limit:
        found.append(
            Fault(
                f"board {board.name} holds {board.items:,} of {board.items_limit:,} items",
                "from then on new items are refused: archive old ones, or name another board",
            )
        )
    wanted = plan(settings, modules)
    found += _column_faults(wanted.columns, settings, settings["columns"], board, modules)
    if group := settings.get("group"):
        found += _group_faults([group], board)
    found += _group_faults(_named_groups(settings.get("groups", {})), board)
    if wanted.line_columns and not (board.subitems and lines):
        why = "line items are refused; the items themselves are there"
        found.append(Fault(f"board {board.name} has no subitems column", why, how="create"))
    elif wanted.line_columns and lines:
        found += _column_faults(wanted.line_columns, settings, settings.get("line_columns", {}), lines, modules)
    return found


def _named_groups(groups: Any) -> list[str]:
    return [each for each in groups.values() if isinstance(each, str)] if isinstance(groups, Mapping) else []


def _group_faults(groups: Iterable[str], board: Board) -> Iterator[Fault]:
    for group in dict.fromkeys(groups):
        if group not in board.groups:
            known = ", ".join(f"{identity} ({title})" for identity, title in board.groups.items())
            yield Fault(f"board {board.name} has no group {group!r}; there are {known}", _PARKED)


def _column_faults(
    wanted: Iterable[Column],
    settings: Mapping[str, Any],
    mapping: Mapping[str, Any],
    board: Board,
    modules: Iterable[str],
) -> Iterator[Fault]:
    known = {each.id: each for each in board.columns}
    for column in wanted:
        there = known.get(column.id)
        if there is None:
            near = get_close_matches(column.id, known, n=1) or [
                each.id for each in board.columns if each.title.casefold() == column.title.casefold()
            ]
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield Fault(f"board {board.name} has no column {column.id!r}{hint}", _PARKED, how="create")
        elif there.type != column.type:
            yield Fault(
                f"column {column.id} ({there.title}) of board {board.name} is of type {there.type}, the file says "
                f"{column.type}",
                _PARKED,
            )
        elif not settings.get("create_labels"):
            yield from _label_faults(column, there, board, mapping.get(column.id, {}), modules)


def _label_faults(
    column: Column, there: Column, board: Board, mapped: Mapping[str, Any], modules: Iterable[str]
) -> Iterator[Fault]:
    """Labels that are named in the file, or that a route or a state of these modules will ask for."""
    labels = mapped.get("labels", {})
    asked = [label_of(word, labels) for word in labels]
    if mapped.get("from") == "status" and column.type in ("status", "dropdown"):
        asked += [label_of(word, labels) for word in _told(modules)]
    have = {label.text for label in there.labels} | {int(label.id) for label in there.labels if label.id.isdigit()}
    if lacking := [text for text in dict.fromkeys(asked) if text not in have]:
        yield Fault(
            f"column {column.id} ({there.title}) of board {board.name} has no label {', '.join(map(repr, lacking))}",
            "records that come into such a status are parked: add the labels, map the words under labels, or say "
            "create_labels = true",
        )
