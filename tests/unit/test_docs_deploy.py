"""docs/deploy.md and the changelog keep up with the template, samconfig.toml, the Makefile and the version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from scripts.expand_template import expand, read
from scripts.rollout import with_rollout

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SETTINGS = tomllib.loads((ROOT / "samconfig.toml").read_text())
ENVIRONMENTS = {name: each for name, each in SETTINGS.items() if isinstance(each, dict)}
_SERVICES = {
    "apigatewayv2": "apigateway",
    "events": "events",
}
"""What IAM calls a service, where CloudFormation says otherwise."""


def make(*words: str, region: str = "") -> subprocess.CompletedProcess[str]:
    """`make` that only says what it would do."""
    program = shutil.which("make")
    assert program
    command = [program, "--no-print-directory", "-n", *words]
    environment = {**os.environ, "AWS_REGION": region}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_table_is_the_templates_parameters() -> None:
    """Names, defaults and descriptions, in the template's order; none is forgotten."""
    rows = [
        f"| `{name}` | {'empty' if each['Default'] == '' else '`{Default}`'.format(**each)} | {each['Description']} |"
        for name, each in read()["Parameters"].items()
    ]
    table = PAGE.partition("## Parameters")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == rows


def test_every_environment_is_told() -> None:
    """With its stack, and whether it asks."""
    for name, each in ENVIRONMENTS.items():
        asks = "yes" if each["deploy"]["parameters"]["confirm_changeset"] else "no"
        assert f"| `{name}` | `{each['global']['parameters']['stack_name']}` | {asks} |" in PAGE


def test_what_differs_between_environments_is_told() -> None:
    """Every parameter that one of them sets has its row, with the template's default for those that do not."""
    table = PAGE.partition("\nWhat differs:\n\n")[2].partition("\n\n")[0].splitlines()
    said = {
        name: dict(word.split("=") for word in each["deploy"]["parameters"].get("parameter_overrides", "").split())
        for name, each in ENVIRONMENTS.items()
    }
    names = [name for name in read()["Parameters"] if any(name in values for values in said.values())]
    rows = []
    for name in names:
        default = f"{read()['Parameters'][name]['Default']} at first"
        rows.append(f"| `{name}` | " + " | ".join(values.get(name, default) for values in said.values()) + " |")
    assert table[0] == "| | " + " | ".join(f"`{name}`" for name in said) + " |"
    assert sorted(table[2:-1]) == sorted(rows)


def test_environments_differ_only_where_they_should() -> None:
    """Each builds and uploads in the same way, and sets parameters that the template has."""
    for each in ENVIRONMENTS.values():
        assert each["build"] == SETTINGS["default"]["build"]
        deploy = each["deploy"]["parameters"]
        assert deploy["template_file"] == ".aws-sam/release/build/template.yaml"
        assert deploy["resolve_s3"] is True
        assert deploy["fail_on_empty_changeset"] is False
        words = deploy.get("parameter_overrides", "").split()
        assert {word.split("=")[0] for word in words} <= read()["Parameters"].keys()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_make_deploys_an_environment(environment: str) -> None:
    """`make deploy ENV=…` builds and hands the environment and ARGS to `sam deploy`."""
    said = make("deploy", f"ENV={environment}", "ARGS=--no-confirm-changeset").stdout
    assert said.rstrip().endswith(f"sam deploy --config-env {environment} --no-confirm-changeset")
    assert "scripts/build" in said


def test_make_takes_the_environment_from_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells have a variable ENV of their own, which names a file."""
    monkeypatch.setenv("ENV", "/etc/shinit")
    assert make("deploy").stdout.rstrip().endswith("sam deploy --config-env default")


def test_make_deploys_where_mlc_looks() -> None:
    """In AWS_REGION, which `mlc` reads and `sam` does not; ARGS may still name another one."""
    said = make("deploy", "ARGS=--region us-east-1", region="eu-central-1").stdout.rstrip()
    assert said.endswith("sam deploy --config-env default --region eu-central-1 --region us-east-1")


def test_unknown_environment_is_refused_with_those_that_are() -> None:
    """Before any set-up: that would be minutes for a mistyped name."""
    recipe = make("--always-make", "deploy", "ENV=production").stdout
    assert recipe.index("grep -qxF") < recipe.index("project environment on")
    program = shutil.which("make")
    assert program
    done = subprocess.run([program, "environment", "ENV=production"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    said = "samconfig.toml has no environment production; it has: " + " ".join(ENVIRONMENTS)
    assert done.stderr.splitlines()[0] == said


def test_rights_name_every_service() -> None:
    """Who gives a deploying role its rights finds all services of the template, those of its options too."""
    rights = PAGE.partition("**Rights.**")[2].partition("##")[0]
    resources = expand(with_rollout(read(), "AllAtOnce", "a" * 64))["Resources"].values()
    services = {each["Type"].split("::")[1].lower() for each in resources}
    assert {_SERVICES.get(service, service) for service in services} <= set(re.findall(r"`([a-z0-9]+)`", rights))


def test_changelog_tells_this_version_and_how_to_get_to_it() -> None:
    """The newest section is this version's, and says what an upgrade asks for."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, before = re.findall(r"^## (.+)$", text, re.M)[:2]
    assert newest.startswith(VERSION)
    section = text.partition(f"## {newest}")[2].partition(f"## {before}")[0]
    assert "**Upgrading" in section
