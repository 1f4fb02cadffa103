"""What people do on the page (`sandbox.page.deeds.Deeds`), done to a running sandbox."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_connector.aws import parked_desk
from ml_connector.modules import MODULES
from sandbox import onboarding
from sandbox.aws import FunctionFailed
from sandbox.page.deeds import CannotBeDone, Nothing
from sandbox.session import Box
from sandbox.switches import Switches
from sandbox.vendors import default_world as world
from sandbox.vendors.client import Control, ControlError

RECORDS: Mapping[str, dict[str, Any]] = {
    "invoice": {
        "line_items": [
            {"name": "Deck oven, three decks", "quantity": 1, "rate": 18400},
            {"name": "Installation and training", "quantity": 6, "rate": 95},
        ]
    },
    "bill": {"line_items": [{"name": "Kraft boxes 30 × 20", "quantity": 1500, "rate": 0.42}]},
    "purchase_order": {"line_items": [{"name": "Baking parchment, 500 sheets", "quantity": 40, "rate": 12.75}]},
    "customer_payment": {"amount": 9485},
    "vendor_payment": {"amount": 630},
}
"""What the bookkeeper enters; Zoho fills in the rest."""
PAYMENTS = {"invoice": "customer_payment", "bill": "vendor_payment"}
BOOKKEEPERS = 4
"""Who enter a burst side by side."""
WHO = "somebody at the sandbox's page"
MORE = {"name": "Express delivery", "quantity": 1, "rate": 45}
"""The line that a change adds to a document."""


class Play:
    """A bookkeeper in Zoho, a person on the board, and whoever repairs things."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._mlc = onboarding.LocalMlc(box.stack)
        self.switches = Switches(box.zoho, self)

    # --- in Zoho Books

    def create(self, module: str) -> str:
        if module not in RECORDS:
            raise Nothing(f"there is no button for a new {module}")
        answer = self._zoho.create(self._organization, module, RECORDS[module])
        return f"{_title(module, answer['record'])} saved in Zoho Books. {_heard(answer['webhooks'])}"

    def change(self, module: str, record: str) -> str:
        now = self._record(module, record)
        _open(module, now)
        if module in PAYMENTS.values():
            fields: dict[str, Any] = {"amount": now["amount"] + MORE["rate"]}
        else:
            fields = {"line_items": [*now["line_items"], MORE]}
            if "balance" in now:
                fields["balance"] = round(now["balance"] + MORE["rate"], 2)
        answer = self._zoho.update(self._organization, module, record, fields)
        return f"{_title(module, now)} changed: {MORE['rate']} more. {_heard(answer['webhooks'])}"

    def pay(self, module: str, record: str) -> str:
        now = self._record(module, record)
        if module not in PAYMENTS or not now.get("balance"):
            raise CannotBeDone(f"{_title(module, now)} has nothing left to pay.")
        answer = self._zoho.pay(self._organization, {record: now["balance"]}, PAYMENTS[module])  # type: ignore[arg-type]
        return f"{_title(module, now)} paid: a payment and a change of status. {_heard(answer['webhooks'])}"

    def void(self, module: str, record: str) -> str:
        now = self._record(module, record)
        _open(module, now)
        if module in PAYMENTS.values():
            raise CannotBeDone("Zoho Books does not void payments.")
        answer = self._zoho.update(self._organization, module, record, {"status": "void"})
        return f"{_title(module, now)} is void. {_heard(answer['webhooks'])}"

    def burst(self, count: int) -> str:
        def enter(number: int) -> list[str]:
            lines = [{"name": "Bread, monthly", "quantity": 1, "rate": 120 + 5 * number}]
            answer = self._zoho.create(self._organization, "invoice", {"line_items": lines})
            return [str(each["status"]) for each in answer["webhooks"]]

        with ThreadPoolExecutor(BOOKKEEPERS) as office:
            statuses = Counter(status for each in office.map(enter, range(count)) for status in each)
        told = ", ".join(f"{many} × {status}" for status, many in statuses.items())
        return f"{count} invoices at once, answered {told}. What is more than people read in a minute becomes one card."

    def lose(self) -> str:
        answer = self._zoho.create(self._organization, "bill", older_bill(), webhook="lose")
        return (
            f"{_title('bill', answer['record'])} saved, and its webhook got lost on the way: nobody knows of it."
            " “Run reconcile” finds it."
        )

    def reconcile(self) -> str:
        try:
            answer = self._box.stack.invoke("reconcile", {"connection": self._box.connection})
        except FunctionFailed as error:
            raise CannotBeDone(f"Reconcile failed: {error.document}") from error
        found = answer.get(self._box.connection)
        if not found:
            raise CannotBeDone("Reconcile is under way already; look again in a minute.")
        if why := unread(found):
            raise CannotBeDone(f"Reconcile could not read all of Zoho’s lists: {why}")
        many = f"{found['missing']} missing: on the way now" if found["missing"] else "nothing is missing"
        return f"Reconcile has looked through Zoho’s lists: {many}."

    def forge(self, module: str, record: str) -> str:
        now = self._record(module, record)
        sent = self._zoho.send_payload(self._organization, module, "updated", lie(module, now), signed="forged")
        statuses = ", ".join(str(each["status"]) for each in sent)
        return (
            f"A forged call says that {_title(module, now)} is Mallory & Sons’: answered {statuses},"
            " and it changed nothing. WebhookSignaturesAlarm rings for five minutes."
        )

    # --- on monday.com

    def label(self, item: str, label: str) -> str:
        value = {"label": label}
        try:
            self._zoho.person(world.MONDAY_PERSON, "set", item=item, column="zb_status", value=value)
        except ControlError as error:
            raise CannotBeDone(f"monday refuses the status {label!r} for this item.") from error
        return f"Asha Rao set the status to {label} on monday.com; a note in her name follows on the record in Zoho."

    # --- trouble, and its repair

    def switch(self, name: str, *, on: bool) -> str:
        try:
            switch = self.switches.turn(name, on=on)
        except KeyError:
            raise Nothing(f"there is no switch {name}") from None
        return f"{switch.label}. {switch.effect}" if on else f"“{switch.label}” is over."

    def retry(self) -> str:
        name = self._box.connection
        rows = parked_desk.retry(self._mlc.parked, self._mlc.deliveries, parked_desk.Wanted(name), name, WHO)
        done = Counter(each["done"] for each in rows)
        if not done:
            raise CannotBeDone("Nothing is parked.")
        others = ", ".join(f"{many} {what}" for what, many in done.items() if what != "sent")
        return f"{done['sent']} sent again{f'; {others}' if others else ''}."

    def lose_consent(self) -> None:
        self._zoho.revoke_tokens(self._organization)
        # It is noticed by whoever asks Zoho next: reconcile does.
        with suppress(FunctionFailed):
            self._box.stack.invoke("reconcile", {"connection": self._box.connection})
        self._look_at_tokens()

    def give_consent(self) -> None:
        connection = self._box.connections.connection(self._box.connection)
        if connection is None:
            raise CannotBeDone(f"there is no connection {self._box.connection}")
        onboarding.agree(self._mlc, self._box.stack, self._zoho, connection)
        self._look_at_tokens()

    def _look_at_tokens(self) -> None:
        """The schedule of every minute, now: it counts the tokens that need a person, which the alarm looks at."""
        self._box.stack.invoke("refresh_tokens", {})

    # --- what all need

    @property
    def _zoho(self) -> Control:
        return self._box.zoho

    @property
    def _organization(self) -> str:
        return self._box.organization

    def _record(self, module: str, record: str) -> dict[str, Any]:
        shape = MODULES.get(module)
        every = self._zoho.records(self._organization)["records"].get(shape.path, {}) if shape else {}
        if record not in every:
            raise Nothing(f"Zoho Books has no {module} {record}")
        found: dict[str, Any] = every[record]
        return found


def unread(found: Mapping[str, Any]) -> str:
    """Why reconcile could not read all lists, each reason once, whichever lists it is of; "" if it could."""
    reasons = [*found["failed"].values(), *found["forbidden"], found["stopped"]]
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def older_bill() -> dict[str, Any]:
    """Some minutes old: reconcile leaves the youngest changes to their webhooks."""
    entered = _zohos_time(timedelta(minutes=-5))
    return {**RECORDS["bill"], "created_time": entered, "last_modified_time": entered}


def lie(module: str, record: Mapping[str, Any]) -> str:
    """A webhook's body that gives the record to somebody else, and is newer than Zoho's own."""
    shape, later = MODULES[module], _zohos_time(timedelta(minutes=5))
    return json.dumps({shape.keys[0]: {**record, shape.party[0]: "Mallory & Sons", "last_modified_time": later}})


def _zohos_time(ahead: timedelta) -> str:
    return (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _title(module: str, record: Mapping[str, Any]) -> str:
    return f"{MODULES[module].label} {record[MODULES[module].number_field]}"


def _open(module: str, record: Mapping[str, Any]) -> None:
    """Raises CannotBeDone of a document that is settled."""
    if module in PAYMENTS and record["status"] in ("paid", "void"):
        raise CannotBeDone(f"{_title(module, record)} is {record['status']}: nothing is changed in it any more.")


def _heard(webhooks: list[dict[str, Any]]) -> str:
    """What ingest answered."""
    statuses = sorted({str(each["status"]) for each in webhooks})
    many = "webhook was" if len(webhooks) == 1 else f"{len(webhooks)} webhooks were"
    return f"Zoho’s {many} answered {', '.join(statuses)}." if webhooks else "Zoho called nobody."
