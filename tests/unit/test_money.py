"""Amounts for people."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector.money import decimals, rounded, shown

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1284.5", "EUR", "1,284.50 EUR"),
        ("18240.75", "USD", "18,240.75 USD"),
        ("0", "EUR", "0.00 EUR"),
        ("-12.345", "EUR", "-12.35 EUR"),
        ("1234567", "JPY", "1,234,567 JPY"),
        ("1.5", "JPY", "2 JPY"),
        ("1.2345", "KWD", "1.235 KWD"),
        ("5", "", "5.00"),
        ("7", "XYZ", "7.00 XYZ"),
    ],
)
def test_the_currency_decides_the_decimals(amount: str, currency: str, text: str) -> None:
    """ISO 4217: none for yen, three for dinars, two otherwise; halves are rounded up."""
    assert shown(Decimal(amount), currency) == text


def test_no_amount_shows_nothing() -> None:
    """A missing amount is not zero."""
    assert shown(None, "EUR") == ""


@given(amounts, st.sampled_from(["EUR", "JPY", "KWD", "CLF", ""]))
def test_every_amount_that_a_record_may_have_can_be_shown(amount: Decimal, currency: str) -> None:
    """No amount, however large, breaks a card; rounding is never off by more than half a unit."""
    unit = Decimal(1).scaleb(-decimals(currency))
    assert abs(rounded(amount, currency) - amount) <= unit
    assert shown(amount, currency)
