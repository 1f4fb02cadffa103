"""`mlc routes test`: where an event would go, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ml_connector.modules import EVENTS, MODULES
from mlc.main import app

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "connections" / "example.toml"
INVOICE = ROOT / "examples" / "invoice.json"
ROUTES = """
[[routes]]
events = ["invoice.*"]
when = {{ {} }}
to = ["finance"]
"""


def mlc(file: Path, event: str | Path, *more: str | Path) -> Result:
    words = ["routes", "test", file, "--event", event, *more]
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def report(file: Path, event: str | Path, *more: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(mlc(file, event, *more, "--json").stdout)
    return found


def connection(folder: Path, *conditions: str, zoho: str = "", routing: str = "") -> Path:
    """The example with routes of our own, all to one channel, one for each of `conditions`."""
    head = EXAMPLE.read_text("utf-8").partition("[[routes]]")[0].replace("[zoho]", f"{routing}\n[zoho]\n{zoho}", 1)
    file = folder / "routes.toml"
    file.write_text(head + "".join(ROUTES.format(each) for each in conditions), "utf-8")
    return file


def body(folder: Path, content: Any) -> Path:
    path = folder / "body.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_a_small_invoice_and_why_it_is_not_told() -> None:
    """The condition that fails, with both values; exit code 0, because it goes somewhere."""
    result = mlc(EXAMPLE, INVOICE, "--with", "amount=9485")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "invoice.created Invoice INV-000731",
        "route 1 → finance, ledger: taken",
        "    events *: this is invoice.created",
        "route 2 → large-invoices: not taken",
        "    min_amount 10000: the invoice's total is 9,485.00 EUR",
        "it goes to finance, ledger",
    ]


def test_a_taken_route_says_why_too() -> None:
    """All its rules, with what the record has."""
    shown = mlc(EXAMPLE, INVOICE).stdout.splitlines()
    assert shown[3:8] == [
        "route 2 → large-invoices: taken",
        "    events invoice.created: this is invoice.created",
        "    min_amount 10000: the invoice's total is 12,423.60 EUR",
        "    currency EUR: the invoice's currency is EUR",
        "it goes to finance, ledger, large-invoices",
    ]


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("min_amount = 20000", "min_amount 20000: the invoice's total is 12,423.60 EUR"),
        ("max_amount = 100.5", "max_amount 100.5: the invoice's total is 12,423.60 EUR"),
        ("min_base_amount = 20000", "min_base_amount 20000: the invoice's total in the base currency is 12,423.60 GBP"),
        ('currency = ["USD", "CHF"]', "currency USD or CHF: the invoice's currency is EUR"),
        ('status = ["paid"]', "status paid: the invoice's status is sent"),
        ('party = ["ACME*"]', "party ACME*: the invoice's party is Lantern Street Kitchens"),
        (
            'custom = { cf_cost_centre = ["SOUTH-*", "EAST"], cf_none = ["x"] }',
            "custom cf_cost_centre SOUTH-* or EAST, cf_none x: cf_cost_centre is NORTH-2, cf_none is not given",
        ),
    ],
)
def test_each_condition_has_its_sentence(condition: str, says: str, tmp_path: Path) -> None:
    """As it stands in the file, then what the record has; nowhere is exit code 3."""
    result = mlc(connection(tmp_path, condition, zoho='base_currency = "GBP"'), INVOICE)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[2:] == [f"    {says}", "it goes nowhere"]


def test_all_that_fails_is_said(tmp_path: Path) -> None:
    """Not only the first: else a route is put right one try at a time."""
    file = connection(tmp_path, 'min_amount = 20000, currency = ["USD"]')
    (route,) = report(file, INVOICE)["routes"]
    assert [each["rule"] for each in route["rules"] if not each["met"]] == ["min_amount", "currency"]


def test_a_thousandth_that_decides_is_shown(tmp_path: Path) -> None:
    """Rounded as on cards, the amount would seem to be within the limit."""
    shown = mlc(connection(tmp_path, "max_amount = 10000"), INVOICE, "--with", "amount=10000.004").stdout
    assert "max_amount 10000: the invoice's total is 10,000.004 EUR" in shown


def test_what_the_webhook_does_not_say(tmp_path: Path) -> None:
    """Zoho is asked, and the route is perhaps taken: that is somewhere. With a value it is decided."""
    file = connection(tmp_path, 'office = ["Berlin", "Lyon*"]')
    result = mlc(file, INVOICE)
    assert result.exit_code == 0
    assert "route 1 → finance: perhaps" in result.stdout
    assert "    office Berlin or Lyon*: the webhook does not say; Zoho is asked" in result.stdout
    assert report(file, INVOICE, "--with", "office=LYON 3")["routes"][0]["verdict"] == "taken"
    paris = mlc(file, INVOICE, "--with", "office=Paris")
    assert paris.exit_code == 3
    assert "office Berlin or Lyon*: the invoice's office is Paris" in paris.stdout


def test_nobody_is_asked_if_the_file_says_never(tmp_path: Path) -> None:
    """Then what is not given meets nothing."""
    file = connection(tmp_path, 'office = ["Berlin"]', zoho='enrich = "never"')
    result = mlc(file, INVOICE)
    assert result.exit_code == 3
    assert "office Berlin: the invoice's office is not given" in result.stdout


def test_a_deletion_goes_to_all_who_may_have_it(tmp_path: Path) -> None:
    """It says nothing but the id, and nobody can be asked any more."""
    result = mlc(connection(tmp_path, "min_amount = 20000"), "invoice.deleted")
    assert result.exit_code == 0
    assert "route 1 → finance: taken" in result.stdout
    assert "min_amount 20000: the webhook does not say; a deletion goes to all who may have the record" in result.stdout


def test_the_first_route_alone(tmp_path: Path) -> None:
    """With routing = "first" what comes after is not taken, and that is why."""
    file = connection(tmp_path, "min_amount = 20000", "", "", routing='routing = "first"')
    found = report(file, INVOICE)
    assert [each["verdict"] for each in found["routes"]] == ["not taken", "taken", "not taken"]
    assert found["routes"][2]["why"] == 'route 2 is taken before, and routing is "first"'
    assert found["destinations"] == ["finance"]


def test_first_and_perhaps(tmp_path: Path) -> None:
    """A route that hinges on what is not said does not keep the next one from being taken."""
    file = connection(tmp_path, 'office = ["Berlin"]', "", "", routing='routing = "first"')
    file.write_text(file.read_text("utf-8").replace('to = ["finance"]', 'to = ["ledger"]', 1), "utf-8")
    assert [each["verdict"] for each in report(file, INVOICE)["routes"]] == ["perhaps", "taken", "not taken"]


def test_a_module_that_the_connection_does_not_carry() -> None:
    """The route would take it, and still nothing goes out."""
    result = mlc(EXAMPLE, "expense.created")
    assert result.exit_code == 3
    assert "the connection does not carry expense: it is not among zoho.modules" in result.stdout


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_can_be_tried(event: str, tmp_path: Path) -> None:
    """By its name alone, with a made-up record."""
    head, _, tail = EXAMPLE.read_text("utf-8").partition("[zoho]")
    file = tmp_path / "all.toml"
    file.write_text(f"{head}[zoho]\nmodules = {json.dumps(list(MODULES))}{tail}", "utf-8")
    found = report(file, event)
    assert found["names"][-1] == event
    assert found["routes"][0]["verdict"] == "taken"


VALUES = ("amount=7", "rate=2", "currency=GBP", "party=Å & Co", "status=odd", "office=Bern", "custom.cf_x=1")


@pytest.mark.parametrize("module", MODULES)
def test_values_go_where_the_module_has_them(module: str, tmp_path: Path) -> None:
    """Each module calls its party, amount and status otherwise; each is found by its condition."""
    wanted = 'currency = ["GBP"], party = ["å & co"], status = ["ODD"], office = ["bern"], custom = { cf_x = ["1"] }'
    amounts = "min_amount = 7, max_amount = 7, min_base_amount = 14, max_base_amount = 14"
    file = connection(tmp_path, f"{amounts}, {wanted}", zoho=f'modules = ["{module}"]')
    file.write_text(file.read_text("utf-8").replace('"invoice.*"', '"*"'), "utf-8")
    words = [word for value in VALUES for word in ("--with", value)]
    (route,) = report(file, f"{module}.created", *words)["routes"]
    assert [each["says"] for each in route["rules"] if not each["met"]] == []
    assert route["verdict"] == "taken"


def test_what_zoho_worked_out_is_worked_out_again(tmp_path: Path) -> None:
    """Another amount is another one in the base currency."""
    content = json.loads(INVOICE.read_text("utf-8"))
    content["invoice"] |= {"bcy_total": 99999, "exchange_rate": 2}
    file = connection(tmp_path, "max_base_amount = 20")
    assert mlc(file, body(tmp_path, content)).exit_code == 3
    assert mlc(file, body(tmp_path, content), "--with", "amount=10").exit_code == 0


def test_a_change_and_a_status_of_a_body(tmp_path: Path) -> None:
    """`--action` says what happened; a status is an update, and must be the record's."""
    file = connection(tmp_path, "")
    file.write_text(file.read_text("utf-8").replace('"invoice.*"', '"invoice.sent"'), "utf-8")
    assert mlc(file, INVOICE).exit_code == 0, "what nobody has seen before counts as changed"
    assert report(file, INVOICE, "--action", "sent")["names"] == ["invoice.updated", "invoice.sent"]
    assert report(file, INVOICE, "--action", "updated")["names"] == ["invoice.updated", "invoice.sent"]
    paid = mlc(file, INVOICE, "--action", "paid")
    assert (paid.exit_code, "the record's status is 'sent'" in paid.stderr) == (3, True)


def test_a_body_that_does_not_say_its_kind(tmp_path: Path) -> None:
    """Payments have the same key at both sides: whoever asks must say which."""
    path = body(tmp_path, {"payment_id": "1", "amount": 5})
    result = mlc(EXAMPLE, path)
    assert result.exit_code == 3
    assert "say customer_payment or vendor_payment with --module" in result.stderr
    assert report(EXAMPLE, path, "--module", "vendor_payment")["event"] == "vendor_payment.created"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the body is not JSON"),
        ("nope", "the body is not JSON"),
        ("[1]", "the body is not a JSON object"),
        ('{"weather": {}}', "say which of invoice, bill,"),
        ('{"invoice": {}}', "ingest would answer 422 (record_unusable): invoice_id is missing"),
        ('{"invoice": {"invoice_id": "1", "total": "x"}}', "422 (record_unusable): total is not an amount"),
    ],
)
def test_a_body_that_nobody_can_read(content: str, why: str, tmp_path: Path) -> None:
    """Exit code 3 and one sentence."""
    result = mlc(EXAMPLE, body(tmp_path, content))
    assert (result.exit_code, result.stdout) == (3, "")
    assert why in result.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["invoice.payed"], "'invoice.payed' is no event; did you mean 'invoice.paid'?"),
        (["none.json"], "there is no file none.json"),
        (["a/b"], "there is no file a/b"),
        (["invoice.paid", "--module", "bill"], "leave out --module"),
        ([str(INVOICE), "--action", "dropped"], "'invoice.dropped' is no event"),
        ([str(INVOICE), "--module", "weather"], "'weather.created' is no event"),
        (["invoice.paid", "--with", "amount"], "write NAME=VALUE with a name of amount, party,"),
        (["invoice.paid", "--with", "total=5"], "write NAME=VALUE"),
        (["invoice.paid", "--with", "custom.=5"], "write NAME=VALUE"),
    ],
)
def test_wrong_usage(words: list[str], why: str) -> None:
    """Exit code 2, and what to write instead."""
    result = mlc(EXAMPLE, *words)
    assert (result.exit_code, why in " ".join(result.stderr.split())) == (2, True), result.stderr


def test_a_bad_connection_file(tmp_path: Path) -> None:
    """It is refused as by validate."""
    bad = tmp_path / "bad.toml"
    bad.write_text("connection = 1", "utf-8")
    result = mlc(bad, "invoice.paid")
    assert (result.exit_code, "bad.toml:1: connection: must be a text" in result.stderr) == (3, True)


def test_it_says_what_ingest_does(tmp_path: Path) -> None:
    """The destinations are those of the very deliveries, and nothing else follows from the routes that are taken."""
    for amount in ("9999.99", "10000"):
        found = report(EXAMPLE, INVOICE, "--with", f"amount={amount}")
        taken = [name for each in found["routes"] if each["verdict"] != "not taken" for name in each["to"]]
        assert found["destinations"] == list(dict.fromkeys(taken))
    assert "large-invoices" in found["destinations"]
