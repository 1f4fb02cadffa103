"""What scripts/secret_scan.py takes for a secret, and what not. It reads this file, too."""

from __future__ import annotations

import pytest

from scripts import secret_scan

HEX = "0123456789abcdef"
SECRETS = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA0",
    "an AWS access key": "AKIA" + "Q3EGRIZ7VJ2XKH5N",
    "a token of Zoho": "1000." + HEX * 2 + "." + HEX * 2,
    "a client secret of Microsoft": "Ab1" + "8Q~" + "cdefGHIJ-klmnOPQR_stuvWXYZ.0123456",
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJ0aWQiOjExMjIzMzQ0fQ" + ".dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
    "an address of a Workflows webhook": "https://x.powerplatform.com/invoke?sp=1&sig" + "=" + "Zk3v-" * 8,
    "a password in an address": "https://bob" + ":" + "hunter2hunter2" + "@files.company.de/x",
    "a token of GitHub": "ghp_" + "aB3dE6gH9j" * 3 + "kLmN1p",
    "a token of Slack": "xoxb-" + "1234-5678-abcd",
    "a token of a package index": "pypi-" + "AgEIcHlwaS5vcmc" * 5,
}


def test_every_kind_is_tried() -> None:
    """A pattern that nobody tried finds nothing for ever."""
    assert SECRETS.keys() == secret_scan.KINDS.keys()


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_where_it_stands(kind: str) -> None:
    """By line and kind: the finding must not repeat the secret."""
    assert list(secret_scan.found(f"first\nkey = '{SECRETS[kind]}'\n")) == [(2, kind)]


@pytest.mark.parametrize(
    "text",
    [
        "1000.sandbox00000000000000000000000001.sandbox00000000000000000000000002",
        "client_secret = os.environ['CLIENT_SECRET']",
        "https://example.com:443/path?sig=%s",
        "https://user:password@example.com/",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ],
)
def test_what_says_that_it_is_made_up_is_let_through(text: str) -> None:
    """Samples in the contracts' shapes are wanted: they say so."""
    assert list(secret_scan.found(text)) == []


def test_the_tree_is_looked_through() -> None:
    """What git knows and what it would take; not what it ignores."""
    names = {str(path.relative_to(secret_scan.ROOT)) for path in secret_scan.files()}
    assert {"template.yaml", "scripts/secret_scan.py", "locks/layer.txt"} <= names
    assert not [name for name in names if name.startswith((".venv", ".local", ".aws-sam"))]
