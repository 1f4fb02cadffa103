"""CloudWatch's part in the sandbox: which functions it calls, and what its document may do."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from page_calls import Answer, get
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.page.widget import STATIC, by_lambda, create_widget

WIDGET, RETRY = "arn:widget", "arn:retry"


class Functions:
    """What was called; `answer` is what a function gives back."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: Any = "<p>a page</p>"

    def __call__(self, function: str, event: Mapping[str, Any]) -> Any:
        self.calls.append((function, event))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def host(functions: Functions) -> Starlette:
    return Starlette(routes=[Mount("/widget", create_widget(functions, WIDGET, frozenset({RETRY})))])


def post(host: Starlette, body: str, kind: str = "application/json") -> Answer:
    return get(host, "/widget/call", {"content-type": kind}, "POST", body.encode())


def ask(host: Starlette, **said: Any) -> Answer:
    return post(host, json.dumps({"params": {}, "widgetContext": {}, **said}))


@pytest.mark.parametrize(("endpoint", "called"), [("", WIDGET), (WIDGET, WIDGET), (RETRY, RETRY)])
def test_its_two_functions_are_called(host: Starlette, functions: Functions, endpoint: str, called: str) -> None:
    """With the button's parameters, and what a dashboard adds."""
    answer = ask(host, endpoint=endpoint, params={"view": "parked"}, widgetContext={"theme": "dark"})
    assert answer.json() == {"html": "<p>a page</p>", "repeatable": called == WIDGET}
    assert functions.calls == [
        (called, {"view": "parked", "widgetContext": {"dashboardName": "sandbox", "theme": "dark"}})
    ]


def test_no_other_function_is_called(host: Starlette, functions: Functions) -> None:
    """A page's text cannot make it run delivery or ingest."""
    assert ask(host, endpoint="arn:delivery").status == 403
    assert functions.calls == []


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"params":1,"widgetContext":{}}', "[" * 100_000, "x" * 200_000])
def test_what_is_no_call_is_refused(host: Starlette, functions: Functions, body: str) -> None:
    """Whatever was sent."""
    assert (post(host, body).status, functions.calls) == (400, [])


def test_forms_of_other_pages_are_refused(host: Starlette, functions: Functions) -> None:
    """Another site's page can post a form here, but not JSON."""
    body = json.dumps({"params": {}, "widgetContext": {}})
    assert post(host, body, "text/plain").status == 400
    assert functions.calls == []


def test_failure_is_said_without_its_text(host: Starlette, functions: Functions) -> None:
    """The page goes on."""
    functions.answer = RuntimeError("sEcReT")
    answer = ask(host)
    assert (answer.status, b"RuntimeError" in answer.body, b"sEcReT" in answer.body) == (502, True, False)


@pytest.mark.parametrize("path", ["/widget/", "/widget/widget.js", "/widget/widget.css"])
def test_files_run_nothing_but_their_own_script(host: Starlette, path: str) -> None:
    """The widget's HTML is shown under a policy that would stop its scripts."""
    answer = get(host, path)
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'self'" in policy
    assert "require-trusted-types-for 'script'" in policy


def test_document_has_no_inline_script() -> None:
    """Its own policy would stop it."""
    assert "<script>" not in (STATIC / "widget.html").read_text()


class Lambda:
    """Lambda's client."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {**self.answer, "Payload": io.BytesIO(json.dumps("<p>").encode())}


def test_lambda_is_asked_as_cloudwatch_does() -> None:
    """The result is the function's; a failed one raises."""
    client = Lambda()
    assert by_lambda(client)(WIDGET, {"a": 1}) == "<p>"
    assert client.asked == {"FunctionName": WIDGET, "Payload": b'{"a": 1}'}
    with pytest.raises(RuntimeError, match="widget failed"):
        by_lambda(Lambda(FunctionError="Unhandled"))(WIDGET, {})
