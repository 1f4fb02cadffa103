"""Every GraphQL document about webhooks, and of what follows a call, is one that monday takes (monday 3.1, 7.1)."""

from __future__ import annotations

import pytest
from graphql import GraphQLSchema, parse, validate

from ml_connector.vendors import monday_webhooks
from tests.vendor_schemas import MONDAY_VERSIONS, monday_schema

DOCUMENTS = {name: text for name, text in vars(monday_webhooks).items() if name.isupper() and isinstance(text, str)}


@pytest.mark.parametrize("version", MONDAY_VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_in_mondays_own_schema(name: str, version: str) -> None:
    """Of the pinned version and of the one before."""
    schema: GraphQLSchema = monday_schema(version)
    assert validate(schema, parse(DOCUMENTS[name])) == []


def test_all_of_them_are_looked_at() -> None:
    """Whatever the client sends is in this suite."""
    assert set(DOCUMENTS.values()) == set(monday_webhooks.DOCUMENTS)
