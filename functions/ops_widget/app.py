"""The audit widget of the CloudWatch dashboard: HTML in answer to what somebody pressed. It only reads."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from ml_connector.bootstrap import widget
from ml_connector.widget.describe import DOCUMENTATION

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: LambdaContext) -> str:
    """A page as HTML, or what the widget is as Markdown if CloudWatch asks for that."""
    return DOCUMENTATION if event.get("describe") else widget().page(event)
