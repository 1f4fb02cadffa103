"""What `mlc doctor` looks at on monday.com: the token, and each board against the mapping of the connection's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ml_connector import board_webhooks
from ml_connector.board_faults import faults_of
from ml_connector.boards import Board
from ml_connector.connections import Connection
from ml_connector.errors import ConnectorError, NeedsAttention
from ml_connector.tokens import remedy
from mlc.monday import api_of
from mlc.stack import Stack

Fault = tuple[str, str, str]
"""What was found, why it matters, what to type."""

_WHY = "items for this board wait, and are parked after the retry time"
_VIEWER = "monday refuses all that a viewer writes"


def destinations(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    return {name: each for name, each in connection.destinations.items() if each["type"] == "monday"}


def faults(at: Stack, connection: Connection) -> tuple[list[Fault], list[str]]:
    """What is wrong, and what was found to be right. Three calls at most, whatever the number of boards."""
    from ml_connector.vendors.monday_boards import MondayBoards, whoami

    places = destinations(connection)
    api = api_of(at, connection, next(iter(places.values())))
    boards = MondayBoards(api)
    try:
        member = whoami(api)
        seen = boards.boards({str(each["board_id"]) for each in places.values()})
        lines = boards.boards({each.subitems.board for each in seen.values() if each.subitems and each.subitems.board})
    except NeedsAttention as error:
        return [(error.reason, _WHY, remedy(connection.name, "monday", error.remedy))], []
    except ConnectorError as error:
        return [(str(error), "what is to be put on its boards waits", "")], []
    again = f"mlc credentials set {connection.name} monday"
    if member.kind == "view_only":
        return [(f"the token's user {member.name} may only view", _VIEWER, again)], []
    wrong, right = [], []
    for name, settings in places.items():
        board = seen.get(str(settings["board_id"]))
        if board is None:
            wrong.append((f"{name}: the token's user does not see board {settings['board_id']}", _WHY, again))
            continue
        found = list(_faults(name, settings, board, lines, connection))
        wrong += found
        if not found:
            right.append(f"{name}: {board.name}")
    return [*wrong, *_unheard(at, connection)], right


def _unheard(at: Stack, connection: Connection) -> Iterator[Fault]:
    """Boards of which people's changes shall be noted, and whose webhooks are not there. By our own notes: no call."""
    from ml_connector.aws.board_hooks import BoardHooks

    for board, names in board_webhooks.boards(connection).items():
        noted = [name for name in names if connection.destinations[name].get("feedback")]
        if not noted or board_webhooks.by_hand(connection, board):
            continue
        row = BoardHooks(at.connections).get(connection.name, board)
        if row is None or row.reason:
            what = f"{noted[0]}: {row.reason if row else 'no webhook was made on the board'}"
            yield what, "what people do there is not heard", f"mlc webhooks install {connection.name}"


def _faults(
    name: str, settings: Mapping[str, Any], board: Board, lines: Mapping[str, Board], connection: Connection
) -> Iterator[Fault]:
    ways = {
        "create": f"mlc monday board create {connection.name} --destination {name} --board {board.id} --groups none",
        "map": f"mlc monday board map {connection.name} --board {board.id}",
        "restore": "in monday: restore the board; or put another board_id into the file: mlc connections apply FILE",
        "invite": "in monday: Invite on the board, the user as an editor",
    }
    below = lines.get(board.subitems.board) if board.subitems else None
    for each in faults_of(settings, board, below, connection.modules):
        yield f"{name}: {each.what}", each.why, ways[each.how]
