"""How amounts, dates and days are written in a locale: Babel is asked when a file is applied, never later."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from babel import localedata
from babel.dates import format_date, format_timedelta
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.config.formats import formats_of, locale_of
from ml_connector.formats import Formats
from ml_connector.money import shown

LOCALES = ("en", "en-US", "en-IN", "de", "de-CH", "fr", "es", "it", "nl", "pl", "cs", "ru", "sl", "sv", "tr", "pt-BR",
           "ja", "zh-Hant-TW", "ko", "th", "hi", "ar", "he", "fa", "lv", "ga", "cy")  # fmt: skip


def of(locale: str) -> Formats:
    """By way of JSON, as it is stored."""
    return Formats.of(json.loads(json.dumps(formats_of(locale))))


@pytest.mark.parametrize("locale", LOCALES)
def test_it_is_written_as_babel_writes_it(locale: str) -> None:
    """The few lines that run in Lambda agree with the library: numbers, dates, days ahead and gone by."""
    formats, known = of(locale), locale_of(locale)
    for text in ("0", "7", "123", "1234", "98765.45", "12345678901234.567"):
        assert formats.number(Decimal(text)) == format_decimal(text, locale=known, decimal_quantization=False)
    for month in range(1, 13):
        day = date(2026, month, 5)
        assert formats.day(day) == format_date(day, "medium", known)
    for days in (*range(1, 330), 1000, 1001, 1002, 1011, 3000):
        for sign in (1, -1):
            said = format_timedelta(
                timedelta(days=sign * days), "day", threshold=float("inf"), add_direction=True, locale=known
            )
            assert formats.away(sign * days, owed=False) == said


def test_every_locale_of_cldr_can_be_applied() -> None:
    """None of a thousand breaks a card, nor takes room that would be felt."""
    for name in localedata.locale_identifiers():
        formats = of(name.replace("_", "-"))
        assert formats.amount(Decimal("-1284.5"), "EUR").endswith(" EUR"), name
        assert "2026" in formats.day(date(2026, 11, 22)), name
        assert "12" in formats.away(12), name
        assert len(json.dumps(formats_of(name.replace("_", "-"))).encode()) < 2500, name


def test_english_needs_no_data() -> None:
    """What holds for connections without it is what CLDR says of English, of no country in particular."""
    assert of("en") == Formats() == Formats.of({})
    assert Formats().day(date(2026, 12, 5)) == "5 Dec 2026"
    assert of("en-US").day(date(2026, 12, 5)) == "Dec 5, 2026"


@pytest.mark.parametrize(
    ("locale", "amount", "text"),
    [
        ("en", "-1284.5", "-1,284.50 EUR"),
        ("de", "1284.5", "1.284,50 EUR"),
        ("de-CH", "1284.5", "1’284.50 EUR"),
        ("sv", "-1284.5", "−1\u00a0284,50 EUR"),
        ("en-IN", "12845000", "1,28,45,000.00 EUR"),
    ],
)
def test_amounts_are_the_locales(locale: str, amount: str, text: str) -> None:
    """Its groups, its decimal sign, its minus; the currency's code follows."""
    assert of(locale).amount(Decimal(amount), "EUR") == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_english_amounts_are_the_same_everywhere(amount: Decimal) -> None:
    """Cards, notes and reports agree to the last digit."""
    for currency in ("EUR", "JPY", "KWD", ""):
        assert Formats().amount(amount, currency) == shown(amount, currency)


def test_only_english_knows_overdue() -> None:
    """CLDR has no word for it: elsewhere a day that has gone by says it."""
    assert (of("en").away(-3), of("de").away(-3)) == ("3 days overdue", "vor 3 Tagen")
    assert (of("en").away(0), of("de").away(0)) == ("today", "")


def test_data_of_another_release_is_read() -> None:
    """A key that is not known yet is left alone, one that is missing is as in English."""
    assert Formats.of({"decimal": ",", "week": "Mon"}) == Formats(decimal=",")


@pytest.mark.parametrize("name", ["xx", "en-XX", "deutsch", "de_DE.UTF-8", "../de"])
def test_a_locale_that_nobody_has_is_refused(name: str) -> None:
    """In a sentence, when the file is applied."""
    with pytest.raises(ValueError, match="no such locale; they are called like"):
        locale_of(name)
