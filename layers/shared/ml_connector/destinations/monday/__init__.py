"""monday.com: one item per record, made once and then kept up to date (contracts: monday 3, 4, 6).

Three layers keep a retry from making a second item: the delivery table's row, the external id that is written in the
same `create_item`, and a deterministic Idempotency-Key with the stored exact body.

    columns   what a record says, and how each column type wants it written
    groups    which group of the board a record belongs in
    lines     line items as subitems: what is to be made, changed and archived
    board     plans the requests, sends them, and looks whether an unanswered one took effect
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_connector.board_items import external_id
from ml_connector.connections import Connection
from ml_connector.destinations import Toolbox
from ml_connector.destinations.monday.board import Monday, item_name
from ml_connector.destinations.monday.columns import encode
from ml_connector.vendors import monday
from ml_connector.vendors.monday_token import Access

__all__ = ["Monday", "connect", "encode", "external_id", "item_name"]


def connect(name: str, settings: Mapping[str, Any], connection: Connection, tools: Toolbox) -> Monday:
    access = Access(tools.secrets, tools.tokens, connection.name)
    api = monday.MondayApi(
        tools.http(monday.HOSTS),
        access.token,
        tools.clock,
        tools.limits,
        # Connections applied before there were plans have none.
        settings.get("plan", "basic"),
        reserve=settings.get("reserve", 0),
        renew=access.renew,
        account=access.account,
    )
    return Monday(settings, connection, api, tools.clock)
