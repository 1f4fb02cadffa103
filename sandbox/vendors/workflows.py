"""Workflows webhooks of Power Automate: a bearer URL that accepts, and posts later or not at all.

contracts: microsoft-teams 1.3. Accepted is not delivered: a card that is wrong or too big fails in the run history.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from sandbox.vendors import cards
from sandbox.vendors.bot_connector import CARD, add_message
from sandbox.vendors.wire import Answer, Call, Refusal, reply
from sandbox.vendors.world import Workflow, World, iso

HOSTS = re.compile(
    r"prod-\d+\.[a-z]+\.logic\.azure\.com(:443)?|[0-9a-z.-]+\.\d+\.environment\.api\.powerplatform\.com(:443)?"
)


def _no(status: int, code: str, message: str) -> Refusal:
    return Refusal(reply(status, {"error": {"code": code, "message": message}}))


def handle(world: World, call: Call) -> Answer:
    """202 without a body for the one exact URL; the result stands in `Workflow.runs` only."""
    workflow = _workflow(world, call)
    if call.method != "POST":
        raise _no(404, "TriggerNotFound", "The trigger takes POST requests only.")
    if "authorization" in call.headers:
        text = "The request should not have an Authorization header: the trigger is open to anyone with the URL."
        raise _no(401, "DirectApiRequestHasMoreThanOneAuthorization", text)
    if not workflow.enabled:
        raise _no(404, "WorkflowTriggerIsNotEnabled", "The workflow is switched off.")
    now = world.clock.now()
    wait = 0.0 if "workflows" in world.unlimited else workflow.calls.take(now)
    if wait:
        error = {"error": {"code": "WorkflowTriggerThrottled", "message": "Rate limit is exceeded."}}
        return reply(429, error, {"Retry-After": str(math.ceil(wait))})
    body = _body(call)
    run: dict[str, Any] = {"at": iso(now), "status": "Succeeded", "error": "", "messages": []}
    workflow.runs.append(run)
    run["error"] = _failure(world, workflow, call, body)
    if run["error"]:
        run["status"] = "Failed"
    else:
        channel = world.microsoft.channels[workflow.channel_id]
        for attachment in body["attachments"]:
            run["messages"].append(add_message(world, channel, "workflows", "", "", attachment["content"]).id)
    return Answer(202)


def _workflow(world: World, call: Call) -> Workflow:
    """The URL is compared byte for byte; the default port may be left out."""
    host = call.host.removesuffix(":443")
    path = call.target.partition("?")[0]
    for workflow in world.microsoft.workflows:
        own_host, slash, own_target = workflow.url.removeprefix("https://").partition("/")
        if own_host.removesuffix(":443").lower() != host or (slash + own_target).partition("?")[0] != path:
            continue
        if slash + own_target != call.target:
            raise _no(401, "AuthorizationFailed", "The authentication credentials are not valid.")
        return workflow
    raise _no(404, "WorkflowNotFound", "The workflow could not be found.")


def _body(call: Call) -> dict[str, Any]:
    """What the trigger itself refuses: anything that is not its message envelope."""
    if call.content_type != "application/json":
        raise _no(400, "InvalidRequestContent", "Content-Type must be application/json.")
    try:
        body = json.loads(call.body)
    except ValueError:
        raise _no(400, "InvalidRequestContent", "The body is not JSON.") from None
    if not isinstance(body, dict) or body.get("type") != "message":
        raise _no(400, "TriggerInputSchemaMismatch", "type must be message.")
    attachments = body.get("attachments")
    if not isinstance(attachments, list) or not attachments:
        raise _no(400, "TriggerInputSchemaMismatch", "attachments must be a list with a card.")
    for attachment in attachments:
        if not isinstance(attachment, dict) or attachment.get("contentType") != CARD:
            raise _no(400, "TriggerInputSchemaMismatch", f"contentType must be {CARD}.")
        if attachment.get("contentUrl", "") is not None:
            raise _no(400, "TriggerInputSchemaMismatch", "contentUrl must be null.")
        if not isinstance(attachment.get("content"), dict):
            raise _no(400, "TriggerInputSchemaMismatch", "content must be an object.")
    return body


def _failure(world: World, workflow: Workflow, call: Call, body: dict[str, Any]) -> str:
    """What fails inside the flow, unseen by the caller; empty when the post appears."""
    if workflow.channel_id not in world.microsoft.channels:
        return "NotFound: the channel does not exist"
    if len(call.body) > cards.PREFERRED_BYTES:
        return "Request Entity too large"
    for attachment in body["attachments"]:
        found = cards.problems(attachment["content"])
        if not found and '"Action.Submit"' in json.dumps(attachment["content"]):
            found = ["Action.Submit does not work through a webhook"]
        if found:
            return f"Invalid Adaptive Card: {found[0]}"
    if "workflows" not in world.unlimited and workflow.posts.take(world.clock.now()):
        return "429: more than 25 posts in 300 seconds on this connection"
    return ""
