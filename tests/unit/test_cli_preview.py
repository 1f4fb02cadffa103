"""`mlc preview`: what would go out, without sending it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ml_connector.modules import EVENTS, MODULES
from mlc.main import app
from mlc.samples import sample, told
from tests.unit.ingest.world import FIXTURES, as_json

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"


def mlc(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["preview", *(str(word) for word in words)], catch_exceptions=False)


def preview(payload: Path, event: str = "invoice.created", *more: str | Path, connection: Path = EXAMPLE) -> Result:
    return mlc(payload, "--event", event, "--connection", connection, *more)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "payload.json"
    path.write_bytes(data)
    return path


def ours(folder: Path, module: str) -> Path:
    """The fixture without the organization id, which is not the example's."""
    data = json.loads((FIXTURES / f"{module}_created.json").read_text("utf-8"))
    data.pop("organization_id", None)
    return written(folder, json.dumps(data).encode())


@pytest.mark.parametrize("module", ["invoice", "bill", "purchase_order", "customer_payment", "vendor_payment"])
def test_the_exact_requests(module: str, tmp_path: Path) -> None:
    """Every module shows its event, the routes taken, a card and an item."""
    result = preview(ours(tmp_path, module), f"{module}.created", "--json")
    assert result.exit_code == 0
    plan: dict[str, Any] = json.loads(result.stdout)
    assert plan["event"] == f"{module}.created"
    assert plan["routes"][0] == {"route": 1, "to": ["finance", "ledger"]}
    assert {"finance", "ledger"} <= set(plan["requests"])
    for request in plan["requests"].values():
        assert request["operation"] == "create"
        assert request["method"] == "POST"
    assert "mutation" in plan["requests"]["ledger"]["body"]["query"]
    assert plan["requests"]["ledger"]["idempotency_key"]


def made_up(folder: Path, event: str) -> Path:
    """What `mlc send-test` would send for the event."""
    module, action, status = told(event)
    body = sample(
        module, "7310000000204811", "0093", datetime(2026, 11, 22, 8, tzinfo=UTC), action=action, status=status
    )
    return written(folder, json.dumps(body).encode())


ALL_MODULES = EXAMPLE.read_text("utf-8").replace("[zoho]", f"[zoho]\nmodules = {json.dumps(list(MODULES))}")


def carrying(folder: Path, text: str = ALL_MODULES) -> Path:
    file = folder / "connection.toml"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_can_be_tried(event: str, tmp_path: Path) -> None:
    """Each event that routes can name has a made-up record, and becomes a card and an item."""
    result = preview(made_up(tmp_path, event), event, "--json", connection=carrying(tmp_path))
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    module, action, status = told(event)
    assert plan["event"] == f"{module}.{action}"
    assert plan["names"] == ([f"{module}.updated", event] if status else [event])
    assert {"finance", "ledger"} <= set(plan["requests"])
    assert plan["asked"] == []


def test_a_persons_message_can_be_looked_at(tmp_path: Path) -> None:
    """As any other; which chat it goes to, Teams says when it is sent."""
    boss = '[destinations.boss]\ntype = "teams"\nperson = "asha.rao@example.com"\n\n[[routes]]\nto = ["boss"]\n\n'
    file = carrying(tmp_path, EXAMPLE.read_text("utf-8").replace("[[routes]]", f"{boss}[[routes]]", 1))
    plan = json.loads(
        preview(made_up(tmp_path, "invoice.created"), "invoice.created", "--json", connection=file).stdout
    )
    request = plan["requests"]["boss"]
    assert (request["method"], request["url"]) == ("POST", "chat:asha.rao@example.com")
    assert request["body"]["summary"].startswith("New invoice INV-0093")


def test_a_status_is_what_an_update_brings(tmp_path: Path) -> None:
    """`--event invoice.paid` takes the route for it, and the card says so."""
    file = carrying(tmp_path, EXAMPLE.read_text("utf-8").replace('events = ["*"]', 'events = ["invoice.paid"]'))
    payload = made_up(tmp_path, "invoice.paid")
    shown = preview(payload, "invoice.paid", connection=file).stdout
    assert "invoice.updated, invoice.paid Invoice INV-0093" in shown
    assert "  Invoice paid: INV-0093   1,284.50 EUR" in shown
    assert preview(payload, "invoice.updated", connection=file).stdout == shown, "nothing known counts as changed"


def test_a_status_that_the_record_is_not_in(tmp_path: Path) -> None:
    """Ingest would never make that event of this payload."""
    result = preview(made_up(tmp_path, "invoice.sent"), "invoice.paid")
    assert result.exit_code == 3
    assert "this is not invoice.paid: the record's status is 'sent'" in result.stderr


def test_a_deletion_marks_what_is_there(tmp_path: Path) -> None:
    """It is planned as of a record that every destination has."""
    plan = json.loads(preview(made_up(tmp_path, "invoice.deleted"), "invoice.deleted", "--json").stdout)
    assert plan["requests"]["finance"]["operation"] == plan["requests"]["ledger"]["operation"] == "update"
    shown = preview(made_up(tmp_path, "invoice.deleted"), "invoice.deleted").stdout
    assert "Invoice deleted: 7310000000204811" in shown
    assert "    zb_status  Deleted" in shown.splitlines()


def test_what_zoho_would_be_asked_for(tmp_path: Path) -> None:
    """A webhook that says too little: what is fetched, and which routes wait for it."""
    payload = written(tmp_path, as_json({"invoice": {"invoice_id": "1", "status": "sent", "invoice_number": "A-1"}}))
    plan = json.loads(preview(payload, "invoice.created", "--json").stdout)
    assert plan["asked"] == ["party", "currency", "amount"]
    assert [route.get("perhaps", False) for route in plan["routes"]] == [False, True]
    shown = preview(payload).stdout
    assert "Zoho is asked first for the party, currency, amount" in shown
    assert "large-invoices (if the record that Zoho gives meets it)" in shown


def test_conditions_decide(tmp_path: Path) -> None:
    """A large invoice in euros takes the second route too; the same one updated does not."""
    created = json.loads(preview(ours(tmp_path, "invoice"), "invoice.created", "--json").stdout)
    updated = json.loads(preview(ours(tmp_path, "invoice"), "invoice.updated", "--json").stdout)
    assert set(created["requests"]) == {"finance", "ledger", "large-invoices"}
    assert set(updated["requests"]) == {"finance", "ledger"}
    assert created["not_taken"] == []
    why = "events invoice.created: this is invoice.updated"
    assert [route["why"] for route in updated["not_taken"]] == [[why]]
    assert f"route 2 is not taken: {why}" in preview(ours(tmp_path, "invoice"), "invoice.updated").stdout


def test_only_routes_that_are_taken_are_shown(tmp_path: Path) -> None:
    """With routing = "first" the later ones are not."""
    file = tmp_path / "first.toml"
    file.write_text(EXAMPLE.read_text("utf-8").replace("[zoho]", 'routing = "first"\n\n[zoho]'), "utf-8")
    plan = json.loads(preview(ours(tmp_path, "invoice"), "invoice.created", "--json", connection=file).stdout)
    assert [route["route"] for route in plan["routes"]] == [1]
    assert plan["not_taken"] == [
        {"route": 2, "to": ["large-invoices"], "why": ['route 1 is taken before, and routing is "first"']}
    ]
    assert set(plan["requests"]) == {"finance", "ledger"}


def test_it_is_readable(tmp_path: Path) -> None:
    """People see the record, the routes, the card's texts and the item's columns, and no JSON."""
    result = preview(ours(tmp_path, "invoice"))
    assert result.exit_code == 0
    assert "invoice.created Invoice FP-2026-0093" in result.stdout
    assert "route 2 → large-invoices" in result.stdout
    assert "  New invoice FP-2026-0093   18,240.75 EUR" in result.stdout
    assert "large-invoices: the same card in Teams" in result.stdout
    assert "    zb_number      FP-2026-0093" in result.stdout.splitlines()
    assert not set(result.stdout) & set('{}"')


def test_raw_shows_the_exact_bodies(tmp_path: Path) -> None:
    """Whoever wants to see what goes over the wire says so."""
    shown = preview(ours(tmp_path, "invoice"), "invoice.created", "--raw").stdout
    assert "ledger: create POST https://api.monday.com/v2" in shown
    assert "Idempotency-Key: " in shown
    assert '"type": "AdaptiveCard"' in shown


@pytest.mark.parametrize("words", [(), ("--connection", EXAMPLE)])
def test_the_example_that_we_ship_works(words: tuple[str | Path, ...]) -> None:
    """The README's command, from the folder of the repository, takes both routes."""
    root = EXAMPLE.parents[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        result = mlc("examples/invoice.json", "--event", "invoice.created", "--json", *words)
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)["requests"]) == {"finance", "ledger", "large-invoices"}
    assert "examples/invoice.json" in (root / "README.md").read_text("utf-8")


def test_without_a_connection_file_it_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside the repository the default is not there."""
    payload = ours(tmp_path, "invoice")
    monkeypatch.chdir(tmp_path)
    result = mlc(payload, "--event", "invoice.created")
    assert result.exit_code == 3
    assert "there is no connections/example.toml here; name a connection file with --connection" in result.stderr


def test_nothing_matches(tmp_path: Path) -> None:
    """That is an answer, not an error."""
    file = tmp_path / "bills.toml"
    file.write_text(EXAMPLE.read_text("utf-8").replace('"*"', '"bill.*"').replace("10000", "99999999"), "utf-8")
    result = preview(ours(tmp_path, "invoice"), connection=file)
    assert result.exit_code == 0
    assert "no route matches" in result.stdout


@pytest.mark.parametrize("name", ["[red]INV[/red]", "[/]", "[link=https://evil.example]x", "\x1b[31mINV\x07"])
def test_a_number_is_only_a_number(name: str, tmp_path: Path) -> None:
    """Markup and terminal codes in a record are shown, not obeyed: strangers choose numbers."""
    payload = written(
        tmp_path, as_json({"invoice": {"invoice_id": "1", "invoice_number": name, "customer_name": name}})
    )
    result = preview(payload)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout
    assert name.replace("\x1b", "�").replace("\x07", "�") in result.stdout


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the file is empty: ingest would answer 400 (body_unreadable)"),
        (b"not JSON", "ingest would answer 400 (body_unreadable)"),
        (b"\xff\xfe", "ingest would answer 400 (body_unreadable)"),
        (b"[" * 100_000, "ingest would answer 400 (body_unreadable)"),
        (b'{"bill": {}}', "ingest would answer 422 (record_missing): the body holds no invoice"),
        (b'{"invoice": {}}', "ingest would answer 422 (record_unusable): invoice_id is missing"),
        (b'{"organization_id": "1", "invoice": {"invoice_id": "1"}}', "422 (organization_mismatch)"),
    ],
)
def test_a_payload_that_ingest_would_refuse(body: bytes, why: str, tmp_path: Path) -> None:
    """Exit code 3 and the very reason."""
    result = preview(written(tmp_path, body))
    assert result.exit_code == 3
    assert why in result.stderr
    assert result.stdout == ""


def test_a_form_needs_to_be_called_one(tmp_path: Path) -> None:
    """The content type says how to read the payload."""
    payload = written(tmp_path, b"invoice_id=77&total=5")
    assert preview(payload).exit_code == 3
    assert preview(payload, "invoice.created", "--content-type", "application/x-www-form-urlencoded").exit_code == 0
    wrong = preview(payload, "invoice.created", "--content-type", "application/xml")
    assert "415 (content_type)" in wrong.stderr


def test_wrong_usage(tmp_path: Path) -> None:
    """Exit code 2: an unknown event, a missing option or a missing payload."""
    payload = written(tmp_path, b"{}")
    unknown = preview(payload, "invoice.payed")
    assert (unknown.exit_code, "'invoice.payed' is no event" in unknown.stderr) == (2, True)
    assert mlc(payload).exit_code == 2
    assert preview(tmp_path / "none.json").exit_code == 2


def test_a_connection_file_is_no_payload() -> None:
    """Exit code 2, with the command that was meant."""
    result = mlc(EXAMPLE, "--event", "invoice.created")
    assert result.exit_code == 2
    assert "is a connection file; preview takes a payload, such as examples/invoice.json: mlc preview" in result.stderr


def test_a_bad_connection_file(tmp_path: Path) -> None:
    """It is refused as by validate."""
    bad = tmp_path / "bad.toml"
    bad.write_text("connection = 1", "utf-8")
    result = preview(ours(tmp_path, "invoice"), connection=bad)
    assert result.exit_code == 3
    assert "bad.toml:1: connection: must be a text" in result.stderr


def noting(folder: Path) -> Path:
    """The example with a third place for everything: notes on Zoho's own records."""
    path = folder / "noting.toml"
    text = EXAMPLE.read_text("utf-8").replace('to = ["finance", "ledger"]', 'to = ["finance", "ledger", "notes"]')
    text = text.replace("[zoho]", '[zoho]\nmodules = ["invoice", "expense"]', 1)
    path.write_text(text, "utf-8")
    return path


def test_a_note_is_shown_as_it_will_stand_in_zoho(tmp_path: Path) -> None:
    """With its marker, and where the event goes besides."""
    words = ("invoice.created", "--connection", noting(tmp_path))
    result = mlc(ours(tmp_path, "invoice"), "--event", *words)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert re.search(r"notes: a note on the record in Zoho Books \[ml-connector \w{8}\] Invoice created: ", text)
    assert "Routed to: finance, ledger, notes" in text


def test_what_takes_no_notes_is_said_so(tmp_path: Path) -> None:
    """Expenses go to the channel and the board, and not into Zoho."""
    words = ("--event", "expense.created", "--connection", noting(tmp_path))
    payload = written(tmp_path, json.dumps({"expense": {"expense_id": "7310000000300000", "total": 12}}).encode())
    result = mlc(payload, *words)
    assert result.exit_code == 0
    assert "notes is skipped: Zoho has no endpoint for notes on expense" in " ".join(result.stdout.split())
    plan = json.loads(mlc(payload, *words, "--json").stdout)
    assert (list(plan["skipped"]), "notes" in plan["requests"]) == (["notes"], False)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ('transport = "delegated"', "finance: a card in Teams"),
        ('transport = "graph_import"\nauthor = { id = "GUID", displayName = "Books" }', "finance: an imported message"),
        ('transport = "activity"\npeople = ["GUID"]', "finance: a notification in people's activity feed"),
    ],
)
def test_every_way_into_teams_is_shown(keys: str, says: str, tmp_path: Path) -> None:
    """What people will read, whatever form it travels in; a deletion too."""
    file = tmp_path / "acme-eu.toml"
    keys = keys.replace("GUID", "d4e5f6a7-0000-4000-a000-0000000000dd")
    text = EXAMPLE.read_text("utf-8").replace('type = "teams"\nteam_id', f'type = "teams"\n{keys}\nteam_id', 1)
    file.write_text(text, "utf-8")
    for event in ("invoice.created", "invoice.deleted"):
        result = preview(made_up(tmp_path, event), event, connection=file)
        assert (result.exit_code, says in result.stdout) == (0, True), result.output
        assert "0093" in result.stdout or event.endswith("deleted")
