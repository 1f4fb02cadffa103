"""Runs every deployed function on the real runtime; the local AWS hands its invocations over (aws-local 4)."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from sandbox.aws.clients import Clients
from sandbox.aws.deploy import Deployment
from sandbox.aws.processes import LOOPBACK
from sandbox.aws.runtime import Answer, FunctionSpec, Rie, RuntimeFailed, Toolchain, handler_lines, merge_layers

PROXY_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"  # the local AWS's hook to run a function elsewhere
_CREDENTIAL_SECONDS = 12 * 3600
_LIFETIME_SECONDS = 6 * 3600  # well within the credentials'
_CALLS_KEPT = 20_000
_BUSY = Answer(
    json.dumps({"errorType": "TooManyRequestsException", "errorMessage": "no free environment"}).encode(),
    failed=True,
)


class Call(NamedTuple):
    """One invocation: when it came (seconds since 1970), how long it took in ms, what became of it."""

    at: float
    took: float
    failed: bool
    throttled: bool


def stem(name: str) -> str:
    """`RefreshTokensFunction`, `refresh_tokens` and `refresh-tokens` name the same function."""
    bare = "".join(letter for letter in name.lower() if letter.isalnum())
    return bare.removesuffix("function") or bare


class Function:
    """The execution environments of one deployed function: one invocation each, up to `most` at a time."""

    def __init__(
        self,
        clients: Clients,
        deployment: Deployment,
        logical: str,
        *,
        folder: Path,
        opt: Path | None,
        most: int,
    ) -> None:
        self.logical = logical
        self.name = deployment.physical[logical]
        self.most = most
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self._clients = clients
        self._deployment = deployment
        self._folder = folder
        self._tools = Toolchain.gather()
        self._opt = opt
        self._change = threading.Condition()
        self._idle: list[Rie] = []
        self._busy: list[Rie] = []
        self._places = 0  # environments that live or are being started
        self._count = 0
        self._closed = False

    def spec(self) -> FunctionSpec:
        """The function as deployed, with fresh credentials of its own role: its policies are all it may do."""
        settings = self._clients("lambda").get_function_configuration(FunctionName=self.name)
        role = self._clients("sts").assume_role(
            RoleArn=settings["Role"], RoleSessionName=self.name, DurationSeconds=_CREDENTIAL_SECONDS
        )["Credentials"]
        logging = settings.get("LoggingConfig", {})
        structured = logging.get("LogFormat") == "JSON"
        environment = {
            **settings.get("Environment", {}).get("Variables", {}),
            "AWS_ENDPOINT_URL": self._clients.endpoint,
            "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
            "AWS_SESSION_TOKEN": role["SessionToken"],
            "AWS_LAMBDA_LOG_FORMAT": "JSON" if structured else "Text",
            **({"AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", "INFO")} if structured else {}),
        }
        environment.pop(PROXY_VARIABLE, None)
        return FunctionSpec(
            name=self.name,
            task=self._deployment.folders[self._deployment.properties(self.logical)["Code"]["S3Key"]],
            handler=settings["Handler"],
            opt=self._opt,
            environment=environment,
            timeout=settings["Timeout"],
            memory=settings["MemorySize"],
        )

    def invoke(self, event: bytes) -> Answer:
        """Run one invocation in a warm environment, or in a new one while there are less than `most`."""
        came, answer = time.time(), Answer(b"", failed=True, spent=True)
        try:
            answer = self._answer(event)
        finally:
            throttled = answer is _BUSY
            self.calls.append(Call(came, 1000 * (time.time() - came), answer.failed and not throttled, throttled))
        return answer

    def _answer(self, event: bytes) -> Answer:
        rie = self._lease()
        if rie is None:
            return _BUSY
        answer = Answer(b"", failed=True, spent=True)
        try:
            answer = rie.invoke(event)
        finally:
            self._return(rie, spent=answer.spent)
        return answer

    def prewarm(self) -> None:
        """Have one environment past its init phase. Raises RuntimeFailed when the function fails in it."""
        rie = self._lease()
        if rie is None:
            return
        failed = True
        try:
            rie.prewarm()
            failed = False
        finally:
            self._return(rie, spent=failed)

    def kill_one(self) -> bool:
        """Kill one environment, a busy one if there is any; False when there is none. The next call gets a new one."""
        with self._change:
            victims = [each for each in (*self._busy, *self._idle) if each.alive]
            if not victims:
                return False
            victim = victims[0]
        victim.stop()
        return True

    def logs(self) -> list[str]:
        """What the function wrote, line by line; environment after environment in the order they were started."""
        files = sorted(self._folder.glob(f"{self.logical}-*.log"))
        return [line for file in files for line in handler_lines(file.read_text(errors="replace"))]

    def close(self) -> None:
        """Stop all environments and start no more."""
        with self._change:
            self._closed = True
            rest, self._idle = [*self._idle, *self._busy], []
            self._change.notify_all()
        for rie in rest:
            rie.stop()

    def _lease(self) -> Rie | None:
        deadline = time.monotonic() + 60
        with self._change:
            while True:
                while self._idle and not self._closed:
                    rie = self._idle.pop()
                    if rie.alive and time.monotonic() - rie.born < _LIFETIME_SECONDS:
                        self._busy.append(rie)
                        return rie
                    rie.stop()
                    self._places -= 1
                if self._closed:
                    return None
                if self._places < self.most:
                    self._places += 1
                    self._count += 1
                    log = self._folder / f"{self.logical}-{self._count:03}.log"
                    break
                if not self._change.wait(deadline - time.monotonic()):
                    return None
        try:
            rie = Rie(self.spec(), log, self._tools).start()
        except BaseException:
            with self._change:
                self._places -= 1
                self._change.notify()
            raise
        with self._change:
            self._busy.append(rie)
            closed = self._closed
        if closed:
            rie.stop()
        return rie

    def _return(self, rie: Rie, *, spent: bool) -> None:
        spent = spent or not rie.alive
        if spent:
            rie.stop()
        with self._change:
            self._busy.remove(rie)
            if spent or self._closed:
                self._places -= 1
            else:
                self._idle.append(rie)
            self._change.notify()


class Host:
    """All functions of a deployment behind one loopback server; a context manager.

    `limits` says how many environments a function (by stem, e.g. `delivery`) may have; the others have `most`.
    """

    def __init__(
        self,
        clients: Clients,
        deployment: Deployment,
        folder: Path,
        *,
        most: int = 2,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self._clients = clients
        self._deployment = deployment
        self._folder = folder / "functions"
        self._limits = {stem(name): limit for name, limit in (limits or {}).items()}
        self._most = most
        self._functions: dict[str, Function] = {}
        self._opts: dict[tuple[str, ...], Path] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            shutil.rmtree(self._folder, ignore_errors=True)  # the logs of an earlier run
            self._folder.mkdir(parents=True)
            cleanup.callback(self._remove_layers)
            for logical in self._deployment.of_type("AWS::Lambda::Function"):
                function = Function(
                    self._clients,
                    self._deployment,
                    logical,
                    folder=self._folder,
                    opt=self._merged_layers(logical),
                    most=self._limits.get(stem(logical), self._most),
                )
                self._functions[function.name] = function
                cleanup.callback(function.close)
            server = _Server((LOOPBACK, 0), _Handler)
            server.functions = self._functions
            thread = threading.Thread(target=server.serve_forever, name="lambda-host", daemon=True)
            thread.start()
            cleanup.callback(server.server_close)
            cleanup.callback(server.shutdown)
            for function in self._functions.values():
                self._hand_over(function, f"http://{LOOPBACK}:{server.server_address[1]}/{function.name}")
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def function(self, name: str) -> Function:
        """By logical id, physical name or stem (`IngestFunction`, `ingest`). Raises KeyError with the choice."""
        if name in self._functions:
            return self._functions[name]
        by_stem = {stem(function.logical): function for function in self._functions.values()}
        if found := by_stem.get(stem(name)):
            return found
        raise KeyError(f"no function {name!r}; there are: {', '.join(sorted(by_stem))}")

    def prewarm(self, names: Iterator[str] | tuple[str, ...]) -> None:
        """Bring these functions past their init phase, side by side. Raises RuntimeFailed."""
        with ThreadPoolExecutor(max_workers=4) as workers:
            for done in [workers.submit(self.function(name).prewarm) for name in names]:
                done.result()

    def _merged_layers(self, logical: str) -> Path | None:
        """What the function sees as /opt; functions with the same layers share it."""
        keys = tuple(
            self._deployment.properties(layer["Ref"])["Content"]["S3Key"]
            for layer in self._deployment.properties(logical).get("Layers", [])
        )
        if keys and keys not in self._opts:
            folders = [self._deployment.folders[key] for key in keys]
            self._opts[keys] = merge_layers(folders, self._folder / f"opt-{len(self._opts) + 1}")
        return self._opts.get(keys)

    def _remove_layers(self) -> None:
        for folder in self._opts.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _hand_over(self, function: Function, url: str) -> None:
        aws = self._clients("lambda")
        settings = aws.get_function_configuration(FunctionName=function.name)
        variables = {**settings.get("Environment", {}).get("Variables", {}), PROXY_VARIABLE: url}
        aws.update_function_configuration(FunctionName=function.name, Environment={"Variables": variables})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    functions: Mapping[str, Function]


class _Handler(BaseHTTPRequestHandler):
    """POST /<function name> with the event; 200 with the result, or 500 with Lambda's error document."""

    protocol_version = "HTTP/1.1"
    # Otherwise headers and body leave in two packets and each call takes 40 ms more (aws-local 9).
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        function = self.server.functions.get(self.path.strip("/"))
        answer = Answer(b'{"errorType": "ResourceNotFoundException"}', failed=True)
        if function:
            try:
                answer = function.invoke(body)
            except RuntimeFailed as error:
                failure = {"errorType": "Runtime.InitError", "errorMessage": str(error)}
                answer = Answer(json.dumps(failure).encode(), failed=True)
        try:
            self.send_response(500 if answer.failed else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # the local AWS gave up waiting: the function's time-out

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def paused(clients: Clients, function: str) -> Iterator[None]:
    """Within this block no queue or stream calls the function (physical name); what comes waits."""
    aws = clients("lambda")
    mappings = [
        mapping["UUID"]
        for mapping in aws.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        if mapping["State"] == "Enabled"
    ]
    for mapping in mappings:
        aws.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        for mapping in mappings:
            aws.update_event_source_mapping(UUID=mapping, Enabled=True)
