"""Every GraphQL document that deliveries send is one that monday takes (contracts: monday 3.1, 9)."""

from __future__ import annotations

from itertools import product

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, parse, validate

from ml_connector.destinations.monday.lines import AT_ONCE
from ml_connector.vendors import monday
from tests.vendor_schemas import MONDAY_VERSIONS, monday_schema

KINDS = ("values", "name", "archive")
DOCUMENTS = {
    **{name: text for name, text in vars(monday).items() if isinstance(text, str) and "{" in text and name[0] != "_"},
    **{
        f"change renames={renames} moves={moves}": monday.change(renames=renames, moves=moves)
        for renames, moves in product((True, False), repeat=2)
    },
    **{f"create {count} lines": monday.create_lines(count) for count in (1, 2, AT_ONCE)},
    **{
        f"change {', '.join(kinds)}": monday.change_lines(kinds)
        for count in (1, 2, 3)
        for kinds in product(KINDS, repeat=count)
    },
    "as many changes as go": monday.change_lines(["values", "name", "archive", "values"] * (AT_ONCE // 4)),
}


def test_the_product_sends_no_others() -> None:
    """Whatever is written as a document in the client is in this suite."""
    assert {"CREATE", "UPDATE", "MARK", "FIND", "STATE", "LINES"} <= set(DOCUMENTS)
    assert {monday.UPDATE, *monday.MARKS} <= set(DOCUMENTS.values())


@pytest.mark.parametrize("version", MONDAY_VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_in_mondays_own_schema(name: str, version: str) -> None:
    """Of the pinned version and of the one before."""
    schema: GraphQLSchema = monday_schema(version)
    assert validate(schema, parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_one_operation_with_a_name(name: str) -> None:
    """Logs of monday, and the sandbox, tell operations apart by their names."""
    (operation,) = parse(DOCUMENTS[name]).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.name is not None
