"""What is secret of what the product and the vendors say to each other: kept in the world, so that a test can look for
it where it must not be (sandbox/secrecy.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from sandbox.vendors.wire import Answer, Call

ACCOUNTS = ("zoho_accounts", "entra", "monday_accounts")
"""Vendors whose calls and answers are credentials."""
_NAMES = b"client_secret|client_assertion|refresh_token|access_token|code|code_verifier"
_FORM = re.compile(rb"(?:^|&)(?:" + _NAMES + rb")=([^&]+)")
_JSON = re.compile(rb'"(?:' + _NAMES + rb')"\s*:\s*"([^"]+)"')


def secrets(vendor: str, call: Call, answer: Answer) -> Iterator[str]:
    """The token of the call and, of an accounts server, what was shown to it and what it gave."""
    _, _, token = call.headers.get("authorization", "").rpartition(" ")
    if token:
        yield token
    if vendor in ACCOUNTS:
        for body in (call.body, answer.body):
            yield from (found.decode("utf-8", "replace") for found in _JSON.findall(body))
        yield from (unquote_plus(found.decode("latin-1")) for found in _FORM.findall(call.body))
