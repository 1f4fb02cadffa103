"""What people do in Zoho Books, and what it changes: records saved and deleted, payments applied, comments written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.vendors import zoho_webhooks
from sandbox.vendors.world import World
from sandbox.vendors.zoho_modules import MODULES, Module
from sandbox.vendors.zoho_records import changed_record, new_record, next_id
from sandbox.vendors.zoho_rules import fire
from sandbox.vendors.zoho_state import Organization, Record
from sandbox.vendors.zoho_time import day_of, stamp


@dataclass(frozen=True)
class Change:
    """One record after an event; of an update the fields that have other values now."""

    module: Module
    event: str
    record: Record
    fields: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return str(self.record[self.module.id_field])


def create(world: World, org: Organization, module: Module, fields: Mapping[str, Any]) -> Change:
    """A new record."""
    record = new_record(world, org, module, fields)
    change = Change(module, "created", record)
    org.records.setdefault(module.plural, {})[change.id] = record
    return change


def update(world: World, org: Organization, module: Module, record_id: str, fields: Mapping[str, Any]) -> Change:
    """A record edited; raises KeyError."""
    before = org.records.get(module.plural, {})[record_id]
    record = changed_record(world, org, module, before, fields)
    org.records[module.plural][record_id] = record
    other = {name for name, value in record.items() if before.get(name) != value} - {module.modified_field}
    return Change(module, "updated", record, frozenset(other))


def delete(org: Organization, module: Module, record_id: str) -> Change:
    """A record deleted; raises KeyError."""
    return Change(module, "deleted", org.records.get(module.plural, {}).pop(record_id))


def pay(
    world: World, org: Organization, module: Module, amounts: Mapping[str, float], fields: Mapping[str, Any]
) -> list[Change]:
    """A payment of `module` applied to invoices or bills, by id: the payment, then the documents it changed.

    Raises KeyError for an unknown document, ValueError for more than its balance.
    """
    paid = {"customerpayments": MODULES["invoices"], "vendorpayments": MODULES["bills"]}[module.plural]
    documents = {key: org.records.get(paid.plural, {})[key] for key in amounts}
    today = day_of(world.clock.now(), org.time_zone).isoformat()
    rows = []
    for key, document in documents.items():
        if not 0 < Decimal(str(amounts[key])) <= Decimal(str(document["balance"])):
            raise ValueError(f"{key} has a balance of {document['balance']}")
        row = {name: document[name] for name in (paid.number_field, "date", "due_date", "total")}
        row |= {paid.id_field: key, f"{paid.key}_payment_id": next_id(world), "amount_applied": amounts[key]}
        rows.append(row | {"balance": _less(document["balance"], amounts[key])})
    made: Record = {"amount": float(sum(Decimal(str(amount)) for amount in amounts.values())), paid.plural: rows}
    for document in documents.values():
        party = paid.party.removesuffix("_name")
        made |= {f"{party}_id": document[f"{party}_id"], paid.party: document[paid.party]}
        made |= {"currency_code": document["currency_code"], "currency_symbol": document["currency_symbol"]}
    changes = [create(world, org, module, made | dict(fields))]
    for row in rows:
        document = documents[row[paid.id_field]]
        settled = _plus(document.get("payment_made", 0), row["amount_applied"])
        said = {"balance": row["balance"], "payment_made": settled}
        said |= {"status": "partially_paid" if row["balance"] else "paid"}
        said |= {"last_payment_date": today} if paid.plural == "invoices" else {}
        changes.append(update(world, org, paid, row[paid.id_field], said))
    return changes


def _plus(one: float, other: float) -> float:
    return float(Decimal(str(one)) + Decimal(str(other)))


def _less(one: float, other: float) -> float:
    return _plus(one, -other)


_ENDS = (
    ("invoices", "due_date", ("sent", "viewed", "unpaid", "partially_paid"), "overdue"),
    ("bills", "due_date", ("open", "partially_paid"), "overdue"),
    ("estimates", "expiry_date", ("sent",), "expired"),
)


def midnight(world: World, org: Organization) -> list[Change]:
    """What a new day makes overdue or expired. Nobody edits these records: their modification times stay."""
    today = day_of(world.clock.now(), org.time_zone).isoformat()
    changes = []
    for plural, field, open_words, word in _ENDS:
        for key, record in org.records.get(plural, {}).items():
            if record.get("status") in open_words and "" < str(record.get(field, "")) < today:
                late = record | {"status": word, "current_sub_status": word}
                org.records[plural][key] = late
                changes.append(Change(MODULES[plural], "updated", late, frozenset({"status"})))
    return changes


# --- comments (contracts: zoho-books 7)


def comment(
    world: World, org: Organization, module: Module, record_id: str, text: str, fields: Mapping[str, Any]
) -> Record:
    """A comment written; `fields` change the record with it. It is an edit of the record unless switched off."""
    now = stamp(world.clock.now(), org.time_zone)
    written = _comment(module, record_id, next_id(world), text, now) | {"comment_type": "internal"}
    org.comments.setdefault(record_id, []).insert(0, written)
    if org.switches.comments_edit or fields:
        change = update(world, org, module, record_id, fields)
        for webhook in fire(world, org, module, change.event, change.record, change.fields):
            zoho_webhooks.later(world, org, webhook)
    return written


def system_comment(module: Module, record: Record) -> Record:
    """What Zoho itself notes when a record is created."""
    key = str(record[module.id_field])
    total = record.get("total", record.get("amount", 0))
    text = f"{module.title} created for {record.get('currency_symbol', '')}{total}"
    own = _comment(module, key, str(int(key) + 500_000), text, record["created_time"])
    return own | {"comment_type": "system", "operation_type": "Added", "transaction_type": module.key}


def _comment(module: Module, record_id: str, comment_id: str, text: str, now: str) -> Record:
    hour = int(now[11:13])
    return {
        "comment_id": comment_id,
        module.id_field: record_id,
        "description": text,
        "commented_by_id": "4600000000000093001",
        "commented_by": "Priya Nair",
        "date": now[:10],
        "date_description": "a few seconds ago",
        "time": f"{hour % 12 or 12:02d}:{now[14:16]} {'AM' if hour < 12 else 'PM'}",
    }
