"""What people do on the page: only from the page, only what there is, one after the other."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from page_calls import Answer, get
from starlette.applications import Starlette

from sandbox.page.app import create_page
from sandbox.page.deeds import BURST, DEEDS, LONGEST, WORD, CannotBeDone, Deeds, Nothing
from sandbox.page.made_up import MadeUp
from sandbox.play import Play

OWN = {"origin": "http://127.0.0.1:8000", "x-sandbox": "page", "content-type": "application/json"}
RECORD = {"module": "bill", "record": "415"}


class Noted:
    """Deeds that are only written down; `during` happens while one is done."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.done: list[tuple[str, dict[str, Any]]] = []
        self._during = during

    def __getattr__(self, name: str) -> Callable[..., str]:
        def do(**given: Any) -> str:
            self.done.append((name, given))
            self._during()
            return f"{name} is done"

        return do


def page(deeds: Any) -> Starlette:
    return create_page(MadeUp(empty=True), deeds)


def do(app: Starlette, name: str, given: Any, headers: Mapping[str, str] = OWN) -> Answer:
    return get(app, f"/api/do/{name}", headers, "POST", json.dumps(given).encode())


GIVEN: dict[str, dict[str, Any]] = {
    "create": {"module": "invoice"},
    **dict.fromkeys(("change", "pay", "void", "forge"), RECORD),
    "burst": {"count": BURST},
    "lose": {},
    "reconcile": {},
    "retry": {},
    "label": {"item": "2000000001", "label": "Approved"},
    "switch": {"name": "teams-busy", "on": True},
}


@pytest.mark.parametrize("name", DEEDS)
def test_a_button_does_what_it_says(name: str) -> None:
    """Each deed gets what the page gave, and what came of it is told."""
    deeds = Noted()
    answer = do(page(deeds), name, GIVEN[name])
    assert (answer.status, answer.json()) == (200, {"said": f"{name} is done"})
    assert deeds.done == [(name, GIVEN[name])]


@pytest.mark.parametrize("name", DEEDS)
def test_what_is_checked_is_what_is_taken(name: str) -> None:
    """The names that the door lets in are the parameters of the deed, in the protocol and in the sandbox."""
    for kind in (Deeds, Play):
        parameters = list(inspect.signature(getattr(kind, name)).parameters)
        assert parameters == ["self", *DEEDS[name]]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:8000"},
        {"origin": "null"},
        {"x-sandbox": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_another_site_presses_no_button(headers: Mapping[str, str]) -> None:
    """A page of another origin, which the person has open too, is refused, and nothing is done."""
    deeds = Noted()
    assert do(page(deeds), "lose", {}, {**OWN, **headers}).status == 403
    assert deeds.done == []


@pytest.mark.parametrize("missing", ["origin", "x-sandbox"])
def test_a_call_that_does_not_say_where_it_is_from_is_refused(missing: str) -> None:
    """Browsers always say it with a POST."""
    deeds = Noted()
    assert do(page(deeds), "lose", {}, {name: value for name, value in OWN.items() if name != missing}).status == 403
    assert deeds.done == []


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("burst", {"count": BURST + 1}),
        ("burst", {"count": 0}),
        ("burst", {"count": True}),
        ("burst", {"count": "7"}),
        ("burst", {}),
        ("lose", {"count": 1}),
        ("lose", []),
        ("pay", {**RECORD, "record": 415}),
        ("pay", {**RECORD, "record": ""}),
        ("pay", {**RECORD, "record": "4" * (WORD + 1)}),
        ("switch", {"name": "teams-busy", "on": 1}),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(name: str, given: Any) -> None:
    """Nothing more, nothing less, each of its kind and within its bounds."""
    deeds = Noted()
    assert do(page(deeds), name, given).status == 400
    assert deeds.done == []


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"x" * (LONGEST + 1), 413)])
def test_junk_is_refused(body: bytes, status: int) -> None:
    """Before it is read."""
    assert get(page(Noted()), "/api/do/lose", OWN, "POST", body).status == status


@pytest.mark.parametrize("name", ["done", "__class__", "nothing"])
def test_only_deeds_are_done(name: str) -> None:
    """No other attribute of the sandbox can be called."""
    deeds = Noted()
    assert do(page(deeds), name, {}).status == 404
    assert deeds.done == []


def test_looking_is_no_deed() -> None:
    """A link or an image of another page does nothing."""
    deeds = Noted()
    assert get(page(deeds), "/api/do/lose", OWN).status in (404, 405)
    assert deeds.done == []


def test_a_page_without_deeds_has_no_door() -> None:
    """Made-up content can only be looked at."""
    assert do(page(None), "lose", {}).status in (404, 405)


def test_one_thing_at_a_time() -> None:
    """A second press while something is done is told to wait; afterwards it may."""
    answers: list[Answer] = []

    def press_again() -> None:
        if not answers:
            answers.append(do(app, "reconcile", {}))

    deeds = Noted(press_again)
    app = page(deeds)
    assert do(app, "lose", {}).status == 200
    assert [(each.status, "try again" in each.json()["error"]) for each in answers] == [(409, True)]
    assert do(app, "reconcile", {}).status == 200
    assert [name for name, _ in deeds.done] == ["lose", "reconcile"]


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (CannotBeDone("BILL-1 is paid."), 409, "BILL-1 is paid."),
        (Nothing("There is no BILL-2."), 404, "There is no BILL-2."),
        (ConnectionError("http://127.0.0.1:1/?secret=hunter2"), 502, "The sandbox could not do it (ConnectionError)."),
    ],
)
def test_what_goes_wrong_is_told_without_secrets(error: Exception, status: int, says: str) -> None:
    """The person reads why; of a failure only its kind. The door opens again."""

    def fail() -> None:
        raise error

    app = page(Noted(fail))
    for _ in range(2):
        answer = do(app, "lose", {})
        assert (answer.status, answer.json()) == (status, {"error": says})
