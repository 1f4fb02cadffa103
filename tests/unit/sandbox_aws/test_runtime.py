"""What of the runtime's host needs no process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.aws.host import stem
from sandbox.aws.runtime import Answer, FunctionSpec, handler_lines, merge_layers, read_answer

ERROR = {
    "errorMessage": "boom",
    "errorType": "ValueError",
    "requestId": "1e729f70",
    "stackTrace": ["  File app.py"],
}
IMPORT_ERROR = ERROR | {"errorType": "Runtime.ImportModuleError", "stackTrace": []}


def test_a_handlers_exception_is_a_failure_although_it_comes_with_200() -> None:
    """A batch whose handler raised must not be deleted from its queue; the process may be used again."""
    body = json.dumps(ERROR).encode()
    assert read_answer(200, body) == Answer(body, failed=True, spent=False)


def test_a_failed_import_is_a_failure_that_ends_the_process() -> None:
    """A function that cannot be imported is started afresh for the next call."""
    assert read_answer(200, json.dumps(IMPORT_ERROR).encode()).spent


def test_a_timeout_is_a_failure_that_ends_the_process() -> None:
    """The plain text of a time-out becomes an error document; its environment serves no further call."""
    answer = read_answer(200, b"Task timed out after 4.00 seconds")
    assert (answer.failed, answer.spent) == (True, True)
    assert answer.value == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "Task timed out after 4.00 seconds",
    }


def test_an_exit_of_the_process_is_a_failure() -> None:
    """Whatever is not 200 failed."""
    assert read_answer(502, b'{"errorType":"Runtime.ExitError"}').failed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"statusCode": 202, "body": "{}"}',
        b'{"errorType": "from a vendor", "errorMessage": "forwarded"}',
        json.dumps(ERROR | {"statusCode": 500}).encode(),
        json.dumps([ERROR]).encode(),
        b'"errorType" and "stackTrace" as text',
    ],
)
def test_an_ordinary_result_is_no_failure(body: bytes) -> None:
    """A result that merely looks like an error is handed through as it is."""
    assert read_answer(200, body) == Answer(body)


def test_the_later_layer_wins_and_the_build_stays_as_it_is(tmp_path: Path) -> None:
    """Layers lie over each other in /opt in their order, and merging changes no built file."""
    for layer, files in {"a": {"x.py": "a", "one.py": "a"}, "b": {"x.py": "b", "two.py": "b"}}.items():
        for name, text in files.items():
            target = tmp_path / layer / "python" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    opt = merge_layers([tmp_path / "a", tmp_path / "b"], tmp_path / "opt")

    assert {path.name: path.read_text() for path in (opt / "python").iterdir()} == {
        "x.py": "b",
        "one.py": "a",
        "two.py": "b",
    }
    assert (tmp_path / "a/python/x.py").read_text() == "a"


def test_logs_are_the_functions_own_lines() -> None:
    """What the emulator of the runtime writes between them is left out."""
    log = "\n".join(
        [
            "22 Nov 2026 06:23:37,395 [INFO] (rapid) INIT START(type: on-demand, phase: init)",
            "START RequestId: 1a73313c Version: $LATEST",
            '{"message": "delivered"}',
            "",
            "plain",
            '{"errorType": "Runtime.UnmarshalError"}',
            "[ERROR] ValueError: boom\rTraceback (most recent call last):\r  File app.py",
            "END RequestId: 1a73313c",
            "REPORT RequestId: 1a73313c\tDuration: 2 ms",
        ]
    )
    assert handler_lines(log) == [
        '{"message": "delivered"}',
        "plain",
        "[ERROR] ValueError: boom\rTraceback (most recent call last):\r  File app.py",
    ]


@pytest.mark.parametrize("name", ["RefreshTokensFunction", "refresh_tokens", "refresh-tokens", "RefreshTokens"])
def test_a_function_goes_by_its_stem(name: str) -> None:
    """Folder, logical id and physical stem name the same function."""
    assert stem(name) == "refreshtokens"


def test_a_specs_text_shows_no_credentials() -> None:
    """A spec may be printed or logged."""
    spec = FunctionSpec("f", Path(), "app.handler", environment={"AWS_SECRET_ACCESS_KEY": "hidden"})
    assert "hidden" not in repr(spec)
