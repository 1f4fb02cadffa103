"""One sandbox for all end-to-end tests: the deployed template on a local AWS, the real runtime, strict stand-ins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from mlc.main import app
from sandbox import onboarding
from sandbox.secrecy import leaks
from sandbox.session import Box, sandbox
from sandbox.sites import Site
from sandbox.vendors import default_world as world


@pytest.fixture(scope="session")
def said() -> list[str]:
    """All that `mlc` has printed."""
    return []


@pytest.fixture(scope="session")
def running(said: list[str]) -> Iterator[Box]:
    with sandbox(hidden_seconds=12) as box:
        _reconcile_by_hand(box)
        yield box
        assert leaks(box, said) == []


def _reconcile_by_hand(box: Box) -> None:
    """Tests run it themselves, and count what it finds: its schedule would sometimes be the first."""
    scheduler = box.stack.client("scheduler")
    held = scheduler.get_schedule(Name=f"{box.stack.deployment.stack}-reconcile")
    same = {name: held[name] for name in ("Name", "FlexibleTimeWindow", "Target")}
    # Not switched off: doctor would find that, and rightly.
    scheduler.update_schedule(ScheduleExpression="rate(365 days)", **same)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers of sites that no test has opened yet. A fresh site is in no function's memory."""
    return count(100)


@pytest.fixture
def box(running: Box) -> Iterator[Box]:
    """The sandbox, without faults and with nothing under way."""
    running.zoho.clear_faults()
    yield running
    running.zoho.clear_faults()
    assert running.settled(60), "a test left deliveries under way"


@pytest.fixture
def mlc(box: Box, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`mlc("parked", "list", name)`: what the command prints as JSON; `code` is the exit code that it must have."""
    # The pause between two calls of Zoho's settings passes on the vendors' clock, not on ours.
    monkeypatch.setattr("mlc.stack.time", SimpleNamespace(sleep=box.zoho.advance))
    environment = {**box.stack.environment(), "MLC_WEBHOOK_URL": f"{box.stack.webhook_url}/webhooks"}

    def run(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, [*words, "--json"], env=environment, catch_exceptions=False)
        said.append(result.output)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture
def consent(box: Box, mlc: Callable[..., Any]) -> Callable[..., requests.Response]:
    """`mlc auth zoho`, its address opened by somebody who sees the site's organization, or `organization`, and accepts:
    the page that our callback shows then. `denies`: that somebody does not accept."""

    def open_page(site: Site, organization: str = "", *, denies: bool = False) -> requests.Response:
        box.zoho.sign_in(world.ZOHO_REGION, [organization or site.organization], denies=denies)
        link = mlc("auth", "zoho", site.connection, "--no-wait")
        return onboarding.come_back(box.stack, onboarding.press_accept(link["url"], link["redirect_uri"]))

    return open_page
