"""What `mlc doctor` looks at in Zoho Books: access, organization, permissions, webhooks; and each token's refresh."""

from __future__ import annotations

from datetime import datetime, timedelta

from ml_connector.consent import scopes
from ml_connector.errors import NeedsAttention, NotAllowed
from ml_connector.tokens import remedy
from ml_connector.webhook_setup import RulesUnavailable
from mlc.auth import accounts
from mlc.findings import Fault, Verdict, verdict
from mlc.output import minutes
from mlc.patient import Patient
from mlc.stack import utc_now
from mlc.webhook_desk import open_desk

_WHOSE = {
    "zoho": "Zoho's",
    "microsoft.bot": "the bot's",
    "microsoft.delegated": "the service account's",
    "monday": "monday's",
}
LATE = timedelta(minutes=15)
"""A token that is overdue for so long was passed over by many runs of the schedule."""


def credentials(patient: Patient) -> Verdict:
    """Client and refresh token are there, and for the data centre that the file says."""
    stored, name = patient.credentials, patient.name
    why = "without them nothing can be read from Zoho Books, and no webhook can be installed"
    if lacking := [each for each in ("client_id", "client_secret") if not stored.get(each)]:
        return Verdict(
            "wrong",
            f"the Zoho credentials lack {' and '.join(lacking)}",
            why,
            (f"mlc credentials set {name} zoho", f"mlc auth zoho {name}"),
        )
    if not stored.get("refresh_token"):
        return Verdict("wrong", "nobody has given access to Zoho Books yet", why, (f"mlc auth zoho {name}",))
    here, there = patient.connection.region.upper(), str(stored.get("region", "")).upper()
    if here != there:
        return Verdict(
            "wrong",
            f"the file says data centre {here}, but access was given in {there or 'none that we know'}",
            "a token is worth nothing in another data centre",
            (f"mlc credentials set {name} zoho", f"mlc auth zoho {name}"),
        )
    return Verdict("ok", f"client and refresh token of data centre {here} are stored")


def tokens(patient: Patient) -> Verdict:
    """The schedule's own record of how the last refresh of each token went, and when the next one is due."""
    due, name = patient.due, patient.name
    why = "events are still taken in and wait; after the retry time they are parked"
    access = bool(patient.credentials.get("refresh_token"))
    faults: list[Fault] = []
    if access and "zoho" not in due:
        faults.append(("no refresh of Zoho's token is planned", why, f"mlc auth zoho {name}"))
    times = []
    for kind, each in due.items():
        if kind == "zoho" and not access:
            continue
        overdue = utc_now() - datetime.fromisoformat(each.due_at)
        if each.state != "ok":
            said = f"{_WHOSE[kind]} token: {each.reason or each.state}"
            faults.append((said, why, each.command or remedy(name, kind, "consent")))
        elif overdue > LATE:
            what = f"{_WHOSE[kind]} token was due for a refresh {minutes(overdue)} ago"
            faults.append((
                what + (f": {each.reason}" if each.reason else ""),
                f"the schedule that refreshes tokens seems not to run; {why}",
                f"aws logs tail /aws/lambda/{patient.at.name}-refresh-tokens --since 1h",
            ))  # fmt: skip
        else:
            when = "within the next minutes" if overdue > timedelta(0) else f"at {each.due_at[11:16]} UTC"
            times.append(f"{_WHOSE[kind]} {when}")
    if not faults and not times:
        return Verdict("skipped", "there is no token without access")
    return verdict(faults, f"tokens are refreshed: {', '.join(times)}")


def organization(patient: Patient) -> Verdict:
    """Zoho itself is asked, with the token that the functions use."""
    connection, name = patient.connection, patient.name
    if not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "not asked: there is no access")
    try:
        access_token = patient.at.tokens.access_token(name, "zoho")
    except NeedsAttention as error:
        return Verdict(
            "wrong",
            error.reason,
            "nothing can be read from Zoho Books",
            (remedy(name, "zoho", error.remedy),),
        )
    visible = accounts(patient.at).organizations(connection.region, access_token)
    chosen = next((each for each in visible if each.id == connection.organization_id), None)
    if chosen is None:
        return Verdict(
            "wrong",
            f"organization {connection.organization_id} is not among the {len(visible)} that the user can see",
            "every read is refused",
            (f"mlc auth organizations {name}", f"mlc auth zoho {name}"),
        )
    if not chosen.active:
        return Verdict("wrong", f"organization {chosen.name} ({chosen.id}) is not active", "every read is refused")
    return Verdict("ok", f"{chosen.name} ({chosen.id}), {chosen.time_zone}, {chosen.currency}")


def permissions(patient: Patient) -> Verdict:
    """What was agreed to, against what the connection's file needs by now."""
    if patient.known is None or not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "not known: the refresh token was not got by mlc")
    if lacking := sorted(set(scopes(patient.connection)) - set(patient.known.scopes)):
        return Verdict(
            "wrong",
            f"access was given without {', '.join(lacking)}",
            "the file asks for more than it did then; scopes cannot be added to a refresh token",
            (f"mlc auth zoho {patient.name}",),
        )
    return Verdict("ok", "all that the connection's file needs was agreed to")


def webhooks(patient: Patient) -> Verdict:
    """Webhooks and rules in Zoho against what shall be there. Two calls: `mlc webhooks verify` looks more closely."""
    if not patient.credentials.get("refresh_token"):
        return Verdict("skipped", "not looked at: there is no access")
    name, why = patient.name, "what no webhook brings is only found by reconcile"
    desk = open_desk(patient.at, name)
    try:
        found = desk.findings(deep=False)
    except NotAllowed as error:
        return Verdict("wrong", error.reason, why, (f"mlc auth zoho {name}", f"mlc webhooks manual {name}"))
    except RulesUnavailable as error:
        return Verdict("wrong", error.reason, why, (f"mlc webhooks manual {name}",))
    except NeedsAttention as error:
        return Verdict("wrong", error.reason, why, (remedy(name, "zoho", error.remedy),))
    if not found:
        return Verdict("ok", f"{len(desk.chosen(()))} webhooks with their rules are in order")
    return verdict([(f"{each.event}: {each.what}", each.why, each.type) for each in found], "")
