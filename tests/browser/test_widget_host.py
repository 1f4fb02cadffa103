"""CloudWatch's part in the sandbox, in a browser: what it carries out of a function's HTML, and what it does not."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Route, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.page.widget import create_widget

pytestmark = pytest.mark.browser

WIDGET, RETRY = "arn:widget", "arn:retry"


def action(said: object = None, **attributes: str) -> str:
    told = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<cwdb-action{told}>{said if isinstance(said, str) else json.dumps(said or {})}</cwdb-action>"


@dataclass
class Functions:
    """Two functions that answer with `html`, and what they were asked."""

    html: str | Callable[[Mapping[str, Any]], str] = "<p>nothing yet</p>"
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, function: str, event: Mapping[str, Any]) -> str:
        self.calls.append((function, dict(event)))
        return self.html if isinstance(self.html, str) else self.html(event)

    def asked(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The last call: function, parameters, and the context that came with them."""
        function, event = self.calls[-1]
        return (
            function,
            {name: value for name, value in event.items() if name != "widgetContext"},
            event["widgetContext"],
        )


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def address(functions: Functions) -> Iterator[str]:
    app = Starlette(routes=[Mount("/widget", create_widget(functions, WIDGET, frozenset({RETRY})))])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/widget/"
        server.should_exit = True
        thread.join(timeout=5)


@pytest.fixture
def page(chrome: Browser) -> Iterator[Page]:
    context = chrome.new_context(color_scheme="dark", reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_nothing_of_the_html_runs(page: Page, address: str, functions: Functions) -> None:
    """Scripts, handlers, frames and script links are taken out; were one left, the page's policy would stop it."""
    functions.html = (
        "<p id=text onclick='document.title=1' onmouseover='document.title=2'>text</p>"
        "<script>document.title=3</script>"
        "<img src=x onerror='document.title=4'><iframe srcdoc='<script>parent.document.title=5</script>'></iframe>"
        "<a href='javascript:document.title=6'>link</a><svg onload='document.title=7'></svg>"
        "<base href='//evil.example'>"
    )
    page.goto(address)
    page.locator("#text").click()
    page.get_by_text("link").click()
    expect(page).to_have_title("Audit trail")
    assert page.locator("#widget script, #widget iframe, #widget base").count() == 0
    names = page.locator("#widget *").evaluate_all("all => all.flatMap(one => one.getAttributeNames())")
    assert [name for name in names if name.startswith("on") or name == "href"] == []


def test_buttons_call_with_their_parameters_and_the_form(page: Page, address: str, functions: Functions) -> None:
    """The form's fields, theme, width and time zone come with every call; the answer takes the page's place."""
    functions.html = (
        "<form><input name=what value=INV-1><select name=state><option>parked</select></form>"
        f'<a class="btn" role="button" tabindex="0">Go</a>{action({"view": "search"}, action="call", endpoint=RETRY)}'
    )
    page.goto(address)
    page.get_by_text("Go").wait_for()
    functions.html = "<h3>there</h3>"
    page.get_by_text("Go").press("Enter")
    expect(page.locator("h3")).to_have_text("there")
    function, params, context = functions.asked()
    assert (function, params) == (RETRY, {"view": "search"})
    assert context["forms"] == {"all": {"what": "INV-1", "state": "parked"}}
    assert (context["theme"], context["timezone"]["offsetISO"][0]) == ("dark", "+")
    assert context["width"] > 100


def test_enter_in_a_field_presses_the_main_button(page: Page, address: str, functions: Functions) -> None:
    """And sends no form anywhere."""
    functions.html = (
        "<form><input name=what><a class='btn btn-primary' role=button tabindex=0>Search</a>"
        f"{action({'view': 'search'}, action='call', endpoint=WIDGET)}</form>"
    )
    page.goto(address)
    page.locator("input").fill("INV-2")
    functions.html = "<h3>found</h3>"
    page.locator("input").press("Enter")
    expect(page.locator("h3")).to_have_text("found")
    assert functions.asked()[2]["forms"] == {"all": {"what": "INV-2"}}
    assert page.url == address


def test_confirmation_is_asked_first(page: Page, address: str, functions: Functions) -> None:
    """Cancel calls nothing, OK calls once."""
    functions.html = f"<a>Send</a>{action({'a': 1}, action='call', endpoint=RETRY, confirmation='Really?')}"
    page.goto(address)
    page.get_by_text("Send").click()
    expect(page.locator("#confirm-text")).to_have_text("Really?")
    page.get_by_text("Cancel").click()
    assert [function for function, _ in functions.calls if function == RETRY] == []
    page.get_by_text("Send").click()
    functions.html = "<h3>done</h3>"
    page.get_by_test_id("confirm").click()
    expect(page.locator("h3")).to_have_text("done")
    assert [function for function, _ in functions.calls if function == RETRY] == [RETRY]


def test_popups_leave_the_page(page: Page, address: str, functions: Functions) -> None:
    """With the action's own HTML, or with a function's; by a double click, where that is asked for."""
    functions.html = (
        f"<p>page</p><a>More</a>{action('<b>more of it</b>', display='popup')}"
        f"<i>Ask</i>{action(action='call', endpoint=WIDGET, display='popup', event='dblclick')}"
    )
    page.goto(address)
    page.get_by_text("More", exact=True).click()
    expect(page.locator("#popup-content b")).to_have_text("more of it")
    page.get_by_text("Close").click()
    page.get_by_text("Ask").click()
    expect(page.locator("#popup")).not_to_be_visible()
    functions.html = "<b>told</b>"
    page.get_by_text("Ask").dblclick()
    expect(page.locator("#popup-content b")).to_have_text("told")
    expect(page.locator("#widget p")).to_have_text("page")


def test_it_keeps_itself_fresh_where_it_is(page: Page, address: str, functions: Functions) -> None:
    """It asks again for what is open, but takes nothing from under somebody who reads or types."""
    functions.html = f"<a>Next</a>{action({'view': 'parked'}, action='call', endpoint=WIDGET)}"
    page.goto(address)
    page.get_by_text("Next").click()
    functions.html = "<form><input name=what></form><p>second</p>"
    expect(page.get_by_text("second")).to_be_visible()
    assert functions.asked()[:2] == (WIDGET, {"view": "parked"})
    page.locator("input").fill("INV")
    functions.html = "<p>third</p>"
    before = len(functions.calls)
    page.wait_for_timeout(4000)
    assert len(functions.calls) == before
    expect(page.locator("input")).to_have_value("INV")


def search(event: Mapping[str, Any]) -> str:
    """A search form with what was looked for; no two answers are the same."""
    what = event["widgetContext"]["forms"]["all"].get("what", "") if event.get("view") == "search" else ""
    button = f"<a class='btn btn-primary' role=button tabindex=0>Search</a>{action({'view': 'search'}, action='call')}"
    form = f"<form><input name=what value='{what}'>{button}</form>"
    return f"{form}<h3>found: {what or 'all'}</h3><p>{time.time_ns()}</p>"


@pytest.fixture
def trail(page: Page, address: str, functions: Functions) -> Page:
    """A search form before which somebody sits; time stands still, so it is refreshed when a test says so."""
    functions.html = search
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.goto(address)
    expect(page.locator("h3")).to_have_text("found: all")
    return page


def refreshed(page: Page) -> None:
    before = page.locator("p").first.inner_text()
    page.clock.run_for(3000)
    expect(page.locator("p").first).not_to_have_text(before)


def held_refresh(page: Page) -> Route:
    """A refresh that has begun, and is not answered until the test lets it."""
    held: list[Route] = []
    page.route("**/call", lambda route: held.append(route), times=1)
    page.clock.run_for(3000)
    while not held:
        page.wait_for_timeout(10)
    return held[0]


def test_a_search_stays_when_it_is_refreshed(trail: Page, functions: Functions) -> None:
    """What was asked with the form is asked again, not everything in its place."""
    trail.locator("input").fill("INV-3")
    trail.locator("input").press("Enter")
    expect(trail.locator("h3")).to_have_text("found: INV-3")
    refreshed(trail)
    expect(trail.locator("h3")).to_have_text("found: INV-3")
    expect(trail.locator("input")).to_have_value("INV-3")
    assert functions.asked()[1:] == ({"view": "search"}, functions.calls[-2][1]["widgetContext"])


def test_what_is_typed_while_it_is_refreshed_is_searched_for(trail: Page, functions: Functions) -> None:
    """An answer that was on its way when somebody began to type is dropped."""
    before = len(functions.calls)
    late = held_refresh(trail)
    trail.locator("input").fill("INV-4")
    with trail.expect_response("**/call"):
        late.continue_()
    trail.locator("input").press("Enter")
    expect(trail.locator("h3")).to_have_text("found: INV-4")
    assert len(functions.calls) == before + 2


def test_what_is_typed_and_left_survives_a_refresh(trail: Page) -> None:
    """And is searched for with the button."""
    trail.locator("input").fill("INV-5")
    trail.locator("input").blur()
    refreshed(trail)
    expect(trail.locator("input")).to_have_value("INV-5")
    trail.get_by_role("button").click()
    expect(trail.locator("h3")).to_have_text("found: INV-5")


def test_a_slow_refresh_does_not_undo_a_search(trail: Page) -> None:
    """The answer of a call that was overtaken is dropped, whichever comes first."""
    late = held_refresh(trail)
    trail.locator("input").fill("INV-6")
    trail.locator("input").press("Enter")
    expect(trail.locator("h3")).to_have_text("found: INV-6")
    with trail.expect_response("**/call"):
        late.continue_()
    expect(trail.locator("h3")).to_have_text("found: INV-6")
    expect(trail.locator("input")).to_have_value("INV-6")


def test_what_a_button_did_is_not_done_again(page: Page, address: str, functions: Functions) -> None:
    """Refreshing asks the widget's own function only."""
    functions.html = f"<a>Send</a>{action({'a': 1}, action='call', endpoint=RETRY)}"
    page.goto(address)
    page.get_by_text("Send").click()
    page.wait_for_timeout(4000)
    assert [function for function, _ in functions.calls].count(RETRY) == 1
    assert functions.calls[-1][0] == RETRY


def test_an_address_begins_with_a_search(page: Page, address: str, functions: Functions) -> None:
    """As the page's own buttons use it."""
    page.goto(f"{address}?find=https%3A%2F%2Facme.monday.com%2F1")
    page.get_by_text("nothing yet").wait_for()
    assert functions.asked()[1] == {"view": "search", "what": "https://acme.monday.com/1"}
