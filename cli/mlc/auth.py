"""`mlc auth`: connecting accounts, seeing what is connected, and giving access back."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.text import Text

from ml_connector.aws.organizations import ConsentLinks, Organizations
from ml_connector.aws.token_agenda import TokenAgenda
from ml_connector.connections import Connection
from ml_connector.consent import CLIENT, LIFETIME, Consent, ConsentRefused, Links, Outcome, only_writer, scopes
from ml_connector.errors import ConfigError, NeedsAttention, Undeliverable
from ml_connector.ports import Organization
from ml_connector.regions import HOSTS, REGIONS
from ml_connector.tokens import remedy
from mlc.options import AsJson, Name, Yes, on_stack, sure, word
from mlc.output import Exit, console, fail, line, literal, printable, problems, say, table
from mlc.parked import identity
from mlc.stack import Stack, utc_now

if TYPE_CHECKING:
    from ml_connector.vendors.zoho_accounts import ZohoAccounts

group = typer.Typer(no_args_is_help=True, help="Connect accounts.")

LOOK_EVERY = 2.0
"""Seconds."""

ERRORS_OF_ZOHO = {
    "Invalid Client": "the client id is mistyped (mlc credentials set {name} zoho), or the client is not enabled for "
    "the data centre of the person or of the connection ({region})",
    "Invalid Redirect Uri": "the client's Authorized Redirect URI must be {uri}",
    "Invalid OAuth scope": "Zoho does not know a permission that is asked for; please report it",
}
"""Zoho shows these on a page of its own and sends nobody back (contracts: zoho-books 4.5)."""


class Vendor(StrEnum):
    ZOHO = "zoho"
    MICROSOFT = "microsoft"
    MONDAY = "monday"


@group.command("zoho", epilog="Example: mlc auth zoho acme-eu   or   mlc auth zoho acme-eu --check")
@on_stack
def auth_zoho(
    at: Stack,
    connection: Name,
    wait: Annotated[bool, typer.Option(help="Wait until somebody has agreed, and show who.")] = True,
    check: Annotated[bool, typer.Option("--check", help="Only show what is connected.")] = False,
    self_client: Annotated[
        bool, typer.Option("--self-client", help="Ask for the code of a self client instead (without echo).")
    ] = False,
    code_stdin: Annotated[
        bool, typer.Option("--code-stdin", help="Read the self client's code from standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the address at which a Zoho user gives access, wait, and show which organization was connected.

    The address works once, for ten minutes. Exit code 3 if access was refused, or with --check if there is none
    or Zoho does not take it any more.
    """
    if check and (self_client or code_stdin):
        fail("--check only looks: leave out --self-client and --code-stdin", Exit.USAGE)
    if self_client and not code_stdin and not sys.stdin.isatty():
        fail("there is no terminal to ask at; use --code-stdin", Exit.USAGE)
    configured = at.connection(connection)
    if check:
        found = status(at, configured)
        say(found, as_json=as_json, people=lambda: show(found))
        raise typer.Exit(Exit.DONE if found["connected"] and not _refused(found) else Exit.FOUND_PROBLEMS)
    if self_client or code_stdin:
        _by_code(at, configured, from_stdin=code_stdin)
    else:
        nonce, url = opened(at, consent(at), configured, redirect_uri(at))
        if not wait:
            data = {"connection": connection, "url": url, "redirect_uri": redirect_uri(at)}
            say(data, as_json=as_json, people=lambda: line(url))
            return
        _invite(configured, url, redirect_uri(at))
        outcome = _ended(ConsentLinks(at.connections), nonce, configured, redirect_uri(at))
        if outcome.state != "connected":
            fail(outcome.text, Exit.FOUND_PROBLEMS)
    found = status(at, configured)
    say(found, as_json=as_json, people=lambda: show(found))


@group.command("microsoft", epilog="Example: mlc auth microsoft acme-eu   or   mlc auth microsoft acme-eu --check")
@on_stack
def auth_microsoft(
    at: Stack,
    connection: Name,
    wait: Annotated[bool, typer.Option(help="Wait until somebody has signed in, and show who.")] = True,
    check: Annotated[bool, typer.Option("--check", help="Only show as whom messages are posted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the address at which a service account signs in to Microsoft, wait, and show which one did.

    Only for destinations with transport = "delegated". The address works once, for ten minutes. Exit code 3 if access
    was refused, or with --check if nobody has signed in.
    """
    from mlc import auth_microsoft

    _connect(at, at.connection(connection), auth_microsoft.SIGN_IN, wait=wait, check=check, as_json=as_json)


@group.command("monday", epilog="Example: mlc auth monday acme-eu   or   mlc auth monday acme-eu --check")
@on_stack
def auth_monday(
    at: Stack,
    connection: Name,
    wait: Annotated[bool, typer.Option(help="Wait until somebody has agreed, and show who.")] = True,
    check: Annotated[bool, typer.Option("--check", help="Only show as whom boards are written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the address at which a monday user gives an app access, wait, and show who it was.

    Not needed with a personal API token. The address works once, for ten minutes. Exit code 3 if access was refused,
    or with --check if there is none.
    """
    from mlc import auth_monday

    _connect(at, at.connection(connection), auth_monday.JOIN, wait=wait, check=check, as_json=as_json)


@group.command("revoke", epilog="Example: mlc auth revoke acme-eu zoho")
@on_stack
def auth_revoke(
    at: Stack,
    connection: Name,
    vendor: Annotated[
        str, typer.Argument(help=f"Whose access: {', '.join(Vendor)}.", autocompletion=lambda: [*Vendor])
    ],
    yes: Yes = False,
    forget: Annotated[bool, typer.Option(help="Forget the tokens here even if Zoho does not take them back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give Zoho's or monday's access back and forget it here; a Microsoft service account's is only forgotten.

    Events go on waiting in the queue until it is connected again. Exit code 3 if nothing is connected.
    """
    if connection in set(Vendor) and vendor not in set(Vendor):
        connection, vendor = vendor, connection  # as the words stood in earlier versions
    whose = Vendor(word(vendor, Vendor, "vendor"))
    at.connection(connection)
    sure(f"Take {connection}'s access to {whose} away?", yes=yes)
    if whose is Vendor.MICROSOFT:
        from mlc import auth_microsoft as signing

        signing.forget(at, connection)
        said = "the sign-in is forgotten here; to end it at Microsoft, revoke the account's sessions in Entra ID"
        data = {"connection": connection, "vendor": whose.value, "revoked": False}
        say(data, as_json=as_json, people=lambda: console.print(f"[green]✓[/] {literal(connection)}: {said}"))
        return
    if whose is Vendor.MONDAY:
        from mlc import auth_monday as joining

        taken = joining.forget(at, connection)
        said = "access was given back to monday" if taken else "forgotten here; to end it, uninstall the app in monday"
        data = {"connection": connection, "vendor": whose.value, "revoked": taken}
        say(data, as_json=as_json, people=lambda: console.print(f"[green]✓[/] {literal(connection)}: {said}"))
        return
    revoked = revoke(at, connection, forget=forget)
    say(
        {"connection": connection, "vendor": whose.value, "revoked": revoked},
        as_json=as_json,
        people=lambda: console.print(
            f"[green]✓[/] {connection}: "
            + ("access was given back to Zoho" if revoked else "the tokens are forgotten here; Zoho did not take them")
        ),
    )


@group.command("organizations", epilog="Example: mlc auth organizations acme-eu")
@on_stack
def auth_organizations(
    at: Stack,
    connection: Name,
    as_json: AsJson = False,
) -> None:
    """List the Zoho Books organizations that the connected user can see, and mark the connection's.

    Exit code 3 if that is not among them.
    """
    configured = at.connection(connection)
    try:
        visible = accounts(at).organizations(configured.region, at.tokens.access_token(connection, "zoho"))
    except NeedsAttention as error:
        fail(f"{error.reason}: {remedy(connection, 'zoho', error.remedy)}", Exit.FOUND_PROBLEMS)
    rows = [{**asdict(each), "chosen": each.id == configured.organization_id} for each in visible]
    say(rows, as_json=as_json, people=lambda: _show_organizations(visible, configured.organization_id))
    if not any(row["chosen"] for row in rows):
        fail(
            f"organization {configured.organization_id} is not among the {len(rows)} that the connected user can see; "
            f"put organization_id right and apply, or connect as another user: mlc auth zoho {connection}",
            Exit.FOUND_PROBLEMS,
        )


# --- the work ------------------------------------------------------------------------------------------------------


def redirect_uri(at: Stack, vendor: str = "zoho") -> str:
    """The one that the client must have registered with the vendor, to the letter.

    MLC_OAUTH_URL replaces it where the stack's own name does not resolve.
    """
    uri = os.environ.get("MLC_OAUTH_URL") or at.outputs["OAuthCallbackUrl"]
    return uri.replace("/zoho/callback", f"/{vendor}/callback")


class Begins(Protocol):
    def begin(self, connection: Connection, nonce: str, redirect_uri: str, by: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Way:
    """How a vendor is connected: its use case, what a person is told and asked for, and what is shown afterwards.

    `says` is told with the redirect URI, before the address; `seen` hints at errors that the vendor itself shows;
    `done` is what the person was to do.
    """

    vendor: str
    use_case: Callable[[Stack], Begins]
    says: Callable[[str], Sequence[str]]
    seen: Callable[[Connection], str]
    done: str
    status: Callable[[Stack, Connection], dict[str, Any]]
    show: Callable[[Mapping[str, Any]], None]


def _connect(at: Stack, connection: Connection, way: Way, *, wait: bool, check: bool, as_json: bool) -> None:
    """The whole of a consent; with `check` only what came of one."""
    uri = redirect_uri(at, way.vendor)
    if not check:
        nonce, url = opened(at, way.use_case(at), connection, uri)
        if not wait:
            data = {"connection": connection.name, "url": url, "redirect_uri": uri}
            say(data, as_json=as_json, people=lambda: line(url))
            return
        for text in (*way.says(uri), f"It works once, for {LIFETIME.total_seconds() / 60:.0f} minutes:\n", f"{url}\n"):
            _tell(text)
        _tell("Waiting. Ctrl-C ends the waiting, not the address.")
        outcome = ended(ConsentLinks(at.connections), nonce, way.done, way.seen(connection))
        if outcome.state != "connected":
            fail(outcome.text, Exit.FOUND_PROBLEMS)
    found = way.status(at, connection)
    say(found, as_json=as_json, people=lambda: way.show(found))
    if not found["connected"]:
        raise typer.Exit(Exit.FOUND_PROBLEMS)


def opened(at: Stack, use_case: Begins, connection: Connection, uri: str) -> tuple[str, str]:
    """A new link: its nonce, and the address to open. That of a sandbox is the stand-in's."""
    nonce = token_urlsafe(16)
    url = use_case.begin(connection, nonce, uri, identity(at.session))
    return nonce, f"{at.sandbox}/{url.removeprefix('https://')}" if at.sandbox else url


def accounts(at: Stack) -> ZohoAccounts:
    from ml_connector.vendors.zoho_accounts import ZohoAccounts

    return ZohoAccounts(at.http(HOSTS))


def consent(at: Stack) -> Consent:
    """The same use case as the function's, over the same tables and secrets."""

    return Consent(
        connections=at.connections.connection,
        secrets=at.secrets,
        leases=at.leases,
        accounts=accounts(at),
        links=ConsentLinks(at.connections),
        organizations=Organizations(at.connections),
        tokens_changed=lambda name: at.due_at_once(name, "zoho"),
        key=lambda: at.secrets.text("oauth-state"),
        clock=utc_now,
        pause=time.sleep,
    )


def status(at: Stack, connection: Connection) -> dict[str, Any]:
    """What is connected, as data without secrets."""
    credentials = at.secrets.get(connection.name, "zoho", max_age=0.0)
    known = Organizations(at.connections).of(connection.name)
    if known and known.organization.id != connection.organization_id:
        known = None  # the file has been changed since
    due = TokenAgenda(at.connections).of(connection.name, "zoho")
    held = credentials.get("refresh_token")
    granted = known.scopes if known and held else ()
    return {
        "connection": connection.name,
        "connected": bool(held),
        "region": credentials.get("region", connection.region),
        "organization": asdict(known.organization) if known and held else {"id": connection.organization_id},
        "scopes": list(granted),
        "missing_scopes": sorted(set(scopes(connection)) - set(granted)) if granted else [],
        "since": known.at if known and held else "",
        "by": known.by if known and held else "",
        "token": {
            "state": due.state if due else "",
            "reason": due.reason if due else "",
            "command": due.command if due else "",
            "expires_at": credentials.get("tokens", {}).get("zoho", {}).get("expires_at", ""),
            "next_refresh": due.due_at if due else "",
        },
    }


def _refused(found: Mapping[str, Any]) -> bool:
    return bool(found["token"]["state"] == "needs_attention")


def show(found: Mapping[str, Any]) -> None:
    """For people."""
    if not found["connected"]:
        problems.print(
            f"{found['connection']} is not connected to Zoho Books: mlc auth zoho {found['connection']}",
            style="red",
            soft_wrap=True,
        )
        return
    organization, token = found["organization"], found["token"]
    if _refused(found):
        command = token["command"] or remedy(found["connection"], "zoho", "consent")
        why = f"{found['connection']} was connected to Zoho Books, but that does not work any more: {token['reason']}"
        problems.print(printable(f"{why}\nType: {command}"), style="red", markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(f"[green]✓[/] {found['connection']} is connected to Zoho Books")
    facts = {
        "organization": organization.get("name", "not known: it was connected with a refresh token of your own"),
        "id": organization["id"],
        "data centre": found["region"].upper(),
        "time zone": organization.get("time_zone", ""),
        "currency": organization.get("currency", ""),
        "plan": organization.get("plan", ""),
        "since": " by ".join(filter(None, (found["since"], found["by"]))),
        "scopes": " ".join(found["scopes"]),
        "lacks": " ".join(found["missing_scopes"]),
        "next refresh": token["next_refresh"],
    }
    for name, text in facts.items():
        if text:
            line(Text.assemble((f"  {name:<14}", "dim"), text))


def revoke(at: Stack, name: str, *, forget: bool) -> bool:
    """True if Zoho took the refresh token back; with `forget` it is removed here in any case. Raises ConnectorError."""
    with only_writer(at.leases, name, "zoho", time.sleep):
        credentials = at.secrets.newest(name, "zoho")
        if not credentials.get("refresh_token"):
            raise ConfigError(f"{name} is not connected to Zoho Books: there is nothing to take away")
        revoked = True
        try:
            accounts(at).revoke(credentials)
        except Undeliverable as error:
            if not forget:
                raise Undeliverable(
                    f"{error}; it may be revoked already. --forget removes it here all the same", error.status
                ) from error
            revoked = False
        at.secrets.put(name, "zoho", {each: credentials[each] for each in (*CLIENT, "region") if each in credentials})
        TokenAgenda(at.connections).remove(name, "zoho")
        Organizations(at.connections).forget(name)
    return revoked


def _by_code(at: Stack, connection: Connection, *, from_stdin: bool) -> None:
    """Exchanges a self client's code (contracts: zoho-books 4.8)."""
    if from_stdin:
        code = sys.stdin.readline().strip()
    else:
        console_address = REGIONS[connection.region].accounts.replace("accounts.", "api-console.", 1)
        _tell(f"In https://{console_address} open Self Client, Generate Code, and paste these scopes:")
        _tell(",".join(scopes(connection)))
        code = typer.prompt("code", hide_input=True, err=True).strip()
    if not code:
        fail("there is no code", Exit.USAGE)
    try:
        connected = consent(at).by_code(connection, code, identity(at.session))
    except ConsentRefused as refusal:
        if refusal.visible:
            _tell("\n".join(f"{each.id}  {each.name}  {each.time_zone}" for each in refusal.visible))
        fail(str(refusal), Exit.FOUND_PROBLEMS)
    if connected.remark:
        _tell(connected.remark)


def _invite(connection: Connection, url: str, uri: str) -> None:
    """On the error output: what a program reads is the end of it."""
    _tell(f"Redirect URI of the client in Zoho's API console, to the letter: {uri}")
    _tell(
        f"Open this as a Zoho user of organization {connection.organization_id} and accept. "
        f"It works once, for {LIFETIME.total_seconds() / 60:.0f} minutes:\n"
    )
    _tell(f"{url}\n")
    _tell("Waiting for Zoho. Ctrl-C ends the waiting, not the address.")


def _ended(links: Links, nonce: str, connection: Connection, uri: str) -> Outcome:
    hints = "".join(
        f"\n  {error:<22}{meaning.format(region=connection.region.upper(), uri=uri, name=connection.name)}"
        for error, meaning in ERRORS_OF_ZOHO.items()
    )
    return ended(links, nonce, "agreed", f"\nDid Zoho itself show an error?{hints}")


def ended(links: Links, nonce: str, done: str, seen: str) -> Outcome:
    """How the link ended; the command ends where it did not."""
    try:
        outcome = wait_for(links, nonce, utc_now, time.sleep)
    except KeyboardInterrupt:
        fail(f"not waiting any longer; look with --check whether it was connected{seen}")
    if outcome is None:
        fail(f"nobody has {done} within ten minutes; the address has ended{seen}")
    return outcome


def wait_for(links: Links, nonce: str, clock: Callable[[], datetime], pause: Callable[[float], None]) -> Outcome | None:
    """How the link ended; None if it was not used in its time."""
    until = clock() + LIFETIME
    while clock() < until:
        if outcome := links.outcome(nonce):
            return outcome
        pause(LOOK_EVERY)
    return links.outcome(nonce)


def _show_organizations(visible: Sequence[Organization], chosen: str) -> None:
    table(
        ("", "id", "name", "time zone", "currency", "plan"),
        [
            (
                Text("→", "green") if each.id == chosen else "",
                each.id,
                each.name if each.active else f"{each.name} (not active)",
                each.time_zone,
                each.currency,
                each.plan,
            )
            for each in visible
        ],
    )


def _tell(text: str) -> None:
    problems.print(literal(text), soft_wrap=True, highlight=False)
