"""boto3 clients that can reach nothing but the local AWS."""

from __future__ import annotations

import os
from typing import Any

import boto3
import botocore.config
import botocore.session

REGION = "us-east-1"
ROOT_KEY = "test"  # the local AWS takes this key for the account's root

# No proxy: a company's HTTP_PROXY must not see, or break, calls to 127.0.0.1.
_CONFIG = botocore.config.Config(
    proxies={}, connect_timeout=5, read_timeout=300, retries={"mode": "standard", "total_max_attempts": 2}
)


class Clients:
    """Clients of one local AWS as its root; blind to the machine's own AWS profiles and credentials."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        nothing = (None, None, os.devnull, None)
        core = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": nothing,
                "credentials_file": nothing,
            }
        )
        self._session = boto3.Session(
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_KEY,
            botocore_session=core,
        )
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """The (shared, thread-safe) client of a service, e.g. `clients("sqs")`."""
        if service not in self._clients:
            self._clients[service] = self.client(service)
        return self._clients[service]

    def client(self, service: str, **options: Any) -> Any:
        """A new client of a service, with other credentials if wanted."""
        return self._session.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self.endpoint,
            config=_CONFIG,
            **options,
        )
