"""Where Zoho, Microsoft and monday send the browser back to: `GET /oauth/{vendor}/callback`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from aws_lambda_powertools import Logger

from ml_connector.bootstrap import consent, monday_consent, service_account
from ml_connector.consent import Connected, ConsentRefused, StillWorking
from ml_connector.errors import ConnectorError
from ml_connector.monday_consent import Joined
from ml_connector.service_account import SignedIn

logger = Logger()

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:12vh auto;padding:0 1rem;color:#1b1b1f}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.3rem 1.2rem .3rem 0}"
    "th{font-weight:600}"
    "@media(prefers-color-scheme:dark){body{background:#17171a;color:#e8e8ea}}"
)
UNCHANGED = "Nothing was changed."


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """A page that says what happened. Nothing of the query is shown or logged: it holds the code."""
    complete = COMPLETE.get((event.get("pathParameters") or {}).get("vendor", ""))
    if complete is None:
        return _page(404, "Not found", ["There is nothing here."])
    try:
        return complete(event.get("queryStringParameters") or {})
    except StillWorking as working:
        return _page(202, "One moment", [str(working)]) | {"headers": HEADERS | {"refresh": "3"}}
    except ConsentRefused as refusal:
        logger.warning("consent refused", extra={"reason": str(refusal), "visible": len(refusal.visible)})
        organizations = [(each.name, each.id, each.time_zone) for each in refusal.visible]
        return _page(
            400, "Not connected", [str(refusal), UNCHANGED], ("Organization", "Id", "Time zone"), organizations
        )
    except ConnectorError as error:
        logger.error("consent failed", extra={"reason": str(error)})
        return _page(502, "Not connected", [f"{error}.", f"{UNCHANGED} You can start again in a while."])
    except Exception:
        logger.exception("consent failed")
        return _page(500, "Something went wrong", ["The fault is ours; the log of this function says more."])


def _zoho(query: Mapping[str, str]) -> dict[str, Any]:
    connected = consent().complete(query)
    _log(connected)
    return _page(
        200,
        "Connected",
        [f"Zoho Books is connected to {connected.connection}.", "You can close this page."],
        ("Organization", connected.organization.name),
        [
            (name, text)
            for name, text in (
                ("Id", connected.organization.id),
                ("Data centre", connected.region.upper()),
                ("Time zone", connected.organization.time_zone),
                ("Currency", connected.organization.currency),
            )
            if text
        ],
    )


def _microsoft(query: Mapping[str, str]) -> dict[str, Any]:
    signed_in: SignedIn = service_account().complete(query)
    logger.info("signed in", extra={"connection": signed_in.connection, "user": signed_in.person.id})
    return _page(
        200,
        "Connected",
        [f"Messages of {signed_in.connection} are posted as this account.", "You can close this page."],
        ("Account", signed_in.person.address),
        [("May", ", ".join(signed_in.scopes))],
    )


def _monday(query: Mapping[str, str]) -> dict[str, Any]:
    joined: Joined = monday_consent().complete(query)
    logger.info(
        "joined",
        extra={"connection": joined.connection, "account": joined.member.account_id, "user": joined.member.id},
    )
    return _page(
        200,
        "Connected",
        [f"Boards of {joined.connection} are written by this user.", "You can close this page."],
        ("User", joined.member.name),
        [("Account", f"{joined.member.account}.monday.com"), ("May", ", ".join(joined.scopes))],
    )


COMPLETE: Mapping[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
    "zoho": _zoho,
    "microsoft": _microsoft,
    "monday": _monday,
}


def _log(connected: Connected) -> None:
    facts = {"connection": connected.connection, "organization": connected.organization.id, "region": connected.region}
    logger.info("connected", extra=facts)
    if connected.remark:
        logger.warning(connected.remark, extra=facts)


def _page(
    status: int, title: str, texts: Iterable[str], head: Sequence[str] = (), rows: Iterable[Sequence[str]] = ()
) -> dict[str, Any]:
    """Texts as paragraphs and, if there are rows, a table. All of it is text: none can be markup."""
    listed = [_row("td", row) for row in rows]
    table = f"<table>{_row('th', head)}{''.join(listed)}</table>" if listed else ""
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in texts)
    return {
        "statusCode": status,
        "headers": HEADERS,
        "body": (
            f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{paragraphs}{table}</html>"
        ),
    }


def _row(kind: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"
