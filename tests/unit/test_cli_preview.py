"""`mlc preview`: what would go out, without sending it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mlc.main import app
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


def test_conditions_decide(tmp_path: Path) -> None:
    """A large invoice in euros takes the second route too; the same one updated does not."""
    created = json.loads(preview(ours(tmp_path, "invoice"), "invoice.created", "--json").stdout)
    updated = json.loads(preview(ours(tmp_path, "invoice"), "invoice.updated", "--json").stdout)
    assert set(created["requests"]) == {"finance", "ledger", "large-invoices"}
    assert set(updated["requests"]) == {"finance", "ledger"}


def test_only_routes_that_are_taken_are_shown(tmp_path: Path) -> None:
    """With routing = "first" the later ones are not."""
    file = tmp_path / "first.toml"
    file.write_text(EXAMPLE.read_text("utf-8").replace("[zoho]", 'routing = "first"\n\n[zoho]'), "utf-8")
    plan = json.loads(preview(ours(tmp_path, "invoice"), "invoice.created", "--json", connection=file).stdout)
    assert [route["route"] for route in plan["routes"]] == [1]
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
    unknown = preview(payload, "invoice.paid")
    assert (unknown.exit_code, "'invoice.paid' is no event" in unknown.stderr) == (2, True)
    assert mlc(payload).exit_code == 2
    assert preview(tmp_path / "none.json").exit_code == 2


def test_a_bad_connection_file(tmp_path: Path) -> None:
    """It is refused as by validate."""
    bad = tmp_path / "bad.toml"
    bad.write_text("connection = 1", "utf-8")
    result = preview(ours(tmp_path, "invoice"), connection=bad)
    assert result.exit_code == 3
    assert "bad.toml:1: connection: must be a text" in result.stderr
