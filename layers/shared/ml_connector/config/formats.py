"""How a locale writes amounts, dates and days, out of CLDR (Babel): the data of ml_connector.formats.Formats."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_timedelta, get_date_format, tokenize_pattern
from babel.numbers import get_decimal_symbol, get_group_symbol, get_minus_sign_symbol

from ml_connector.formats import Formats

_INTERNATIONAL = {"en": "en-001"}
"""English of no country: 5 Dec 2026, where en-US writes Dec 5, 2026."""
_FIELDS = {"d", "dd", "M", "MM", "MMM", "y"}
_MOST_DAYS = 200


def locale_of(name: str) -> Locale:
    """Raises ValueError, with a sentence, for a name that CLDR does not know."""
    try:
        return Locale.parse(_INTERNATIONAL.get(name, name), sep="-")
    except (UnknownLocaleError, ValueError):
        raise ValueError("no such locale; they are called like de, de-CH or en-US") from None


def formats_of(name: str) -> dict[str, Any]:
    """The data of a locale, as JSON has it. Raises ValueError."""
    locale = locale_of(name)
    last, further = locale.decimal_formats[None].grouping
    categories = sorted({locale.plural_form(number) for number in range(1, _MOST_DAYS)})
    plurals = "".join(str(_index(locale, number, categories)) for number in range(_MOST_DAYS))
    english = locale.language == "en"
    return {
        "decimal": get_decimal_symbol(locale),
        "group": get_group_symbol(locale),
        "groups": [last, further],
        "minus": get_minus_sign_symbol(locale),
        "date": _date(locale),
        "months": [format_date(date(2026, month, 1), "MMM", locale) for month in range(1, 13)],
        "plurals": "" if plurals == "10" + "1" * (_MOST_DAYS - 2) else plurals,
        "ahead": [_days(locale, category, 1) for category in categories],
        "ago": [_days(locale, category, -1) for category in categories],
        "overdue": [form.replace("ago", "overdue") for form in (_days(locale, each, -1) for each in categories)]
        if english
        else [],
        "today": Formats().today if english else "",
        "rtl": locale.character_order == "right-to-left",
    }


def _index(locale: Locale, number: int, categories: list[str]) -> int:
    # 0 is never asked for, and may have a form of its own.
    found = locale.plural_form(number)
    return categories.index(found if found in categories else categories[-1])


def _days(locale: Locale, category: str, sign: int) -> str:
    """The form of a category, with `{0}` for the number: some leave it out, as Arabic for two days."""
    number = next(number for number in range(1, _MOST_DAYS) if locale.plural_form(number) == category)
    # A threshold that nothing reaches: days stay days, and never become weeks.
    text = format_timedelta(
        timedelta(days=sign * number), granularity="day", threshold=float("inf"), add_direction=True, locale=locale
    )
    return _braces(text).replace(str(number), "{0}", 1)


def _date(locale: Locale) -> str:
    pattern = get_date_format("medium", locale).pattern
    parts = []
    for _, value in tokenize_pattern(pattern):
        if isinstance(value, str):
            parts.append(_braces(value))
            continue
        letter, count = value
        name = letter * count
        if name not in _FIELDS:
            # An era, in two locales. ISO 8601 is understood there, too.
            return "{y}-{MM}-{dd}"
        parts.append(f"{{{name}}}")
    return "".join(parts)


def _braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
