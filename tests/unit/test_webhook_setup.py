"""Webhooks and rules in Zoho: what shall be there, what is, and the way between (contracts: zoho-books 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ml_connector.connections import Connection
from ml_connector.errors import NotAllowed, RetryLater, Undeliverable, Unknown
from ml_connector.modules import ACTIONS, MODULES
from ml_connector.webhook_plan import (
    Plan,
    Wanted,
    ZohoRule,
    ZohoWebhook,
    is_heard,
    lacking,
    plan,
    rule_body,
    secret_hash,
    wanted,
    webhook_body,
)
from ml_connector.webhook_setup import Done, RulesUnavailable, Setup, look
from tests.fakes import NOW, ORGANIZATION, Clock, connection
from tests.unit.zoho_automation import Automation, Installations

BASE = "https://api.example/webhooks/zoho/"
CORE = ("invoice", "purchase_order")


def connected(modules: Sequence[str] = CORE, events: Sequence[str] = ("*",), **changes: Any) -> Connection:
    return connection(
        zoho={"region": "eu", "organization_id": ORGANIZATION, "modules": list(modules), **changes},
        routes=[{"events": list(events), "when": {}, "to": ["ledger"]}],
    )


def addresses(modules: Sequence[str] = CORE, salt: str = "") -> dict[str, Any]:
    """As the `webhooks` secret holds them."""
    return {
        f"zoho.{module}.{action}": {
            "token": f"token{salt}-{module}-{action}-0123456789abcdefghij",
            "secrets": [f"Secret{module.replace('_', '')}{action}01234567"],
        }
        for module in modules
        for action in ACTIONS
    }


@dataclass
class Office:
    """A connection with its addresses, a Zoho, and what was installed."""

    zoho: Automation = field(default_factory=Automation)
    installed: Installations = field(default_factory=Installations)
    connection: Connection = field(default_factory=connected)
    endpoints: dict[str, Any] = field(default_factory=addresses)
    clock: Clock = field(default_factory=Clock)

    @property
    def wanted(self) -> list[Wanted]:
        return wanted(self.connection, self.endpoints, BASE.__add__)

    def plan(self, endpoints: Sequence[Wanted] | None = None, *, by_hand: bool = False) -> Plan:
        every = self.wanted if endpoints is None else endpoints
        installed = self.installed.all("acme-eu")
        return plan(every, look(self.zoho, self.connection, every, installed), installed, by_hand=by_hand)

    def carry_out(self, todo: Plan, endpoints: Sequence[Wanted] | None = None) -> list[Done]:
        setup = Setup(self.zoho, self.installed, self.clock)
        return list(setup.carry_out(self.connection, todo, self.wanted if endpoints is None else endpoints))

    def install(self) -> list[Done]:
        return self.carry_out(self.plan())

    def remove(self) -> list[Done]:
        gone = [replace(each, heard=False) for each in self.wanted]
        return self.carry_out(self.plan(gone), gone)

    def hook(self, event: str) -> ZohoWebhook:
        each = next(one for one in self.wanted if one.event == event)
        return next(hook for hook in self.zoho.hooks.values() if each.token in hook.url)

    def rule(self, event: str) -> ZohoRule:
        (identity,) = self.zoho.related(self.hook(event).id)
        return self.zoho.ruled[identity]

    def in_order(self) -> None:
        """Each event that a route hears has a webhook with its own secret and one active rule; nothing else is ours."""
        heard = [each for each in self.wanted if each.heard]
        for each in heard:
            hook, rule = self.hook(each.event), self.rule(each.event)
            assert (hook.url, self.zoho.secrets[hook.id]) == (each.url, each.secret)
            assert rule.active
            assert rule.rule_type in each.rule_types
            assert rule.entity == hook.entity
            assert rule.entity in each.entities
        tokens = [each.token for each in self.wanted]
        ours = [hook for hook in self.zoho.hooks.values() if any(token in hook.url for token in tokens)]
        assert len(ours) == len(heard)
        assert self.plan().drift == ()


@pytest.fixture
def office() -> Office:
    return Office()


# --- what shall be there -----------------------------------------------------------------------------------------


def test_each_event_has_an_address_a_name_and_a_secret_of_its_own() -> None:
    """For all modules: unique names of at most 50 signs, descriptions of at most 100 (3.1), whatever the connection."""
    office = Office(connection=replace(connected(list(MODULES)), name="a" * 40), endpoints=addresses(list(MODULES)))
    every = office.wanted
    assert len(every) == len(MODULES) * len(ACTIONS)
    for values in ({each.name for each in every}, {each.url for each in every}, {each.secret for each in every}):
        assert len(values) == len(every)
    assert max(len(each.name) for each in every) <= 50
    assert max(len(each.description) for each in every) <= 100
    assert all(each.name.startswith("ml-connector ") for each in every)


def test_two_stacks_of_one_connection_make_different_names() -> None:
    """Names are unique in an organization: a test stack must not take those of the real one."""
    one, other = Office(), Office(endpoints=addresses(salt="-other"))
    assert not {each.name for each in one.wanted} & {each.name for each in other.wanted}


@pytest.mark.parametrize(
    ("events", "heard"),
    [
        (["*"], {"created", "updated", "deleted"}),
        (["invoice.*"], {"created", "updated", "deleted"}),
        (["invoice.created"], {"created"}),
        (["invoice.deleted"], {"deleted"}),
        (["invoice.paid"], {"created", "updated"}),
        (["*.created", "invoice.deleted"], {"created", "deleted"}),
        (["bill.*"], set()),
    ],
)
def test_only_what_a_route_hears_is_installed(events: list[str], heard: set[str]) -> None:
    """A day's webhooks and a module's ten rules are scarce (1.8); a status may come with the record or later."""
    place = connected(["invoice"], events)
    assert {action for action in ACTIONS if is_heard(place, "invoice", action)} == heard
    assert not any(is_heard(place, "bill", action) for action in ACTIONS)


def test_missing_addresses_are_told() -> None:
    """A connection that was applied before deletions could be told has none for them."""
    endpoints = {name: each for name, each in addresses().items() if not name.endswith("deleted")}
    assert lacking(connected(), endpoints) == ["invoice.deleted", "purchase_order.deleted"]
    assert lacking(connected(events=["*.created"]), endpoints) == []


def test_bodies(office: Office) -> None:
    """The default payload; a rule for every record, whatever changes, that names nothing but the webhook (2.1, 3.2)."""
    each = office.wanted[1]
    assert webhook_body(each, "invoice") == {
        "webhook_name": each.name,
        "description": each.description,
        "entity": "invoice",
        "method": "POST",
        "url": each.url,
        "secret": each.secret,
    }
    body = rule_body(each, "invoice", "edit", "4711")
    assert body["instant_actions"] == [{"action_type": "webhook", "action_id": "4711"}]
    assert body["sub_rules"][0]["instant_actions"] == body["instant_actions"]
    assert (body["rule"], body["field_update"], body["apply_rule_always"]) == ({}, [], True)


# --- installing --------------------------------------------------------------------------------------------------


def test_installed_once_the_second_time_changes_nothing(office: Office) -> None:
    """Webhook and rule per event; nothing is written the second time."""
    done = office.install()
    assert [each.failed for each in done] == [""] * 12
    assert {rule.rule_type for rule in office.zoho.ruled.values()} == {"add", "edit", "delete"}
    office.in_order()
    office.zoho.calls.clear()
    assert office.install() == []
    assert office.zoho.changes == []


def test_long_lists_are_looked_through_without_asking_for_each_rule(office: Office) -> None:
    """Where the list says all, no rule is asked for by itself: settings are throttled (3.4)."""
    office.zoho.short = False
    office.install()
    office.zoho.calls.clear()
    office.in_order()
    assert office.zoho.calls == ["get webhooks", "get rules"]


def test_what_zoho_was_given_is_remembered_and_no_secret_with_it(office: Office) -> None:
    """Zoho never tells a secret: its hash says which one it has."""
    office.install()
    each = office.wanted[0]
    held = office.installed.held[each.endpoint]
    assert held.webhook_id == office.hook(each.event).id
    assert held.workflow_id == office.rule(each.event).id
    assert (held.secret_hash, held.given_at) == (secret_hash(each.secret), f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    assert each.secret not in str(office.installed.held)


@pytest.mark.parametrize("name", ["purchaseorder", "purchase_order"])
def test_names_of_modules_that_are_not_confirmed_are_tried(office: Office, name: str) -> None:
    """purchaseorder or purchase_order: whichever Zoho takes (3.3)."""
    office.zoho.entities = frozenset({"invoice", name})
    assert not any(each.failed for each in office.install())
    assert office.rule("purchase_order.created").entity == name
    office.in_order()


def test_edit_may_not_be_taken(office: Office) -> None:
    """add_edit is what is confirmed (3.2); it stays, and is not tried again each time."""
    office.zoho.edit = False
    assert not any(each.failed for each in office.install())
    assert office.rule("invoice.updated").rule_type == "add_edit"
    office.in_order()


def test_without_a_rule_the_webhook_goes_again(office: Office) -> None:
    """An orphan would block the name and tell nobody anything (3.4)."""
    office.zoho.entities = frozenset({"invoice"})
    done = office.install()
    failed = [each for each in done if each.failed]
    assert {each.change.event for each in failed} == {f"purchase_order.{action}" for action in ACTIONS}
    assert all("entity" in each.failed for each in failed)
    assert {hook.entity for hook in office.zoho.hooks.values()} == {"invoice"}
    office.zoho.entities = None
    office.install()
    office.in_order()


def test_rule_refused_after_its_webhook_was_made(office: Office) -> None:
    """Each endpoint by itself: the others are installed, and this one leaves nothing behind."""

    def tenth(call: str) -> None:
        if call == "create rule" and len(office.zoho.ruled) >= 2:
            raise Undeliverable("You can have up to 10 workflow rules for a module.", 400)

    office.zoho.before = tenth
    done = office.install()
    assert [each.change.event for each in done if each.failed] == [
        "invoice.deleted",
        *(f"purchase_order.{action}" for action in ACTIONS),
    ]
    assert all(each.change.what == "rule" for each in done if each.failed)
    assert len(office.zoho.hooks) == len(office.zoho.ruled) == len(office.installed.held) == 2


@pytest.mark.parametrize("error", [NotAllowed("code 57", 401), RulesUnavailable("not in your plan", 400)])
def test_what_concerns_all_stops_all_and_leaves_nothing(office: Office, error: Exception) -> None:
    """No scope, no rules in the plan: it is said once, by its name, and no orphan stays (3.4)."""

    def refuse(call: str) -> None:
        if call == "create rule":
            raise error

    office.zoho.before = refuse
    with pytest.raises(type(error)):
        office.install()
    assert office.zoho.calls.count("create rule") == 1
    assert (office.zoho.hooks, office.installed.held) == ({}, {})


def test_a_run_that_breaks_off_is_begun_again() -> None:
    """Whatever was done is found, whatever the moment."""
    for stop in range(1, 40):
        fresh = Office()
        left = [stop]

        def tired(call: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise RetryLater("the day's API quota is used up", 3600)

        fresh.zoho.before = tired
        try:
            fresh.install()
        except RetryLater:
            assert fresh.zoho.made < 12
        else:
            assert stop > 14  # two lists, six webhooks, six rules
        fresh.zoho.before = lambda call: None
        fresh.install()
        fresh.in_order()
        assert (len(fresh.zoho.hooks), len(fresh.zoho.ruled)) == (6, 6)


def test_crash_between_call_and_memory() -> None:
    """What Zoho has made and we have not written down is found by its name and address, never made twice."""
    for stop in range(1, 30):
        fresh = Office()
        left = [stop]

        def dies(call: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        fresh.zoho.after = dies
        try:
            fresh.install()
        except KeyboardInterrupt:
            assert fresh.zoho.made <= 12
        fresh.zoho.after = lambda call: None
        fresh.install()
        fresh.in_order()
        assert (len(fresh.zoho.hooks), len(fresh.zoho.ruled)) == (6, 6)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rule_with_a_lost_answer_is_looked_for(office: Office, moment: str) -> None:
    """Zoho takes two rules of one name: each event would come twice. If it was not made, it is made again."""
    lost = iter([Unknown("no readable answer")])

    def lose(call: str) -> None:
        if call == "create rule" and (error := next(lost, None)):
            raise error

    setattr(office.zoho, moment, lose)
    assert not any(each.failed for each in office.install())
    office.in_order()
    assert len(office.zoho.ruled) == 6


def test_webhook_of_our_name_that_the_list_did_not_show(office: Office) -> None:
    """107051: it is updated instead of created (3.4)."""
    todo = office.plan()
    each = office.wanted[0]
    office.zoho.create_webhook(office.connection, {**webhook_body(each, "invoice"), "secret": "WrongSecret0123456789"})
    assert not any(one.failed for one in office.carry_out(todo))
    office.in_order()


# --- drift -------------------------------------------------------------------------------------------------------


def _other_address(office: Office) -> None:
    hook = office.hook("invoice.created")
    office.zoho.hooks[hook.id] = replace(hook, url="https://old.example/webhooks/zoho/gone")


def _other_base(office: Office) -> None:
    hook = office.hook("invoice.created")
    office.zoho.hooks[hook.id] = replace(hook, url=hook.url.replace("api.example", "api2.example"))


def _other_method(office: Office) -> None:
    hook = office.hook("invoice.created")
    office.zoho.hooks[hook.id] = replace(hook, method="PUT")


def _no_rule(office: Office) -> None:
    del office.zoho.ruled[office.rule("invoice.created").id]


def _rule_off(office: Office) -> None:
    rule = office.rule("invoice.created")
    office.zoho.ruled[rule.id] = replace(rule, active=False)


def _rule_of_another_time(office: Office) -> None:
    rule = office.rule("invoice.created")
    office.zoho.ruled[rule.id] = replace(rule, rule_type="delete")


def _rule_of_some_fields(office: Office) -> None:
    rule = office.rule("invoice.updated")
    office.zoho.ruled[rule.id] = replace(rule, fields=("status",))


def _another_module(office: Office) -> None:
    hook, rule = office.hook("invoice.created"), office.rule("invoice.created")
    office.zoho.hooks[hook.id] = replace(hook, entity="bill")
    office.zoho.ruled[rule.id] = replace(rule, entity="bill")


def _nothing_left(office: Office) -> None:
    _no_webhook(office)
    office.zoho.ruled.clear()


def _no_webhook(office: Office) -> None:
    office.zoho.hooks.clear()


def _second_webhook(office: Office) -> None:
    hook, rule = office.hook("invoice.created"), office.rule("invoice.created")
    office.zoho.hooks["77"] = replace(hook, id="77", name="by hand")
    office.zoho.ruled["78"] = replace(rule, id="78", name="by hand", actions=(("webhook", "77"),))


def _second_rule_of_our_name(office: Office) -> None:
    rule = office.rule("invoice.created")
    office.zoho.ruled["79"] = replace(rule, id="79")


def _another_secret(office: Office) -> None:
    office.endpoints["zoho.invoice.created"]["secrets"].append("Newest0123456789")


def _forgotten(office: Office) -> None:
    office.installed.held.clear()


def _renamed_by_a_person(office: Office) -> None:
    hook, rule = office.hook("invoice.created"), office.rule("invoice.created")
    office.zoho.hooks[hook.id] = replace(hook, name="our invoices", url="https://x.example")
    office.zoho.ruled[rule.id] = replace(rule, name="our rule", rule_type="delete")


DRIFTS = [
    _other_address,
    _other_base,
    _other_method,
    _no_rule,
    _rule_off,
    _rule_of_another_time,
    _rule_of_some_fields,
    _another_module,
    _no_webhook,
    _nothing_left,
    _second_webhook,
    _second_rule_of_our_name,
    _another_secret,
    _forgotten,
    _renamed_by_a_person,
]


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_found_and_repaired(office: Office, drift: Any) -> None:
    """Said by a reason, put right by installing again, and then it is right."""
    office.install()
    drift(office)
    todo = office.plan()
    assert todo.drift
    assert all(change.why for change in todo.drift)
    assert not any(each.failed for each in office.carry_out(todo))
    office.in_order()


THEIRS = ZohoWebhook("1", "warehouse", "https://warehouse.example/x", "invoice", "POST")
THEIR_RULE = ZohoRule("2", "to the warehouse", True, "invoice", "add", (("webhook", "1"),))
OTHER_STACK = ZohoWebhook("3", "ml-connector invoice created 99999999", "https://other.example/y", "invoice", "POST")
OTHER_RULE = ZohoRule("4", "ml-connector invoice created 99999999", True, "invoice", "add", (("webhook", "3"),))


@given(st.lists(st.sampled_from(DRIFTS), max_size=4, unique=True), st.booleans(), st.booleans())
def test_whatever_has_drifted_others_are_left_alone(drifts: list[Any], edit: bool, short: bool) -> None:
    """Any mixture of drift is repaired by one run; other products' webhooks and other stacks' are as they were."""
    # Without name, address and memory, nobody can know whose it is.
    assume(not {_forgotten, _renamed_by_a_person} <= set(drifts))
    zoho = Automation({"1": THEIRS, "3": OTHER_STACK}, {"2": THEIR_RULE, "4": OTHER_RULE}, edit=edit, short=short)
    office = Office(zoho)
    office.install()
    for drift in drifts:
        try:
            drift(office)
        except (StopIteration, ValueError):  # an earlier drift took away what this one changes
            continue
        zoho.hooks |= {"1": THEIRS, "3": OTHER_STACK}
        zoho.ruled |= {"2": THEIR_RULE, "4": OTHER_RULE}
    office.install()
    office.in_order()
    office.remove()
    assert zoho.hooks == {"1": THEIRS, "3": OTHER_STACK}
    assert zoho.ruled == {"2": THEIR_RULE, "4": OTHER_RULE}


def test_another_stack_is_mentioned_and_left_alone(office: Office) -> None:
    """It may be in use; a person decides."""
    office.zoho.hooks["3"] = OTHER_STACK
    office.install()
    assert office.plan().notes == (
        "'ml-connector invoice created 99999999' is of another stack or of an earlier installation: it is left alone",
    )


def test_module_that_is_dropped_is_removed_from_zoho(office: Office) -> None:
    """What nobody hears spends the day's webhooks: rule and webhook go, the address stays known."""
    office.install()
    office.connection = connected(["purchase_order"])
    assert {(each.event, each.what, each.do) for each in office.plan().drift} == {
        (f"invoice.{action}", what, "delete") for action in ACTIONS for what in ("webhook", "rule")
    }
    office.install()
    office.in_order()
    assert set(office.installed.held) == {f"zoho.purchase_order.{action}" for action in ACTIONS}


# --- what people have made ---------------------------------------------------------------------------------------


def by_hand(office: Office, **rule: Any) -> None:
    """Somebody has followed the printed steps for invoice.created, with names of their own."""
    each = office.wanted[0]
    office.zoho.hooks["50"] = ZohoWebhook("50", "to Teams", each.url, "invoice", "POST")
    kept = ZohoRule("51", "when billed", True, "invoice", "add", (("webhook", "50"),))
    office.zoho.ruled["51"] = replace(kept, **rule)


def test_webhook_made_by_hand_is_taken_over(office: Office) -> None:
    """No second one for the same address. Its secret may be anything, so it is given ours; its rule suits as it is."""
    by_hand(office)
    office.install()
    office.in_order()
    assert office.hook("invoice.created").id == "50"
    assert office.rule("invoice.created").id == "51"


def test_connection_by_hand_is_judged_by_what_can_be_seen(office: Office) -> None:
    """manage_webhooks = false: no call changes anything, and a secret that only people know is no drift."""
    by_hand(office)
    office.connection = connected(["invoice"], ["invoice.created"], manage_webhooks=False)
    assert office.plan(by_hand=True).drift == ()
    office.zoho.ruled["51"] = replace(office.zoho.ruled["51"], active=False)
    assert [change.what for change in office.plan(by_hand=True).drift] == ["rule"]


def test_rule_that_does_more_is_not_deleted(office: Office) -> None:
    """Somebody's rule also sends a mail: a person takes our webhook out of it."""
    by_hand(office, actions=(("webhook", "50"), ("alert", "9")))
    office.install()
    gone = [replace(each, heard=False) for each in office.wanted]
    todo = office.plan(gone)
    name = office.wanted[0].name
    assert todo.blocked == (("invoice.created", f"take the webhook {name!r} out of your rule 'when billed'"),)
    office.carry_out(todo, gone)
    assert set(office.zoho.hooks) == {"50"}
    assert set(office.zoho.ruled) == {"51"}


def test_our_name_is_enough_to_remove_it(office: Office) -> None:
    """Nothing remembered, another address: the name is ours alone."""
    office.install()
    _other_address(office)
    _forgotten(office)
    office.remove()
    assert (office.zoho.hooks, office.zoho.ruled) == ({}, {})


def test_rule_of_ours_that_runs_a_second_webhook_goes_with_it(office: Office) -> None:
    """Moved to the first one instead, it would keep the second from being deleted in the same run."""
    office.install()
    hook, rule = office.hook("invoice.created"), office.rule("invoice.created")
    office.zoho.hooks["77"] = replace(hook, id="77", name="by hand")
    office.zoho.ruled[rule.id] = replace(rule, actions=(("webhook", "77"),))
    assert not any(each.failed for each in office.install())
    office.in_order()
    assert "77" not in office.zoho.hooks


# --- removing ----------------------------------------------------------------------------------------------------


def test_rules_go_before_webhooks(office: Office) -> None:
    """Zoho refuses to delete a webhook that a rule uses (3.4); nothing of ours is left, and nothing is remembered."""
    office.install()
    office.zoho.calls.clear()
    done = office.remove()
    assert not any(each.failed for each in done)
    kinds = [call.split()[1] for call in office.zoho.changes]
    assert kinds == sorted(kinds)  # rule … webhook …
    assert (office.zoho.hooks, office.zoho.ruled, office.installed.held) == ({}, {}, {})
    office.zoho.calls.clear()
    assert office.remove() == []


def test_refused_deletion_is_told_and_the_rest_goes(office: Office) -> None:
    """One step by itself."""
    office.install()
    rule = office.rule("invoice.created")

    def refuse(call: str) -> None:
        if call == f"delete rule {rule.id}":
            raise Undeliverable("not now", 400)

    office.zoho.before = refuse
    failed = [each for each in office.remove() if each.failed]
    assert [each.change.what for each in failed] == ["rule", "webhook"]
    assert (len(office.zoho.hooks), len(office.zoho.ruled), len(office.installed.held)) == (1, 1, 1)
    office.zoho.before = lambda call: None
    office.remove()
    assert (office.zoho.hooks, office.installed.held) == ({}, {})


def test_only_what_was_asked_for(office: Office) -> None:
    """A rotation of one endpoint touches no other."""
    todo = office.plan()
    setup = Setup(office.zoho, office.installed, office.clock)
    assert list(setup.carry_out(office.connection, todo, office.wanted, only=())) == []
    done = list(setup.carry_out(office.connection, todo, office.wanted, only=["zoho.invoice.deleted"]))
    assert {each.change.event for each in done} == {"invoice.deleted"}
