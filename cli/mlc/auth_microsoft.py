"""What `mlc auth microsoft` does: a service account signs in, and posts from then on (contracts: teams 1.4)."""

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
from ml_connector.service_account import KIND, ServiceAccount, scopes
from mlc.auth import Way
from mlc.output import console, line, literal, problems
from mlc.stack import Stack, utc_now


def service_account(at: Stack) -> ServiceAccount:
    """The same use case as the function's, over the same tables and secrets."""
    from ml_connector.vendors.microsoft.sign_in import SignIn

    return ServiceAccount(
        connections=at.connections.connection,
        secrets=at.secrets,
        leases=at.leases,
        accounts=SignIn(at.http),
        links=ConsentLinks(at.connections),
        tokens_changed=lambda name: at.due_at_once(name, KIND),
        key=lambda: at.secrets.text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


def forget(at: Stack, name: str) -> None:
    """Removes the sign-in and its token. Entra ID has no call by which a client gives them back. Raises ConfigError."""
    with only_writer(at.leases, name, "microsoft", time.sleep):
        stored = at.secrets.newest(name, "microsoft")
        if "delegated" not in stored:
            raise ConfigError(f"{name}: no service account has signed in; there is nothing to take away")
        rest = {key: value for key, value in stored.items() if key != "delegated"}
        for part in ("tokens", "refusals"):
            rest[part] = {kind: each for kind, each in stored.get(part, {}).items() if kind != KIND}
        at.secrets.put(name, "microsoft", rest)
        TokenAgenda(at.connections).remove(name, KIND)


def status(at: Stack, connection: Connection) -> dict[str, Any]:
    """As whom messages are posted, as data without secrets."""
    known = service_account(at).of(connection.name)
    due = TokenAgenda(at.connections).of(connection.name, KIND)
    return {
        "connection": connection.name,
        "connected": known is not None,
        "account": known.person.address if known else "",
        "scopes": list(known.scopes) if known else [],
        "missing_scopes": sorted(set(scopes(connection)) - set(known.scopes)) if known else [],
        "since": known.at if known else "",
        "by": known.by if known else "",
        "token": {"state": due.state if due else "", "reason": due.reason if due else ""},
    }


def show(found: Mapping[str, Any]) -> None:
    """For people."""
    name = found["connection"]
    if not found["connected"]:
        problems.print(f"{name}: no service account has signed in: mlc auth microsoft {name}", style="red")
        return
    console.print(f"[green]✓[/] {name} posts as {literal(found['account'])}")
    token = found["token"]
    facts = {
        "since": " by ".join(filter(None, (found["since"], found["by"]))),
        "may": " ".join(found["scopes"]),
        "lacks": " ".join(found["missing_scopes"]),
        "token": "" if token["state"] in ("", "ok") else f"{token['state']}: {token['reason']}",
    }
    for label, text in facts.items():
        if text:
            line(Text.assemble((f"  {label:<14}", "dim"), text))


def _says(uri: str) -> tuple[str, ...]:
    return (
        f"Redirect URI of the app registration (platform Web), to the letter: {uri}",
        "Open this in a private window and sign in as the service account, a member of the team.",
    )


def _seen(connection: Connection) -> str:
    return (
        "\nDid Microsoft itself show an error? AADSTS50011: the redirect URI above is not registered; "
        f"AADSTS700016: client_id, tenant_id or cloud under [microsoft] of {connection.name} is wrong"
    )


SIGN_IN = Way("microsoft", service_account, _says, _seen, "signed in", status, show)
