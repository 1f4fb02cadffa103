"""The button "Send again" of the audit widget. Who may call this function may send parked deliveries again."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from ml_connector.bootstrap import again

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> str:
    """Sends the one parked delivery of `{"connection": …, "delivery": …}` again: a page that says what came of it.

    A dashboard tells a function no user's name. So the trail names the account, and CloudTrail knows who called.
    """
    account = context.invoked_function_arn.split(":")[4]
    desk = again()
    done = desk.press(event, f"CloudWatch dashboard of {account}, request {context.aws_request_id}")
    log = logger.info if done.well else logger.warning
    log("asked to send again", extra={"connection": done.connection, "delivery": done.delivery, "outcome": done.text})
    return desk.page(event, done)
