"""The widget's pages: what is asked for, how much is read for it, and that nobody's text becomes markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_connector.events import Version
from ml_connector.gathering import MODULE
from ml_connector.modules import MODULES
from ml_connector.ports import AuditEntry, Memory
from ml_connector.regions import REGIONS
from ml_connector.silence import Heard
from ml_connector.stories import records
from ml_connector.subscriptions import Subscription
from ml_connector.times import exact_stamp, stamp
from ml_connector.tokens import Due
from ml_connector.widget import look
from ml_connector.widget.again import Again
from ml_connector.widget.asked import MOST_PAGE, OUTCOMES, read
from ml_connector.widget.describe import DOCUMENTATION
from ml_connector.widget.frame import STYLE
from ml_connector.widget.look import HEALTHS, MOST_READ, RECORDS, SIZE, STORY, TOGETHER, Notes, Widget
from ml_connector.widget.markup import link, tag
from ml_connector.widget.words import sentence, span, title
from tests.fakes import NOW, Clock, connection
from tests.widget_world import RETRY, WIDGET, Page, asks

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script></style><cwdb-action action="call">&amp;\u202e\'`'
MAY_STAND = {
    "style", "div", "span", "a", "cwdb-action", "form", "input", "select", "option", "h3", "h4", "p", "b", "ol", "li",
    "dl", "dt", "dd", "code", "details", "summary",
}  # fmt: skip
MAY_SAY = {
    "class", "role", "tabindex", "action", "endpoint", "confirmation", "href", "target", "rel", "title", "name",
    "value", "type", "placeholder", "aria-label", "autocomplete", "selected",
}  # fmt: skip


def entry(number: str = "INV-000412", minutes: float = 5, **changes: Any) -> AuditEntry:
    given: dict[str, Any] = {
        "at": exact_stamp(NOW - timedelta(minutes=minutes)), "connection": "acme-eu", "module": "invoice",
        "record_id": "460000000098765", "number": number, "event": "invoice.created",
        "version": "2026-11-22T07:50:00Z~ab12", "origin": "webhook", "destination": "ledger", "outcome": "delivered",
        "attempt": 1, "correlation_id": "c-1", "operation": "create", "external_id": "77", "delivery": "d" * 32,
    }  # fmt: skip
    return AuditEntry(**{**given, **changes})


@dataclass
class Trail:
    """The trail in memory, oldest first; `read` counts what was taken of it, `asked` the calls about a record.

    As DynamoDB it takes no key that is too long, and no half sign.
    """

    entries: list[AuditEntry] = field(default_factory=list)
    read: int = 0
    asked: int = 0

    def _those(self, chosen: list[AuditEntry]) -> Iterator[AuditEntry]:
        for each in chosen:
            self.read += 1
            yield each

    def of_record(
        self, connection: str, module: str, record_id: str, *, newest_first: bool = False
    ) -> Iterator[AuditEntry]:
        key = (connection, module, record_id)
        self.asked += 1
        assert len("#".join(key).encode()) <= 2048
        found = [each for each in self.entries if (each.connection, each.module, each.record_id) == key]
        return self._those(found[::-1] if newest_first else found)

    def of_day(self, connection: str, day: str) -> Iterator[AuditEntry]:
        found = [each for each in self.entries if each.connection == connection and each.at[:10] == day]
        return self._those(found[::-1])

    def of_external_id(self, external_id: str) -> Iterator[AuditEntry]:
        assert 0 < len(external_id.encode()) <= 2048
        return self._those([each for each in self.entries if each.external_id == external_id])

    def in_state(self, connection: str, outcome: str, since: str = "") -> Iterator[AuditEntry]:
        found = [each for each in self.entries if (each.connection, each.outcome) == (connection, outcome)]
        return self._those([each for each in found[::-1] if each.at >= since])


@dataclass
class World:
    """A widget on memory. `parked` is what the parked queue counts."""

    trail: Trail = field(default_factory=Trail)
    names: list[str] = field(default_factory=lambda: ["acme-eu"])
    rows: dict[str, dict[str, Memory]] = field(default_factory=dict)
    tokens: list[Due] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    parked: int = 0

    def look(self, view: str = "", /, **said: Any) -> Page:
        return Page(self.html(asks(view, **said)))

    def html(self, event: dict[str, Any]) -> str:
        return Widget(
            connections=_Names(self.names), trail=self.trail, rows=_Rows(self.rows),
            notes=Notes(lambda: self.tokens, lambda: self.subscriptions, lambda: [], lambda: self.heard),
            backlog=lambda: (3, 4), parked=lambda: (self.parked, 0), clock=Clock(), widget_arn=WIDGET, retry_arn=RETRY,
        ).page(event)  # fmt: skip


@dataclass
class _Names:
    known: list[str]

    def names(self) -> list[str]:
        return list(self.known)

    def connection(self, name: str) -> Any:
        return connection(name) if name in self.known else None


@dataclass
class _Rows:
    rows: dict[str, dict[str, Memory]]

    def of_number(self, connection: str, number: str) -> list[str]:
        return [key for key, of in self.rows.items() for each in of.values() if each.number == number]

    def of_record(self, record_key: str) -> dict[str, Memory]:
        return self.rows.get(record_key, {})


@pytest.fixture
def world() -> World:
    return World()


STORY_OF = {"connection": "acme-eu", "module": "invoice", "record": "460000000098765"}
VIEWS: list[tuple[str, dict[str, Any]]] = [
    ("start", {}), ("search", {"form": {"what": "77"}}), ("story", STORY_OF), ("parked", {}), ("connections", {}),
]  # fmt: skip


# --- nobody's text becomes markup --------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "said"), VIEWS)
def test_hostile_texts_stay_texts(world: World, view: str, said: dict[str, Any]) -> None:
    """Whatever a document, a vendor, a person or a file says: no element and no attribute comes of it."""
    names = (
        "number", "event", "origin", "destination", "correlation_id", "operation", "request_id", "reason", "by", "link",
        "version",
    )  # fmt: skip
    texts = dict.fromkeys(names, HOSTILE)
    # Not of the row's id, by which it is found.
    world.trail.entries = [
        entry(**{**texts, "number": "INV-000412"}, outcome=outcome, delivery=str(number))
        for number, outcome in enumerate((*OUTCOMES, HOSTILE, "parked"))
    ]
    world.trail.entries.append(entry(**{**texts, "outcome": "parked", "delivery": HOSTILE, "external_id": HOSTILE}))
    hostile = Memory(state=HOSTILE, number="INV-000412", link=HOSTILE, amount=HOSTILE, version=Version(HOSTILE, ""))
    world.rows = {"acme-eu#invoice#460000000098765": {HOSTILE: hostile}}
    world.tokens = [Due("acme-eu", HOSTILE, HOSTILE, "needs_attention", HOSTILE, HOSTILE)]
    world.subscriptions = [Subscription("acme-eu", HOSTILE, HOSTILE, state=HOSTILE, reason=HOSTILE)]
    world.heard = [Heard("acme-eu", last={HOSTILE: stamp(NOW)}, found={HOSTILE: ("1", "2", "3")}, state="deaf")]
    page = world.look(view, **{**said, "timezone": {"label": HOSTILE, "offsetISO": "+00:00"}})
    assert set(page.names) <= MAY_STAND
    assert {name for _, name, _ in page.attributes} <= MAY_SAY
    assert "alert(1)" in page.text, "the test shows nothing hostile"
    for _, said_json in page.calls:
        json.loads(said_json)


def test_hostile_questions_stay_texts(world: World) -> None:
    """What is typed into the form comes back as its value, and nothing else."""
    page = world.look("search", form={"what": HOSTILE, "connection": HOSTILE, "state": HOSTILE, "day": HOSTILE})
    assert set(page.names) <= MAY_STAND
    assert {name for _, name, _ in page.attributes} <= MAY_SAY


@pytest.mark.parametrize(
    "event",
    [
        {}, {"widgetContext": None}, {"widgetContext": []}, {"view": ["story"]}, {"view": "story"},
        {"view": "story", "connection": "acme-eu", "module": "invoice"}, {"view": "start", "page": -1},
        {"view": "start", "page": 10**9}, {"view": "start", "page": True}, {"view": "search", "day": "2026-99-99"},
        {"widgetContext": {"forms": {"all": [1]}, "timezone": "x", "params": 3, "width": "wide", "theme": {}}},
        {"view": "search", "widgetContext": {"forms": {"all": {"what": 7, "day": None}}}},
        {"widgetContext": {"timezone": {"offsetISO": "+99:99"}}}, {"view": "search", "what": "\ud800"},
        {"view": "story", "connection": "acme-eu", "module": "\ud800", "record": "\udfff1"},
    ],
)  # fmt: skip
def test_senseless_calls_get_a_page(world: World, event: dict[str, Any]) -> None:
    """An event is somebody's text, too."""
    assert world.html(event).startswith("<style>")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "http://teams.microsoft.com/x", "https://evil.example/x",
        "https://monday.com.evil.example",
        "https://evilmonday.com/x", "https://u@acme.monday.com/x", "https://acme.monday.com:8443/x",
        "//acme.monday.com",
        "https://[", "", "data:text/html,x", "https://books.zoho.eu.evil.example/app",
        # Browsers end a host at a backslash.
        r"https://evil.example\.monday.com/x", "https://evil.example%5c.monday.com/", "https://evil .monday.com/x",
    ],
)  # fmt: skip
def test_links_lead_to_vendors_only(address: str) -> None:
    """By https, to a host of the table, at its usual port; anything else is only said."""
    assert link(address, "there") == "there"


@pytest.mark.parametrize(
    "address",
    ["https://acme.monday.com/boards/1/pulses/2", "https://teams.microsoft.com/l/message/19%3Ax/1?a=b&c=d"]
    + [f"https://{region.web}/app/1#/invoices/2" for region in REGIONS.values()],
)
def test_vendors_links_open_in_a_new_tab(address: str) -> None:
    """Without telling the other side where they were."""
    page = Page(link(address, "there"))
    assert page.attributes == [
        ("a", "href", address), ("a", "target", "_blank"), ("a", "rel", "noopener noreferrer"),
    ]  # fmt: skip


def test_parameters_read_the_same_decoded_or_not() -> None:
    """Their host may take the element's text or its markup: there is nothing in them that the two would differ in."""
    asked = asks("story", **STORY_OF, what="a&b<c>")
    html = World().html(asked)
    said = [said for _, said in Page(html).calls]
    assert all(each in html for each in said)
    assert [json.loads(each)["what"] for each in said if "what" in each] == ["a&b<c>"]
    assert not [each for each in said if set(each) & set("&<>")]


def test_no_script_frame_or_outside_source(world: World) -> None:
    """CloudWatch would strip it, and the page would be without it."""
    html = "".join(world.html(asks(view, **said)) for view, said in VIEWS)
    assert not re.search(r"<(script|iframe|object|link|img)|\son\w+=|url\(|@import|http://", html)


def test_style_is_the_widgets_own(world: World) -> None:
    """A dashboard shows other widgets: every rule is below .mlc."""
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", STYLE.removeprefix("<style>").removesuffix("</style>"))
    selectors = [each.strip() for rule in rules for each in rule.split(",")]
    assert len(selectors) > 50
    assert [each for each in selectors if not re.match(r"\.mlc\b", each)] == []


# --- as the viewer wants it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes(world: World, theme: str) -> None:
    """Of the dashboard, which tells it with each call."""
    assert ("div", "class", f"mlc {theme}") in world.look(theme=theme).attributes


def test_narrow_widgets_take_two_lines(world: World) -> None:
    """The widget's width counts, not the browser's."""
    assert ("div", "class", "mlc light narrow") in world.look(width=390).attributes


def test_times_are_the_viewers(world: World) -> None:
    """By the dashboard's own time zone; the exact UTC time stands as title."""
    world.trail.entries = [entry()]
    page = world.look(timezone={"label": "Local", "offsetISO": "+05:30"})
    assert "13:25:00" in page.text
    assert ("span", "title", entry().at) in page.attributes
    assert "13:30 Local" in page.text


def test_parameters_of_the_widget_choose_its_first_page(world: World) -> None:
    """As the dashboard's owner set them; a button's own say more."""
    world.trail.entries = [entry(outcome="parked", reason="no column")]
    assert "no column" in world.look(params={"view": "parked"}).text
    assert read(asks("start", params={"view": "parked"})).view == "start"


def test_description_names_what_can_be_set() -> None:
    """It is shown to whoever adds the widget."""
    assert re.findall(r"^\*\*(\w+)\*\*", DOCUMENTATION, re.M) == ["view", "connection", "what", "state", "day"]


# --- the story ---------------------------------------------------------------------------------------------------


def test_story_tells_everything_in_order(world: World) -> None:
    """What came, each attempt, the receipt with its link, what a person did, and where it is now."""
    url = "https://acme.monday.com/boards/1/pulses/77"
    world.trail.entries = [
        entry(outcome="retry", reason="monday answered 503", status=503, minutes=9),
        entry(minutes=8, attempt=2, link=url, duration_ms=640),
        entry(minutes=6, outcome="changed", by="Asha Rao (u-1)", version="2026-11-22T07:53:30Z~e1",
              reason="Status: Paid"),
        entry(minutes=4, event="invoice.paid", version="2026-11-22T07:55:00Z~cd", operation="update",
              origin="reconcile"),
    ]  # fmt: skip
    world.rows = {"acme-eu#invoice#460000000098765": {"ledger": row("2026-11-22T07:55:00Z", link=url)}}
    page = world.look("story", **STORY_OF)
    parts = [
        "Invoice INV-000412", "ledger up to date", "invoice.created",
        "created in Zoho at 22 Nov 07:50:00 · told by a webhook", "To be tried again: ledger", "monday answered 503",
        "Created in ledger", "attempt 2 · took 0.6 s", "open where it is",
        "Asha Rao changed it in ledger", "Status: Paid", "on 22 Nov 07:53:30", "invoice.paid", "found by reconcile",
        "Updated in ledger",
    ]  # fmt: skip
    places = [page.text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert [value for _, name, value in page.attributes if name == "href"].count(url) == 2


def row(at: str, **changes: Any) -> Memory:
    """Of a destination that has the version of `at`."""
    known: dict[str, Any] = {"state": "done", "external_id": "77", "number": "INV-000412", "amount": "100"} | changes
    return Memory(version=Version(at, ""), **known)


def test_only_what_is_there_in_the_newest_version_is_up_to_date(world: World) -> None:
    """Not what takes no changes, nor what was only accepted, nor what a repair has found wrong."""
    old, new = "2026-11-22T07:50:00Z", "2026-11-22T07:55:00Z"
    world.trail.entries = [entry()]
    world.rows = {
        "acme-eu#invoice#460000000098765": {
            "a": row(new), "b": row(old), "c": row(new, external_id=""), "d": row(new, external_id="", amount=""),
            "e": replace(row(new), version=None),
        }
    }  # fmt: skip
    text = world.look("story", **STORY_OF).text
    for said in ("a up to date", "b older version", "c accepted", "d nothing there", "e to be put right"):
        assert said in text


def test_long_story_shows_its_end(world: World) -> None:
    """And how many came before."""
    world.trail.entries = [entry(minutes=600 - number, reason=f"step {number}") for number in range(STORY + 5)]
    text = world.look("story", **STORY_OF).text
    assert "5 older entries are not shown" in text
    assert "step 4 " not in text
    assert f"step {STORY + 4}" in text


@pytest.mark.parametrize("offset", ["-23:59", "+23:59"])
def test_a_time_that_no_calendar_has_is_not_shown(world: World, offset: str) -> None:
    """At the ends of time an hour more or less is no time any more."""
    world.trail.entries = [entry(version=f"{at}~ab") for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")]
    page = world.look("story", **STORY_OF, timezone={"label": "there", "offsetISO": offset})
    assert "Created in ledger" in page.text


def test_record_that_was_tried_all_weekend_is_shown_as_it_is_now(world: World) -> None:
    """Every five minutes for three days, at two destinations: it is how that ended that must be seen, and be helped."""
    tries = [entry(minutes=5000 - number, outcome="retry", attempt=number) for number in range(2 * MOST_READ)]
    last = entry(minutes=1, outcome="parked", attempt=2 * MOST_READ, reason="the token was revoked")
    world.trail.entries = [*tries, last]
    for view, said in (("story", STORY_OF), ("search", {"form": {"what": "77"}}), ("parked", {})):
        page = world.look(view, **said)
        assert "the token was revoked" in page.text, view
        assert RETRY in [call["endpoint"] for call, _ in page.calls], view
    assert f"{MOST_READ - STORY} or more older entries" in world.look("story", **STORY_OF).text


def test_digest_leads_to_what_it_told_of(world: World) -> None:
    """By its message."""
    digest = "finance.busy-20261122T0740Z"
    told = entry("INV-7", operation="digest", external_id="99", destination="finance", record_id="7")
    world.trail.entries = [told, entry("", module=MODULE, record_id=digest, external_id="99", destination="finance")]
    page = world.look("story", connection="acme-eu", module=MODULE, record=digest)
    assert "Digest of a busy minute, 2026-11-22 07:40 UTC" in page.text
    assert "It told of 1 Invoice INV-7" in page.text


@pytest.mark.parametrize("after", ["resent", "dropped", "skipped", "delivered"])
def test_only_what_is_still_parked_can_be_sent_again(world: World, after: str) -> None:
    """Its delivery's last entry says so, in the list and in the story."""
    parked = entry(outcome="parked", reason="no column")
    world.trail.entries = [parked]
    buttons = [call for view, said in VIEWS for call in world.look(view, **said).calls if call[0]["endpoint"] == RETRY]
    assert len(buttons) == 3  # the search that finds one shows its story
    for attributes, said in buttons:
        assert "Invoice INV-000412 to ledger" in attributes["confirmation"]
        assert json.loads(said) == {**STORY_OF, "delivery": parked.delivery}
    world.trail.entries.append(entry(outcome=after, minutes=1))
    assert "Nothing waits for a person." in world.look("parked").text
    assert not [call for call in world.look("story", **STORY_OF).calls if call[0]["endpoint"] == RETRY]


# --- little is read ----------------------------------------------------------------------------------------------


def test_pages_of_the_trail_are_turned(world: World) -> None:
    """Each shows SIZE entries, and the buttons lead on and back."""
    world.trail.entries = [entry(f"INV-{number}", minutes=300 - number) for number in range(2 * SIZE + 1)]
    first = world.look()
    assert "INV-50" in first.text
    assert "INV-25 " not in first.text
    (older,) = [json.loads(said) for _, said in first.calls if '"page":1' in said]
    second = (
        world.look(**{**older, "view": older["view"]}) if "view" not in older else Page(world.html({**older, **asks()}))
    )
    assert "INV-25" in second.text
    assert "Newer Older" in second.text


def test_a_flood_is_not_read_whole(world: World) -> None:
    """However many entries there are and whatever is asked for: a bounded number is looked at."""
    world.trail.entries = [
        entry(f"INV-{number}", minutes=0.001 * (5 * MOST_READ - number), record_id=str(number), delivery=str(number),
              outcome="parked")
        for number in range(5 * MOST_READ)
    ]  # fmt: skip
    for view, said in [*VIEWS, ("search", {"state": "dropped", "day": "2026-11-22"}), ("start", {"page": MOST_PAGE})]:
        world.trail.read = 0
        world.look(view, **said)
        assert world.trail.read <= 2 * MOST_READ, view
    assert f"Only the newest {MOST_READ} entries" in world.look("search", state="delivered", day="2026-11-22").text


@pytest.mark.parametrize("view", ["parked", "connections"])
def test_incident_that_is_over_is_not_read_record_by_record(world: World, view: str) -> None:
    """Hundreds were parked, and all were sent again: not each is looked into, and what is left is told."""
    world.names = [f"site-{number:02}" for number in range(HEALTHS)]
    world.trail.entries = [
        entry(minutes=900 - number, connection=name, record_id=str(number), delivery=str(number), outcome=outcome)
        for outcome in ("parked", "delivered")
        for name in world.names
        for number in range(300)
    ]
    left = entry("INV-LEFT", minutes=1000, connection="site-00", record_id="left", delivery="left", outcome="parked")
    world.trail.entries.insert(0, left)
    assert "mlc parked list" not in world.look(view).text, "nothing waits, says the queue"
    world.parked, world.trail.asked = 1, 0
    text = world.look(view).text
    assert "mlc parked list" in text
    assert "no entry of the trail" not in text, "nobody knows that"
    assert world.trail.asked <= RECORDS


@pytest.mark.parametrize(
    "what",
    [
        "€" * 1000, "invoice/" + "€" * 1000, "x.busy-20261122T0800Z".rjust(5000, "é"),
        f"https://teams.microsoft.com/l/message/c/{'7' * 3000}?parentMessageId={'8' * 3000}",
    ],
    ids=["number", "record", "digest", "link"],
)  # fmt: skip
def test_what_no_key_can_hold_is_nothing(world: World, what: str) -> None:
    """However long a text is that somebody pastes, here or into `mlc audit show`."""
    page = world.look("search", form={"what": what})
    assert "Nothing is known of" in page.text
    assert records(world.trail, _Rows({}), "acme-eu", what) == []
    assert records(world.trail, _Rows({}), "acme-eu", "invoice/\ud8001") == [("invoice", "1")]
    world.look("story", connection="acme-eu", module=what, record=what)


def test_many_connections_are_looked_into_a_few_at_a_time(world: World) -> None:
    """And it is said that there are more."""
    world.names = [f"site-{number:03}" for number in range(300)]
    world.trail.entries = [entry(connection="site-000"), entry(connection="site-299")]
    assert f"the first {TOGETHER} of 300 connections" in world.look().text
    assert "INV-000412" in world.look("start", connection="site-299").text
    assert world.look("connections").text.count("Last entry") == HEALTHS
    assert "site-011" not in world.look("connections", page=1).text


def test_item_is_found_whichever_connection_has_it(world: World) -> None:
    """An item's id or link leads to its record, however many connections come before its own."""
    world.names = [f"site-{number:03}" for number in range(300)]
    world.trail.entries = [entry(connection="site-299", external_id="9876543210")]
    for what in ("9876543210", "https://acme.monday.com/boards/1234567890/pulses/9876543210"):
        assert "Zoho id" in world.look("search", what=what).text, what


def test_a_connection_that_is_none_shows_all(world: World) -> None:
    """Its name is not asked for in any table."""
    assert read(asks("story", connection="x" * 5000)).connection == "x" * 1000
    assert world.look("story", **{**STORY_OF, "connection": "acme-eu#invoice"}).names.count("form") == 1


# --- connections -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tokens": [Due("acme-eu", "zoho", stamp(NOW), "needs_attention", "refused", "mlc auth zoho acme-eu")]},
         "zoho: refused mlc auth zoho acme-eu"),
        ({"subscriptions": [Subscription("acme-eu", "s", "r", state="refused", reason="a permission is missing")]},
         "1 of 1 refused: a permission is missing"),
        ({"heard": [Heard("acme-eu", last={"invoice": "2026-11-01T00:00:00Z"}, found={"invoice": ("1", "2", "3")},
                          state="deaf")]}, "none for invoice, though Zoho has new records"),
        ({"heard": [Heard("acme-eu", last={"invoice": "2026-11-20T08:00:00Z"}, state="quiet")]},
         "silent for 2 days, longer than usual"),
    ],
)  # fmt: skip
def test_what_needs_a_person_is_red(world: World, given: dict[str, Any], said: str) -> None:
    """With the reason, and the command where there is one."""
    assert "well" in world.look("connections").text
    page = (replace(world, **given)).look("connections")
    assert said in page.text
    assert "needs a person" in page.text
    assert ("div", "class", "card bad") in page.attributes


def test_what_is_well_says_until_when(world: World) -> None:
    """Tokens and subscriptions end."""
    world.tokens = [Due("acme-eu", "zoho", stamp(NOW + timedelta(minutes=20)), "ok")]
    ends = stamp(NOW + timedelta(hours=40))
    world.subscriptions = [Subscription("acme-eu", "s", "r", state="ok", expires=ends)]
    text = world.look("connections").text
    assert "1 well, next renewed at 08:20" in text
    assert "1 well, the first ends in 40 h" in text
    assert "about 3 ready, 4 under way or waiting" in text


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_a_sentence(outcome: str) -> None:
    """None is told by its bare name."""
    assert not sentence(entry(outcome=outcome, by="Asha (1)")).startswith(outcome)


@pytest.mark.parametrize("module", MODULES)
def test_records_are_called_as_people_call_them(module: str) -> None:
    """By the vendor's own words."""
    assert title(module, "1", "N-1") == f"{MODULES[module].label} N-1"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (61, "61 s"), (600, "10 min"), (7200, "2 h"), (200000, "2 days")],
)
def test_spans(seconds: float, said: str) -> None:
    """In the largest unit of which there are two."""
    assert span(seconds) == said


def test_tag_escapes_everything() -> None:
    """There is no other way to make an element."""
    assert tag("p", "<&\"'\n\u202e", title='"') == '<p title="&quot;">&lt;&amp;&quot;&#x27;  </p>'


# --- sending again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "said", "well"),
    [
        ({"id": "1", "number": "INV-1", "destination": "ledger", "done": "sent"}, "INV-1 is on its way", True),
        ({"id": "1", "record": "bill/7", "destination": "x", "done": "out of order"}, "need not be sent", True),
        ({"id": "1", "number": "INV-1", "destination": "x", "done": "failed", "why": "a worker has it"},
         "INV-1 stays parked for x: a worker has it", False),
    ],
)  # fmt: skip
def test_what_came_of_it_is_said(row: dict[str, Any], said: str, *, well: bool) -> None:
    """In a sentence, with a way to the story."""
    asked: list[tuple[str, str, str]] = []

    def send(connection: str, delivery: str, who: str) -> list[dict[str, Any]]:
        asked.append((connection, delivery, who))
        return [row]

    desk = Again(send, Clock(), WIDGET, RETRY)
    event = {**STORY_OF, "delivery": "a" * 32, **asks(theme="dark")}
    done = desk.press(event, "kim")
    page = Page(desk.page(event, done))
    assert asked == [("acme-eu", "a" * 32, "kim")]
    assert said in page.text
    assert done.well is well
    assert ("div", "class", f"note {'good' if well else 'bad'}") in page.attributes
    assert [json.loads(said)["view"] for _, said in page.calls if "record" in said] == ["story"]


def test_bounds_hold_together() -> None:
    """The last page of the trail lies within what is looked at."""
    assert MOST_PAGE * SIZE <= MOST_READ
    assert timedelta(days=14) == look.KEPT
    assert datetime.fromisoformat(entry().at).tzinfo == UTC
