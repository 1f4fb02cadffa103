"""The boards' part of `mlc webhooks`: monday's webhooks, which tell what people do on a board (docs/monday.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from ml_connector import board_webhooks
from ml_connector.board_webhooks import Address, BoardWebhooks, Done, address_of, told_how
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError
from mlc.monday import api_of
from mlc.output import console, line, literal
from mlc.stack import Stack, utc_now

_DID = {"made": "created", "removed": "deleted"}
_MENU = "the board > Integrate > search for webhooks"
_RECIPES = {
    "change_specific_column_value": "When a column changes, send a webhook",
    "item_moved_to_any_group": "When an item moves to any group, send a webhook",
    "item_deleted": "When an item is deleted, send a webhook",
    "item_archived": "When an item is archived, send a webhook",
    "item_restored": "When an item is restored, send a webhook",
}


@dataclass
class Outcome:
    """What was done on the boards, or is to be done by hand, and what went wrong."""

    steps: list[Done] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.problems) or any(each.failed for each in self.steps)

    @property
    def data(self) -> dict[str, Any]:
        return {"steps": [asdict(each) for each in self.steps], "by_hand": self.by_hand, "problems": self.problems}

    def show(self) -> None:
        """For people."""
        for each in self.steps:
            mark = "[red]✗[/]" if each.failed else "[green]✓[/]"
            text = f"board {each.board}  {each.hook} {_DID[each.did]}{f': {each.failed}' if each.failed else ''}"
            console.print(f"{mark} {literal(text)}", soft_wrap=True, highlight=False)
        for text in self.problems:
            line(text, "yellow")
        for board in self.by_hand:
            line(f"board {board['board']}  by hand on monday.com: {_MENU}", "bold")
            for recipe in board["recipes"]:
                line(f"  {recipe}")
            line(f"  URL {board['url']}")


@dataclass
class BoardDesk:
    """The webhooks of a connection's boards. Nothing of it raises: what monday refuses is in the outcome."""

    at: Stack
    connection: Connection

    @property
    def boards(self) -> list[str]:
        return list(board_webhooks.boards(self.connection))

    @cached_property
    def _use(self) -> BoardWebhooks:
        from ml_connector.aws.board_hooks import BoardHooks
        from ml_connector.vendors.monday_webhooks import MondayWebhooks

        def board(connection: Connection, name: str) -> MondayWebhooks:
            return MondayWebhooks(api_of(self.at, connection, connection.destinations[name]))

        return BoardWebhooks(
            BoardHooks(self.at.connections), board, lambda _, board_id: self._address(board_id), utc_now
        )

    @property
    def installed(self) -> int:
        """How many webhooks we have noted."""
        rows = (self._use.rows.get(self.connection.name, board) for board in self.boards)
        return sum(len(row.ids) for row in rows if row)

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Board and address of each that was applied."""
        for board in self.boards:
            if found := self._address(board):
                yield board, found.url

    def install(self) -> Outcome:
        outcome = Outcome()
        for board in self._applied(outcome):
            by_hand = board_webhooks.by_hand(self.connection, board)
            self._tell_ingest(board, by_hand=by_hand)
            if by_hand:
                outcome.by_hand.append(self._recipes(board))
                continue
            try:
                outcome.steps += self._use.install(self.connection, board)
            except ConnectorError as error:
                outcome.problems.append(f"board {board}: {error}")
        return outcome

    def lacking(self) -> list[tuple[str, str]]:
        """What is not as it shall be: board and sentence."""
        outcome = Outcome()
        found: list[tuple[str, str]] = []
        for board in self._applied(outcome):
            if board_webhooks.by_hand(self.connection, board):
                continue
            try:
                found += [(board, text) for text in self._use.lacking(self.connection, board)]
            except ConnectorError as error:
                found.append((board, str(error)))
        return found + [("", text) for text in outcome.problems]

    def remove(self) -> Outcome:
        outcome = Outcome()
        for board in self.boards:
            try:
                outcome.steps += self._use.remove(self.connection, board)
            except ConnectorError as error:
                outcome.problems.append(f"board {board}: {error}")
        return outcome

    def _applied(self, outcome: Outcome) -> Iterator[str]:
        for board in self.boards:
            if self._address(board):
                yield board
            else:
                outcome.problems.append(
                    f"board {board}: there is no address for it yet: put the connection into force again with "
                    "mlc connections apply FILE"
                )

    def _tell_ingest(self, board: str, *, by_hand: bool) -> None:
        """Webhooks that people make bear no JWT (contracts: monday 7.3)."""
        stored = self.at.secrets.get(self.connection.name, "boards", max_age=0.0)
        monday = {} if by_hand else self.at.secrets.get(self.connection.name, "monday", max_age=0.0)
        wanted = told_how(stored, monday, self.at.webhook_url, board)
        if wanted != stored:
            self.at.secrets.put(self.connection.name, "boards", wanted)

    def _address(self, board: str) -> Address | None:
        name, secrets = self.connection.name, self.at.secrets
        stored, monday = (secrets.get(name, purpose, max_age=0.0) for purpose in ("boards", "monday"))
        return address_of(stored, monday, self.at.webhook_url, board)

    def _recipes(self, board: str) -> dict[str, Any]:
        address = self._address(board)
        hooks = board_webhooks.wanted(self.connection, board)
        recipes = [
            f"{_RECIPES[hook.event]}" + (f" (column {hook.config['columnId']})" if hook.config else "")
            for hook in hooks
        ]
        return {"board": board, "url": address.url if address else "", "recipes": recipes}
