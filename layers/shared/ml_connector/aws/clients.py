"""The one place where AWS clients are built."""

from __future__ import annotations

import logging
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# One retry by botocore beyond the first try, short time-outs: the queue is the patient one, not the function.
_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})

# botocore tells at INFO where it found its credentials: a line per client and cold start that nobody reads.
logging.getLogger("botocore").setLevel(logging.WARNING)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


_building = Lock()
"""Clients may be used by several threads at a time, but a session must not build them so."""


class _AtFirstUse:
    """Stands for a client, and builds it when it is first asked for anything: building takes milliseconds of a cold
    start, and a delivery that succeeds needs no queue."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._client is None:
            with _building:
                self._client = self._client or self._build()
        return getattr(self._client, name)


def _client(service: str) -> Any:
    # botocore rather than boto3: the same clients, without the import of boto3's resource layer at a cold start.
    return _AtFirstUse(lambda: _session().create_client(service, config=_CONFIG))


@cache
def dynamodb() -> DynamoDBClient:
    client: DynamoDBClient = _client("dynamodb")
    return client


@cache
def sqs() -> SQSClient:
    client: SQSClient = _client("sqs")
    return client


@cache
def secretsmanager() -> SecretsManagerClient:
    client: SecretsManagerClient = _client("secretsmanager")
    return client
