"""monday's own schemas, for tests."""

from __future__ import annotations

from functools import cache

from graphql import GraphQLSchema, build_schema

from sandbox.vendors.schemas import FOLDER

MONDAY_VERSIONS = ("2026-10", "2026-07")
"""The version that is pinned, and the one before it."""


@cache
def monday_schema(version: str = MONDAY_VERSIONS[0]) -> GraphQLSchema:
    return build_schema((FOLDER / f"monday-{version}.graphql").read_text(encoding="utf-8"))
