"""docs/costs.md is made from the formula, and the formula holds together."""

from __future__ import annotations

import re

import pytest

from bench import costs
from ml_connector.limits import _MONDAY, _POSTS, _WORKFLOW
from scripts.expand_template import ROOT

TEXT = costs.PAGE.read_text("utf-8")


def test_the_tables_are_made_from_the_formula() -> None:
    """Nobody edits them. Renew with: make docs"""
    assert costs.page(TEXT) == TEXT
    assert costs.table() in TEXT


def test_a_table_that_was_edited_is_seen() -> None:
    """The test above would fail."""
    assert costs.page(TEXT.replace("| HTTP API | $", "| HTTP API | €")) == TEXT != TEXT.replace("| HTTP API | $", "")


def test_ten_times_the_events_cost_less_than_ten_times_as_much() -> None:
    """There is a fixed part; no line falls."""
    few, many = (dict(costs.Month(events).lines()) for events in (100_000, 1_000_000))
    assert sum(few.values()) < sum(many.values()) < 10 * sum(few.values())
    assert [name for name in few if many[name] < few[name]] == []


def test_one_line_by_hand() -> None:
    """A million events: 10 and 13 write units each, and two reads; the schedules read beside them."""
    units = dict(costs.Month(1_000_000).lines())["DynamoDB: reads and writes"]
    assert units == pytest.approx(23 * 0.625 + 2 * 0.125, rel=0.01)


def test_what_is_said_of_the_secrets_holds() -> None:
    """More than half of the bill at a hundred million events."""
    bill = dict(costs.Month(100_000_000).lines())
    assert bill["KMS, Secrets Manager"] > sum(bill.values()) / 2


def test_the_answer_to_what_it_costs_is_the_tables() -> None:
    """Whoever asks gets the number, not a range."""
    answer = (ROOT / "docs" / "faq.md").read_text("utf-8").partition("## What does it cost?")[2].partition("\n## ")[0]
    few, many = (sum(dict(costs.Month(events).lines()).values()) for events in (10_000, 1_000_000))
    assert f"${few:,.0f} a month at list prices for 10,000 events, ${many:,.0f} for a million" in answer
    assert f"Most of the ${few:,.0f} " in answer


def test_limits_are_those_that_we_keep() -> None:
    """Of the vendors, and of the template."""
    days = [_MONDAY[plan][1].calls for plan in ("basic", "pro", "enterprise")]
    assert "{:,} (Basic, Standard), {:,} (Pro), {:,} (Enterprise)".format(*days) in TEXT
    assert "{:,}, {:,} or {:,} a day".format(*(day // 3 for day in days)) in TEXT
    assert (_POSTS[0].calls, _POSTS[0].seconds) == (1, 1)
    assert f"{_WORKFLOW[0].calls} posts in {_WORKFLOW[0].seconds // 60} minutes" in TEXT
    template = (ROOT / "template.yaml").read_text("utf-8")
    throttle = re.search(r"ThrottlingBurstLimit: (\d+)\n +ThrottlingRateLimit: (\d+)", template)
    assert throttle is not None
    assert f"{throttle[2]} calls a second, bursts of {throttle[1]}" in TEXT
