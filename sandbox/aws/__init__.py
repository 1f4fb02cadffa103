"""AWS on this machine: the SAM-built template deployed to a local AWS, its functions on the real Lambda runtime.

with local_stack(Path(".aws-sam/build"), {"SandboxUrl": "http://127.0.0.1:9000"}) as stack:
    requests.post(stack.webhook_url + "/webhooks/zoho/TOKEN", data=body)
    stack.client("sqs"), stack.outputs["AuditTable"], stack.logs("delivery")
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from sandbox.aws.clients import Clients
from sandbox.aws.deploy import DeployError, Deployment, deploy
from sandbox.aws.emulator import ROOT, EmulatorError, LocalAws, orderly_end
from sandbox.aws.host import Call, Host, paused
from sandbox.aws.queues import Feeder, take_over
from sandbox.aws.runtime import FunctionSpec, RuntimeFailed

__all__ = [
    "BUILD",
    "DeployError",
    "EmulatorError",
    "FunctionFailed",
    "LocalStack",
    "RuntimeFailed",
    "local_stack",
]

BUILD = ROOT / ".aws-sam/build"
_RUNS = ROOT / ".local/run"
# The one function that the queue calls in parallel gets more environments than the others, and more than a connection
# has lanes at a destination (ml_connector.events.LANES): fairness needs a free one.
_LIMITS = {"delivery": 6}


class FunctionFailed(RuntimeError):
    """An invoked function ended with an error; `document` is Lambda's error document (errorType, errorMessage)."""

    def __init__(self, name: str, document: Any) -> None:
        self.document = document
        super().__init__(f"{name}: {json.dumps(document)[:2000]}")


class LocalStack:
    """A deployed stack. Functions go by logical id or stem: `IngestFunction` or `ingest`."""

    deployment: Deployment
    outputs: Mapping[str, str]

    def __init__(
        self,
        aws: LocalAws,
        parameters: Mapping[str, str] | None,
        folder: Path,
        parallel: Sequence[str],
    ) -> None:
        """Nothing is deployed before `release`; what that starts ends with `close`."""
        self.aws = aws
        self.endpoint = aws.endpoint
        self._clients = Clients(aws.endpoint)
        self.parameters = parameters
        """Of the template, for the next `release`."""
        self._folder = folder
        self._parallel = parallel
        self._held: set[str] = set()
        self._variables: dict[str, dict[str, str]] = {}
        self._host: Host
        self._feeders: dict[str, Sequence[Feeder]] = {}
        self._running = ExitStack()

    def release(self, build: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        """Deploy this build and host its functions; in place of another release if there is one, whose data stays.

        Unlike in AWS no function runs meanwhile. Raises DeployError, RuntimeFailed.
        """
        self.close()
        progress("deploying the template")
        self.deployment = deploy(self._clients, build, self.parameters)
        self.outputs = self.deployment.outputs
        for logical, variables in self._variables.items():
            self._set(logical, variables)
        progress("starting the functions")
        self._host = self._running.enter_context(Host(self._clients, self.deployment, self._folder, limits=_LIMITS))
        for function in map(self._host.function, self._parallel):
            self._feeders[function.name] = take_over(self._clients, function)
            for feeder in self._feeders[function.name]:
                self._running.callback(feeder.close)
                if function.name not in self._held:
                    feeder.start()

    def close(self) -> None:
        """Stop the functions, after what they have under way."""
        self._running.close()

    def set_variables(self, function: str, **changes: str) -> None:
        """Variables of a function (logical id) beside those of the template, in later releases, too."""
        self._variables[function] = {**self._variables.get(function, {}), **changes}
        self._set(function, changes)

    def _set(self, function: str, changes: Mapping[str, str]) -> None:
        aws, name = self._clients("lambda"), self.deployment.physical[function]
        variables = aws.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        aws.update_function_configuration(FunctionName=name, Environment={"Variables": {**variables, **changes}})

    @property
    def webhook_url(self) -> str:
        """Base URL of the stack's HTTP API, without a slash at the end. Raises LookupError when there is no API."""
        apis = list(self.deployment.of_type("AWS::ApiGatewayV2::Api").values())
        if not apis:
            raise LookupError(f"{self.deployment.stack} has no HTTP API")
        return f"{self.endpoint}/_aws/execute-api/{apis[0]}"

    def client(self, service: str) -> Any:
        """A boto3 client of the local AWS as the account's root, e.g. `client("sqs")`."""
        return self._clients(service)

    def environment(self) -> dict[str, str]:
        """Variables for a program that shall talk to this AWS instead of the real one (`mlc` for example)."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def invoke(self, name: str, event: Any) -> Any:
        """Run a function on a JSON-able event, with its role; its result. Raises FunctionFailed."""
        answer = self._host.function(name).invoke(json.dumps(event).encode())
        if answer.failed:
            raise FunctionFailed(name, answer.value)
        return answer.value

    def logs(self, name: str) -> list[str]:
        """Lines that the function wrote so far, environment after environment."""
        return self._host.function(name).logs()

    def records(self, name: str) -> list[dict[str, Any]]:
        """The structured ones of `logs`: JSON objects, metrics in EMF among them (those have `_aws`)."""
        found = []
        for line in self.logs(name):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def calls(self, name: str) -> list[Call]:
        """Invocations of the function, oldest first. Raises KeyError when there is no such function."""
        return list(self._host.function(name).calls)

    def kill_one(self, name: str) -> bool:
        """Kill one environment of the function, in mid-flight if one is busy; False when there was none."""
        return self._host.function(name).kill_one()

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """`with stack.paused("delivery"):` no queue calls the function meanwhile, not even after a `release`."""
        function = self._host.function(name).name
        self._held.add(function)
        for feeder in self._feeders.get(function, ()):
            feeder.close()
        try:
            with paused(self._clients, function):
                yield
        finally:
            self._held.discard(function)
            for feeder in self._feeders.get(function, ()):
                feeder.start()

    def prewarm(self, *names: str) -> None:
        """Bring functions past their init phase. Raises RuntimeFailed when one fails in it."""
        self._host.prewarm(names)

    def spec(self, name: str) -> FunctionSpec:
        """The function as it is run, with fresh credentials: for measuring it in a process of one's own."""
        return self._host.function(name).spec()


@contextmanager
def local_stack(
    build: Path = BUILD,
    parameters: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    prewarm: Sequence[str] = (),
    parallel: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[LocalStack]:
    """Start a local AWS, deploy the built template, host its functions; stop and remove all at the end.

    `parameters` are the template's. `folder` keeps the logs; without it they live in `.local/run` as long as the
    stack. `prewarm` names functions to start at once. `parallel` names functions whose FIFO queue shall
    serve message groups side by side as in AWS (the local AWS serves one batch at a time, a little sooner).
    `progress` is told what happens. Raises EmulatorError, DeployError, RuntimeFailed.
    """
    with ExitStack() as cleanup:
        cleanup.enter_context(orderly_end())
        place = folder or cleanup.enter_context(_own_folder())
        progress("starting the local AWS")
        aws = cleanup.enter_context(LocalAws(place))
        stack = LocalStack(aws, parameters, place, parallel)
        cleanup.callback(stack.close)
        stack.release(build, progress)
        stack.prewarm(*prewarm)
        yield stack


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder of this process, removed afterwards; those of processes that were killed are removed now."""
    _RUNS.mkdir(parents=True, exist_ok=True)
    for old in _RUNS.glob("[0-9]*-*"):
        if not psutil.pid_exists(int(old.name.split("-")[0])):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=_RUNS))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
