"""What the product builds on stands in monday's own schemas, and the stand-in answers nothing that does not."""

from __future__ import annotations

import pytest
from graphql import parse, validate

from sandbox.vendors import monday
from tests.vendor_schemas import MONDAY_VERSIONS, monday_schema

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
    "lines": """mutation ($p: ID!, $n1: String!, $c1: JSON!) {
        l0: create_subitem(parent_item_id: $p, item_name: $n1, column_values: $c1) { id board { id } } }""",
    "existing lines": """query ($parents: [ID!]!, $lineCol: [String!]) { items(ids: $parents, limit: 100) {
        id subitems { id name state board { id } column_values(ids: $lineCol) { id text } } } }""",
    "rules": """query ($board: [ID!]!, $col: ID!, $val: CompareValue!) { boards(ids: $board) { items_page(limit: 500,
        query_params: {rules: [{column_id: $col, compare_value: $val, operator: any_of}], operator: and}) {
          cursor items { id name } } } }""",
    "next page": "query ($c: String!) { next_items_page(cursor: $c, limit: 500) { cursor items { id name } } }",
    "hooks": "query ($board: ID!) { webhooks(board_id: $board) { id event board_id config } }",
    "hook": """mutation ($board: ID!, $url: String!, $cfg: JSON!) {
        create_webhook(board_id: $board, url: $url, event: change_specific_column_value, config: $cfg) {
          id board_id event } delete_webhook(id: 1) { id } }""",
    "ingest": """mutation ($board: ID!, $group: ID!) { ingest_items(board_id: $board, group_id: $group,
        on_match: {match_column_id: "zb_doc_id", behaviour: UPSERT}) { job_id upload_url } }""",
    "job": """query ($job: ID!) { fetch_job_status(job_id: $job) { ... on ItemsJobStatus { status progress_percentage
        failure_reason failure_message fully_imported report_url
        counts { submitted invalid skipped created updated failed } } } }""",
    "move": "mutation ($i: ID!, $g: String!) { move_item_to_group(item_id: $i, group_id: $g) { id } }",
    "whoami": """query { me { id name kind status account { id slug tier plan { tier max_users } } }
        platform_api { daily_limit { base total } } complexity { before after query reset_in_x_seconds }
        version { value kind display_name } versions { value kind } }""",
}


@pytest.mark.parametrize("version", MONDAY_VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_contracts_documents_fit_the_schemas(version: str, name: str) -> None:
    """Of the pinned version and of the one before."""
    assert validate(monday_schema(version), parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", sorted(monday.FIELDS))
def test_what_the_stand_in_answers_exists(name: str) -> None:
    """A field of its own would hide our mistakes."""
    schema = monday_schema()
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    assert name in schema.query_type.fields or name in schema.mutation_type.fields
