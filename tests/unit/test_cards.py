"""The card of a record (contracts: microsoft-teams 5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft6Validator

from ml_connector.changes import snapshot
from ml_connector.config.formats import formats_of
from ml_connector.connections import Connection
from ml_connector.destinations.teams.card import MAX_BYTES, MAX_LINES, Around, card, cut, escape, summary
from ml_connector.destinations.teams.cards import Cards
from ml_connector.destinations.teams.words import FIELDS
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.ports import Memory
from sandbox.vendors import cards
from tests.fakes import NOW, connection, delivery, monday_settings, payload, record_of

_INJECTION = "[click](https://evil.example) **b** _i_ `c` # h\n- l\n1. n <at>x</at> {{DATE(2026-01-01T00:00:00Z)}} \\"
_RTL = "شركة الميناء \u202eevil\u202c للتجارة 株式会社 🧾"


def _line(number: int) -> dict[str, Any]:
    return {"line_item_id": str(number), "name": f"Position {number} " + "x" * 300, "quantity": 3, "item_total": "9.99"}


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "500 lines": {"line_items": [_line(number) for number in range(500)]},
    "no lines": {"line_items": ""},
    "other currency": {"currency_code": "JPY", "exchange_rate": "0.0061"},
    "injection": {"reference_number": _INJECTION, "status": _INJECTION, "payment_mode": _INJECTION},
    "right to left": {"reference_number": _RTL, "line_items": [{"name": _RTL}]},
    "long": {"reference_number": "9" * 100_000, "status": "s" * 100_000, "payment_mode": "m" * 100_000},
    "huge amounts": {"total": "9" * 30, "amount": "9" * 30, "exchange_rate": "1234.5678901"},
}


def _deliveries() -> Iterator[Any]:
    for module, shape in MODULES.items():
        for action in ACTIONS:
            for name, changes in VARIANTS.items():
                named = {"injection": _INJECTION, "right to left": _RTL, "long": "n" * 100_000}
                parties = {shape.party[0]: named[name], shape.number_field: named[name]} if name in named else {}
                settled = (
                    {shape.settles[0]: [{shape.settles[1]: name, "amount_applied": "1"}] * 500} if shape.settles else {}
                )
                each = delivery(module=module, action=action, **{**changes, **parties, **settled})
                yield pytest.param(each, id=f"{each.event.name}, {name}")
            bare: dict[str, Any] = {key: "" for key in payload(module) if key != shape.id_field}
            yield pytest.param(delivery(module=module, action=action, **bare), id=f"{module}.{action}, missing fields")


@pytest.mark.parametrize("each", list(_deliveries()))
def test_every_card_is_one_that_teams_takes(each: Any) -> None:
    """Whatever stands in the record: valid against the schema (5.4), within its size, with text for old clients."""
    content = card(each.event, record_of(each), connection())
    assert cards.problems(content) == []
    assert (content["version"], content["msteams"]) == ("1.5", {"width": "Full"})
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES
    assert 0 < len(summary(each.event, record_of(each))) <= 400


@pytest.mark.parametrize("module", MODULES)
def test_plain_validator_agrees(module: str) -> None:
    """The same verdict without the shortcuts of our own check."""
    each = delivery(module=module)
    content = card(each.event, record_of(each), connection())
    del content["msteams"]
    Draft6Validator(json.loads(cards.SCHEMA.read_text(encoding="utf-8"))).validate(content)


def texts(node: Any) -> list[str]:
    """All that a reader sees."""
    if isinstance(node, list):
        return [text for each in node for text in texts(each)]
    if isinstance(node, dict):
        own = [node[key] for key in ("text", "value") if isinstance(node.get(key), str)]
        return own + [text for each in node.values() for text in texts(each)]
    return []


def shown(**changes: Any) -> list[str]:
    each = delivery(**changes)
    return texts(card(each.event, record_of(each), connection())["body"])


def test_facts_that_matter_are_there() -> None:
    """Number, party, amount with its currency, status, dates, balance, and the id that leads back to Zoho."""
    text = shown(status="partially_paid")
    for wanted in (
        "New invoice INV-000412", "Harbour Lane Bakery", "1,284.50 EUR", "Partially paid", "20 Nov 2026",
        "5 Dec 2026", "460000000098765",
    ):  # fmt: skip
        assert wanted in text


def facts_of(content: Any) -> dict[str, str]:
    """All facts, those of what has changed included."""
    if isinstance(content, list):
        return {title: value for each in content for title, value in facts_of(each).items()}
    if not isinstance(content, dict):
        return {}
    own = {fact["title"]: fact["value"] for fact in content.get("facts", ())}
    return {title: value for each in content.values() for title, value in facts_of(each).items()} | own


def test_later_states_do_not_call_it_new() -> None:
    """The same card, brought up to date, speaks of the record as it is."""
    assert shown(action="updated")[0] == "Invoice INV-000412"


@pytest.mark.parametrize(
    ("action", "status", "headline"),
    [
        ("created", "", "New invoice INV-000412"),
        ("created", "sent", "New invoice INV-000412"),
        ("updated", "", "Invoice INV-000412"),
        ("updated", "paid", "Invoice paid: INV-000412"),
        ("updated", "partially_paid", "Invoice partially paid: INV-000412"),
    ],
)
def test_headline_says_what_happened(action: str, status: str, headline: str) -> None:
    """A change of status that a route asked for is the news; a new record is news enough."""
    each = delivery(action=action, status=status or "draft")
    event = replace(each.event, status=status)
    assert summary(event, record_of(each)).startswith(f"{headline} · ")
    assert escape(headline) in json.dumps(card(event, record_of(each), connection()))


def test_card_of_a_deleted_record_is_short() -> None:
    """Its number as remembered, its status, its id; no link, because there is nothing to open."""
    each = delivery(action="deleted")
    record = replace(record_of(each), number="INV-000412")
    content = card(each.event, record, connection())
    assert summary(each.event, record) == "Invoice deleted: INV-000412 · Deleted"
    assert "actions" not in content
    (header, facts) = content["body"]
    assert (header["style"], header["id"]) == ("attention", "zoho-invoice-460000000098765")
    assert facts["facts"] == [{"title": "Zoho id", "value": "460000000098765"}]


HTML = ["<b>Bakery</b><script>alert(1)</script>", "<at>everyone</at>", "&lt;i&gt;", '"><img src=x>']


@pytest.mark.parametrize("name", HTML)
def test_html_of_strangers_is_text(name: str) -> None:
    """A card knows no HTML: what looks like it is shown letter by letter, but for markdown's own signs."""
    each = delivery(customer_name=name)
    columns = card(each.event, record_of(each), connection())["body"][0]["items"][0]["columns"]
    assert columns[0]["items"][1]["text"] == escape(name)
    assert re.sub(r"\\([^\w\s])", r"\1", escape(name)) == name


def test_link_opens_the_record_in_its_data_centre() -> None:
    """One click from the channel to the books."""
    each = delivery()
    (action,) = card(each.event, record_of(each), connection())["actions"]
    assert action["url"] == "https://books.zoho.eu/app/20081234567#/invoices/460000000098765"


def test_line_items_fold() -> None:
    """Ten lines, and how many more there are, with the way to them."""
    text = shown(line_items=[{"name": f"Position {number}", "item_total": "1"} for number in range(47)])
    assert sum(each.startswith("Position") for each in text) == MAX_LINES
    assert text[-1] == "[and 37 more lines](https://books.zoho.eu/app/20081234567#/invoices/460000000098765)"
    assert shown(line_items=[{"name": "x"}] * 11)[-1].startswith("[and 1 more line](")


def test_other_currencies_show_the_books_own() -> None:
    """A foreign invoice says what it is in the organization's currency, whose code is not always known."""
    assert "1,412.95 at 1.1" in shown(currency_code="USD", exchange_rate="1.1")
    assert not [text for text in shown(exchange_rate="1.0") if " at " in text]
    known = connection(zoho={"region": "eu", "organization_id": "1", "modules": ["invoice"], "base_currency": "JPY"})
    each = delivery(currency_code="USD", exchange_rate="150.25")
    facts = facts_of(card(each.event, record_of(each), known))
    assert facts["In JPY"] == "192,996 JPY at 150.25"
    same = delivery(currency_code="JPY", exchange_rate="150.25")
    assert "In JPY" not in facts_of(card(same.event, record_of(same), known))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Ölmühle & Söhne, Inc. - 50% off", "Ölmühle & Söhne, Inc. - 50% off"),
        ("[click](https://evil.example)", "\\[click\\]\\(https://evil.example\\)"),
        ("**bold** _it_ `c`", "\\*\\*bold\\*\\* \\_it\\_ \\`c\\`"),
        ("\\[not a link](x)", "\\\\\\[not a link\\]\\(x\\)"),
        ("# heading > quote | cell ~s~", "\\# heading \\> quote \\| cell \\~s\\~"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("* item", "\\* item"),
        ("1. item", "1\\. item"),
        ("1) item", "1\\) item"),
        ("2026-11-22", "2026-11-22"),
        ("3.14", "3.14"),
        ("-5", "-5"),
        ("a\n\n- b\r\n1. c", "a - b 1. c"),
        ("{{DATE(2026-01-01T00:00:00Z, SHORT)}}", "{ {DATE\\(2026-01-01T00:00:00Z, SHORT\\)}}"),
        ("{{{x", "{ { {x"),
    ],
)
def test_markdown_of_strangers_is_shown_not_obeyed(text: str, escaped: str) -> None:
    """A customer's name can hold anything (5.3); a digit is not escaped, for a backslash would show there."""
    assert escape(text) == escaped


@given(st.text(max_size=300))
@example("\u2069\u2069 [a](b) \u2068שלום")
def test_escaped_text_is_one_short_line_without_open_markdown(text: str) -> None:
    """No text makes a link, a list, a second line or an unlimited card."""
    escaped = escape(text)
    assert len(escaped.replace("\\", "").strip("\u2068\u2069")) <= 200
    assert len(escaped.splitlines()) <= 1 or not any(each in escaped for each in "\r\n")
    plain = escaped.replace("\\\\", "")
    assert not [each for each in "[]()*_`" if plain.count(each) != plain.count("\\" + each)]
    assert "{{" not in escaped


# --- days, money, words ------------------------------------------------------------------------------------------

TODAY = date(2026, 11, 22)


def around(**settings: Any) -> Around:
    return Around(look=settings, today=TODAY)


def drawn(about: Around, *, at: Connection | None = None, action: str = "created", **changes: Any) -> dict[str, Any]:
    each = delivery(action=action, **changes)
    return card(each.event, record_of(each), at or connection(), about)


@pytest.mark.parametrize(
    ("due", "text"),
    [
        ("2026-12-04", "4 Dec 2026 · in 12 days"),
        ("2026-11-23", "23 Nov 2026 · in 1 day"),
        ("2026-11-22", "22 Nov 2026 · today"),
        ("2026-11-21", "21 Nov 2026 · 1 day overdue"),
        ("2026-11-19", "19 Nov 2026 · 3 days overdue"),
    ],
)
def test_due_date_says_how_far_away_it_is(due: str, text: str) -> None:
    """And of which day that is said, because a card stays while days pass."""
    content = drawn(around(), due_date=due)
    assert facts_of(content)["Due"] == text
    assert content["body"][-1]["text"] == "As of 22 Nov 2026"


@pytest.mark.parametrize(
    "changes", [{"status": word} for word in ("paid", "void", "closed", "draft")] + [{"balance": 0}]
)
def test_nothing_hurries_about_what_is_settled(changes: dict[str, Any]) -> None:
    """Paid, given up or not sent yet: the date alone."""
    content = drawn(around(), due_date="2026-11-19", **changes)
    assert facts_of(content)["Due"] == "19 Nov 2026"
    assert "As of" not in json.dumps(content)


def test_a_quote_expires_and_is_not_owed() -> None:
    """Nobody is behind with a date that only ends an offer."""
    each = delivery(module="estimate", expiry_date="2026-11-19")
    assert facts_of(card(each.event, record_of(each), connection(), around()))["Expires"] == "19 Nov 2026 · 3 days ago"


@pytest.mark.parametrize(
    ("zone", "now", "text"),
    [
        ("UTC", "2026-11-22T23:30:00+00:00", "in 13 days"),
        ("Europe/Berlin", "2026-11-22T23:30:00+00:00", "in 12 days"),
        ("America/New_York", "2026-11-22T03:00:00+00:00", "in 14 days"),
        ("Moon/Tycho", "2026-11-22T23:30:00+00:00", "in 13 days"),
    ],
)
def test_today_is_where_the_connection_is(zone: str, now: str, text: str) -> None:
    """Around midnight it decides; a machine without time zones counts in UTC."""
    there = connection(time_zone=zone)
    each = delivery()
    cards = Cards(there.destinations["finance"], there, lambda: datetime.fromisoformat(now))
    assert facts_of(cards.card(each.event, record_of(each), Memory()))["Due"] == f"5 Dec 2026 · {text}"


def test_a_locale_decides_how_amounts_and_dates_look() -> None:
    """On the card and in the notification; the currency's decimals are the currency's own."""
    german = connection(formats=formats_of("de"))
    content = drawn(around(), at=german, currency_code="KWD")
    assert facts_of(content)["Due"] == "05.12.2026 · in 13 Tagen"
    assert facts_of(content)["Balance due"] == "1.284,500 KWD"
    assert "· 1.284,500 KWD ·" in content["fallbackText"]


def test_words_fields_and_title_are_the_destinations_own() -> None:
    """In their order; the id is there whatever is asked for, because it leads back to the books."""
    own = around(
        fields=["due", "custom.cf_office", "amount"],
        title="{label} {number}: {status} ({event})",
        labels={"due": "Fällig *", "custom.cf_office": "Büro", "invoice": "Rechnung", "status.sent": "Versendet"},
        lines=0,
    )
    content = drawn(own, custom_fields=[{"api_name": "cf_office", "value": "Nord"}])
    assert list(facts_of(content).items()) == [
        ("Fällig \\*", "5 Dec 2026 · in 13 days"), ("Büro", "Nord"), ("Amount", "1,284.50 EUR"),
        ("Zoho id", "460000000098765"),
    ]  # fmt: skip
    assert texts(content["body"])[0] == escape("Rechnung INV-000412: Versendet (invoice.created)")
    assert content["fallbackText"] == "New Rechnung INV-000412 · Harbour Lane Bakery · 1,284.50 EUR · Versendet"
    assert "Table" not in json.dumps(content)


# --- what has changed ------------------------------------------------------------------------------------------------


def test_an_update_says_what_has_changed() -> None:
    """Before and after, each in its own currency and in people's words."""
    before = record_of(delivery(status="draft", due_date="2026-12-01", line_items=[], customer_name="Harbour [Lane]"))
    memory = Memory(
        "done", amount="1000", currency="USD", number="INV-000412", date="2026-11-20", shown=snapshot(before)
    )
    content = drawn(around()._replace(memory=memory), action="updated")
    assert content["body"][1]["items"][1]["facts"] == [
        {"title": "Customer", "value": "Harbour \\[Lane\\] → Harbour Lane Bakery"},
        {"title": "Due", "value": "1 Dec 2026 → 5 Dec 2026"},
        {"title": "Amount", "value": "1,000.00 USD → 1,284.50 EUR"},
        {"title": "Status", "value": "Draft → Sent"},
    ]
    assert cards.problems(content) == []


def test_a_deleted_record_keeps_its_name_and_amount() -> None:
    """Zoho gives its id alone; the row remembers what it was."""
    memory = Memory("done", amount="1284.50", currency="EUR", shown=snapshot(record_of(delivery())))
    content = drawn(around()._replace(memory=memory), action="deleted")
    assert {"Harbour Lane Bakery", "1,284.50 EUR", "Deleted"} <= set(texts(content["body"]))
    assert len(content["body"]) == 2


# --- buttons ---------------------------------------------------------------------------------------------------------


def buttons(at: Connection, memory: Memory, action: str = "created") -> dict[str, str]:
    each = delivery(action=action)
    content = Cards(at.destinations["finance"], at, lambda: NOW).card(each.event, record_of(each), memory)
    return {button["title"]: button["url"] for button in content.get("actions", ())}


def test_monday_is_one_click_away() -> None:
    """The item if it is known, else the board if it is routed there and the account has a name; else nothing."""
    item = "https://acme.monday.com/boards/1234567890/pulses/1"
    plain = connection()
    named = connection(destinations={**plain.destinations, "ledger": monday_settings(account="acme")})
    elsewhere = connection(destinations=named.destinations, routes=[{"events": ["bill.*"], "to": ["ledger"]}])
    known = Memory(links={"ledger": item, "notes": "https://books.zoho.eu/x"})
    assert buttons(plain, known)["Open in monday"] == item
    assert buttons(named, Memory())["Open in monday"] == "https://acme.monday.com/boards/1234567890"
    assert list(buttons(plain, Memory())) == list(buttons(elsewhere, Memory())) == ["Open in Zoho Books"]
    assert buttons(named, known, "deleted") == {}


# --- from right to left --------------------------------------------------------------------------------------------


def test_names_from_right_to_left_keep_to_themselves() -> None:
    """What follows one stays where it is: it is isolated, and cannot turn the line by controls of its own."""
    assert escape("شركة (٢)") == "\u2068شركة \\(٢\\)\u2069"
    assert escape("abc \u202egnp.exe") == "abc gnp.exe"
    each = delivery(customer_name="\u2067שלום")
    assert " · \u2068שלום\u2069 · 1,284.50 EUR · " in summary(each.event, record_of(each))


def test_a_locale_from_right_to_left_turns_the_card() -> None:
    """Its lines begin at the right; amounts side by side keep their own order, and the arrow points to the new one."""
    memory = Memory("done", amount="1000", currency="EUR", shown=snapshot(record_of(delivery())))
    arabic = connection(formats=formats_of("ar"))
    content = drawn(Around(today=TODAY, memory=memory), at=arabic, action="updated")
    assert content["rtl"] is True
    assert facts_of(content["body"][1])["Amount"] == "\u20681,000.00 EUR\u2069 ← \u20681,284.50 EUR\u2069"
    assert "rtl" not in drawn(around())


@given(st.text(alphabet="ab\u2066\u2067\u2068\u2069\u202eש ", max_size=60), st.integers(2, 30))
def test_isolates_always_end(text: str, length: int) -> None:
    """Whatever a name begins it also ends, and what it ends it has begun: nothing around it is turned."""
    depth = 0
    for character in (shown := cut(text, length)):
        depth += (character == "\u2068") - (character == "\u2069")
        assert depth >= 0
    assert depth == 0
    assert len(shown) <= length
    assert not set(shown) & set("\u2066\u2067\u202e")


_texts = st.text(max_size=400)


@given(
    party=_texts, reference=_texts, number=_texts, line=_texts, custom=_texts, label=st.text(min_size=1, max_size=60),
    count=st.integers(0, 60), fields=st.lists(st.sampled_from([*FIELDS, "custom.cf_a"]), unique=True),
)  # fmt: skip
def test_no_record_makes_a_card_that_teams_refuses(
    party: str, reference: str, number: str, line: str, custom: str, label: str, count: int, fields: list[str]
) -> None:
    """Whatever texts a record and a destination's labels hold: valid, small enough, and with its id."""
    content = drawn(
        around(fields=fields, labels=dict.fromkeys(FIELDS, label), title="{number} {party} {headline}"),
        customer_name=party, reference_number=reference, invoice_number=number,
        custom_fields=[{"api_name": "cf_a", "value": custom}],
        line_items=[{"name": line, "quantity": 1, "item_total": 1}] * count,
    )  # fmt: skip
    assert cards.problems(content) == []
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_BYTES
    assert "460000000098765" in texts(content["body"])
    assert not any("{{" in text for text in texts(content))
