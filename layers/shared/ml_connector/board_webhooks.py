"""monday's webhooks of our boards: made by `mlc webhooks install`, looked at once a day, made anew when one is lost.

monday does not say which address a webhook calls (contracts: monday 7.1), so ours are those whose ids we have noted.
Nobody knows whether monday ends one that fails for long (7.4): hence the daily look.

A webhook that an app has made says so with a JWT, if the app has a signing secret; then ingest wants one (`Address`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, RetryLater, Undeliverable
from ml_connector.ports import Clock
from ml_connector.times import stamp

EVERY = timedelta(hours=23)
"""Between two looks."""
REMOVED = ("item_deleted", "item_archived", "item_restored")
COUNTED = ("hooks_looked_at", "hooks_made", "hooks_failed")


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook: monday's name of its event, and what limits it."""

    event: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`item_deleted`, `change_specific_column_value zb_status`."""
        return f"{self.event} {self.config['columnId']}" if "columnId" in self.config else self.event


@dataclass(frozen=True, slots=True)
class Installed:
    """What was made on a board: ids by the hooks' names. `user` is our own user's id there; `signed` whether a JWT is
    wanted of them. `looked_at` is UTC; `reason` says why the last look failed, "" if it did not. `host` is what they
    call, "" where that was not noted yet.
    """

    connection: str
    board: str
    ids: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    signed: bool = False
    looked_at: str = ""
    reason: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where monday calls for a board. `signed`: ingest wants a JWT; `current`: of the credentials as they are now."""

    url: str
    signed: bool
    current: bool

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def moved(self, row: Installed) -> bool:
        """Whether the stack has another name than when these were made."""
        return row.host not in ("", self.host)


def address_of(boards: Mapping[str, Any], monday: Mapping[str, Any], base: str, board: str) -> Address | None:
    """Of the secrets `boards` and `monday` of a connection; None for a board that was not applied yet."""
    kept = boards.get(board)
    if not kept:
        return None
    secret = kept.get("signing_secret", "")
    return Address(f"{base}/monday/{kept['token']}", bool(secret), secret == _signing_secret(monday))


def told_how(boards: Mapping[str, Any], monday: Mapping[str, Any], base: str, board: str) -> dict[str, Any]:
    """The secret `boards` with what ingest must know of a board's webhooks before they are made."""
    kept = boards[board]
    entry = {"token": kept["token"]}
    if secret := _signing_secret(monday):
        # `url` is what monday is given, and so what it says in its JWTs.
        entry |= {"signing_secret": secret, "url": f"{base}/monday/{kept['token']}"}
    return {**boards, board: entry}


def _signing_secret(monday: Mapping[str, Any]) -> str:
    """Of the app that webhooks are made with; "" where a personal token makes them: those are not signed (7.3)."""
    return str(monday.get("signing_secret", "")) if monday.get("delegated") else ""


@dataclass(frozen=True, slots=True)
class Done:
    """One step: `made`, `removed`, or `kept`; `failed` says why not."""

    board: str
    hook: str
    did: str
    failed: str = ""


class Rows(Protocol):
    def all(self) -> Iterable[Installed]: ...

    def get(self, connection: str, board: str) -> Installed | None: ...

    def set(self, row: Installed) -> None: ...

    def remove(self, row: Installed) -> None: ...


class Board(Protocol):
    def hooks(self, board: str) -> tuple[str, Mapping[str, Hook]]: ...

    def add(self, board: str, url: str, hook: Hook) -> str: ...

    def remove(self, identity: str) -> None: ...


def boards(connection: Connection) -> dict[str, list[str]]:
    """The boards of a connection: their ids, and the names of the destinations that they are."""
    found: dict[str, list[str]] = {}
    for name, each in connection.destinations.items():
        if each["type"] == "monday":
            found.setdefault(str(each["board_id"]), []).append(name)
    return found


def by_hand(connection: Connection, board: str) -> bool:
    """Whether people make this board's webhooks."""
    every = [connection.destinations[name] for name in boards(connection)[board]]
    return not all(each.get("manage_webhooks", True) for each in every)


def wanted(connection: Connection, board: str) -> list[Hook]:
    """What must be heard of a board: its mapped statuses, moves where groups say a state, and what is taken away."""
    hooks: dict[str, Hook] = {}
    for name in boards(connection)[board]:
        settings = connection.destinations[name]
        for column, each in settings["columns"].items():
            if each["type"] == "status" and each["from"] == "status":
                hook = Hook("change_specific_column_value", {"columnId": column})
                hooks[hook.name] = hook
        if settings.get("groups"):
            hooks["item_moved_to_any_group"] = Hook("item_moved_to_any_group")
    return [*hooks.values(), *map(Hook, REMOVED)]


@dataclass(frozen=True, slots=True)
class BoardWebhooks:
    """`board` gives access by connection and destination; `address` is None for a board that was not applied yet;
    `faulted` hears of what went wrong in a run though no vendor said so.
    """

    rows: Rows
    board: Callable[[Connection, str], Board]
    address: Callable[[Connection, str], Address | None]
    clock: Clock
    faulted: Callable[[Installed, Exception], None] = lambda row, error: None

    def install(self, connection: Connection, board: str) -> list[Done]:
        """Makes what lacks and removes what is wanted no more; said twice, the second time changes nothing.

        Raises ConnectorError when monday cannot be asked; what it refuses of the steps is in them.
        """
        address = self._address(connection, board)
        row = self.rows.get(connection.name, board) or Installed(connection.name, board)
        access = self._access(connection, board)
        user, there = access.hooks(board)
        done: list[Done] = []
        hooks = {hook.name: hook for hook in wanted(connection, board)}
        # What was made under other credentials does not say who it is, or says it where nobody looks.
        stale = row.signed != address.signed or address.moved(row)
        row = replace(row, user=user, signed=address.signed, host=address.host, looked_at=self._now(), reason="")
        for name, identity in list(row.ids.items()):
            if identity in there and (name not in hooks or stale):
                failed = self._try(access.remove, identity)
                done.append(Done(board, name, "removed", failed))
                if failed:
                    continue
            elif identity in there:
                continue
            row = replace(row, ids={key: value for key, value in row.ids.items() if key != name})
            self.rows.set(row)
        for name, hook in hooks.items():
            if name in row.ids:
                continue
            try:
                identity = access.add(board, address.url, hook)
            except Undeliverable as error:
                done.append(Done(board, name, "made", error.reason))
                continue
            # At once: of one that is not noted nobody knows.
            row = replace(row, ids={**row.ids, name: identity})
            self.rows.set(row)
            done.append(Done(board, name, "made"))
        self.rows.set(row)
        return done

    def lacking(self, connection: Connection, board: str) -> list[str]:
        """What is not as it shall be, as sentences. Asks monday; changes nothing. Raises ConnectorError."""
        address = self._address(connection, board)
        row = self.rows.get(connection.name, board)
        if row is None:
            return ["no webhook was made yet"]
        _, there = self._access(connection, board).hooks(board)
        names = [hook.name for hook in wanted(connection, board)]
        found = [f"{name} is not there" for name in names if row.ids.get(name) not in there]
        found += [
            f"{name} is not wanted any more" for name, each in row.ids.items() if name not in names and each in there
        ]
        if not address.current or address.signed != row.signed:
            found.append("the webhooks were made with other credentials than those of now")
        if address.moved(row):
            found.append(f"the webhooks call {row.host}, and the stack is at {address.host}")
        return found

    def remove(self, connection: Connection, board: str) -> list[Done]:
        """Deletes ours, and nobody else's. Raises ConnectorError."""
        row = self.rows.get(connection.name, board)
        if row is None:
            return []
        access = self._access(connection, board)
        _, there = access.hooks(board)
        done = [
            Done(board, name, "removed", self._try(access.remove, each))
            for name, each in row.ids.items()
            if each in there
        ]
        left = {each.hook: row.ids[each.hook] for each in done if each.failed}
        self.rows.set(replace(row, ids=left)) if left else self.rows.remove(row)
        return done

    def run(self, connections: Iterable[Connection], time_left: Callable[[], bool] = lambda: True) -> dict[str, int]:
        """Looks at what was not looked at for a day, and makes anew what is gone. Counts of COUNTED."""
        counts = Counter(dict.fromkeys(COUNTED, 0))
        every = {each.name: each for each in connections}
        for row in list(self.rows.all()):
            connection = every.get(row.connection)
            if connection is None:
                # Nobody has its credentials any more: what is left there calls an address that knows nobody.
                self.rows.remove(row)
            elif time_left() and self._due(row):
                try:
                    self._look(connection, row, counts)
                except Exception as error:
                    # One connection's fault is not another's.
                    counts["hooks_failed"] += 1
                    self.faulted(row, error)
        return dict(counts)

    def _look(self, connection: Connection, row: Installed, counts: Counter[str]) -> None:
        counts["hooks_looked_at"] += 1
        try:
            if row.board not in boards(connection) or by_hand(connection, row.board):
                self._remove_old(connection, row)
                return
            address = self._address(connection, row.board)
            if address.signed != row.signed:
                raise Undeliverable(f"made with other credentials: mlc webhooks install {connection.name}")
            if address.signed and address.moved(row):
                # Ingest compares the address in their JWTs with the one that mlc has stored.
                raise Undeliverable(f"made for {row.host}: mlc webhooks install {connection.name}")
            done = self.install(connection, row.board)
        except ConnectorError as error:
            counts["hooks_failed"] += 1
            self.rows.set(replace(row, reason=str(error)))
            return
        counts["hooks_made"] += sum(each.did == "made" and not each.failed for each in done)
        if failed := [f"{each.hook}: {each.failed}" for each in done if each.failed]:
            counts["hooks_failed"] += 1
            latest = self.rows.get(row.connection, row.board) or row
            self.rows.set(replace(latest, reason="; ".join(failed)))

    def _remove_old(self, connection: Connection, row: Installed) -> None:
        """The webhooks of a board that the connection has no more, as far as another board's token sees it."""
        names = [name for name, each in connection.destinations.items() if each["type"] == "monday"]
        if names:
            access = self.board(connection, names[0])
            for identity in row.ids.values():
                self._try(access.remove, identity)
        self.rows.remove(row)

    def _due(self, row: Installed) -> bool:
        return bool(row.reason) or not row.looked_at or row.looked_at <= self._now(-EVERY)

    def _access(self, connection: Connection, board: str) -> Board:
        return self.board(connection, boards(connection)[board][0])

    def _address(self, connection: Connection, board: str) -> Address:
        address = self.address(connection, board)
        if address is None:
            raise Undeliverable(
                f"monday has no address to call for board {board} yet; put the file into force again: "
                "mlc connections apply FILE"
            )
        return address

    @staticmethod
    def _try(step: Callable[[str], None], identity: str) -> str:
        """Why it failed, "" if it did not; RetryLater is raised."""
        try:
            step(identity)
        except RetryLater:
            raise
        except Undeliverable as error:
            return error.reason
        return ""

    def _now(self, plus: timedelta = timedelta()) -> str:
        return stamp(self.clock() + plus)
