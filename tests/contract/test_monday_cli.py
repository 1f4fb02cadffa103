"""`mlc monday load` and `mlc monday check` against the strict monday."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from ml_connector.aws import queues
from ml_connector.errors import Throttled
from ml_connector.feedback import Feedback, Happening
from ml_connector.limits import UNLIMITED
from ml_connector.ports import AuditEntry, Memory
from mlc import monday as desk
from mlc import monday_load, options
from mlc.output import Exit
from sandbox.vendors import default_world as w
from sandbox.vendors import monday_ingest
from tests.contract.test_monday_check import Checked
from tests.contract.test_monday_load import Rows, Site
from tests.teams_world import Trail


class Table:
    """The delivery table as the command line uses it."""

    def __init__(self, site: Site) -> None:
        self._of, self._rows = site.company.deliveries, Rows(site.company)

    def read(self, record_key: str, destination: str) -> Memory:
        return self._of.read(record_key, destination)

    def write(self, record_key: str, destination: str, memory: Memory, entry: AuditEntry | None = None) -> Memory:
        return self._of.write(record_key, destination, memory, entry)

    def of_places(self, places: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Memory]:
        return self._rows.of_places(places)

    def of_connection(self, connection: str) -> set[str]:
        return {key for key, _ in self._of.rows}


class Nothing:
    """No organization is known."""

    def get(self, *_: Any, **__: Any) -> None:
        return None

    def names(self) -> list[str]:
        return []

    connection = get


def stack(site: Site) -> Any:
    company = site.company
    return SimpleNamespace(
        http=company.http, secrets=company.secrets, tokens=company.tokens, limiter=UNLIMITED, connections=Nothing(),
        connection=lambda name: company.connection, deliveries=Table(site), books=site.lists, known=site.known,
        audit=Trail(company.deliveries.audit),
        session=SimpleNamespace(client=lambda name: None), outputs={"DeliveriesQueueUrl": ""},
    )  # fmt: skip


@pytest.fixture
def at_desk(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a site behind the commands; waits cost no time."""

    def put(site: Site) -> Site:
        monkeypatch.setattr("mlc.options.Stack", lambda *_: stack(site))
        monkeypatch.setattr(options, "terminal", lambda: True)
        monkeypatch.setattr(queues, "DeliveriesQueue", lambda *_: site.queue)
        for module in (desk, monday_load):
            monkeypatch.setattr(module.time, "sleep", site.company.clock.advance)
        for module in (desk, monday_load):
            monkeypatch.setattr(module, "utc_now", site.company.clock)
        return site

    return put


def ended(command: Any, **options: Any) -> int:
    """Exit code."""
    try:
        command(connection="acme-eu", **options)
    except typer.Exit as end:
        return int(end.exit_code)
    return 0


def test_load_tells_what_it_did_and_runs_again(at_desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    site = at_desk(Site(count=30))
    assert ended(desk.load, yes=True, as_json=True) == Exit.DONE
    said = json.loads(capsys.readouterr().out)
    assert (said["created"], said["left"], said["stopped"]) == (30, 0, "")
    site.assert_whole()
    assert ended(desk.load, yes=True, as_json=False) == Exit.DONE
    assert "0 items made" in capsys.readouterr().out


def test_nobody_is_asked_without_a_terminal(
    at_desk: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--yes is named, and nothing is done; at a terminal it is said how many there are before the question."""
    site = at_desk(Site(count=30))
    monkeypatch.setattr(options, "terminal", lambda: False)
    assert ended(desk.load) == Exit.USAGE
    assert "--yes" in capsys.readouterr().err
    assert (site.lists.pages, site.company.world.monday.boards[w.MONDAY_BOARD].items) == (0, {})
    asked: list[str] = []
    monkeypatch.setattr(options, "terminal", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda question, **_: asked.append(question))
    assert ended(desk.load) == Exit.DONE
    assert asked == [f"Put 30 records onto board {w.MONDAY_BOARD} of ledger?"]
    site.assert_whole()


def test_load_takes_requests_where_monday_rejects_the_file(
    at_desk: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form of the file is not published (3.2): nobody need know that there are two ways."""
    site = at_desk(Site(count=30))
    monkeypatch.setattr(monday_ingest, "_flaw", lambda *_: "another form is wanted")
    assert ended(desk.load, yes=True, as_json=True) == Exit.DONE
    captured = capsys.readouterr()
    assert "going on with several items in one request" in captured.err
    assert json.loads(captured.out)["created"] == 30
    site.assert_whole()


def test_load_waits_for_zohos_minute(at_desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """100 calls a minute, and each record is one: nobody need run it a hundred times for 10,000."""
    site = at_desk(Site(count=45))
    calls, plain = [], site.lists.fetch

    def limited(*asked: Any) -> Any:
        now = site.company.clock()
        if len([at for at in calls if (now - at).total_seconds() < 60]) >= 10:
            raise Throttled("Zoho's calls of this minute are used up", 30)
        calls.append(now)
        return plain(*asked)

    site.lists.fetch = limited
    assert ended(desk.load, yes=True, as_json=True, fetch=True) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["created"] == 45
    site.assert_whole()


def test_load_asks_first(at_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = at_desk(Site(count=3))

    def no(*_: Any, **__: Any) -> None:
        raise typer.Abort

    monkeypatch.setattr(desk.typer, "confirm", no)
    with pytest.raises(typer.Abort):
        desk.load(connection="acme-eu")
    assert site.items() == []


def test_load_that_is_stopped_says_when_to_go_on(at_desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The day's calls are used up: exit code 1, nothing is lost, and the next day it goes on."""
    site = at_desk(Site(count=45))
    account = site.company.world.monday.accounts[w.MONDAY_ACCOUNT]
    account.calls_per_day = 4
    assert ended(desk.load, yes=True, as_json=True, method=desk.Method.REQUESTS) == Exit.FAILED
    said = json.loads(capsys.readouterr().out)
    assert "day's API calls are used up" in said["stopped"]
    assert 0 < said["created"] < 45
    site.company.clock.advance(86_400)
    account.calls_per_day = None
    assert ended(desk.load, yes=True, as_json=True, method=desk.Method.REQUESTS) == Exit.DONE
    site.assert_whole()


def test_check_says_what_is_wrong_with_exit_code_3(at_desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    site = at_desk(Checked())
    assert ended(desk.check, as_json=True) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["ledger"]["findings"] == []
    site.twin(2)
    assert ended(desk.check) == Exit.FOUND_PROBLEMS
    said = capsys.readouterr().out
    assert "1 duplicate" in said
    assert "mlc monday check acme-eu --repair" in said


def test_status_that_a_person_set_is_shown_and_put_back_only_with_statuses(
    at_desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no fault: exit code 0, and a repair leaves it."""
    site = at_desk(Checked())
    site.sets(2, "zb_status", {"label": "Void"})
    company, at = site.company, f"{site.company.clock():%Y-%m-%dT%H:%M:%SZ}"
    said = Happening(
        "changed", "item.status", "monday", at, "Asha Rao (7)", site.item(2), reason="status from Overdue to Void"
    )
    record_id = site.key(2).rpartition("#")[2]
    feedback = Feedback(company.deliveries, Trail(company.deliveries.audit), company.clock)
    assert feedback.write("acme-eu", "invoice", record_id, "ledger", said, "call")
    assert ended(desk.check, repair=True, yes=True) == Exit.DONE
    assert "zb_status shows Void, set by Asha Rao (7) on" in capsys.readouterr().out
    assert site.queue.sent == []
    assert ended(desk.check, repair=True, statuses=True, yes=True) == Exit.DONE
    assert site.deliver() == {"delivered": 1}
    capsys.readouterr()
    assert ended(desk.check, as_json=True) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["ledger"]["statuses"] == []
    assert ended(desk.check, statuses=True) == Exit.USAGE


def test_repair_asks_and_then_sends_again(
    at_desk: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is going to do is said before; without a yes nothing happens."""
    site = at_desk(Checked())
    twin = site.twin(2)
    asked: list[str] = []

    def no(question: str, **_: Any) -> None:
        asked.append(question)
        raise typer.Abort

    monkeypatch.setattr(desk.typer, "confirm", no)
    with pytest.raises(typer.Abort):
        desk.check(connection="acme-eu", repair=True)
    assert "archive 1 twins" in asked[0]
    assert site.queue.sent == []
    capsys.readouterr()
    assert ended(desk.check, repair=True, yes=True, as_json=True) == Exit.DONE
    said = json.loads(capsys.readouterr().out)
    assert said["ledger"]["repaired"] == {"sent": 1, "archived": 1}
    assert site.company.world.monday.items[twin].state == "archived"


@pytest.mark.parametrize("command", [desk.load, desk.check])
def test_connection_without_a_board_is_told_so(at_desk: Any, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    site = at_desk(Site(count=0))
    rest = {name: each for name, each in site.company.connection.destinations.items() if name != "ledger"}
    site.company.connection = replace(site.company.connection, destinations=rest)
    assert ended(command, as_json=True) == Exit.FOUND_PROBLEMS
    assert "has no monday destination" in capsys.readouterr().err
