"""The local AWS: ministack in an environment, a folder and a process of its own (contracts: aws-local 2)."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from sandbox.aws.clients import ROOT_KEY
from sandbox.aws.processes import LOOPBACK, free_port, listeners, spawn, stop, tail

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".local/aws/bin/ministack"
_STARTUP_SECONDS = 60


class EmulatorError(RuntimeError):
    """The local AWS did not start, died, or listens where it must not; says why with the end of its log."""


class LocalAws:
    """A running local AWS; a context manager.

    `folder` keeps the log (`aws.log`); everything else it writes goes into a temporary folder inside, removed
    when it stops. Roles are enforced (AUTH=true). Raises EmulatorError.
    """

    def __init__(self, folder: Path, *, program: Path = PROGRAM) -> None:
        self.folder = folder
        self.log = folder / "aws.log"
        self.port = free_port()
        self.endpoint = f"http://{LOOPBACK}:{self.port}"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None

    def __enter__(self) -> Self:
        if not self._program.exists():
            raise EmulatorError(f"{self._program} is missing: run `make setup`")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix="aws-", dir=self.folder))
        try:
            self._process = spawn([self._program], env=self._environment(), cwd=self._scratch, log=self.log)
            self._wait_until_healthy(self._process)
            self._check_listeners(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """Process id of the emulator; 0 when it is not running."""
        return self._process.pid if self._process else 0

    def check(self) -> None:
        """Raise EmulatorError when the emulator has died."""
        if self._process and self._process.poll() is not None:
            self._died(self._process)

    def _environment(self) -> dict[str, str]:
        # Nothing of ours leaks in: what the emulator sees, its functions see.
        return {
            "PATH": os.defpath,
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "STATE_DIR": f"{self._scratch}/state",  # else below /tmp, and it stays there
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "BIND_HOST": LOOPBACK,  # its default is every interface
            "MINISTACK_HOST": LOOPBACK,  # what it writes into queue addresses
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",  # else it opens an MQTT port
            "AUTH": "true",  # enforce every role's policies
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "LOG_LEVEL": "INFO",
        }

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _STARTUP_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._died(process)
            connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
            try:
                connection.request("GET", "/_ministack/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.03)
            finally:
                connection.close()
        raise EmulatorError(f"the local AWS was not ready within {_STARTUP_SECONDS} s; its log ends:\n{tail(self.log)}")

    def _check_listeners(self, process: subprocess.Popen[bytes]) -> None:
        heard = listeners(process.pid)
        if heard != {(LOOPBACK, self.port)}:
            raise EmulatorError(f"the local AWS must listen on {LOOPBACK}:{self.port} only, but: {sorted(heard)}")

    def _died(self, process: subprocess.Popen[bytes]) -> NoReturn:
        raise EmulatorError(
            f"the local AWS ended by itself (exit code {process.returncode}); its log ends:\n{tail(self.log)}"
        )

    def _stop(self) -> None:
        if self._process:
            stop(self._process)
            self._process = None
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


@contextmanager
def orderly_end() -> Iterator[None]:
    """Within this block SIGTERM ends the program like Ctrl-C does: by an exception, so that all is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
