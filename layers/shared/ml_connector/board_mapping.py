"""Proposing which column of a board that is there takes what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_connector.board_items import label_of
from ml_connector.boards import Board, Column, told

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
            labels, without = _alike(("draft", *told(modules)), column)
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
