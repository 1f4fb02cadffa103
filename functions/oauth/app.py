"""Where Zoho sends the browser back to: `GET /oauth/{vendor}/callback`."""

from __future__ import annotations

from html import escape
from typing import Any

from aws_lambda_powertools import Logger

from ml_connector.bootstrap import consent
from ml_connector.consent import ConsentRefused
from ml_connector.errors import ConnectorError

logger = Logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """A page that says what happened. Nothing of the query is shown or logged: it holds the code."""
    if (event.get("pathParameters") or {}).get("vendor") != "zoho":
        return _page(404, "Not found", "There is nothing here.")
    request = event["requestContext"]
    redirect_uri = f"https://{request['domainName']}/oauth/zoho/callback"
    try:
        connection = consent(redirect_uri).complete(event.get("queryStringParameters") or {})
    except ConsentRefused as refusal:
        logger.warning("consent refused", extra={"reason": str(refusal)})
        return _page(400, "Not connected", str(refusal))
    except ConnectorError as error:
        logger.error("consent failed", extra={"reason": str(error)})
        return _page(502, "Not connected", f"{error}. Nothing was changed; you can start again.")
    logger.info("connected", extra={"connection": connection})
    return _page(200, "Connected", f"Zoho Books is connected to {connection}. You can close this page.")


def _page(status: int, title: str, text: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
            "referrer-policy": "no-referrer",
        },
        "body": (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
            "<style>body{font:1.1rem system-ui;max-width:34rem;margin:20vh auto;padding:0 1rem}</style>"
            f"<h1>{escape(title)}</h1><p>{escape(text)}</p></html>"
        ),
    }
