"""Our excerpt of monday's schema says what the real one says."""

from __future__ import annotations

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    parse,
    print_ast,
    specified_scalar_types,
    validate,
)

from sandbox.vendors import monday
from sandbox.vendors.cards import contracts

REAL = contracts() / "schemas" / "monday-2026-10.graphql"
EXCERPT = monday.schema(monday.EXCERPT)
TYPES = [name for name in EXCERPT.type_map if not name.startswith("__") and name not in specified_scalar_types]

# The documents of the vendor contract that the product builds on (contracts: monday 3.1).
DOCUMENTS = {
    "find": """query ($board: ID!, $col: String!, $val: String!) {
        items_page_by_column_values(board_id: $board, limit: 10, columns: [{column_id: $col, column_values: [$val]}]) {
          cursor items { id name state updated_at column_values(ids: [$col]) { id text } } } }""",
    "state": """query ($ids: [ID!]!) { items(ids: $ids, limit: 100) { id name state updated_at board { id } group { id }
        parent_item { id } column_values { id type text value } } }""",
    "create": """mutation ($board: ID!, $group: String, $name: String!, $cols: JSON!) {
        create_item(board_id: $board, group_id: $group, item_name: $name, column_values: $cols) {
          id name board { id } group { id } } }""",
    "update": """mutation ($board: ID!, $item: ID!, $cols: JSON!) {
        change_multiple_column_values(board_id: $board, item_id: $item, column_values: $cols) { id updated_at } }""",
    "rename": """mutation ($board: ID!, $item: ID!, $name: String!) {
        change_simple_column_value(board_id: $board, item_id: $item, column_id: "name", value: $name) { id name } }""",
    "comment": "mutation ($item: ID!, $body: String!) { create_update(item_id: $item, body: $body) { id created_at } }",
    "board": """query ($ids: [ID!]!) { boards(ids: $ids) { id name state board_kind hierarchy_type items_count
        items_limit permissions workspace_id groups { id title archived deleted }
        columns { id title type archived settings revision } } }""",
    "provision": """mutation ($b: ID!, $money: JSON!) {
        create_group(board_id: $b, group_name: "Invoices") { id }
        create_column(board_id: $b, id: "zb_total", title: "Total", column_type: numbers, defaults: $money) { id }
        create_dropdown_column(board_id: $b, id: "zb_currency", title: "Currency",
          defaults: {labels: [{label: "USD"}], limit_select: true, label_limit_count: 1}) { id settings }
        create_status_column(board_id: $b, id: "zb_status", title: "Status", defaults: {labels: [
          {label: "Paid", color: done_green, index: 3, is_done: true}]}) { id settings } }""",
    "whoami": """query { me { id name kind status account { id slug tier plan { tier max_users } } }
        platform_api { daily_limit { base total } } complexity { before after query reset_in_x_seconds }
        version { value kind display_name } versions { value kind } }""",
}


@pytest.fixture(scope="module")
def real() -> GraphQLSchema:
    """The real schema, where it lies."""
    if not REAL.is_file():
        pytest.skip("the vendor contracts do not lie beside this repository")
    return monday.schema(REAL)


def _signature(arguments: object) -> dict[str, tuple[str, str]]:
    assert isinstance(arguments, dict)
    return {name: (str(one.type), _default(one)) for name, one in arguments.items()}


def _default(one: object) -> str:
    node = getattr(getattr(one, "ast_node", None), "default_value", None)
    return print_ast(node) if node is not None else ""


@pytest.mark.parametrize("name", TYPES)
def test_every_type_of_the_excerpt_is_in_the_real_schema(real: GraphQLSchema, name: str) -> None:
    """Same fields, arguments, defaults and enum values; what the excerpt requires less of must be optional."""
    own: GraphQLNamedType = EXCERPT.type_map[name]
    other = real.type_map.get(name)
    assert other is not None, f"{name} is not in the real schema"
    assert type(own) is type(other)
    if isinstance(own, GraphQLEnumType):
        assert isinstance(other, GraphQLEnumType)
        assert set(own.values) <= set(other.values)
    if isinstance(own, GraphQLObjectType | GraphQLInterfaceType):
        assert isinstance(other, GraphQLObjectType | GraphQLInterfaceType)
        assert {one.name for one in own.interfaces} <= {one.name for one in other.interfaces}
        for field_name, field in own.fields.items():
            theirs = other.fields[field_name]
            assert str(field.type) == str(theirs.type), f"{name}.{field_name}"
            ours, all_of_them = _signature(field.args), _signature(theirs.args)
            assert ours.items() <= all_of_them.items(), f"{name}.{field_name}"
            needed = {key for key, (kind, default) in all_of_them.items() if kind.endswith("!") and not default}
            assert needed <= set(ours), f"{name}.{field_name}"
    if isinstance(own, GraphQLInputObjectType):
        assert isinstance(other, GraphQLInputObjectType)
        assert _signature(own.fields).items() <= _signature(other.fields).items()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_contracts_documents_fit_the_excerpt(name: str) -> None:
    """The excerpt is large enough for all that the product sends."""
    assert validate(EXCERPT, parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_contracts_documents_fit_the_real_schema(real: GraphQLSchema, name: str) -> None:
    """And so does the real schema."""
    assert validate(real, parse(DOCUMENTS[name])) == []
