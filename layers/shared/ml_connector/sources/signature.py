"""Zoho's webhook signature (contracts: zoho-books 1.1 to 1.5).

HMAC-SHA256 over: the query's and form's pairs sorted by key and written without separators, then the raw
JSON body. Without a query and with a JSON body that is the body itself. Where Zoho leaves a reading open, a short
fixed list of candidates is tried; each is keyed with the secret, so more readings do not make forging easier. The
digest comes as hex; Zoho does not say so anywhere, so base64 of the same 32 bytes is taken, too (1.1).

The content type is not signed, and pairs are signed without what parts them. So a form whose text is JSON was signed as
JSON, and is refused: cut into pairs, what a customer wrote into a note would become fields of a record.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_plus, unquote_to_bytes

HEADER = "x-zoho-webhook-signature"
FORM = "application/x-www-form-urlencoded"
MAX_CANDIDATES = 6
MAX_PAIRS = 500
"""Of query and form together. Zoho sends a handful; sorting millions is what a forger would make us do."""

_HEX = re.compile(r"[0-9a-fA-F]{64}\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?\Z")
_BLANK = b"\xef\xbb\xbf \t\r\n"
_JSON_LAST = "JSONString last"
"""Its text may be JSON and nothing else, which then is what is read."""
_ZOHO_PAYMENTS = re.compile(r"t=\d+,\s*v=")


def fault(signature: str | None) -> str | None:
    """Why a signature can not be right, whatever the body: `missing`, `scheme` (Zoho Payments) or `malformed`."""
    if not signature:
        return "signature_missing"
    if _ZOHO_PAYMENTS.match(signature):
        return "signature_scheme"
    if not (_HEX.match(signature) or _BASE64.match(signature)):
        return "signature_malformed"
    return None


def matches(signature: str, secrets: Sequence[str], query: str, content_type: str, body: bytes) -> str | None:
    """The name of the reading that makes `signature` right under one of `secrets`, or None.

    `signature` must have passed `fault`. The comparison takes the same time wherever the texts differ.
    """
    given = _digest(signature)
    found = None
    for name, text in candidates(query, content_type, body):
        for secret in filter(None, secrets):
            if hmac.compare_digest(hmac.new(secret.encode(), text, hashlib.sha256).digest(), given):
                found = found or name
    return found


def _digest(signature: str) -> bytes:
    """The 32 bytes of a signature in one of its two forms, which differ in length."""
    if _HEX.match(signature):
        return bytes.fromhex(signature)
    return base64.b64decode(signature.rstrip("=") + "=", altchars=b"-_" if set("-_") & set(signature) else None)


def candidates(query: str, content_type: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    """At most MAX_CANDIDATES different texts that Zoho may have signed, the documented reading first (1.4)."""
    form = content_type.partition(";")[0].strip().lower() == FORM
    if not query and not form:
        yield "body", body
        return
    if query.count("&") + (body.count(b"&") if form else 0) >= MAX_PAIRS:
        return
    seen: set[bytes] = set()
    for name, text in _readings(query, body if form else b"", b"" if form else body):
        if form and name != _JSON_LAST and text.lstrip(_BLANK)[:1] in (b"{", b"["):
            continue
        if text not in seen and len(seen) < MAX_CANDIDATES:
            seen.add(text)
            yield name, text


def _readings(query: str, form_body: bytes, json_body: bytes) -> Iterator[tuple[str, bytes]]:
    pairs = [*_split(query.encode("utf-8", "surrogatepass")), *_split(form_body)]
    decoded = [(_plus(key), _plus(value)) for key, value in pairs]
    yield "decoded", _joined(sorted(decoded)) + json_body
    yield "decoded, arrival order of equal keys", _joined(sorted(decoded, key=lambda pair: pair[0])) + json_body
    literal = [(unquote_to_bytes(key), unquote_to_bytes(value)) for key, value in pairs]
    yield "decoded, plus kept", _joined(sorted(literal)) + json_body
    yield "as on the wire", _joined(sorted(pairs)) + json_body
    if b"JSONString" in dict(_split(form_body)):
        others = sorted(pair for pair in decoded if pair[0] != b"JSONString")
        tail = b"".join(value for key, value in decoded if key == b"JSONString")
        yield _JSON_LAST, _joined(others) + tail
    yield "body", form_body or json_body


def _split(text: bytes) -> list[tuple[bytes, bytes]]:
    pairs = (part.partition(b"=") for part in text.split(b"&") if part)
    return [(key, value) for key, _, value in pairs]


def _plus(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _joined(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(key + value for key, value in pairs)


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form body, the last of equal names. Raises UnicodeDecodeError."""
    return {
        unquote_plus(key.decode(), errors="strict"): unquote_plus(value.decode(), errors="strict")
        for key, value in _split(body)
    }
