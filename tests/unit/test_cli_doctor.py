"""`mlc doctor` as a whole: how checks are run, in which order findings are told, and how people read them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from ml_connector.errors import ConfigError, RetryLater
from mlc import doctor, doctor_stack, doctor_zoho
from mlc.doctor import CHECKS, examine
from mlc.doctor_stack import SITE_CHECKS
from mlc.findings import EACH, SECONDS, WORKERS, Finding, Verdict, once, run
from mlc.main import app
from mlc.stack import NoStack, Stack
from tests.doctor_world import CONNECT, Place
from tests.fakes import connection

# --- running them ------------------------------------------------------------------------------------------------

OK = Verdict("ok", "quick")


@pytest.fixture
def hangs() -> Iterator[Any]:
    """A check that does not end while the test lasts."""
    end = Event()

    def check() -> Verdict:
        end.wait(30)
        return Verdict("ok", "too late")

    yield check
    end.set()


def test_findings_come_in_the_order_of_the_checks() -> None:
    """Whichever ends first."""
    first = Event()

    def slow() -> Verdict:
        assert first.wait(5)
        return Verdict("ok", "slow")

    def quick() -> Verdict:
        first.set()
        return OK

    assert [each.what for each in run([("a", "x", slow), ("b", "x", quick)])] == ["slow", "quick"]


def test_check_that_hangs_is_left_behind(hangs: Any) -> None:
    """The others are told all the same, after the time that each has."""
    begun = time.monotonic()
    findings = run([("a", "x", hangs), ("b", "x", lambda: OK)], each=0.3)
    assert time.monotonic() - begun < 3
    assert [(each.state, each.what) for each in findings] == [("wrong", "no answer within 0 seconds"), ("ok", "quick")]
    assert findings[0].why
    assert findings[0].type == ("mlc doctor x",)


def test_checks_that_hang_take_no_place_from_others(hangs: Any) -> None:
    """More of them than there are workers: those behind them are looked at nevertheless."""
    tasks = [("a", "x", hangs)] * WORKERS + [("b", "x", lambda: OK)]
    assert run(tasks, each=0.2)[-1].state == "ok"


def test_all_of_it_ends_in_its_time(hangs: Any) -> None:
    """What was not reached is told as that, not as a fault of what it would have looked at."""
    found = run([("a", "x", hangs)] * (WORKERS + 1), seconds=0.2, each=5.0)
    assert {each.what for each in found[:-1]} == {"no answer within 0 seconds"}
    assert found[-1].what == "not looked at: the 0 seconds were over"
    assert doctor.FIRST < EACH < SECONDS < 10


@pytest.mark.parametrize(
    ("fault", "says"),
    [(RetryLater("Zoho is busy"), "Zoho is busy"), (ValueError("sEcReT"), "ValueError"), (ConfigError("no"), "no")],
)
def test_check_that_fails_is_a_finding(fault: Exception, says: str) -> None:
    """Not the end of the examination, and no value of ours is shown."""

    def check() -> Verdict:
        raise fault

    (finding,) = run([("a", "x", check)])
    assert (finding.state, says in finding.what) == ("wrong", True)
    assert (finding.why, finding.type) == ("so nobody knows whether it is well", ("mlc doctor x",))
    assert "sEcReT" not in str(finding)


@pytest.mark.parametrize(
    ("message", "right"),
    [
        (
            "User: arn:aws:iam::1:user/kim is not authorized to perform: kms:DescribeKey on resource: x",
            "kms:DescribeKey",
        ),
        ("no", "the right to DescribeKey"),
    ],
)
def test_what_one_may_not_look_at_is_a_note_with_the_right_that_lacks(message: str, right: str) -> None:
    """Nobody knows whether it is wrong."""

    def check() -> Verdict:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "DescribeKey")

    (finding,) = run([("key", "", check)])
    assert (finding.state, finding.what) == ("note", f"could not look: you lack {right}")
    assert finding.type


def test_what_several_checks_want_is_read_once() -> None:
    """Though they want it at the same time."""
    both, reads = Event(), []

    class Holder:
        @once
        def value(self) -> int:
            reads.append(1)
            both.wait(1)
            return 7

    holder = Holder()

    def second() -> Verdict:
        both.set()
        return Verdict("ok", str(holder.value))

    found = run([("a", "", lambda: Verdict("ok", str(holder.value))), ("b", "", second)])
    assert ([each.what for each in found], reads) == (["7", "7"], [1])


# --- what is examined --------------------------------------------------------------------------------------------


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack itself is well, and of connections only the credentials are looked at."""
    monkeypatch.setattr(doctor, "CHECKS", [("credentials", doctor_zoho.credentials)])
    monkeypatch.setattr(doctor, "SITE_CHECKS", [("tables", lambda site: OK)])
    monkeypatch.setattr(doctor.Site, "of", lambda at: SimpleNamespace(at=at))
    monkeypatch.setattr(doctor_stack, "clock", lambda site, region: OK)


def test_mistyped_stack_is_told_with_the_command_for_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """To type what was typed before would help nobody."""

    def gone(at: Any) -> Any:
        raise NoStack("there is no stack 'ml-conector'", "ml-connector")

    monkeypatch.setattr(doctor_stack, "version_and_state", gone)
    (finding,) = examine(Place(), [])  # type: ignore[arg-type]
    assert (finding.state, finding.type) == ("wrong", ("mlc doctor --stack ml-connector",))


@pytest.mark.usefixtures("healthy")
def test_commands_to_type_name_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is only one that can be meant, also of what concerns all."""
    backlog = Verdict("wrong", "waits: `mlc teams install CONNECTION`", "why", ("mlc parked list CONNECTION",))
    monkeypatch.setattr(doctor, "SITE_CHECKS", (("queues", lambda site: backlog),))
    place = Place()
    found = {each.check: each for each in examine(place, [])}  # type: ignore[arg-type]
    assert found["queues"].type == ("mlc parked list acme-eu",)
    assert found["queues"].what == "waits: `mlc teams install acme-eu`"
    place.connections.known["acme-us"] = connection()
    found = {each.check: each for each in examine(place, [])}  # type: ignore[arg-type]
    assert found["queues"].type == ("mlc parked list CONNECTION",)


def test_old_stack_is_told_before_anything_else() -> None:
    """Its tables are where nobody can say."""
    place = Place()
    del place.outputs["LimitsTableName"]
    (finding,) = examine(place, [])  # type: ignore[arg-type]
    assert (finding.check, finding.state, finding.type) == ("stack", "wrong", ("make deploy",))


@pytest.mark.usefixtures("healthy")
def test_stack_of_another_version_is_looked_at_all_the_same() -> None:
    """Deploying it is not all that may be to do."""
    place = Place()
    place.outputs["Version"] = "0.0.9"
    found = examine(place, [])  # type: ignore[arg-type]
    assert [(each.check, each.state) for each in found][:2] == [("stack", "wrong"), ("tables", "ok")]
    assert "the stack is of version 0.0.9" in found[0].what


@pytest.mark.usefixtures("healthy")
def test_stack_without_a_connection_is_told_what_comes_next() -> None:
    """The newcomer's case."""
    place = Place()
    place.connections.known.clear()
    found = examine(place, [])  # type: ignore[arg-type]
    assert [(each.check, each.state) for each in found] == [("stack", "ok"), ("tables", "ok"), ("connection", "wrong")]
    assert found[-1].type == ("mlc connections apply FILE",)


@pytest.mark.usefixtures("healthy")
def test_all_connections_are_examined_unless_some_are_named() -> None:
    """The general ones once, and first."""
    place = Place()
    place.connections.known["acme-us"] = connection("acme-us")
    found = examine(place, [])  # type: ignore[arg-type]
    assert [(each.check, each.connection) for each in found] == [
        ("stack", ""),
        ("tables", ""),
        ("clock", ""),
        ("credentials", "acme-eu"),
        ("credentials", "acme-us"),
    ]
    assert {each.connection for each in examine(place, ["acme-us"])} == {"", "acme-us"}  # type: ignore[arg-type]


def test_mistyped_connection_is_told_with_the_nearest() -> None:
    """And nothing is looked at."""
    found = examine(Place(), ["acme-e"])  # type: ignore[arg-type]
    assert [each.state for each in found] == ["ok", "wrong"]
    assert "did you mean 'acme-eu'?" in found[1].what


def test_checks_stand_in_the_order_in_which_they_hurt() -> None:
    """What everything else needs comes first; what one may want to know, last."""
    assert [name for name, _ in SITE_CHECKS][:4] == ["functions", "tables", "key", "queues"]
    names = [name for name, _ in CHECKS]
    assert names[:3] == ["credentials", "tokens", "organization"]
    assert names[-1] == "file"


# --- the command -------------------------------------------------------------------------------------------------

FOUND = [
    Finding("stack", "", "ok", "stack x is there"),
    Finding("tokens", "acme-eu", "wrong", "it is [red]revoked[/]", "events wait", CONNECT),
    Finding("webhooks", "acme-eu", "skipped", "not looked at"),
]


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    found = list(FOUND)
    monkeypatch.setattr(Stack, "__post_init__", lambda _: None)
    monkeypatch.setattr(doctor, "examine", lambda at, names, post: found)
    return found


def test_people_read_what_why_and_what_to_type(examined: list[Finding]) -> None:
    """Exit code 3; somebody else's text is no markup."""
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 3
    lines = [line.strip() for line in done.stdout.splitlines()]
    start = lines.index("acme-eu")
    assert lines[start + 1 : start + 4] == ["✗ tokens        it is [red]revoked[/]", "events wait", CONNECT[0]]


def test_programs_read_the_same(examined: list[Finding]) -> None:
    """Exit code 0 as soon as nothing is wrong."""
    done = CliRunner().invoke(app, ["doctor", "acme-eu", "--json"])
    assert done.exit_code == 3
    data = json.loads(done.stdout)
    assert data["problems"] == 1
    assert data["findings"][1] == {**asdict(FOUND[1]), "type": list(CONNECT)}
    del examined[1]
    assert CliRunner().invoke(app, ["doctor", "acme-eu"]).exit_code == 0
