"""Take out of the installed third-party packages what no function reads.

Usage: python prune.py SITE_FOLDER [--certificates]

Sources, licences and METADATA stay: tracebacks and audits need them.
Anything named here that a later release no longer has is an error: the list must not rot unseen.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

# The services that the functions call; a test compares this with the code that builds the clients.
SERVICES = frozenset({"dynamodb", "secretsmanager", "sqs"})

# What MSAL needs to sign with a certificate and for nothing else: 17 MB, compiled for one processor. With a client
# secret it never imports it.
CERTIFICATES = ("cryptography*", "cffi*", "_cffi_backend*", "pycparser*")
# Relative to the site folder; a folder goes as a whole.
UNUSED = (
    "bin",
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "boto3/examples",
    "boto3/data/*",
    "botocore/data/*/*/examples-1.json*",
    # The documentation page of an HTTP API built with Powertools.
    "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.min.*",
)


def prune(site: Path, *, certificates: bool = False) -> None:
    """Remove the unused parts under `site` and slim botocore's endpoint tables to SERVICES.

    Raises FileNotFoundError when a pattern of UNUSED or a service of SERVICES matches nothing.
    """
    for pattern in UNUSED if certificates else (*UNUSED, *CERTIFICATES):
        found = list(site.glob(pattern))
        if not found:
            raise FileNotFoundError(f"{pattern}: nothing to prune; is it still needed?")
        for path in found:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    # Compiled speed-ups (not in every wheel): without them one layer serves every processor. Only requests'
    # guess at a missing charset would use them, and our vendors' answers are JSON.
    for path in site.glob("charset_normalizer/*.so"):
        path.unlink()
    data = site / "botocore" / "data"
    missing = SERVICES - {path.name for path in data.iterdir()}
    if missing:
        raise FileNotFoundError(f"botocore has no model of {sorted(missing)}")
    for path in data.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)
    _slim_endpoints(data / "endpoints.json")


def _slim_endpoints(path: Path) -> None:
    """Keep SERVICES only: botocore parses this file (1.2 MB as shipped) at the first client of a process."""
    tables = json.loads(path.read_text())
    for partition in tables["partitions"]:
        partition["services"] = {name: rows for name, rows in partition["services"].items() if name in SERVICES}
    # Replaced, not written in place: an installer may have linked the file to its cache.
    path.unlink()
    path.write_text(json.dumps(tables, separators=(",", ":")))


if __name__ == "__main__":
    prune(Path(sys.argv[1]), certificates="--certificates" in sys.argv[2:])
