"""The page's server side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from page_calls import get
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.page.app import create_page
from sandbox.page.made_up import MadeUp

APIS = ("/api/books", "/api/channel", "/api/board", "/api/operations", "/api/place")


@pytest.fixture(scope="module")
def company() -> MadeUp:
    return MadeUp()


@pytest.fixture
def page(company: MadeUp) -> Starlette:
    return create_page(company)


class Nothing:
    """Sources of a sandbox in which nothing has happened."""

    def books(self) -> Mapping[str, Any]:
        return {"many": 0, "records": []}

    def channels(self) -> Sequence[Mapping[str, Any]]:
        return []

    def board(self) -> Mapping[str, Any] | None:
        return None

    def operations(self) -> Mapping[str, Any]:
        return {}

    def place(self) -> Mapping[str, str]:
        return {"connection": "acme-eu", "environment": "demo.env"}


class Broken(Nothing):
    """Sources whose stand-ins are gone."""

    def board(self) -> Mapping[str, Any] | None:
        raise ConnectionError("http://127.0.0.1:1/?secret=hunter2")


def test_channels_show_cards_as_posted(page: Starlette) -> None:
    """The channel's messages arrive with the card that the product made, and with the number of edits."""
    finance = get(page, "/api/channel").json()["channels"][0]
    first = finance["messages"][0]
    assert finance["name"] == "finance"
    assert first["card"]["type"] == "AdaptiveCard"
    assert first["edits"] == 3


def test_threads_hold_what_people_answered(page: Starlette) -> None:
    """Replies come with their thread, oldest first, and a person's with the name."""
    replies = get(page, "/api/channel").json()["channels"][0]["messages"][0]["replies"]
    assert [reply["by"] for reply in replies] == ["Asha Rao", "", "Jon Ek", "", "", "Asha Rao"]
    assert [bool(reply["card"]) for reply in replies] == [False, True, False, True, True, False]


def test_chats_and_lost_channels_stand_beside_the_others(page: Starlette) -> None:
    """A chat with a person is a channel of its own; a deleted channel says that it is."""
    channels = get(page, "/api/channel").json()["channels"]
    assert [(one["name"], bool(one["person"]), one["deleted"]) for one in channels] == [
        ("finance", False, False), ("large-invoices", False, False), ("office-lisbon", False, True),
        ("Asha Rao", True, False),
    ]  # fmt: skip


def test_board_shows_columns_and_cells(page: Starlette) -> None:
    """The board arrives with its columns' settings, so that a status has its colour and money its unit."""
    board = get(page, "/api/board").json()["board"]
    columns = {column["id"]: column for column in board["columns"]}
    cell = board["items"][0]["raw"]["zb_status"]
    label = next(one for one in columns["zb_status"]["settings"]["labels"] if one["id"] == cell["index"])
    assert (label["label"], columns["zb_total_base"]["settings"]["unit"]["symbol"]) == ("Paid", "€")


def test_items_bring_their_subitems_and_where_they_were(page: Starlette) -> None:
    """A line item is a subitem with cells of its own columns; an item that was moved names the group of before."""
    board = get(page, "/api/board").json()["board"]
    items = {item["text"]["zb_number"]: item for item in board["items"]}
    columns = {column["id"] for column in board["subitem_columns"]}
    assert len(items["INV-000413"]["subitems"]) == 13
    assert set(items["INV-000413"]["subitems"][0]["text"]) == columns
    assert [items["INV-000412"][name] for name in ("moved_from", "group")] == ["zoho_books", "settled"]
    assert items["INV-000413"]["moved_from"] == ""
    assert items["INV-000500"]["state"] == "archived"
    assert len({group["color"] for group in board["groups"]}) == len(board["groups"]) == 2


def test_books_show_what_a_bookkeeper_can_do(page: Starlette) -> None:
    """The newest record comes first; what is settled is not paid again, and payments are not voided."""
    books = get(page, "/api/books").json()
    can = {one["number"]: one["can"] for one in books["records"]}
    ids = [int(one["id"]) for one in books["records"]]
    assert books["many"] == len(ids) > 5
    assert ids == sorted(ids, reverse=True)
    assert can["INV-000412"] == []
    assert can["INV-000413"] == ["change", "pay", "void"]
    assert can["000903"] == ["change"]


def test_operations_have_the_counts_and_what_is_wrong(page: Starlette) -> None:
    """Figures come from the source as they are; a parked delivery rings; a refused call is named."""
    found = get(page, "/api/operations").json()
    assert found["counts"] == {
        "accepted": 22, "delivered": 40, "waiting": 0, "gathered": 3, "parked": 1, "skipped": 2, "refused": 1,
    }  # fmt: skip
    assert [(one["name"], one["state"]) for one in found["alarms"]] == [("ParkedAlarm", "alarm")]
    assert [one["reason"] for one in found["refused"]] == ["signature_wrong"]
    assert {one["pane"] for one in found["switches"]} == {"zoho", "teams", "monday"}


def test_messages_and_items_have_the_links_of_the_trail(page: Starlette) -> None:
    """The link that `mlc audit show` takes stands at each card and each item."""
    first = get(page, "/api/channel").json()["channels"][0]["messages"][0]
    item = get(page, "/api/board").json()["board"]["items"][0]
    assert first["link"].startswith("https://teams.")
    assert item["link"] == f"https://harbour.monday.com/boards/1234567890/pulses/{item['id']}"


def test_money_stands_where_people_look() -> None:
    """The board's first columns are what people need; ids for machines come last."""
    board = MadeUp(empty=True).board() or {}
    columns = [column["id"] for column in board["columns"]]
    assert columns[:6] == ["zb_number", "zb_party", "zb_status", "zb_total", "zb_balance", "zb_currency"]
    assert columns[-1] == "zb_doc_id"


@pytest.mark.parametrize("path", APIS)
def test_unchanged_answers_cost_nothing(page: Starlette, path: str) -> None:
    """Whoever has the current state gets a 304 without a body, so the page does not draw again."""
    first = get(page, path)
    again = get(page, path, {"if-none-match": first.headers["etag"]})
    assert (first.status, again.status, again.body) == (200, 304, b"")


def test_news_changes_the_tag() -> None:
    """Whatever happens makes a new tag."""
    company = MadeUp(empty=True)
    page = create_page(company)
    changing = [path for path in APIS if path != "/api/place"]
    before = {path: get(page, path).headers["etag"] for path in changing}
    company.happen("invoice", 1)
    after = {path: get(page, path, {"if-none-match": before[path]}) for path in changing}
    assert {path: answer.status for path, answer in after.items()} == dict.fromkeys(changing, 200)


def test_empty_sandbox_answers() -> None:
    """Before anything happened every part answers with nothing, not with an error."""
    page = create_page(Nothing())
    assert get(page, "/api/channel").json() == {"channels": []}
    assert get(page, "/api/board").json() == {"board": None}
    assert get(page, "/api/books").json() == {"many": 0, "records": []}


def test_widget_has_its_own_policy(company: MadeUp) -> None:
    """What is mounted at /widget may be framed by the page; the page by nobody."""

    async def widget(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("x", headers={"Content-Security-Policy": "frame-ancestors 'self'"})(scope, receive, send)

    page = create_page(company, widget=widget)
    assert get(page, "/widget/").headers["content-security-policy"] == "frame-ancestors 'self'"
    assert "frame-ancestors 'none'" in get(page, "/").headers["content-security-policy"]


def test_source_in_trouble_is_a_503_that_keeps_secrets() -> None:
    """A source that cannot be read is a 503 of its own; the others still answer, and no detail of the error leaks."""
    page = create_page(Broken())
    answer = get(page, "/api/board")
    assert answer.status == 503
    assert answer.json() == {"error": "board cannot be read: ConnectionError"}
    assert get(page, "/api/books").status == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/board", "/no-such-file", "/vendor/adaptivecards.min.js"])
def test_every_answer_is_guarded(page: Starlette, path: str) -> None:
    """Every answer forbids inline script, foreign hosts, framing and guessing of types."""
    headers = get(page, path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "0.0.0.0:8000"])
def test_other_names_are_refused(page: Starlette, host: str) -> None:
    """A name that was made to point at 127.0.0.1 reads nothing (DNS rebinding)."""
    assert get(page, "/api/books", {"host": host}).status == 400


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/app.py", "/package.json", "/node.txt"])
def test_only_static_files_are_served(page: Starlette, path: str) -> None:
    """Nothing beside static/ can be read."""
    assert get(page, path).status == 404


@pytest.mark.parametrize("path", APIS)
def test_page_only_looks(page: Starlette, path: str) -> None:
    """Looking changes nothing: other methods are refused."""
    assert get(page, path, method="POST").status == 405


def test_missing_renderer_is_a_404(company: MadeUp, tmp_path: Path) -> None:
    """Without the card renderer the page still works: its script is missing, the cards' texts are shown."""
    page = create_page(company, library=tmp_path / "missing.js")
    assert get(page, "/vendor/adaptivecards.min.js").status == 404
    assert get(page, "/").status == 200


def test_renderer_is_served_when_installed(company: MadeUp, tmp_path: Path) -> None:
    """The card renderer is served from where it was installed."""
    library = tmp_path / "adaptivecards.min.js"
    library.write_text("/* renderer */")
    answer = get(create_page(company, library=library), "/vendor/adaptivecards.min.js")
    assert (answer.status, answer.body) == (200, b"/* renderer */")
    assert answer.headers["content-type"].startswith("text/javascript")
