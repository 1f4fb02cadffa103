"""What `mlc auth monday` does: a person agrees, and boards are written as that user from then on (monday 2.2, 2.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from ml_connector.aws.organizations import ConsentLinks
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError
from ml_connector.links import only_writer
from ml_connector.monday_consent import APP, KIND, SCOPES, Member, MondayConsent
from mlc.auth import Way
from mlc.output import console, line, literal, problems
from mlc.stack import Stack, utc_now


def consent(at: Stack) -> MondayConsent:
    """The same use case as the function's, over the same tables and secrets."""
    from ml_connector.vendors import monday, monday_accounts, monday_boards

    def whoami(token: str) -> Member:
        return monday_boards.whoami(monday.MondayApi(at.http(monday.HOSTS), lambda: token, utc_now))

    return MondayConsent(
        connections=at.connections.connection,
        secrets=at.secrets,
        leases=at.leases,
        accounts=monday_accounts.MondayAccounts(at.http(monday_accounts.HOSTS), utc_now),
        whoami=whoami,
        links=ConsentLinks(at.connections),
        tokens_changed=lambda name: at.due_at_once(name, KIND),
        key=lambda: at.secrets.text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


def forget(at: Stack, name: str) -> bool:
    """Gives the access back and removes it here; True if monday took it back. Raises ConnectorError."""
    from ml_connector.vendors.monday_accounts import HOSTS, MondayAccounts

    with only_writer(at.leases, name, "monday", time.sleep):
        stored = at.secrets.newest(name, "monday")
        if "delegated" not in stored:
            raise ConfigError(f"{name}: nobody has given access to monday; there is nothing to take away")
        revoked = MondayAccounts(at.http(HOSTS), utc_now).revoke(stored)
        at.secrets.put(name, "monday", {each: stored[each] for each in APP if each in stored})
        TokenAgenda(at.connections).remove(name, KIND)
    return revoked


def status(at: Stack, connection: Connection) -> dict[str, Any]:
    """As whom boards are written, as data without secrets."""
    known = consent(at).of(connection.name)
    due = TokenAgenda(at.connections).of(connection.name, KIND) if known and known.renewed else None
    personal = not known and bool(at.secrets.get(connection.name, "monday", max_age=0.0).get("token"))
    return {
        "connection": connection.name,
        "connected": known is not None or personal,
        "personal": personal,
        "user": known.member.name if known else "",
        "account": known.member.account if known else "",
        "scopes": list(known.scopes) if known else [],
        "missing_scopes": sorted(set(SCOPES) - set(known.scopes)) if known else [],
        "since": known.at if known else "",
        "by": known.by if known else "",
        "token": {
            "renewed": bool(known and known.renewed),
            "state": due.state if due else "",
            "reason": due.reason if due else "",
            "next_refresh": due.due_at if due else "",
        },
    }


def show(found: Mapping[str, Any]) -> None:
    """For people."""
    name = found["connection"]
    if not found["connected"]:
        problems.print(f"{name} is not connected to monday.com: mlc auth monday {name}", style="red", soft_wrap=True)
        return
    if found["personal"]:
        console.print(f"[green]✓[/] {name} uses a personal API token; mlc doctor {name} says whose, and what it sees")
        return
    console.print(f"[green]✓[/] {name} writes boards of {literal(found['account'])}.monday.com")
    token = found["token"]
    facts = {
        "user": found["user"],
        "since": " by ".join(filter(None, (found["since"], found["by"]))),
        "may": " ".join(found["scopes"]),
        "lacks": " ".join(found["missing_scopes"]),
        "token": f"{token['state']}: {token['reason']}"
        if token["state"] not in ("", "ok")
        else (f"next refresh {token['next_refresh']}" if token["renewed"] else "does not end"),
    }
    for label, text in facts.items():
        if text:
            line(Text.assemble((f"  {label:<14}", "dim"), text))


def _says(uri: str) -> tuple[str, ...]:
    return (
        f"Redirect URL of the app (Build > OAuth > Redirect URLs), to the letter: {uri}",
        f"Scopes of the app: {' '.join(SCOPES)}",
        "Open this as the user who shall write the boards and authorize. The app must be installed in the account.",
    )


def _seen(connection: Connection) -> str:
    return (
        "\nDid monday itself show an error? Then the redirect URL above is not among the app's, "
        f"or the client id is another one: mlc credentials set {connection.name} monday"
    )


JOIN = Way("monday", consent, _says, _seen, "agreed", status, show)
