"""Microsoft's clouds: which hosts, and nothing of any other (contracts: microsoft-teams 1.2.2, 6.4)."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from ml_connector.clouds import CLOUDS, FLOWS, cloud_of, hosts
from ml_connector.errors import Undeliverable
from ml_connector.vendors import microsoft
from sandbox.vendors import microsoft_clouds as standin
from tests.fakes import CHANNEL, TEAM, TENANT, Says, Wire, http


def test_table_is_the_contracts() -> None:
    """Two readings of the same two tables, ours and the stand-ins', agree."""
    ours = {name: (one.authority, one.graph, f"https://{one.bot}", one.service) for name, one in CLOUDS.items()}
    theirs = {name: (one.authority, one.graph, one.bot, one.service) for name, one in standin.CLOUDS.items()}
    assert ours == theirs


@pytest.mark.parametrize("name", CLOUDS)
def test_a_tenants_token_is_sent_to_its_own_cloud_only(name: str) -> None:
    """The allow-list is the cloud's: a wrong address is refused before anything leaves."""
    own = {CLOUDS[name].authority, CLOUDS[name].graph, CLOUDS[name].service, CLOUDS[name].moved}
    for other in CLOUDS.values():
        for host in filter(None, (other.authority, other.graph, other.service)):
            wire = Wire(Says())
            client = http(wire, hosts(CLOUDS[name]))
            if host in own:
                assert client.call("GET", f"https://{host}/x").status == 200
            else:
                with pytest.raises(Undeliverable):
                    client.call("GET", f"https://{host}/x")
                assert wire.calls == []


def test_flows_are_in_the_global_cloud_only() -> None:
    """There is no Flow bot anywhere else (1.3)."""
    assert {name for name, cloud in CLOUDS.items() if FLOWS & hosts(cloud)} == {"global"}
    assert any(fnmatchcase("prod-07.westeurope.logic.azure.com", pattern) for pattern in FLOWS)


def test_what_was_stored_before_there_was_a_choice_is_global() -> None:
    """Credentials and connections of older releases name no cloud."""
    assert cloud_of({"tenant_id": TENANT}) is CLOUDS["global"]
    assert cloud_of({"cloud": "dod"}) is CLOUDS["dod"]


@pytest.mark.parametrize("name", CLOUDS)
def test_addresses_are_the_clouds(name: str) -> None:
    """Posting, changing and opening, each at its own host."""
    cloud = CLOUDS[name]
    assert microsoft.messages_url(cloud, TEAM, CHANNEL, "1", replies=True) == (
        f"https://{cloud.graph}/v1.0/teams/{TEAM}/channels/19%3Afinancechannel%40thread.tacv2/messages/1/replies"
    )
    assert microsoft.message_link(CHANNEL, "1", TEAM, TENANT, cloud).startswith(f"https://{cloud.web}/l/message/")
    if cloud.service:
        assert microsoft.conversations_url(cloud) == f"https://{cloud.service}/teams/v3/conversations"
