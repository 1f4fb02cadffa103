"""What goes wrong with Teams: each has a clear sentence and the next step, in the trail and on the parked queue.

Through the product's own courier against the strict stand-ins; what `mlc doctor` says of it is in test_teams_cli.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ml_connector.config.load import parse
from ml_connector.errors import ConfigError, NeedsAttention, RetryLater
from ml_connector.tokens import remedy
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company
from tests.unit.test_config_cards import text

Breaks = Callable[[Company], None]


def _app(company: Company) -> Any:
    return company.world.microsoft.apps[w.MICROSOFT_TENANT, w.MICROSOFT_CLIENT_ID]


def _elsewhere(company: Company) -> None:
    company.secrets.put(
        "acme-eu",
        "microsoft",
        {
            "tenant_id": "00000000-0000-4000-a000-000000000000",
            "client_id": w.MICROSOFT_CLIENT_ID,
            "client_secret": w.MICROSOFT_CLIENT_SECRET,
        },
    )


def _refuses(status: int, body: dict[str, Any], **rule: Any) -> Breaks:
    return lambda company: company.fault("status", status=status, body=body, count=None, **rule)


CHANNEL_GONE: Breaks = lambda company: company.world.microsoft.channels.pop(w.CHANNEL_FINANCE) and None  # noqa: E731
NOT_INSTALLED: Breaks = lambda company: company.world.microsoft.channels[w.CHANNEL_FINANCE].installed.clear()  # noqa: E731
EXPIRED: Breaks = lambda company: _app(company).secrets.update({w.MICROSOFT_CLIENT_SECRET: 1.0})  # noqa: E731
NO_CONSENT = _refuses(400, {"error": "invalid_grant", "error_codes": [65001]}, vendor="entra")
TOO_LARGE = _refuses(413, {"error": {"code": "MessageSizeTooBig", "message": "Message size too large."}}, vendor="bot")


@pytest.mark.parametrize(
    ("breaks", "says", "next_step"),
    [
        (CHANNEL_GONE, "the channel does not exist (any more)", "put channel_id right and apply"),
        (NOT_INSTALLED, "the Teams app is not installed in this team", "`mlc teams install CONNECTION`"),
        (TOO_LARGE, "the card is too large for Teams", "show fewer fields and lines"),
    ],
    ids=["channel deleted", "bot not installed", "card too large"],
)
def test_what_teams_refuses_is_parked_with_the_next_step(breaks: Breaks, says: str, next_step: str) -> None:
    """One attempt, one entry of the trail with the reason; the record's item is made all the same."""
    company = Company()
    saved = company.saves("invoice")
    breaks(company)
    result = company.carries(saved, "finance")
    assert result.outcome == "parked"
    assert says in result.reason
    assert next_step in result.reason
    entry = company.deliveries.audit.entries[-1]
    assert (entry.outcome, entry.destination, entry.reason) == ("parked", "finance", result.reason)
    assert company.carries(saved, "ledger").outcome == "delivered"


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (NO_CONSENT, "Consent is missing. Grant admin consent"),
        (EXPIRED, "The client secret has expired. Create a new one"),
        (_elsewhere, "The tenant id is unknown in this cloud. Put tenant_id"),
    ],
    ids=["consent missing", "secret expired", "tenant wrong"],
)
def test_what_entra_refuses_is_the_connections_matter(breaks: Breaks, says: str) -> None:
    """Events wait for it; the trail says why, and `mlc doctor` and the admin channel what to type. No secret in it."""
    company = Company()
    saved = company.saves("invoice")
    breaks(company)
    with pytest.raises(RetryLater):
        company.courier().carry(replace(saved, destination="finance"), 1, company.clock())
    entry = company.deliveries.audit.entries[-1]
    assert (entry.outcome, entry.destination) == ("retry", "finance")
    assert says in entry.reason
    assert w.MICROSOFT_CLIENT_SECRET not in entry.reason
    with pytest.raises(NeedsAttention) as refused:
        company.tokens.access_token("acme-eu", "microsoft.bot")
    # What an app is refused no sign-in of a person puts right.
    assert remedy("acme-eu", "microsoft.bot", refused.value.remedy) == "mlc credentials set acme-eu microsoft"
    assert remedy("acme-eu", "microsoft.delegated", "consent") == "mlc auth microsoft acme-eu"


@pytest.mark.parametrize(
    ("fields", "shows"),
    [
        ({"customer_name": "**Bold** [a](https://evil.example)"}, "\\*\\*Bold\\*\\* \\[a\\]\\(https://evil.example\\)"),
        ({"customer_name": "<b>Bakery</b><script>x</script>"}, "<b\\>Bakery</b\\>"),
        ({"customer_name": "Bäckerei 🥐 Zoë 👩‍🍳"}, "Bäckerei 🥐 Zoë 👩‍🍳"),
        ({"currency_code": "ZZZ", "total": "1234.5"}, "1,234.50 ZZZ"),
        ({"currency_code": "", "total": "1234.5"}, "1,234.50"),
        ({"line_items": [{"name": "x" * 5000, "quantity": 1, "item_total": 1}] * 400}, "more lines"),
    ],
    ids=["markdown", "HTML", "emoji", "unknown currency", "no currency", "400 long lines"],
)
def test_what_people_write_becomes_a_card_that_teams_takes(fields: dict[str, Any], shows: str) -> None:
    """Shown as it was written, neither obeyed nor refused; what is too long folds."""
    company = Company()
    assert company.carries(company.saves("invoice", fields), "finance").outcome == "delivered"
    (post,) = company.posts()
    shown = json.dumps(post.card, ensure_ascii=False).replace("\\\\", "\\")
    assert shows in re.sub("[\u2066-\u2069]", "", shown)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ('title = "{nummer}"', "{nummer} is no placeholder as it is written; there are {headline}"),
        ('fields = ["balanse"]', "'balanse' is no field of a card; did you mean 'balance'?"),
        (
            'labels = { created = "New {labl}" }',
            "{labl} is no placeholder as it is written; there are {label}, {number}",
        ),
    ],
)
def test_template_with_an_unknown_field_is_refused_when_it_is_applied(card: str, says: str) -> None:
    """With file, line and what there is instead; the old configuration stays in force."""
    with pytest.raises(ConfigError) as refused:
        parse(text(f"card = {{ {card} }}").encode(), "cards.toml")
    assert re.match(r"cards\.toml:\d+: ", str(refused.value))
    assert says in str(refused.value)
