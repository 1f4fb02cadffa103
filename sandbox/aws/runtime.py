"""The real Lambda runtime without Docker (contracts: aws-local 4).

AWS's runtime interface emulator (RIE) from the installed SAM CLI runs AWS's runtime client on this Python, on the
built function's folder, its merged layers and a clean environment. One RIE serves one invocation at a time.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil

from sandbox.aws.clients import REGION
from sandbox.aws.processes import LOOPBACK, family, free_port, spawn, stop, tail

ROOT = Path(__file__).resolve().parents[2]
_PATH = "/2015-03-31/functions/function/invocations"
_INIT_SECONDS = 10  # Lambda's own limit for the init phase
_BOOT_SECONDS = 20

# What the managed runtime ships besides the function: its client, and the SDK that a layer may bring itself.
_CLIENT = ("awslambdaric", "runtime_client*.so", "simplejson", "snapshot_restore_py.py")
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")

# Lines that RIE itself writes into the function's output.
_RIE_LINE = re.compile(r"^(START|END|REPORT) RequestId: |^\d\d \w{3} \d{4} [\d:,]+ \[\w+\] \(rapid\)")
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)")
_INVOKE = re.compile(r"INVOKE RTDONE\(status: \w+.*?duration: ([\d.]+)ms")


class RuntimeFailed(RuntimeError):
    """The runtime could not be started; says why with the end of its log."""


@dataclass(frozen=True)
class FunctionSpec:
    """All that one execution environment needs. `opt` is the merged layers' folder (Lambda's /opt), if any.

    `environment` holds the function's variables and the credentials of its role; `timeout` is in seconds,
    `memory` in MB (told to the function, not enforced).
    """

    name: str
    task: Path
    handler: str
    opt: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # holds credentials
    timeout: int = 30
    memory: int = 512


@dataclass(frozen=True)
class Answer:
    """What an invocation gave. `failed`: Lambda would call it a function error. `spent`: use the process no more."""

    body: bytes
    failed: bool = False
    spent: bool = False

    @property
    def value(self) -> Any:
        """The body as JSON (None when empty, text when it is not JSON)."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return self.body.decode(errors="replace")


def read_answer(status: int, body: bytes) -> Answer:
    """Tell success from failure, which RIE mostly answers alike with 200 (contracts: aws-local 4)."""
    if status != 200:
        return Answer(body, failed=True, spent=True)
    if body.startswith(b"Task timed out after "):
        failure = {"errorType": "Sandbox.Timedout", "errorMessage": body.decode(errors="replace")}
        return Answer(json.dumps(failure).encode(), failed=True, spent=True)
    if b'"errorType"' in body and b'"stackTrace"' in body:
        try:
            value = json.loads(body)
        except ValueError:
            return Answer(body)
        # Exactly the runtime client's error document, or a handler's own answer could be taken for one.
        if isinstance(value, dict) and {"errorMessage", "errorType", "stackTrace"} <= value.keys() <= {
            "errorMessage",
            "errorType",
            "stackTrace",
            "requestId",
        }:
            broken = value["errorType"].startswith("Runtime.") and value["errorType"] != "Runtime.UnmarshalError"
            return Answer(body, failed=True, spent=broken)
    return Answer(body)


@dataclass(frozen=True)
class Toolchain:
    """RIE, the runtime client and the interpreter, gathered once below `.local/runtime`."""

    rie: Path
    client: Path
    sdk: Path
    python: Path

    @classmethod
    def gather(cls, folder: Path = ROOT / ".local/runtime") -> Toolchain:
        """Copy what is needed out of this environment; nothing else of it can then leak into a function."""
        return _gather(folder)


@functools.cache
def _gather(folder: Path) -> Toolchain:
    found = find_spec("samcli")
    if not found or not found.origin:
        raise RuntimeFailed("aws-sam-cli, which brings the runtime interface emulator, is missing: run `make setup`")
    libraries = Path(found.origin).parents[1]
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    parts = [version(name) for name in ("aws-sam-cli", "awslambdaric", "botocore")]
    home = folder / "-".join([f"{sys.version_info.major}.{sys.version_info.minor}", machine, *parts])
    if not home.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            draft = Path(scratch) / "draft"
            _copy(libraries, draft / "client", _CLIENT)
            _copy(libraries, draft / "sdk", _SDK)
            rie = draft / "aws-lambda-rie"
            shutil.copyfile(libraries / "samcli/local/rapid" / f"aws-lambda-rie-{machine}", rie)
            rie.chmod(0o755)
            # The managed runtime's own modules are compiled; the function folders, which it cannot write, are not.
            compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
            subprocess.run([*compiling, str(draft)], check=True)
            try:
                draft.rename(home)
            except OSError:  # another process was faster
                if not home.exists():
                    raise
    # Not the environment's `python`, which would bring the environment along.
    return Toolchain(home / "aws-lambda-rie", home / "client", home / "sdk", Path(sys.executable).resolve())


def _copy(source: Path, target: Path, patterns: Iterable[str]) -> None:
    target.mkdir(parents=True)
    for pattern in patterns:
        found = list(source.glob(pattern))
        if not found:
            raise RuntimeFailed(f"{pattern} is missing in {source}: run `make setup`")
        for item in found:
            if item.is_dir():
                shutil.copytree(item, target / item.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(item, target / item.name)


def merge_layers(layers: Iterable[Path], target: Path) -> Path:
    """Lay the built layers over each other in `target`, in order, as Lambda does in /opt."""
    for layer in layers:
        shutil.copytree(layer, target, dirs_exist_ok=True)
    return target


class Rie:
    """One execution environment: a RIE process and its runtime. A context manager; `start()` and `stop()` too.

    Init happens at the first invocation. Raises RuntimeFailed when it does not come up.
    """

    def __init__(self, spec: FunctionSpec, log: Path, tools: Toolchain | None = None) -> None:
        self.spec = spec
        self.log = log
        self.born = time.monotonic()
        self._tools = tools or Toolchain.gather()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._scratch = log.with_suffix(".tmp")

    def start(self) -> Self:
        """Start the process and wait until it takes calls."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._port, api = free_port(), free_port()
        command: list[str | Path] = [
            self._tools.rie,
            # Both always: the default is every interface.
            *("--runtime-interface-emulator-address", f"{LOOPBACK}:{self._port}"),
            *("--runtime-api-address", f"{LOOPBACK}:{api}"),
            *("--log-level", "info"),
            # -S -s: no site-packages; -m: the current folder, which is the task root, comes first.
            *(self._tools.python, "-S", "-s", "-m", "awslambdaric", self.spec.handler),
        ]
        self._process = spawn(command, env=self._environment(), cwd=self.spec.task, log=self.log)
        deadline = time.monotonic() + _BOOT_SECONDS
        while True:
            try:
                socket.create_connection((LOOPBACK, self._port), timeout=1).close()
                return self
            except OSError:
                if not self.alive or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeFailed(f"{self.spec.name} did not start; its log ends:\n{tail(self.log)}") from None
                time.sleep(0.003)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def invoke(self, event: bytes) -> Answer:
        """Run the handler on a JSON event. Never raises for what the function or its process does."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=self.spec.timeout + _INIT_SECONDS + 5)
        try:
            connection.request("POST", _PATH, body=event)
            response = connection.getresponse()
            return read_answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            failure = {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"the runtime broke off: {type(error).__name__}",
            }
            return Answer(json.dumps(failure).encode(), failed=True, spent=True)
        finally:
            connection.close()

    def prewarm(self) -> None:
        """Run the init phase (imports) without the handler. Raises RuntimeFailed when the function fails in it."""
        answer = self.invoke(b"warm")  # no JSON: refused by the runtime client, after init and before the handler
        if b"Runtime.UnmarshalError" not in answer.body:
            raise RuntimeFailed(f"{self.spec.name} failed to start: {answer.body.decode(errors='replace')}")

    def stop(self) -> None:
        """Kill it, at once and whole; twice is fine."""
        if self._process:
            stop(self._process, grace=0)
        shutil.rmtree(self._scratch, ignore_errors=True)

    # --- what it cost ------------------------------------------------------------------------------------------

    @property
    def init_ms(self) -> float:
        """Duration of the (last) init phase in milliseconds, as RIE reports it."""
        return self._reported(_INIT)

    @property
    def invoke_ms(self) -> float:
        """Duration of the last invocation's handler in milliseconds, as RIE reports it; without init."""
        return self._reported(_INVOKE)

    @property
    def rss_mb(self) -> float:
        """Peak resident memory of the runtime process in MB (where the system tells no peak: the present)."""
        runtime = [member for member in self._family() if "awslambdaric" in member.cmdline()]
        return max((_peak_mb(member) for member in runtime), default=0.0)

    def _family(self) -> list[psutil.Process]:
        return family(self._process.pid) if self._process and self.alive else []

    def _reported(self, pattern: re.Pattern[str]) -> float:
        # RIE writes its report a moment after the answer.
        for _ in range(200):
            if found := pattern.findall(self.log.read_text(errors="replace")):
                return float(found[-1])
            time.sleep(0.005)
        return float("nan")

    def _environment(self) -> dict[str, str]:
        spec = self.spec
        opt = [str(spec.opt / "python")] if spec.opt else []
        return {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "LAMBDA_TASK_ROOT": str(spec.task),
            "_HANDLER": spec.handler,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # botocore reads only this one
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(spec.timeout),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log.stem,
            # Lambda's folders are read-only: without this the second cold start would find compiled modules.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": ":".join([*opt, str(self._tools.client), str(self._tools.sdk)]),
            **spec.environment,
        }


def handler_lines(log: str) -> list[str]:
    """What the function itself wrote, out of a RIE's log; without the trace of `Rie.prewarm`.

    A "line" is what ends with a line feed: the runtime client keeps an exception's text together by carriage returns.
    """
    return [
        line
        for line in log.split("\n")
        if line.strip() and not _RIE_LINE.match(line) and "Runtime.UnmarshalError" not in line
    ]


def _peak_mb(member: psutil.Process) -> float:
    try:
        status = Path(f"/proc/{member.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
    except (OSError, IndexError):
        return float(member.memory_info().rss) / 2**20
