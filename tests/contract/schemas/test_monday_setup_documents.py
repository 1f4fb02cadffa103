"""Every GraphQL document of board set-up, load and check is one that monday takes (contracts: monday 3.1, 3.2, 9)."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema, parse, validate

from ml_connector.vendors import monday_boards, monday_load
from tests.vendor_schemas import MONDAY_VERSIONS, monday_schema

DOCUMENTS = {
    **{name: getattr(monday_boards, name) for name in vars(monday_boards) if name.isupper()},
    **{name: getattr(monday_load, name) for name in ("INGEST", "STATUS", "SOUGHT_ITEMS")},
    "create one": monday_load.load_items(["create"]),
    "change one": monday_load.load_items(["change"]),
    "as many as go": monday_load.load_items(["create", "change"] * (monday_load.ALIASES // 2)),
}
DOCUMENTS = {name: text for name, text in DOCUMENTS.items() if isinstance(text, str)}


@pytest.mark.parametrize("version", MONDAY_VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_in_mondays_own_schema(name: str, version: str) -> None:
    """Of the pinned version and of the one before."""
    schema: GraphQLSchema = monday_schema(version)
    assert validate(schema, parse(DOCUMENTS[name])) == []
