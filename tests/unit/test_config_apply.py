"""A checked connection comes into force (design 6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ml_connector.aws.connections_table import ConnectionsTable
from ml_connector.aws.secrets import SecretStore
from ml_connector.config.apply import Applied, apply, renamed
from ml_connector.config.load import load, parse
from ml_connector.config.model import ConnectionFile, Monday, Retry, Teams, Zoho
from ml_connector.connections import Connection, token_hash
from ml_connector.errors import ConfigError
from ml_connector.modules import ACTIONS, CORE
from ml_connector.reconcile import changes

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
NOW = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)
ALL = len(CORE) * len(ACTIONS)


@dataclass
class Account:
    """The connections table and Secrets Manager, in memory. `log` is the order of the writes."""

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    kept: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    begins: Callable[[], None] = lambda: None
    """What happens right after a look at what is in force."""
    crashes_before: str = ""
    session: None = None

    def put_row(self, pk: str, sk: str, *, only_new: bool = False, **attributes: Any) -> bool:
        if only_new and (pk, sk) in self.rows:
            return False
        if self.crashes_before == sk:
            raise KeyboardInterrupt
        self.rows[pk, sk] = attributes
        kind = pk.partition("#")[0]
        self.log.append(f"{kind} {sk}" if kind == "connection" else kind)
        return True

    @property
    def connections(self) -> ConnectionsTable:
        return cast("ConnectionsTable", _Table(self))

    @property
    def secrets(self) -> SecretStore:
        return cast("SecretStore", _Secrets(self))

    def apply(self, file: ConnectionFile, now: datetime = NOW) -> Applied:
        return apply(file, self.connections, self.secrets, now)

    def renamed(self, file: ConnectionFile) -> list[tuple[str, str]]:
        return renamed(file.compiled(), self.connections)

    @property
    def current(self) -> Connection:
        return Connection.from_data(json.loads(self.rows["connection#acme-eu", "current"]["data"]))

    @property
    def endpoints(self) -> dict[str, Any]:
        endpoints: dict[str, Any] = self.kept["acme-eu", "webhooks"]["endpoints"]
        return endpoints


@dataclass
class _Table:
    account: Account

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> dict[str, Any] | None:
        assert consistent, "a version that was applied a moment ago must be seen"
        found = self.account.rows.get((pk, sk))
        then, self.account.begins = self.account.begins, lambda: None
        then()
        return found

    def query(self, pk: str) -> list[dict[str, Any]]:
        return [{"pk": pk, "sk": sk, **row} for (key, sk), row in self.account.rows.items() if key == pk]

    def put(self, pk: str, sk: str, *, only_new: bool = False, **attributes: Any) -> bool:
        return self.account.put_row(pk, sk, only_new=only_new, **attributes)

    def delete(self, pk: str, sk: str) -> None:
        self.account.rows.pop((pk, sk), None)


@dataclass
class _Secrets:
    account: Account

    def get(self, connection: str, purpose: str, *, max_age: float) -> Mapping[str, Any]:
        return self.account.kept.get((connection, purpose), {})

    def put(self, connection: str, purpose: str, value: Mapping[str, Any]) -> None:
        self.account.kept[connection, purpose] = value
        self.account.log.append("secret")


@pytest.fixture
def file() -> ConnectionFile:
    return load(EXAMPLE)


def test_the_first_time(file: ConnectionFile) -> None:
    """Version 1, an endpoint per module and action, a name in the list of connections."""
    account = Account()
    assert account.apply(file) == Applied("acme-eu", 1, True, ALL)
    assert account.current.applied_at == "2026-10-21T14:00:00Z"
    assert ("connections", "acme-eu") in account.rows
    assert account.rows["connection#acme-eu", "v#000001"] == account.rows["connection#acme-eu", "current"]


def test_each_endpoint_has_an_address_and_a_secret_of_its_own(file: ConnectionFile) -> None:
    """Zoho takes 12 to 50 letters and digits; the table holds a hash of the address only (zoho-books 1.1, 1.6)."""
    account = Account()
    account.apply(file)
    tokens = [each["token"] for each in account.endpoints.values()]
    secrets = [secret for each in account.endpoints.values() for secret in each["secrets"]]
    assert len(set(tokens)) == len(set(secrets)) == ALL
    assert all(12 <= len(secret) <= 50 and secret.isascii() and secret.isalnum() for secret in secrets)
    for event, each in account.endpoints.items():
        row = account.rows[f"endpoint#{token_hash(each['token'])}", "-"]
        assert (row["id"], row["connection"], row["source"]) == (event, "acme-eu", "zoho")
        assert event == f"zoho.{row['module']}.{row['action']}"
    stored = json.dumps([[*key, value] for key, value in account.rows.items()])
    assert not any(word in stored for word in (*tokens, *secrets))


def test_each_board_has_an_address_and_keeps_it(file: ConnectionFile) -> None:
    """monday's webhooks call it; the table holds a hash of it only, and what ingest must know of it is left alone."""
    account = Account()
    account.apply(file)
    ((board, entry),) = account.kept["acme-eu", "boards"].items()
    row = account.rows[f"endpoint#{token_hash(entry['token'])}", "-"]
    assert (row["id"], row["connection"], row["source"]) == (f"monday.{board}", "acme-eu", "monday")
    assert entry["token"] not in json.dumps([[*key, value] for key, value in account.rows.items()])
    signed = {board: {**entry, "signing_secret": "s", "url": "u"}}
    account.kept["acme-eu", "boards"] = signed
    account.apply(file.model_copy(update={"retry": Retry(unknown="repeat")}))
    assert account.kept["acme-eu", "boards"] == signed


def test_an_address_works_before_it_is_shown_and_the_configuration_comes_last(file: ConnectionFile) -> None:
    """Claimed by its version's row; then addresses, reconcile's places, and last of all what the functions read."""
    account = Account()
    account.apply(file)
    assert account.log == [
        "connection v#000001",
        *["secret", "endpoint"],  # Microsoft Graph's
        *["secret", "endpoint"],  # its board's
        "secret",
        *["endpoint"] * ALL,
        *["cursor"] * len(tracks(file)),
        "connection current",
        "connections",
    ]


def test_two_who_apply_at_the_same_time_do_not_mix(file: ConnectionFile) -> None:
    """The second is told, and changes nothing: neither addresses nor configuration."""
    account = Account()
    other = file.model_copy(update={"retry": Retry(unknown="repeat")})
    account.begins = lambda: (account.apply(other), None)[1]
    with pytest.raises(ConfigError, match="somebody else"):
        account.apply(file)
    assert (account.current.version, account.current.retry["unknown"]) == (1, "repeat")
    assert account.log.count("secret") == 3, "Graph's, the board's and Zoho's, each once"


def test_apply_that_crashed_stands_in_nobodys_way(file: ConnectionFile) -> None:
    """The old configuration stays in force; the next apply is another version with the same addresses."""
    account = Account(crashes_before="current")
    with pytest.raises(KeyboardInterrupt):
        account.apply(file)
    assert ("connection#acme-eu", "current") not in account.rows
    endpoints, account.crashes_before = dict(account.endpoints), ""
    assert account.apply(file) == Applied("acme-eu", 2, True, ALL)
    assert account.endpoints == endpoints


def test_the_same_file_again_changes_nothing(file: ConnectionFile) -> None:
    """Applying is safe to repeat: same version, same addresses, same secrets."""
    account = Account()
    account.apply(file)
    endpoints = account.endpoints
    assert account.apply(file, NOW + timedelta(days=1)) == Applied("acme-eu", 1, False, ALL)
    assert account.endpoints == endpoints
    assert account.current.version == 1


def test_a_change_is_the_next_version(file: ConnectionFile) -> None:
    """History stays; reconcile goes on from where the connection first came into force."""
    account = Account()
    account.apply(file)
    changed = file.model_copy(update={"retry": Retry(unknown="repeat")})
    assert account.apply(changed, NOW + timedelta(days=1)) == Applied("acme-eu", 2, True, ALL)
    assert account.current.retry["unknown"] == "repeat"
    assert account.current.applied_at == "2026-10-21T14:00:00Z"
    assert ("connection#acme-eu", "v#000001") in account.rows


def test_a_new_module_leaves_the_old_addresses_alone(file: ConnectionFile) -> None:
    """What was pasted into Zoho keeps working."""
    account = Account()
    zoho = Zoho(region="eu", organization_id=file.zoho.organization_id, modules=("invoice",))
    assert account.apply(file.model_copy(update={"zoho": zoho})).endpoints == len(ACTIONS)
    before = dict(account.endpoints)
    account.apply(file)
    assert {name: account.endpoints[name] for name in before} == before
    assert len(account.endpoints) == ALL


def tracks(file: ConnectionFile) -> set[str]:
    """The lists that reconcile reads for the file's modules."""
    return {track.key for module in file.zoho.modules for track in changes(module)}


def test_reconcile_begins_where_a_module_came_into_force(file: ConnectionFile) -> None:
    """Not at the beginning of the books; a module that was there before keeps its place."""
    account = Account()
    zoho = Zoho(region="eu", organization_id=file.zoho.organization_id, modules=("invoice",))
    account.apply(file.model_copy(update={"zoho": zoho}))
    assert account.rows["cursor#acme-eu", "invoice"] == {"read_until": "2026-10-21T14:00:00Z"}
    account.rows["cursor#acme-eu", "invoice"] = {"read_until": "2026-10-21T18:00:00Z"}
    account.apply(file, NOW + timedelta(days=1))
    cursors = {sk: row["read_until"] for (pk, sk), row in account.rows.items() if pk == "cursor#acme-eu"}
    assert cursors.pop("invoice") == "2026-10-21T18:00:00Z"
    assert set(cursors) == tracks(file) - {"invoice"}
    assert set(cursors.values()) == {"2026-10-22T14:00:00Z"}


def test_a_module_that_comes_back_is_read_on_from_where_it_was_left(file: ConnectionFile) -> None:
    """What came while the file lacked it was answered and dropped: reconcile finds it, and people are told."""
    account = Account()
    account.apply(file)
    account.rows["cursor#acme-eu", "invoice"] = {"read_until": "2026-10-21T14:45:00Z", "gaps": "[]"}
    zoho = Zoho(region="eu", organization_id=file.zoho.organization_id, modules=("bill",))
    account.apply(file.model_copy(update={"zoho": zoho}), NOW + timedelta(hours=1))
    before = {sk: row for (pk, sk), row in account.rows.items() if pk == "cursor#acme-eu"}
    resumed = account.apply(file, NOW + timedelta(hours=2)).resumed
    assert {sk: row for (pk, sk), row in account.rows.items() if pk == "cursor#acme-eu"} == before
    others = dict.fromkeys(set(CORE) - {"invoice", "bill"}, "2026-10-21T14:00:00Z")
    assert resumed == {"invoice": "2026-10-21T14:45:00Z", **others}


@pytest.mark.parametrize("other", [{"organization_id": "60099999999"}, {"region": "us"}])
def test_a_connection_with_access_does_not_become_another_organizations(
    file: ConnectionFile, other: dict[str, str]
) -> None:
    """What waits would be looked up there and marked as deleted, and its records told to the first one's people."""
    account = Account()
    account.apply(file)
    changed = file.model_copy(update={"zoho": file.zoho.model_copy(update=other)})
    account.kept["acme-eu", "zoho"] = {"client_id": "c", "refresh_token": "r"}
    before, kept = dict(account.rows), dict(account.kept)
    with pytest.raises(ConfigError, match=r"a file of its own.*mlc auth revoke acme-eu zoho"):
        account.apply(changed, NOW + timedelta(days=1))
    assert (account.rows, account.kept) == (before, kept)
    account.kept["acme-eu", "zoho"] = {"client_id": "c"}
    assert account.apply(changed, NOW + timedelta(days=1)).version == 2, "its access was given back: a wrong start"


def test_what_else_changes_is_applied_to_a_connection_with_access(file: ConnectionFile) -> None:
    """The usual edit of a file that is connected."""
    account = Account()
    account.apply(file)
    account.kept["acme-eu", "zoho"] = {"refresh_token": "r"}
    zoho = file.zoho.model_copy(update={"modules": ("invoice",), "reserve": 20})
    assert account.apply(file.model_copy(update={"zoho": zoho}), NOW + timedelta(days=1)).version == 2


def names(file: ConnectionFile, **others: str) -> ConnectionFile:
    """The file with some destinations under other names."""
    text = EXAMPLE.read_text("utf-8")
    for old, new in others.items():
        text = text.replace(f"[destinations.{old}]", f"[destinations.{new}]").replace(f'"{old}"', f'"{new}"')
    return parse(text.encode(), "x.toml")


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ({}, []),
        ({"ledger": "board"}, [("ledger", "board")]),
        ({"finance": "channel"}, [("finance", "channel")]),
        ({"large-invoices": "large"}, []),
    ],
)
def test_another_name_for_the_same_place_is_noticed(
    file: ConnectionFile, others: dict[str, str], found: list[tuple[str, str]]
) -> None:
    """A board's items and a channel's cards are known by the destination's name; a webhook's posts are new anyway."""
    account = Account()
    assert account.renamed(names(file, **others)) == [], "nothing is in force"
    account.apply(file)
    assert account.renamed(names(file, **others)) == found


def test_a_person_is_a_place_too(file: ConnectionFile) -> None:
    """Under another name the person would get every message once more."""
    account = Account()
    boss, other = (Teams(type="teams", person=f"{name}@acme.example") for name in ("ola", "per"))
    account.apply(file.model_copy(update={"destinations": {**file.destinations, "boss": boss}}))
    for person, found in ((boss, [("boss", "chief")]), (other, [])):
        later = file.model_copy(update={"destinations": {**file.destinations, "chief": person}})
        assert account.renamed(later) == found


def test_another_place_under_another_name_is_none_of_it(file: ConnectionFile) -> None:
    """A destination that goes, and one that comes."""
    account = Account()
    account.apply(names(file, ledger="board"))
    elsewhere = file.model_copy(
        update={"destinations": {**file.destinations, "ledger": Monday(type="monday", board_id=99)}}
    )
    assert account.renamed(elsewhere) == []


def test_a_module_that_is_dropped_keeps_its_addresses(file: ConnectionFile) -> None:
    """Zoho may call them until its webhooks are removed; a module that comes back has those that people know."""
    account = Account()
    account.apply(file)
    before = dict(account.endpoints)
    zoho = Zoho(region="eu", organization_id=file.zoho.organization_id, modules=("invoice", "bill"))
    fewer = file.model_copy(update={"zoho": zoho})
    done = account.apply(fewer)
    assert (done.endpoints, set(done.dropped)) == (2 * len(ACTIONS), set(CORE) - {"invoice", "bill"})
    assert account.apply(fewer).dropped == done.dropped
    assert account.endpoints == before
    assert all((f"endpoint#{token_hash(each['token'])}", "-") in account.rows for each in before.values())
    assert account.apply(file).dropped == ()
