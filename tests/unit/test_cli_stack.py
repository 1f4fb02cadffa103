"""The stack as `mlc` sees it: where it is, and the clients of vendors that it gives out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlc.stack import Stack

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
