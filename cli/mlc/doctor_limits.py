"""What `mlc doctor` says of what is left: calls and webhooks of the day, and pauses that a vendor asked for.

By the counts that all functions share: no vendor is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ml_connector import limits
from ml_connector.aws.schedules import TurnList
from ml_connector.errors import NeedsAttention, RetryLater
from ml_connector.vendors.monday_token import Access
from mlc.findings import Fault, Verdict, verdict
from mlc.patient import Patient
from mlc.stack import utc_now

NEAR = 0.9
"""Share of a day's webhooks from which on it is told."""
_SHORT = timedelta(minutes=1)
"""A pause that is over by then is none."""
_WAIT = "nothing, if it can wait; mlc status --watch shows how it goes on"
_CAP = "routes that hear of less; or a higher plan, and then webhooks_per_day in the file"


def left(patient: Patient) -> Verdict:
    """Budgets that are closed or spent, and Zoho's webhooks of the day."""
    connection, now = patient.connection, utc_now()
    faults, right = list[Fault](), list[str]()
    zoho = limits.zoho(connection.region, connection.organization_id)
    for vendor, budget in (("Zoho", zoho), *_of_monday(patient)):
        view = patient.at.limits.get(budget.key)
        until, why = limits.opens(view, budget, _ms(now), optional=True)
        if until > _ms(now + _SHORT):
            what = f"{vendor}: {why}, until {datetime.fromtimestamp(until / 1000, UTC):%H:%M} UTC"
            faults.append((what, "what is to be sent or looked up there waits until then", _WAIT))
        day = budget.meters[""][-1]
        if not day.slots:
            right.append(f"{vendor}: {limits.made(view, '', day, _ms(now))} of {day.calls} calls today")
    if turn := TurnList(patient.at.connections).get(connection.name):
        turn, cap = turn.at(now), connection.zoho["webhooks_per_day"]
        if turn.quota:
            right.append(f"Zoho: reconcile made {turn.spent} of {turn.quota} calls today")
        if turn.counted_at and turn.webhooks >= cap * NEAR:
            what = f"Zoho has sent {turn.webhooks} of the {cap} webhooks that it sends a day"
            faults.append((what, "what happens after that is found by reconcile alone, minutes later", _CAP))
        elif turn.counted_at:
            right.append(f"{turn.webhooks} of {cap} webhooks")
    return verdict(faults, "; ".join(right) or "nothing was counted yet")


def _of_monday(patient: Patient) -> Iterator[tuple[str, limits.Budget]]:
    """The account's, of which a connection has one; none as long as there is no token."""
    access = Access(patient.at.secrets, patient.at.tokens, patient.name)
    place = next((each for each in patient.connection.destinations.values() if each["type"] == "monday"), None)
    if place is None:
        return
    try:
        account = access.account(access.token())
    except (NeedsAttention, RetryLater):
        return  # which the check of monday tells
    yield "monday", limits.monday(account, place.get("plan", "basic"), reserve=place.get("reserve", 0))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
