"""What people do on the board comes back: against the strict monday and the strict Zoho, in one process (monday 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from functions.ingest import app
from ml_connector.board_webhooks import Hook, Installed
from ml_connector.connections import Connection
from ml_connector.errors import NotQueued, Undeliverable
from ml_connector.events import Version
from ml_connector.vendors import monday_webhooks as hooks_client
from sandbox.vendors import default_world as w
from sandbox.vendors import monday_webhooks
from sandbox.vendors.monday_state import MondayGrant, MondayGroup
from tests.board_world import ASHA, Office, event


def made(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Office:
    office = Office(**settings)
    monkeypatch.setattr(app, "board_calls", lambda: office.calls)
    return office


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    """Installed, with answers counted from then on."""
    office = made(monkeypatch)
    office.install()
    office.answers.clear()
    return office


# --- webhooks ----------------------------------------------------------------------------------------------------


def test_install_makes_what_must_be_heard_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is asked first; said again, nothing changes."""
    office = made(monkeypatch)
    assert office.install() == [
        "change_specific_column_value zb_status made",
        "item_deleted made",
        "item_archived made",
        "item_restored made",
    ]
    assert [each["statusCode"] for each in office.answers] == [200] * 4
    assert len(office.world.monday.webhooks) == 4
    assert office.install() == []
    assert office.webhooks.lacking(office.company.connection, w.MONDAY_BOARD) == []


def test_webhook_that_monday_has_lost_is_made_anew_within_a_day(office: Office) -> None:
    """7.4: nobody says whether monday ends those that fail; others' webhooks are left alone."""
    board = office.board(office.company.connection, "ledger")
    theirs = board.add(
        w.MONDAY_BOARD, f"{office.address(office.company.connection, w.MONDAY_BOARD).url}", Hook("create_item")
    )
    lost = office.hooks.rows["acme-eu", w.MONDAY_BOARD].ids["item_deleted"]
    del office.world.monday.webhooks[lost]
    connections = [office.company.connection]
    assert office.webhooks.run(connections)["hooks_looked_at"] == 0
    assert office.webhooks.lacking(connections[0], w.MONDAY_BOARD) == ["item_deleted is not there"]
    office.clock.advance(24 * 3600)
    assert office.webhooks.run(connections) == {"hooks_looked_at": 1, "hooks_made": 1, "hooks_failed": 0}
    assert office.webhooks.run(connections)["hooks_looked_at"] == 0
    assert {theirs} | set(office.hooks.rows["acme-eu", w.MONDAY_BOARD].ids.values()) == set(
        office.world.monday.webhooks
    )
    office.webhooks.remove(connections[0], w.MONDAY_BOARD)
    assert set(office.world.monday.webhooks) == {theirs}
    assert office.hooks.rows == {}


def test_webhooks_of_an_app_are_known_by_their_jwt(monkeypatch: pytest.MonkeyPatch) -> None:
    """7.3: those made with a personal token before are made anew; afterwards a call without a JWT is refused."""
    office = made(monkeypatch)
    office.install()
    item, _ = office.invoice()
    state = office.world.monday
    app_token = "an-app-token"
    state.tokens[app_token] = MondayGrant(
        app_token, w.MONDAY_CLIENT_ID, w.MONDAY_USER, w.MONDAY_ACCOUNT, [*w.MONDAY_SCOPES, "users:read"]
    )
    office.secrets.put(
        "acme-eu",
        "monday",
        {
            "token": app_token,
            "client_id": w.MONDAY_CLIENT_ID,
            "signing_secret": w.MONDAY_SIGNING_SECRET,
            "delegated": {"account_id": w.MONDAY_ACCOUNT},
        },
    )
    assert "the webhooks were made with other credentials than those of now" in office.webhooks.lacking(
        office.company.connection, w.MONDAY_BOARD
    )
    assert len(office.install()) == 8
    office.answers.clear()
    office.sets(item, "Paid")
    assert "changed: status from Sent to Paid" in office.settle()
    assert [each["statusCode"] for each in office.answers] == [200]
    assert office.call(event(pulseId=int(item)))["statusCode"] == 401


# --- a status ----------------------------------------------------------------------------------------------------


def test_persons_status_is_in_the_trail_and_noted_in_zoho_once(office: Office) -> None:
    """Who, what, when; whatever is told twice, late or by two kinds of webhooks (7.4, 7.6)."""
    item, each = office.invoice()
    board = office.board(office.company.connection, "ledger")
    url = office.address(office.company.connection, w.MONDAY_BOARD).url
    board.add(w.MONDAY_BOARD, url, Hook("change_status_column_value", {"columnId": "zb_status"}))
    office.world.monday.delivering.copies = 3
    office.answers.clear()
    office.sets(item, "Paid")
    office.settle()
    assert [each["statusCode"] for each in office.answers] == [200] * 6
    (entry,) = office.changed
    assert (entry.external_id, entry.by, entry.event) == (item, ASHA, "item.status")
    assert entry.reason == "status from Sent to Paid"
    assert entry.link
    (note,) = office.notes(each)
    assert note.startswith("[ml-connector ")
    assert f"{ASHA} changed the status from Sent to Paid on monday.com on 2026-" in note
    assert office.company.deliveries.faults() == []
    # Zoho itself is as it was.
    assert (
        office.world.zoho.organizations[w.ZOHO_ORGANIZATION].records["invoices"][each.event.record_id]["status"]
        == "sent"
    )


def test_our_own_updates_come_back_as_nothing(office: Office) -> None:
    """7.6: by our user, and what was written last. The usual case costs no call."""
    _, each = office.invoice()
    office.looks = 0
    office.company.carries(office.company.saves("invoice", {"status": "paid"}, each.event.record_id))
    assert office.settle() == ["ignored: our own change"]
    assert (office.changed, office.notes(each), office.looks) == ([], [], 0)


def test_webhook_that_overtakes_its_own_delivery_waits_for_it(office: Office) -> None:
    """monday may tell of our change before our row says that it is done: a later look decides."""
    _, each = office.invoice()
    key = (each.event.record_key, "ledger")
    before = office.company.deliveries.rows[key]
    office.company.carries(office.company.saves("invoice", {"status": "paid"}, each.event.record_id))
    after = office.company.deliveries.rows[key]
    office.company.deliveries.rows[key] = replace(before, state="sending", lease_until="2099-01-01T00:00:00Z")
    monday_webhooks.settle(office.world)
    (message,) = office.queue.sent
    assert office.carry(message, 1, office.clock()) == "later"
    office.company.deliveries.rows[key] = after
    assert office.carry(message, 2, office.clock()) == "ignored: our own change"
    assert office.changed == []


def test_two_of_our_updates_at_once_are_no_persons(office: Office) -> None:
    """The first one's webhook comes when the row says the second already."""
    _, each = office.invoice()
    office.company.carries(office.company.saves("invoice", {"status": "overdue"}, each.event.record_id))
    office.company.carries(office.company.saves("invoice", {"status": "paid"}, each.event.record_id))
    assert sorted(office.settle()) == ["ignored: it was changed again since", "ignored: our own change"]
    assert office.changed == []


def test_person_who_shares_our_token_is_a_person(office: Office) -> None:
    """7.6: by the user's id alone a real change would be missed."""
    item, _ = office.invoice()
    office.sets(item, "Paid", user=w.MONDAY_USER)
    office.settle()
    assert [each.by for each in office.changed] == [f"Integration ({w.MONDAY_USER})"]


def test_reordered_changes_leave_the_last_one(office: Office) -> None:
    """What the board does not show any more is not believed; the later change says what was before it."""
    item, _ = office.invoice()
    office.world.monday.delivering.reverse = True
    office.sets(item, "Paid")
    office.clock.advance(1)
    office.sets(item, "Overdue")
    office.settle()
    assert [each.reason for each in office.changed] == ["status from Paid to Overdue"]


def test_made_up_call_changes_nothing(office: Office) -> None:
    """Whoever knows the address can tell us to look; what counts is what the board shows."""
    item, each = office.invoice()
    office.call(event(pulseId=int(item)))
    office.call(event(pulseId=4711))
    office.call(event(pulseId=int(item), type="delete_pulse", itemId=int(item)))
    assert sorted(office.settle()) == [
        "ignored: it is on the board",
        "ignored: it was changed again since",
        "ignored: no item of ours",
    ]
    assert office.changed == []
    assert office.notes(each) == []


def test_without_feedback_the_trail_alone_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No note is written unless the file names where to."""
    office = made(monkeypatch, feedback=None)
    office.install()
    item, each = office.invoice()
    office.sets(item, "Paid")
    office.settle()
    assert len(office.changed) == 1
    assert office.notes(each) == []


def test_app_that_may_not_see_users_tells_the_id(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """users:read is none of the rights that the product needs (2.4)."""
    real = hooks_client.MondayWebhooks._asked

    def asked(self: Any, query: str, **variables: Any) -> Any:
        if query == hooks_client.USER:
            raise Undeliverable("UNAUTHORIZED_FIELD_OR_TYPE")
        return real(self, query, **variables)

    monkeypatch.setattr(hooks_client.MondayWebhooks, "_asked", asked)
    item, _ = office.invoice()
    office.sets(item, "Paid")
    office.settle()
    assert [each.by for each in office.changed] == [f"monday user ({w.MONDAY_PERSON})"]


# --- taken away --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["archive", "delete"])
def test_item_that_a_person_took_away_is_made_anew(office: Office, how: str) -> None:
    """gone = "recreate": with Zoho's newest state; the trail says who, and goes on in one chain."""
    item, each = office.invoice()
    office.company.saves("invoice", {"status": "paid"}, each.event.record_id)
    office.does(how, item)
    office.settle()
    (now,) = office.items()
    assert now["id"] != item
    assert office.row(each).external_id == now["id"]
    assert [(one.event, one.by) for one in office.changed] == [(f"item.{how}d", ASHA)]
    assert office.company.deliveries.faults() == []


def test_item_that_is_left_or_told_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """gone = "leave" and "tell": recorded, and told once where wanted."""
    for policy, posts in (("leave", 0), ("tell", 1)):
        office = made(monkeypatch, gone=policy)
        office.install()
        item, each = office.invoice()
        office.world.monday.delivering.copies = 2
        office.does("archive", item)
        office.settle()
        assert office.items() == []
        assert len(office.changed) == 1
        assert len(office.admin.posts) == posts
        office.does("restore", item)
        office.settle()
        assert [one.event for one in office.changed] == ["item.archived", "item.restored"]
        assert office.row(each).external_id == item


def test_item_of_a_deleted_record_is_not_made_anew(office: Office) -> None:
    """Nothing of it is in Zoho: people may clear it away."""
    item, each = office.invoice()
    row = office.row(each)
    office.company.deliveries.write(
        each.event.record_key, "ledger", replace(row, version=Version.deletion("2026-11-22T09:00:00Z"))
    )
    office.does("delete", item)
    office.settle()
    assert office.items() == []
    assert len(office.changed) == 1


# --- groups ------------------------------------------------------------------------------------------------------


def test_move_counts_where_groups_say_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is none of our business where they do not."""
    office = made(monkeypatch, groups={"paid": "done"})
    board = office.world.monday.boards[w.MONDAY_BOARD]
    board.groups["done"] = MondayGroup("done", "Done")
    assert "item_moved_to_any_group made" in office.install()
    item, each = office.invoice()
    office.does("move", item, group="done")
    office.settle()
    assert [one.reason for one in office.changed] == [f"group from {w.MONDAY_GROUP} to Done"]
    # Our own move follows the record's state, and comes back as nothing.
    office.does("move", item, group=w.MONDAY_GROUP)
    office.settle()
    office.company.carries(office.company.saves("invoice", {"status": "paid"}, each.event.record_id))
    office.settle()
    assert len(office.changed) == 2


# --- trouble -----------------------------------------------------------------------------------------------------


def test_board_that_cannot_be_read_for_long_leaves_it_to_a_person(office: Office) -> None:
    """Nobody else would find it: it is tried as long as a delivery is, then parked."""
    office.call(event())
    (each,) = office.queue.sent
    office.secrets.put("acme-eu", "monday", {})
    assert office.carry(each, 1, office.clock()) == "later"
    began = office.clock()
    office.clock.advance(76 * 3600)
    assert office.carry(each, 60, began).startswith("parked: given up: connection acme-eu has no monday token")
    assert len(office.company.parked.kept) == 1


def test_note_is_written_though_the_queue_failed_after_the_entry(office: Office) -> None:
    """And though the status was changed once more in between: the entry is there, so its note follows."""
    item, each = office.invoice()
    office.sets(item, "Paid")
    monday_webhooks.settle(office.world)
    (message,) = office.queue.sent
    office.queue.sent.clear()
    office.queue.refuses = True
    with pytest.raises(NotQueued):
        office.carry(message, 1, office.clock())
    assert len(office.changed) == 1
    office.queue.refuses = False
    office.sets(item, "Overdue")
    assert office.carry(message, 2, office.clock()) == "ignored: known already"
    office.settle()
    assert [entry.reason for entry in office.changed] == ["status from Sent to Paid", "status from Paid to Overdue"]
    assert ["Paid" in note for note in office.notes(each)] == [True, True]
    assert len(office.notes(each)) == 2


def test_item_is_made_anew_though_the_queue_failed_after_the_entry(office: Office) -> None:
    """The row is in doubt already; the message that comes again has the delivery made."""
    item, _ = office.invoice()
    office.does("delete", item)
    monday_webhooks.settle(office.world)
    (message,) = office.queue.sent
    office.queue.sent.clear()
    office.queue.refuses = True
    with pytest.raises(NotQueued):
        office.carry(message, 1, office.clock())
    office.queue.refuses = False
    office.waiting.append((office.clock(), 2, message))
    office.settle()
    assert len(office.items()) == 1
    assert len(office.changed) == 1
    # Told once more, late: another item stands for the record now.
    office.queue.send([message])
    assert office.settle() == ["ignored: another item stands for the record"]
    assert len(office.items()) == 1


def test_webhooks_follow_the_stack_to_another_name(office: Office) -> None:
    """monday does not say what a webhook calls: those noted under another host are made anew, within a day."""
    connections = [office.company.connection]
    row = office.hooks.rows["acme-eu", w.MONDAY_BOARD]
    assert row.host == "api.example"
    office.hooks.set(replace(row, host="old.example"))
    (said,) = office.webhooks.lacking(connections[0], w.MONDAY_BOARD)
    assert said == "the webhooks call old.example, and the stack is at api.example"
    office.clock.advance(24 * 3600)
    assert office.webhooks.run(connections) == {"hooks_looked_at": 1, "hooks_made": len(row.ids), "hooks_failed": 0}
    assert not set(office.world.monday.webhooks) & set(row.ids.values())
    assert office.webhooks.lacking(connections[0], w.MONDAY_BOARD) == []


def test_what_was_installed_before_hosts_were_noted_stays(office: Office) -> None:
    """An upgrade makes no webhook anew."""
    row = office.hooks.rows["acme-eu", w.MONDAY_BOARD]
    office.hooks.set(replace(row, host=""))
    office.clock.advance(24 * 3600)
    assert office.webhooks.run([office.company.connection])["hooks_made"] == 0
    assert office.hooks.rows["acme-eu", w.MONDAY_BOARD].host == "api.example"


def test_one_connections_fault_is_not_anothers(office: Office) -> None:
    """Told of, counted, and looked at again an hour later; what has no connection any more is forgotten."""
    faults: list[str] = []

    def address(connection: Connection, board: str) -> Any:
        if connection.name == "beta":
            raise KeyError(board)
        return office.address(connection, board)

    webhooks = replace(
        office.webhooks, address=address, faulted=lambda row, error: faults.append(f"{row.connection}: {error!r}")
    )
    beta = replace(office.company.connection, name="beta")
    for name in ("beta", "gone"):
        office.hooks.set(Installed(name, w.MONDAY_BOARD))
    office.clock.advance(24 * 3600)
    counts = webhooks.run([beta, office.company.connection])
    assert counts == {"hooks_looked_at": 2, "hooks_made": 0, "hooks_failed": 1}
    assert faults == [f"beta: KeyError('{w.MONDAY_BOARD}')"]
    assert sorted(row.connection for row in office.hooks.all()) == ["acme-eu", "beta"]


def test_look_that_monday_refuses_says_why_and_is_taken_again(office: Office) -> None:
    """Its reason stands in the row until a look ends well."""
    office.clock.advance(24 * 3600)
    credentials = office.secrets.get("acme-eu", "monday")
    office.secrets.put("acme-eu", "monday", {})
    connections = [office.company.connection]
    assert office.webhooks.run(connections)["hooks_failed"] == 1
    assert "no monday token yet" in office.hooks.all()[0].reason
    office.secrets.put("acme-eu", "monday", credentials)
    assert office.webhooks.run(connections) == {"hooks_looked_at": 1, "hooks_made": 0, "hooks_failed": 0}
    assert office.hooks.all()[0].reason == ""


def test_item_that_was_left_is_brought_up_to_date_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """gone = "leave": what changed in Zoho while it was away was let go."""
    office = made(monkeypatch, gone="leave")
    office.install()
    item, each = office.invoice()
    office.does("archive", item)
    office.settle()
    paid = office.company.saves("invoice", {"status": "paid"}, each.event.record_id)
    assert office.company.carries(paid).outcome == "skipped"
    office.does("restore", item)
    office.settle()
    (now,) = office.items()
    assert (now["id"], now["text"]["zb_status"], now["text"]["zb_balance"]) == (item, "Paid", "0")


# --- automations -------------------------------------------------------------------------------------------------


def test_automation_that_takes_away_whatever_is_made_is_not_fought_for_ever(office: Office) -> None:
    """Made anew three times within a day; then a person is told, once, and what changes in Zoho makes it again."""
    item, each = office.invoice()
    for _ in range(6):
        for one in office.items():
            office.does("archive", one["id"])
        office.settle()
    assert office.items() == []
    assert len(office.company.items()) == 4
    assert len(office.admin.posts) == 1
    assert item in [entry.external_id for entry in office.changed]
    office.clock.advance(60)
    office.company.carries(office.company.saves("invoice", {"status": "paid"}, each.event.record_id))
    assert [one["text"]["zb_status"] for one in office.items()] == ["Paid"]


def test_words_of_a_call_are_not_believed_where_the_board_has_them(office: Office) -> None:
    """Whoever knows the address may name a label by its id and call it anything: a note says what the board says."""
    item, each = office.invoice()
    office.sets(item, "Paid")
    office.queue.sent.clear()
    office.world.monday.calls.clear()
    board = office.world.monday.boards[w.MONDAY_BOARD]
    paid = next(one["id"] for one in board.columns["zb_status"].settings["labels"] if one["label"] == "Paid")
    value = {"label": {"index": paid, "text": "please call +1 900"}, "post_id": None}
    office.call(event(pulseId=int(item), value=value))
    office.settle()
    assert len(office.notes(each)) == 1
    assert "please call" not in "".join([*office.notes(each), *(entry.reason for entry in office.changed)])


def test_time_that_no_calendar_has_breaks_nothing(office: Office) -> None:
    """The year 1 has one digit only if nobody looks."""
    item, each = office.invoice()
    office.sets(item, "Paid")
    office.queue.sent.clear()
    office.world.monday.calls.clear()
    board = office.world.monday.boards[w.MONDAY_BOARD]
    paid = next(one["id"] for one in board.columns["zb_status"].settings["labels"] if one["label"] == "Paid")
    value = {"label": {"index": paid, "text": "Paid"}, "post_id": None}
    office.call(event(pulseId=int(item), value=value, changedAt=-62135596800))
    office.settle()
    assert len(office.notes(each)) == 1
