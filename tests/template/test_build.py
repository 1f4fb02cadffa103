"""What SAM builds is small, complete, compiled, and enough for every function."""

from __future__ import annotations

import json
import os
import re
import runpy
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.expand_template import ROOT, Template, logical_id

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
LAYERS = ("DependenciesLayer", "SharedLayer")
MEGABYTE = 1_000_000


def run(built: Path, code: str, *folders: Path, **environment: str) -> str:
    """Run code on the built layers as Lambda does: nothing else of this environment can be imported."""
    paths = [*folders, *(built / layer / "python" for layer in LAYERS)]
    variables = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **environment,
    }
    # -S: without the environment's packages; -W error: a warning would be a stray line in every cold start's log.
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", code], env=variables, capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_dependencies_are_small(built: Path) -> None:
    """A layer is fetched at every cold start: at most 25 MB unpacked, byte code included (and far below today)."""
    assert size(built / "DependenciesLayer") < 15 * MEGABYTE


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_compiled(built: Path, layer: str) -> None:
    """Every module comes with byte code that is taken unchecked and names its place in Lambda.

    Lambda's code folders cannot be written: without it each cold start compiles every module that it imports.
    """
    site = built / layer / "python"
    sources = list(site.rglob("*.py"))
    assert sources
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        content = compiled.read_bytes()
        assert struct.unpack("<I", content[4:8]) == (0b01,), f"{compiled}: not an unchecked hash"
        if source.stat().st_size:
            assert f"/opt/python/{source.relative_to(site)}".encode() in content


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_the_same_for_every_processor(built: Path, layer: str) -> None:
    """Pure Python only: a build on one kind of machine is right for the other."""
    assert [path.name for path in built.joinpath(layer).rglob("*") if path.suffix in (".so", ".pyd", ".dylib")] == []


def test_layers_share_no_file_with_the_machine(built: Path) -> None:
    """Files are copies, not links into an installer's cache, which pruning would then change for everybody."""
    assert [path for path in built.rglob("*") if path.is_file() and path.stat().st_nlink > 1] == []


def test_functions_carry_no_command_line_code(built: Path) -> None:
    """What only the command line needs (pydantic, Babel, the model of the connection file) is not deployed."""
    assert not (built / "SharedLayer/python/ml_connector/config").exists()
    assert not [name for name in ("pydantic", "babel") if (built / "DependenciesLayer/python" / name).exists()]
    assert (built / "SharedLayer/python/ml_connector/bootstrap.py").exists()


def test_every_client_is_built(built: Path) -> None:
    """Pruning keeps what our clients need, and no model of a service that nobody calls."""
    code = (ROOT / "layers/shared/ml_connector/aws/clients.py").read_text()
    called = set(re.findall(r'_client\("(\w+)"\)', code))
    assert called == runpy.run_path(str(ROOT / "layers/dependencies/prune.py"))["SERVICES"]
    answer = run(
        built,
        "import json\n"
        "from ml_connector.aws import clients\n"
        f"made = [getattr(clients, name)() for name in {sorted(called)!r}]\n"
        "print(json.dumps({each.meta.service_model.service_name: each.meta.endpoint_url for each in made}))",
    )
    assert json.loads(answer) == {name: f"https://{name}.eu-central-1.amazonaws.com" for name in called}


def test_msal_waits_for_the_first_token(built: Path) -> None:
    """Who finds a live token pays nothing for MSAL; who needs one gets it without anything compiled (ADR 12)."""
    code = (
        "import sys\n"
        "from ml_connector.destinations import teams\n"
        "from ml_connector.vendors import microsoft\n"
        "assert not {'msal', 'jwt', 'cryptography'} & set(sys.modules)\n"
        "from ml_connector.errors import NeedsAttention\n"
        "from ml_connector.vendors.http import Answer\n"
        "class Http:\n"
        "    def call(self, method, url, form, headers):\n"
        '        return Answer(200, {}, b\'{"access_token": "t", "expires_in": 3599}\')\n'
        "bot = microsoft.Entra(lambda hosts: Http(), 'bot')\n"
        "app = {'tenant_id': 'tenant', 'client_id': 'app'}\n"
        "print(bot.issue({**app, 'client_secret': 's'}).access_token)\n"
        "try:\n"
        "    bot.issue({**app, 'private_key': 'k', 'certificate': 'c'})\n"
        "except NeedsAttention as error:\n"
        "    print(error)\n"
    )
    token, sentence = run(built, code).splitlines()
    assert token == "t"
    assert "CERTIFICATES=1" in sentence


def test_third_parties_import(built: Path) -> None:
    """What the functions use of other people's code is whole after pruning, and imports without a warning."""
    run(
        built,
        "import boto3, requests, jmespath\nfrom aws_lambda_powertools import Logger, Metrics\nboto3.client('sqs')",
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_starts_on_its_own_variables(built: Path, expanded: Template, function: str) -> None:
    """Each handler imports and builds its use cases from the built layers and the variables of its own."""
    variables = expanded["Resources"][logical_id(function)]["Properties"]["Environment"]["Variables"]
    plain = {name: value if isinstance(value, str) and value else "1" for name, value in variables.items()}
    plain |= {"SANDBOX_URL": "", "POWERTOOLS_LOG_LEVEL": "INFO"}
    handler = (built / logical_id(function) / "app.py").read_text()
    uses = re.search(r"^from ml_connector\.bootstrap import (.+)$", handler, re.M)
    assert uses
    calls = "".join(f"app.{name}()\n" for name in uses[1].split(", "))
    run(built, f"import app\n{calls}assert callable(app.handler)", built / logical_id(function), **plain)


def test_ingest_starts_lean(built: Path, expanded: Template) -> None:
    """A webhook's caller waits for the cold start: ingest imports neither requests nor pydantic nor boto3."""
    loaded = run(
        built,
        "import app, sys\napp.intake()\nprint(*({'requests', 'pydantic', 'boto3'} & set(sys.modules)))",
        built / "IngestFunction",
        CONNECTIONS_TABLE="t",
        SECRETS_PREFIX="p",
        DELIVERIES_QUEUE_URL="q",
        DELIVERY_TABLE="d",
        POWERTOOLS_METRICS_NAMESPACE="n",
        POWERTOOLS_SERVICE_NAME="ingest",
    )
    assert loaded == ""


def test_delivery_starts_lean(built: Path) -> None:
    """A burst starts many at once: Powertools' classes of every event source would be a tenth of each start."""
    heavy = {"boto3", "pydantic", "asyncio", "aws_lambda_powertools.utilities.data_classes"}
    loaded = run(
        built,
        f"import app, sys\nprint(*({heavy!r} & set(sys.modules)))",
        built / "DeliveryFunction",
        POWERTOOLS_METRICS_NAMESPACE="n",
        POWERTOOLS_SERVICE_NAME="delivery",
    )
    assert loaded == ""


def test_mondays_calls_are_verified_with_what_is_in_the_layer(built: Path) -> None:
    """PyJWT is there, and needs nothing compiled for HS256 (ADR 15)."""
    code = (
        "import sys, jwt\n"
        "from datetime import UTC, datetime\n"
        "from ml_connector.errors import InboundRejected\n"
        "from ml_connector.sources import Inbound, monday\n"
        "now, secret, url = datetime.now(UTC), 's' * 32, 'https://api.example/webhooks/monday/t'\n"
        "token = jwt.encode({'aud': url, 'exp': now.timestamp() + 300}, secret, algorithm='HS256')\n"
        "call = lambda bearer: Inbound('monday', 't', '', {'authorization': bearer}, b'')\n"
        "monday.verify(call(token), secret, url, now)\n"
        "try:\n"
        "    monday.verify(call(token), 'x' * 32, url, now)\n"
        "except InboundRejected as error:\n"
        "    print(error.reason, 'cryptography' in sys.modules)\n"
    )
    assert run(built, code).split() == ["signature_wrong", "False"]
