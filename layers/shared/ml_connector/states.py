"""The states of one record at one destination, and every move between them. One table; all else follows from it.

              ┌────────────────────── claim ◄────────────────────────┐
              ▼                                                      │
    new ─► sending ── succeed ─► done ── claim (a newer version) ────┤
              ├── bury ────────► done                                │
              ├── wait ────────► waiting ── claim ───────────────────┤
              ├── gather ──────► waiting ── tell ──► done            │
              ├── refuse ──────► parked ─── claim (sent again) ──────┤
              └── lose ────────► unknown ── found ─► done            │
                                    ├────── advance ─► waiting ──────┤
                                    └────── absent ──► waiting ──────┘

`sending` holds a lease and its owner's name; nobody else writes meanwhile. When the lease has ended, the owner has
crashed: whoever comes next makes its last move for it, `lose` if a create was under way, else `wait`. `skip`, `park`
and `fail` leave the state as it is: a version that is already there, a message that a person must see, an attempt that
ended before its claim. Only a create becomes `unknown`: an update that may have happened is `waiting`, and made again.
`advance` is `found` where another step follows; a step that is answered needs no move, the next claim follows it.
`gather` leaves a message to a digest, from any state but `unknown`; `tell` is the digest's, when it is there, and
`refuse` when a person gives it up.
`bury` ends what asks for no call, as the deletion of what is not there, from any state but `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ml_connector.ports import Memory

STATES = ("new", "sending", "waiting", "unknown", "parked", "done")
_AT_REST = {state: state for state in STATES if state not in ("new", "sending")}

MOVES: Mapping[str, Mapping[str, str]] = {
    "claim": dict.fromkeys(("new", "sending", "waiting", "parked", "done"), "sending"),
    "succeed": {"sending": "done"},
    "bury": dict.fromkeys(("new", "sending", "waiting", "parked", "done"), "done"),
    "wait": {"sending": "waiting"},
    "refuse": dict.fromkeys(("sending", "waiting"), "parked"),
    "lose": {"sending": "unknown"},
    "found": {"unknown": "done"},
    "absent": {"unknown": "waiting"},
    "advance": {"unknown": "waiting"},
    "gather": dict.fromkeys(("new", "sending", "waiting", "parked", "done"), "waiting"),
    "tell": {"waiting": "done"},
    "skip": _AT_REST | {"new": "done"},
    "park": _AT_REST | {"new": "parked"},
    "fail": _AT_REST | {"new": "waiting"},
}


class IllegalMove(AssertionError):
    """The code asked for a move that the table does not have: a fault of ours."""


def move(memory: Memory, name: str, **changes: object) -> Memory:
    """The memory after a move, with `changes` beside its new state. Raises IllegalMove."""
    after = MOVES[name].get(memory.state)
    if after is None:
        raise IllegalMove(f"no move {name!r} from {memory.state!r}")
    return replace(memory, state=after, **changes)  # type: ignore[arg-type]
