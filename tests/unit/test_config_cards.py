"""How cards look, as a connection file says it: what cannot be drawn is refused when the file is applied."""

from __future__ import annotations

import json

import pytest

from ml_connector.config.load import parse
from ml_connector.connections import Connection
from ml_connector.errors import ConfigError
from tests.card_cases import FILE

PLACE = "cards.toml:16: destinations.finance.card"


def text(card: str = "", head: str = "") -> str:
    return FILE.format(head=head, card=card, modules='["invoice"]')


def compiled(card: str = "", head: str = "") -> Connection:
    data = parse(text(card, head).encode(), "cards.toml").compiled()
    return Connection.from_data({**json.loads(json.dumps(data)), "version": 1, "applied_at": ""})


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ('fields = ["due", "balanse"]', "fields.2: 'balanse' is no field of a card; did you mean 'balance'?"),
        ('fields = ["custom."]', "fields.1: 'custom.' is no field of a card; there are date, due, balance"),
        ('fields = ["zoho.raw"]', "fields.1: 'zoho.raw' is no field of a card; there are date"),
        ('fields = ["due", "due"]', "fields: 'due' stands there twice"),
        ('labels = { deu = "Fällig" }', "labels: 'deu' is no label of a card; did you mean 'due'?"),
        ('labels = { "status." = "x" }', "labels: 'status.' is no label of a card"),
        ('labels = { due = "" }', "labels.due: "),
        ('labels = { created = "New {labl}" }', "labels: created: {labl} is no placeholder as it is written; there "),
        ('labels = { more = "and {0} more" }', "labels: more: {0} is no placeholder"),
        ('title = "{label} {nummer}"', "title: {nummer} is no placeholder as it is written; there are {headline}, "),
        ('title = "{party.__class__}"', "title: {party.__class__} is no placeholder"),
        ('title = "{amount:>10}"', "title: {amount} is no placeholder as it is written"),
        ('title = "{amount!r}"', "title: {amount} is no placeholder as it is written"),
        ('title = "{amount"', "title: a { or } stands alone"),
        ('title = ""', "title: "),
        ("lines = 21", "lines: "),
        ('colour = "red"', "colour: no such key"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(card: str, expected: str) -> None:
    """With its place, and with what there is instead: not when the first invoice comes."""
    with pytest.raises(ConfigError) as refused:
        parse(text(f"card = {{ {card} }}").encode(), "cards.toml")
    assert f"{PLACE}.{expected}" in str(refused.value)


def test_what_can_be_drawn_is_kept_as_plain_data() -> None:
    """A brace that is none of ours, a word for a status, a custom field."""
    look = 'fields = ["custom.cf_a", "due"], labels = { "status.sent" = "{Versendet}" }, title = "{{{number}}}"'
    card = compiled(f"card = {{ {look} }}").destinations["finance"]["card"]
    assert card == {
        "fields": ["custom.cf_a", "due"], "labels": {"status.sent": "{Versendet}"},
        "title": "{{{number}}}", "lines": 10, "replies": True,
    }  # fmt: skip
    assert "card" not in compiled().destinations["finance"]


@pytest.mark.parametrize("name", ["en", "de", "de-CH", "en-001", "zh-Hant-TW", "fil"])
def test_a_locales_formats_come_with_the_connection(name: str) -> None:
    """As data, so that no function ever asks Babel; English needs none."""
    there = compiled(head=f'locale = "{name}"')
    assert there.locale == name
    assert (there.formats == Connection.from_data(_bare()).formats) == (name in ("en", "en-001"))


def _bare() -> dict[str, object]:
    data = parse(text().encode(), "x").compiled()
    return {**data, "version": 1, "applied_at": ""}


@pytest.mark.parametrize(
    ("name", "why"), [("xx", "no such locale"), ("en-XX", "no such locale"), ("German", "must be a locale such as")]
)
def test_a_locale_that_nobody_has_is_refused(name: str, why: str) -> None:
    """A typing error would otherwise show in every amount."""
    with pytest.raises(ConfigError, match=f"cards.toml:3: locale: {why}"):
        parse(text(head=f'locale = "{name}"').encode(), "cards.toml")


@pytest.mark.parametrize("account", ["https://acme.monday.com", "acme.monday.com", "Acme", "a/b"])
def test_an_account_is_a_name_and_no_address(account: str) -> None:
    """It becomes part of a link that people follow."""
    with pytest.raises(ConfigError, match="must be the account's name alone"):
        parse(text().replace('"acme"', f'"{account}"').encode(), "cards.toml")
