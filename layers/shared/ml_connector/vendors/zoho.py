"""Reads of Zoho Books v3 (contracts: zoho-books 6, 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_connector import limits
from ml_connector.connections import Connection
from ml_connector.errors import Missing, Undeliverable
from ml_connector.modules import MODULES
from ml_connector.ports import AccessTokens
from ml_connector.vendors.http import Http
from ml_connector.vendors.zoho_api import DOES_NOT_EXIST, Refused, ZohoApi, listed, more, page_context

if TYPE_CHECKING:
    from ml_connector.gaps import Page

PAGE = 200
_ORDERS = {"last_modified_time": "modified", "created_time": "created"}


class ZohoBooks:
    """Reads of Zoho Books. `optional` reads can wait (reconcile), see ZohoApi."""

    def __init__(
        self,
        http: Http,
        tokens: AccessTokens,
        shared: limits.Limits = limits.UNLIMITED,
        *,
        optional: bool = False,
    ) -> None:
        self.api = ZohoApi(http, tokens, shared, optional=optional)

    def fetch(self, connection: Connection, module: str, record_id: str) -> Mapping[str, Any]:
        shape = MODULES[module]
        try:
            data = self.api.call(connection, f"{shape.path}/{record_id}")
        except Refused as error:
            if error.code == DOES_NOT_EXIST:
                raise Missing(error.reason, error.status) from error
            raise
        for key in shape.keys:
            if isinstance(data.get(key), dict):
                return dict(data[key])
        raise Undeliverable(f"Zoho's answer holds no {module}")

    def page(self, connection: Connection, module: str, number: int, status: str = "") -> Page:
        """Page `number` (from 1) of a module's list, newest first as far as Zoho can; with `status`, of those alone.

        The rows tell whether Zoho has kept to it: it ignores what it does not know, without a word (6.1, 6.3).
        """
        asked = {"sort_column": MODULES[module].sort}
        return self._list(
            connection, module, number, asked | ({"filter_by": f"Status.{status.title()}"} if status else {})
        )

    def dated(self, connection: Connection, module: str, number: int, since: str, until: str) -> Page:
        """Page `number` (from 1) of the documents with these dates, the newest date first; the rows tell, as above."""
        # Of payments received no sort column is documented; they come by date of themselves (6.3).
        order = {} if module == "customer_payment" else {"sort_column": "date"}
        return self._list(connection, module, number, {"date_start": since, "date_end": until, **order})

    def by_due(self, connection: Connection, module: str, number: int) -> Page:
        """Page `number` (from 1) of a module's list, the latest due date first; the rows tell, as above."""
        return self._list(connection, module, number, {"sort_column": "due_date"})

    def _list(self, connection: Connection, module: str, number: int, asked: Mapping[str, str]) -> Page:
        from ml_connector.gaps import Page  # a delivery, whose start this would lengthen, reads no list

        shape = MODULES[module]
        paging = {"page": str(number), "per_page": str(PAGE), "sort_order": "D"}
        data = self.api.call(connection, shape.path, {**paging, **asked})
        rows = listed(data, shape.list_keys, shape.path)
        column = page_context(data).get("sort_column")
        by = _ORDERS.get(str(column), "other") if column else ""
        return Page(tuple(rows), more(data, len(rows), PAGE), by)

    def allow(self, connection: Connection, calls: int) -> None:
        self.api.allow(connection, calls)

    def quota(self, connection: Connection) -> limits.Quota | None:
        return self.api.quota(connection)

    def made(self, connection: Connection) -> int:
        return self.api.made(connection)
