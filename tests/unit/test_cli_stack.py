"""The stack as `mlc` sees it: where it is, and the clients of vendors that it gives out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlc.stack import NoStack, Stack

OUTPUTS = {
    "LimitsTableName": "limits",
    "ConnectionsTableName": "connections",
    "SecretsPrefix": "p",
    "SecretsKeyArn": "k",
}


def described(monkeypatch: pytest.MonkeyPatch, **parameters: str) -> Stack:
    """A stack as CloudFormation tells of it. Clients of AWS can be built and not used."""
    answer = {
        "Stacks": [
            {
                "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()],
                "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            }
        ]
    }
    session: Any = SimpleNamespace(client=lambda name: SimpleNamespace(describe_stacks=lambda **_: answer))
    monkeypatch.setattr(Stack, "__post_init__", lambda stack: setattr(stack, "session", session))
    return Stack("ml-connector")


def refuses(client: Any, code: str, message: str) -> Any:
    def call(**_: Any) -> Any:
        raise client.exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")

    return call


@pytest.mark.parametrize(
    ("others", "says", "nearest"),
    [
        (["ml-connector", "web"], "did you mean 'ml-connector'?", "ml-connector"),
        (["web"], "there are web", "NAME"),
        (None, "there are none", "NAME"),
    ],
)
def test_a_mistyped_stack_is_answered_with_the_nearest(
    others: list[str] | None, says: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with the words that say where else it may be; who may not list stacks is told so much."""
    client: Any = SimpleNamespace(exceptions=SimpleNamespace(ClientError=ClientError))
    client.describe_stacks = refuses(client, "ValidationError", "Stack with id ml-conector does not exist")
    pages = [{"StackSummaries": [{"StackName": name} for name in others or ()]}]
    listed = refuses(client, "AccessDenied", "no") if others is None else (lambda **_: pages)
    client.get_paginator = lambda name: SimpleNamespace(paginate=listed)
    session: Any = SimpleNamespace(client=lambda name: client, region_name="eu-central-1")
    monkeypatch.setattr(Stack, "__post_init__", lambda stack: setattr(stack, "session", session))
    with pytest.raises(NoStack, match=r"no stack 'ml-conector' in eu-central-1: .*--region") as raised:
        Stack("ml-conector").outputs  # noqa: B018
    assert str(raised.value).endswith(says)
    assert raised.value.nearest == nearest


@pytest.mark.parametrize(
    ("url", "goes_to"),
    [
        ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("", ""),
        ("http://127.0.0.1:8400.evil.example", ""),
        ("http://127.0.0.1:80@evil.example", ""),
        ("https://evil.example", ""),
    ],
)
def test_vendors_are_called_where_the_stack_calls_them(monkeypatch: pytest.MonkeyPatch, url: str, goes_to: str) -> None:
    """In a sandbox at the stand-ins; nowhere else, whatever a stack of that name says."""
    stack = described(monkeypatch, SandboxUrl=url)
    assert stack.sandbox == goes_to
    assert stack.http(frozenset({"www.zohoapis.eu"}))._sandbox == goes_to


def test_stack_without_that_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a real one."""
    assert described(monkeypatch).sandbox == ""


def test_one_of_each_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens, leases and limits are the functions' own: a token that mlc refreshes is refreshed for all."""
    stack = described(monkeypatch)
    assert stack.tokens is stack.tokens
    assert stack.tokens.leases is stack.leases
    assert set(stack.tokens.issuers) == {"zoho", "microsoft.bot", "microsoft.graph", "microsoft.delegated", "monday"}
    assert stack.zoho_api is stack.zoho_api
    assert stack.books
    assert stack.installations
    assert stack.zoho_settings(lambda seconds, reason: None)
