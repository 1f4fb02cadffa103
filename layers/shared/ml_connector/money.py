"""Amounts for people: ISO 4217 decimals, digits in groups, the currency's code always beside them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_EXACT = Context(prec=100)  # Python's default of 28 digits raises for amounts that a record may have.
_DECIMALS = dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3) | {"CLF": 4, "UYW": 4}


def decimals(currency: str) -> int:
    return _DECIMALS.get(currency, 2)


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP, _EXACT)


def shown(amount: Decimal | None, currency: str) -> str:
    """`1,284.50 EUR`; "" for no amount."""
    if amount is None:
        return ""
    whole = rounded(amount, currency)
    # Nothing is owed below zero, even if a thousandth was.
    return f"{whole or abs(whole):,f} {currency}".rstrip()
