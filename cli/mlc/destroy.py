"""`mlc destroy`: deletes the stack and says what stays. The audit trail is kept in any case, exported if wished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_connector.aws import queues
from ml_connector.aws.organizations import Organizations
from ml_connector.config.remove import remains
from ml_connector.errors import ConnectorError
from mlc import options
from mlc.audit import Format, write
from mlc.options import AsJson, on_stack
from mlc.output import Exit, console, fail, line, literal, say, watch
from mlc.stack import Stack
from mlc.trail import chosen

STAYS = {
    "ConnectionsTableName": "configurations and their history",
    "DeliveryTableName": "what is where",
    "AuditTableName": "the audit trail",
    "SecretsKeyArn": "the key that these tables and the secrets are encrypted with",
}
"""Outputs of the stack that name what CloudFormation keeps (template.yaml: DeletionPolicy)."""
BETWEEN = 5.0
"""Seconds between two looks at how far the deletion is."""
_GONE = "DELETE_COMPLETE"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is before. `ends`: what is lost or goes on elsewhere, in sentences."""

    connections: Sequence[str]
    stays: dict[str, str]
    secrets: Sequence[str]
    ends: Sequence[str]


@on_stack
def destroy(
    at: Stack,
    export: Annotated[
        Path | None,
        typer.Option("--export", dir_okay=False, help="First write the audit trail of all connections, as NDJSON."),
    ] = None,
    confirm: Annotated[str, typer.Option("--confirm", help="The stack's name, instead of typing it when asked.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go and what would stay.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the stack: functions, queues, alarms, the web address. Tables, their key and secrets stay in the account.

    Asks for the stack's name. Webhooks at the vendors are not touched: remove them first.
    """
    found = inventory(at)
    if not as_json or not confirm:
        for text in _told(at.name, found):
            typer.echo(text, err=True)
    data: dict[str, Any] = {"stack": at.name, "stays": found.stays, "secrets": list(found.secrets)}
    if dry_run:
        say({**data, "destroyed": False}, as_json=as_json, people=lambda: line("nothing was deleted"))
        return
    _sure(at.name, confirm)
    if export:
        data["exported"] = write(
            (entry for name in found.connections for entry in chosen(at.audit, at.deliveries, name)),
            Format.NDJSON,
            export,
        )
    with watch(as_json, "resources") as show:
        delete(at, lambda left, total: show("resources deleted", total - left, total), lambda: time.sleep(BETWEEN))
    say(
        {**data, "destroyed": True},
        as_json=as_json,
        people=lambda: console.print(f"[green]✓[/] stack {literal(at.name)} is deleted; what stays is listed above"),
    )


def inventory(at: Stack) -> Inventory:
    names = at.connections.names()
    client = at.session.client("secretsmanager")
    prefix = f"{at.outputs['SecretsPrefix']}/"
    pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [prefix]}])
    listed = [each["Name"] for page in pages for each in page["SecretList"]]
    # Those of connections: the others are the stack's own, and go with it.
    secrets = sorted(name for name in listed if name.startswith(prefix) and name.count("/") >= 2)
    return Inventory(
        names,
        {at.outputs[key]: what for key, what in STAYS.items() if key in at.outputs},
        secrets,
        list(_ends(at, names)),
    )


def _ends(at: Stack, names: Sequence[str]) -> Iterator[str]:
    for url, what in (("DeliveriesQueueUrl", "deliveries under way"), ("ParkedQueueUrl", "parked deliveries")):
        if count := sum(queues.counts(at.session.client("sqs"), at.outputs[url])):
            yield f"about {count} {what} are lost with their queue"
    for name in names:
        left = remains(name, at.connections, at.secrets)
        if left.zoho_webhooks or left.monday_boards:
            yield f"webhooks at Zoho and monday.com go on calling: first mlc webhooks remove {name}"
        if Organizations(at.connections).of(name):
            yield f"Zoho's access stays given: first mlc auth revoke {name} zoho"


def delete(at: Stack, progress: Callable[[int, int], None], pause: Callable[[], None]) -> None:
    """Returns when the stack is gone. Raises ConnectorError with CloudFormation's reason if it cannot be deleted."""
    client = at.session.client("cloudformation")
    identity = client.describe_stacks(StackName=at.name)["Stacks"][0]["StackId"]
    resources = len(_resources(client, identity))
    client.delete_stack(StackName=identity)
    while True:
        state = client.describe_stacks(StackName=identity)["Stacks"][0]
        if state["StackStatus"] == _GONE:
            return
        if state["StackStatus"].endswith("FAILED"):
            reason = state.get("StackStatusReason", "it does not say why")
            raise ConnectorError(f"CloudFormation cannot delete {at.name}: {reason}. What is left: see its console")
        done = ("DELETE_COMPLETE", "DELETE_SKIPPED")
        left = sum(each["ResourceStatus"] not in done for each in _resources(client, identity))
        progress(left, resources)
        pause()


def _resources(client: Any, identity: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_stack_resources").paginate(StackName=identity)
    return [each for page in pages for each in page["StackResourceSummaries"]]


def _told(name: str, found: Inventory) -> Iterator[str]:
    many = len(found.connections)
    yield f"Stack {name} with {many} connection(s)" + (f": {', '.join(found.connections)}" if many else "")
    for text in found.ends:
        yield f"  ends: {text}"
    for place, what in found.stays.items():
        yield f"  stays: {place}, {what}"
    if found.secrets:
        yield f"  stays: {len(found.secrets)} secrets, {', '.join(found.secrets)}"
    yield "  What stays goes on costing a little: delete it in AWS's console when nobody needs it any more."


def _sure(name: str, confirm: str) -> None:
    """Goes on only with the stack's own name."""
    if not confirm:
        if not options.terminal():
            fail(f"there is no terminal to ask at; to delete it, say --confirm {name}", Exit.USAGE)
        confirm = typer.prompt("Type the stack's name to delete it", err=True)
    if confirm.strip() != name:
        fail(f"{confirm!r} is not the stack's name; nothing was deleted", Exit.USAGE)
