"""What was installed in Zoho, in the connections table."""

from __future__ import annotations

import pytest

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.installations import Installations
from ml_connector.webhook_plan import Installed
from tests.integration.conftest import Aws

WHOLE = Installed("4711", "4712", "hash", "2026-11-22T08:00:00Z")


@pytest.fixture
def installations(aws: Aws) -> Installations:
    return Installations(ConnectionsTable(aws.dynamodb, "connections"))


def test_each_endpoint_is_remembered_by_its_connection(installations: Installations) -> None:
    """Also a webhook whose rule is not made yet; one connection's are not another's."""
    half = Installed("4713")
    installations.set("acme-eu", "zoho.invoice.created", WHOLE)
    installations.set("acme-eu", "zoho.invoice.updated", half)
    installations.set("acme", "zoho.bill.created", WHOLE)
    assert installations.all("acme-eu") == {"zoho.invoice.created": WHOLE, "zoho.invoice.updated": half}
    assert installations.all("beta") == {}


def test_changed_and_forgotten(installations: Installations) -> None:
    """The newest holds; what is removed in Zoho is removed here."""
    installations.set("acme-eu", "zoho.invoice.created", WHOLE)
    installations.set("acme-eu", "zoho.invoice.created", Installed("9"))
    assert installations.all("acme-eu")["zoho.invoice.created"] == Installed("9")
    installations.forget("acme-eu", "zoho.invoice.created")
    installations.forget("acme-eu", "zoho.invoice.created")
    assert installations.all("acme-eu") == {}
