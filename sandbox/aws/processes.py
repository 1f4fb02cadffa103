"""Child processes that never outlive us, and ports for them."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"

# The kernel kills a child when the *thread* that started it ends, so one thread that lives as long as the
# interpreter starts them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

# Below the range that the kernel takes for outgoing connections, or one of those could snatch the port.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()
_given_lock = threading.Lock()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and that this process has not given away before."""
    with _given_lock:
        while True:
            port = random.choice(_PORTS)
            if port in _given:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind((LOOPBACK, port))
                except OSError:
                    continue
            _given.add(port)
            return port


def spawn(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start `command` with exactly this environment, its output appended to `log`.

    It gets a session of its own (Ctrl-C reaches us, and we stop it in order). Where `setpriv` exists the kernel
    kills it when we die, whatever we die of.
    """
    leash = shutil.which("setpriv")
    words = [*([leash, "--pdeathsig", "KILL"] if leash else []), *map(str, command)]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                words,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    return _spawner.submit(start).result()


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants, oldest last; empty when it is gone."""
    try:
        parent = psutil.Process(pid)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []


def stop(process: subprocess.Popen[bytes], grace: float = 3.0) -> None:
    """End the process and its descendants: ask, wait `grace` seconds, then kill. Done when all are gone."""
    members = family(process.pid) if process.poll() is None else []
    if grace:
        for member in members:
            _signal(member, kill=False)
        _wait_for(process, members, grace)
    for member in members:
        _signal(member, kill=True)
    process.wait()
    _wait_for(process, members, 5)


def _wait_for(process: subprocess.Popen[bytes], members: Sequence[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    # poll() buries our own child; orphans are init's, and a dead one that it has not buried yet counts as gone.
    while any([process.poll() is None, *map(_lives, members)]) and time.monotonic() < deadline:
        time.sleep(0.003)


def _lives(member: psutil.Process) -> bool:
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(member: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            member.kill()
        else:
            member.terminate()
    except psutil.NoSuchProcess:
        pass


def listeners(pid: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket on which the process or a descendant listens."""
    return {
        (connection.laddr.ip, connection.laddr.port)
        for member in family(pid)
        for connection in member.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(empty)"
