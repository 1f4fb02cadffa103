"""What a strict Zoho says to our tokens, and what a strict Teams makes of the notices about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ml_connector.attention import Attention
from ml_connector.destinations.teams import notice
from ml_connector.errors import NeedsAttention
from ml_connector.notices import Notices
from sandbox.vendors import default_world as w
from tests.contract.test_against_standins import Company
from tests.fakes import Connections
from tests.unit.test_attention import Incidents
from tests.unit.test_notices import Board, texts


class Watched(Company):
    """A company whose tokens are watched; people are told in `channel`."""

    def __init__(self, admin: str, channel: str) -> None:
        super().__init__()
        self.channel = channel
        self.failures: list[Exception] = []
        applied = Connections({"acme-eu": replace(self.connection, admin=admin)})
        board, registry = Board(), self.registry
        notices = Notices(
            board, registry, notice.request, self.clock, lambda *failure: self.failures.append(failure[2])
        )
        self.attention = Attention(self.tokens.agenda, Incidents(), applied, notices, self.clock)

    def told(self) -> list[list[str]]:
        return [texts(post.card["body"]) for post in self.posts(self.channel)]

    def credentials(self, **changes: Any) -> None:
        self.secrets.stored["acme-eu", "zoho"] = {**self.secrets.stored["acme-eu", "zoho"], **changes}
        self.secrets.cache.clear()


PLACES = [("finance", w.CHANNEL_FINANCE), ("purchasing", w.CHANNEL_PURCHASING)]


@pytest.mark.parametrize(("admin", "channel"), PLACES)
def test_revoked_access_is_told_in_teams(admin: str, channel: str) -> None:
    """Both transports: the stand-in takes the card, which says what happened and what to type."""
    company = Watched(admin, channel)
    each = company.saves("invoice")
    company.books.fetch(company.connection, "invoice", each.event.record_id)
    company.control("POST", f"/zoho/{w.ZOHO_ORGANIZATION}/tokens", {"action": "revoke"})
    with pytest.raises(NeedsAttention, match="does not know this refresh token any more"):
        company.books.fetch(company.connection, "invoice", each.event.record_id)
    assert company.attention.run() == 1
    assert company.failures == []
    ((title, reason, *_, command),) = company.told()
    assert title == "Zoho Books must be connected again"
    assert "access was revoked" in reason
    assert command == "mlc auth zoho acme-eu"
    company.clock.advance(60)
    assert (company.attention.run(), len(company.told())) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"client_secret": "another"}, "client secret"), ({"region": "us"}, "data centre US")],
)
def test_wrong_client_or_data_centre_is_told_apart(wrong: dict[str, str], says: str) -> None:
    """Not a matter of consent: the sentence names what is wrong, the command is another one."""
    company = Watched(*PLACES[0])
    company.credentials(**wrong)
    with pytest.raises(NeedsAttention):
        company.tokens.access_token("acme-eu", "zoho")
    company.attention.run()
    ((_, reason, *_, command),) = company.told()
    assert says in reason
    assert command == "mlc credentials set acme-eu zoho"


def test_token_that_ended_early_is_replaced_once() -> None:
    """The access tokens end at Zoho's side: one refresh, and the read goes on."""
    company = Watched(*PLACES[0])
    each = company.saves("invoice")
    company.books.fetch(company.connection, "invoice", each.event.record_id)
    before = company.secrets.get("acme-eu", "zoho")["tokens"]["zoho"]["access_token"]
    company.control("POST", f"/zoho/{w.ZOHO_ORGANIZATION}/tokens", {"action": "expire"})
    fetched = company.books.fetch(company.connection, "invoice", each.event.record_id)
    assert fetched["invoice_id"] == each.event.record_id
    assert company.secrets.get("acme-eu", "zoho")["tokens"]["zoho"]["access_token"] != before
    assert (company.attention.run(), company.told()) == (0, [])
