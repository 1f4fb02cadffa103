"""A running sandbox for somebody who looks at it: its page with the buttons, and `mlc` beside it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.alarms import judging
from sandbox.aws.emulator import ROOT
from sandbox.page.server import page
from sandbox.page.widget import by_lambda, create_widget
from sandbox.play import Play
from sandbox.session import Box
from sandbox.shown import ENVIRONMENT, Shown


@contextmanager
def serve(box: Box, port: int = 0) -> Iterator[str]:
    """The page of a running sandbox, with its buttons: its URL. Meanwhile a second terminal finds ENVIRONMENT."""
    callback = f"{box.stack.webhook_url}/oauth/zoho/callback"
    box.zoho.redirect_uri(callback)
    # The local AWS runs the template's schedules, but begins when their minute or their hour has passed.
    for schedule in ("refresh_tokens", "reconcile", "renew_subscriptions"):
        box.stack.invoke(schedule, {})
    play = Play(box)
    retry = frozenset({box.stack.outputs["OpsRetryFunctionArn"]})
    widget = create_widget(by_lambda(box.stack.client("lambda")), box.stack.outputs["OpsWidgetFunctionArn"], retry)
    shown = Shown(box, play.switches)
    with (
        second_terminal(box, callback),
        judging(shown.alarms),
        page(shown, play, widget, port=port) as url,
    ):
        yield url


@contextmanager
def second_terminal(box: Box, callback: str) -> Iterator[None]:
    """The file that makes `mlc` of a second terminal work on this sandbox; of two sandboxes, on the newer one."""
    own = {"MLC_WEBHOOK_URL": f"{box.stack.webhook_url}/webhooks", "MLC_OAUTH_URL": callback}
    values = {**box.stack.environment(), "MLC_STACK": box.stack.deployment.stack, **own}
    lines = [
        f"# Written by make demo (process {os.getpid()}), which removes it when it ends.",
        # A profile would win over these keys, which are no secret: the local AWS takes any.
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        *(f"export {name}={shlex.quote(value)}" for name, value in values.items()),
        f'export PATH={shlex.quote(str(ROOT / ".venv" / "bin"))}:"$PATH"',
    ]
    file, content = ROOT / ENVIRONMENT, "\n".join(lines) + "\n"
    file.write_text(content)
    try:
        yield
    finally:
        if file.is_file() and file.read_text() == content:
            file.unlink()
