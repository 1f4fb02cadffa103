"""The sandbox's CloudWatch judges the alarms of the deployed template, formulas included."""

from __future__ import annotations

import pytest

from sandbox.alarms import NO_DATA, Alarms
from sandbox.aws import FunctionFailed
from sandbox.session import Box

pytestmark = pytest.mark.e2e

UNMEASURED = {"DeliveriesStoppedAlarm", "WebhooksNotTakenAlarm"}
"""They look at how often SQS was asked, and at answers of API Gateway: the local AWS counts neither."""


def test_each_alarm_is_judged_or_says_that_nobody_measures_it_here(box: Box) -> None:
    """None is "ok" for want of a metric, and a new one that cannot be judged is noticed."""
    states = Alarms(box.stack).states()
    assert {each["name"] for each in states} == set(box.stack.deployment.of_type("AWS::CloudWatch::Alarm"))
    assert {each["name"] for each in states if each["state"] == NO_DATA} == UNMEASURED


def test_a_function_that_fails_counts_for_its_alarm(box: Box) -> None:
    """The sum over all functions of what Lambda counts; once is not enough for the alarm itself."""
    before = errors(box)
    with pytest.raises(FunctionFailed):
        box.stack.invoke("ingest", {"not": "an event"})
    assert errors(box) == before + 1


def errors(box: Box) -> float:
    (found,) = (each["value"] for each in Alarms(box.stack).states() if each["name"] == "FunctionErrorsAlarm")
    return float(found or 0)
