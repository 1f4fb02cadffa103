"""Looks for what is shaped like a secret in all files that git knows or would take, or in the files that are named.

    python scripts/secret_scan.py [FILE ...]

Exit code 1, and where and what kind, if there is any; a secret itself is never printed. What the sandbox's vendors give
away is shaped like theirs: so the log of a test run is looked through in the same way.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of Zoho": r"\b1000\.[0-9a-f]{32}\.[0-9a-f]{32}\b",
    "a client secret of Microsoft": r"(?<![\w~.-])[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}(?![\w~.-])",
    "a JSON Web Token": r"\beyJ[\w-]{10,}\.[\w-]{16,}\.[\w-]{16,}",
    "an address of a Workflows webhook": r"[?&;]sig=[\w%-]{32,}",
    "a password in an address": r"\bhttps?://[^\s/:@\"'{}<>$]+:[^\s/@\"'{}<>$]{6,}@[\w.-]+",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})",
    "a token of Slack": r"\bxox[abeoprs]-[\w-]{10,}",
    "a token of a package index": r"\bpypi-[\w-]{60,}",
}
"""What a secret looks like, by what it is called: of the vendors, and of what developers have about them."""
MADE_UP = re.compile(r"sandbox|example|(.)\1{7}", re.I)
"""What no secret has: samples say that they are, or fill their places with one letter."""


def found(text: str) -> Iterator[tuple[int, str]]:
    """Line, from 1, and kind of everything in a text that may be a secret."""
    for kind, pattern in KINDS.items():
        for match in re.finditer(pattern, text):
            if not MADE_UP.search(match[0]):
                yield text.count("\n", 0, match.start()) + 1, kind


def files() -> list[Path]:
    """All that is in the repository, or would be with the next `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 (whichever git it is)
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def main() -> int:
    findings = 0
    for path in [Path(name) for name in sys.argv[1:]] or files():
        for line, kind in found(path.read_text("utf-8", "replace")):
            findings += 1
            print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{line}: {kind}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
