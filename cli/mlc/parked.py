"""`mlc parked`: who asks for it, and how it is shown. What is done stands in ml_connector.aws.parked_desk."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from mlc import output
from mlc.output import console, lines, printable

if TYPE_CHECKING:
    import boto3


def identity(session: boto3.Session) -> str:
    """Who sits here: the name on this computer and the one that AWS knows."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return f"{getpass.getuser()} ({session.client('sts').get_caller_identity()['Arn']})"
    except (BotoCoreError, ClientError, OSError, KeyError):
        return "somebody"


def named(row: dict[str, Any], connection: str) -> dict[str, Any]:
    """Its reason names the connection in the commands that it tells to type."""
    return row | {"reason": output.named(row["reason"], connection)}


def show(rows: Iterable[dict[str, Any]]) -> None:
    """For people: a line each, and the reason below it, whole."""
    lines(
        (
            "",
            (
                row["id"][:8],
                f"{row['at'][:16].replace('T', ' ')} UTC",
                f"kept until {row['kept_until'][:10]}",
                row["event"],
                row.get("number") or row.get("record", ""),
                row.get("destination", ""),
                Text(printable(row.get("done", "")), style="red" if row.get("done") == "failed" else "green"),
            ),
            [row.get("why") or row["reason"]],
        )
        for row in rows
    )


def show_one(row: dict[str, Any]) -> None:
    """Everything of one, line by line."""
    for name, value in row.items():
        if name != "message":
            console.print(Text(f"{name:>16}  "), Text(printable(value)), sep="")
    if "message" in row:
        console.print_json(data=row["message"])
