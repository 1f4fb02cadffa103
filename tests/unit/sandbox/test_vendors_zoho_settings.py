"""The Zoho stand-in's webhooks, workflow rules and histories: what it takes, what it refuses, what it sends."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from vendors_desk import Desk

from sandbox.vendors import default_world as w
from sandbox.vendors.wire import Answer
from sandbox.vendors.zoho_rules import RULE_TYPES
from sandbox.vendors.zoho_state import Organization

ORG = w.ZOHO_ORGANIZATION
SECRET = "RuleSecret0123456789"
ALL = [f"ZohoBooks.{family}.ALL" for family in ("settings", "invoices", "bills", "purchaseorders", "customerpayments")]


class Office:
    """An administrator with all scopes, who waits between two calls as long as Zoho wants."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        desk.world.zoho.refresh_tokens[w.ZOHO_REFRESH_TOKEN].scopes = ALL
        self.token = desk.zoho_token()

    @property
    def org(self) -> Organization:
        return self.desk.world.zoho.organizations[ORG]

    def ask(self, method: str, path: str, content: Any = None) -> Answer:
        self.desk.world.clock.advance(0.6)
        return self.desk.books(f"settings/{path}", self.token, method, content=content)

    def webhook(self, name: str = "Relay invoice created", **more: Any) -> str:
        body = {"webhook_name": name, "url": "https://hooks.example/t1", "entity": "invoice", "secret": SECRET, **more}
        answer = self.ask("POST", "webhooks", body)
        assert answer.json()["code"] == 0, answer.body
        return str(answer.json()["webhook"]["webhook_id"])

    def rule(self, webhook_id: str, **more: Any) -> Answer:
        body = {
            "workflow_name": "Relay",
            "entity": "invoice",
            "rule_type": "add",
            "apply_rule_always": True,
            "field_update": [],
            "field_update_comparator": "any",
            "rule": {},
            "instant_actions": [{"action_type": "webhook", "action_id": webhook_id}],
            "time_based_actions": [],
            **more,
        }
        return self.ask("POST", "workflows", body)

    def install(self, entity: str = "invoice", rule_type: str = "add", name: str = "one", **more: Any) -> str:
        """A webhook with its rule; returns the webhook's id."""
        rule = {
            key: more.pop(key)
            for key in ("field_update", "field_update_comparator", "apply_rule_always")
            if key in more
        }
        key = self.webhook(name, entity=entity, **more)
        answer = self.rule(key, workflow_name=name, entity=entity, rule_type=rule_type, **rule)
        assert answer.json()["code"] == 0, answer.body
        return key

    def histories(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"webhooks/histories{query}").json()["webhook_histories"]
        return found

    def edit(self, key: str, fields: dict[str, Any], module: str = "invoices") -> dict[str, Any]:
        answer = self.desk.control("PATCH", f"zoho/{ORG}/records/{module}/{key}", {"fields": fields})
        content: dict[str, Any] = answer.json()
        return content

    def switch(self, **values: Any) -> None:
        assert self.desk.control("PATCH", f"zoho/{ORG}", values).status == 200


@pytest.fixture
def office(desk: Desk) -> Office:
    return Office(desk)


# --- webhooks


def test_webhook_is_read_back_without_its_secrets(office: Office) -> None:
    """Neither the secret nor the values of headers come back; without a rule `related_rules` is an empty text."""
    key = office.webhook(headers=[{"param_name": "X-Hook", "param_value": "hidden-value"}])
    (listed,) = office.ask("GET", "webhooks").json()["webhooks"]
    got = office.ask("GET", f"webhooks/{key}")
    assert (listed["webhook_id"], listed["related_rules"]) == (key, "")
    assert got.json()["webhook"]["headers"] == [{"param_name": "X-Hook"}]
    assert SECRET.encode() not in got.body
    assert b"hidden-value" not in got.body
    workflow = office.rule(key).json()["workflow"]["workflow_id"]
    (listed,) = office.ask("GET", "webhooks").json()["webhooks"]
    assert listed["related_rules"] == [{"workflow_id": workflow, "workflow_name": "Relay"}]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"url": None}, 4),
        ({"url": "ftp://hooks.example"}, 4),
        ({"url": "https://" + "x" * 5000}, 15),
        ({"webhook_name": "x" * 51}, 15),
        ({"webhook_name": " "}, 4),
        ({"description": "x" * 101}, 15),
        ({"method": "GET"}, 4),
        ({"secret": "eleven12345"}, 4),
        ({"secret": "x" * 51}, 15),
        ({"secret": "with-a-hyphen"}, 4),
        ({"secret": "Umlautäöü12345"}, 4),
        ({"entity": "invoices"}, 4),
        ({"entity": "purchaseorder"}, 4),
        ({"headers": {"X-Hook": "1"}}, 4),
        ({"raw_data": "x" * 100_001}, 15),
    ],
)
def test_wrong_webhooks_are_refused(office: Office, wrong: dict[str, Any], code: int) -> None:
    """Lengths, letters and words of 3.1 and 3.3."""
    body = {"webhook_name": "n", "url": "https://hooks.example/t", "entity": "invoice"} | wrong
    answer = office.ask("POST", "webhooks", {key: value for key, value in body.items() if value is not None})
    assert (answer.status, answer.json()["code"]) == (400, code)
    assert office.org.actions == {}


def test_a_webhooks_name_is_unique(office: Office) -> None:
    """107051, for a create as for a rename; its own name may stay."""
    office.webhook("one")
    other = office.webhook("two")
    body = {"webhook_name": "one", "url": "https://hooks.example/t2"}
    for answer in (office.ask("POST", "webhooks", body), office.ask("PUT", f"webhooks/{other}", body)):
        assert (answer.status, answer.json()["code"]) == (400, 107051)
    assert office.ask("PUT", f"webhooks/{other}", body | {"webhook_name": "two"}).status == 200
    assert office.org.actions[other].secret == SECRET


def test_a_webhook_in_use_stays(office: Office) -> None:
    """Rules go first, then webhooks."""
    key = office.webhook()
    workflow = office.rule(key).json()["workflow"]["workflow_id"]
    assert office.ask("DELETE", f"webhooks/{key}").status == 400
    assert office.ask("DELETE", f"workflows/{workflow}").json()["code"] == 0
    assert office.ask("DELETE", f"webhooks/{key}").json()["code"] == 0
    assert office.ask("GET", f"webhooks/{key}").json()["code"] == 1002
    assert office.ask("DELETE", f"workflows/{workflow}").json()["code"] == 1002


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("READ", "POST", "webhooks"),
        ("READ", "POST", "workflows"),
        ("CREATE", "GET", "webhooks"),
        ("CREATE", "GET", "webhooks/histories"),
        ("CREATE", "PUT", "webhooks/1"),
        ("UPDATE", "DELETE", "workflows/1"),
        ("READ", "POST", "webhooks/histories/1/resend"),
    ],
)
def test_settings_need_the_scope_of_what_they_do(desk: Desk, scope: str, method: str, path: str) -> None:
    """57 for each other verb."""
    desk.world.zoho.refresh_tokens[w.ZOHO_REFRESH_TOKEN].scopes = [f"ZohoBooks.settings.{scope}"]
    answer = desk.books(f"settings/{path}", desk.zoho_token(), method, content={})
    assert (answer.status, answer.json()["code"]) == (401, 57)


def test_settings_called_back_to_back_answer_429(office: Office) -> None:
    """Half a second between two calls; without limits no wait."""
    assert office.ask("GET", "webhooks").status == 200
    assert office.desk.books("settings/workflows", office.token).status == 429
    office.desk.world.clock.advance(0.5)
    assert office.desk.books("settings/workflows", office.token).status == 200
    office.desk.world.unlimited.add("zoho")
    assert office.desk.books("settings/workflows", office.token).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PATCH", "webhooks", 405), ("DELETE", "webhooks", 405), ("GET", "webhooks/histories/1/resend", 405),
     ("GET", "automation", 404), ("GET", "workflows/1/activate", 404)],
)  # fmt: skip
def test_other_settings_calls_are_refused(office: Office, method: str, path: str, status: int) -> None:
    """Unknown addresses and methods."""
    assert office.ask(method, path).status == status


def test_settings_page(office: Office) -> None:
    """Like every list."""
    for number in range(3):
        office.webhook(f"w{number}")
    answer = office.ask("GET", "webhooks?per_page=2&page=2").json()
    assert [each["webhook_name"] for each in answer["webhooks"]] == ["w2"]
    assert answer["page_context"]["has_more_page"] is False


# --- rules


@pytest.mark.parametrize(
    "wrong",
    [
        {"workflow_name": ""},
        {"workflow_name": None},
        {"description": "x" * 1001},
        {"rule_type": "created"},
        {"rule_type": None},
        {"entity": "contact"},
        {"entity": "bill"},
        {"field_update": "status"},
        {"field_update_comparator": "all"},
        {"apply_rule_always": "true"},
        {"rule": {"criteria": "1"}},
        {"instant_actions": []},
        {"instant_actions": [{"action_type": "alert", "action_id": "1"}]},
        {"instant_actions": [{"action_type": "webhook", "action_id": "999"}]},
    ],
)
def test_wrong_rules_are_refused(office: Office, wrong: dict[str, Any]) -> None:
    """A rule needs a name, a type, a module and one webhook of that module."""
    key = office.webhook()
    assert office.rule(key, **wrong).status == 400
    assert office.org.rules == {}


def test_a_rule_has_one_webhook(office: Office) -> None:
    """1 per rule (1.8); the same one named twice is one."""
    one, two = office.webhook("one"), office.webhook("two")
    actions = [{"action_type": "webhook", "action_id": key} for key in (one, two)]
    assert office.rule(one, instant_actions=actions).status == 400
    subs = [{"index": 1, "rule": {}, "instant_actions": actions[:1], "time_based_actions": []}]
    assert office.rule(one, sub_rules=subs).json()["code"] == 0


def test_an_action_with_a_url_makes_a_webhook(office: Office) -> None:
    """A trap of the real one (3.2): only `action_type` and `action_id` refer to the webhook that is there."""
    key = office.webhook()
    action = {"action_type": "webhook", "action_id": key, "url": "https://hooks.example/t9", "webhook_name": "inline"}
    assert office.rule(key, instant_actions=[action]).json()["code"] == 0
    assert [each.webhook_name for each in office.org.actions.values()] == ["Relay invoice created", "inline"]
    assert office.ask("GET", f"webhooks/{key}").json()["webhook"]["related_rules"] == ""


def test_a_module_has_ten_rules(office: Office) -> None:
    """And the organization 200."""
    key = office.webhook()
    for number in range(10):
        assert office.rule(key, workflow_name=f"r{number}").json()["code"] == 0
    assert office.rule(key).status == 400
    for rule in range(190):
        office.org.rules[str(rule)] = next(iter(office.org.rules.values()))
    assert office.rule(office.webhook("bill", entity="bill"), entity="bill").status == 400


@pytest.mark.parametrize("plan", ["Free", "Standard"])
def test_a_plan_without_rules_refuses_them(office: Office, plan: str) -> None:
    """The webhook is made, the rule is not: whoever installs must clear up."""
    office.switch(plan_name=plan)
    answer = office.rule(office.webhook())
    assert (answer.status, "plan" in answer.json()["message"]) == (400, True)


def test_edit_is_refused_where_switched(office: Office) -> None:
    """Nobody has seen `edit`; `add_edit` everybody takes."""
    office.switch(edit_refused=True)
    key = office.webhook()
    assert office.rule(key, rule_type="edit").json()["code"] == 4
    assert office.rule(key, rule_type="add_edit").json()["code"] == 0


@pytest.mark.parametrize(
    ("module", "taken", "other"),
    [
        ("purchase_order", "purchase_order", "purchaseorder"),
        ("customer_payment", "customer_payment", "payment"),
        ("vendor_payment", "vendorpayment", "vendor_payment"),
        ("expense", "expense", "expenses"),
        ("credit_note", "creditnote", "credit_note"),
        ("sales_order", "salesorder", "sales_order"),
        ("estimate", "estimate", "quote"),
        ("vendor_credit", "vendor_credit", "vendorcredit"),
    ],
)
def test_one_name_of_a_module_is_taken(office: Office, module: str, taken: str, other: str) -> None:
    """And its rule fires for the module's records."""
    assert (
        office.ask("POST", "webhooks", {"webhook_name": "x", "url": "https://a.example", "entity": other}).status == 400
    )
    office.install(taken)
    assert [each["status"] for each in office.desk.save(module)["webhooks"]] == [202]


def test_updates_of_rules(office: Office) -> None:
    """What is not named stays; what is required is required again. An update does not switch a rule on or off."""
    key = office.webhook()
    path = "workflows/" + office.rule(key).json()["workflow"]["workflow_id"]
    body = {"workflow_name": "Other", "entity": "invoice", "rule_type": "delete", "is_active": False}
    assert office.ask("PUT", path, body).json()["code"] == 0
    got = office.ask("GET", path).json()["workflow"]
    assert (got["workflow_name"], got["rule_type"], got["is_active"]) == ("Other", "delete", True)
    assert got["instant_actions"] == [{"action_type": "webhook", "action_id": key}]
    assert office.ask("PUT", path, {"rule_type": "add"}).status == 400
    assert office.ask("PUT", path, body | {"entity": "bill"}).status == 400


# --- what rules send


def test_a_rule_sends_the_default_payload_signed(office: Office) -> None:
    """The whole record, the raw bytes signed with the webhook's own secret, its own headers beside."""
    office.install(headers=[{"param_name": "X-Hook", "param_value": "h1"}])
    made = office.desk.save("invoice", {"customer_name": "Müller & Söhne"})
    ((url, body, headers),) = office.desk.sent
    assert (url, headers["X-Hook"]) == ("https://hooks.example/t1", "h1")
    assert json.loads(body) == {"invoice": made["record"]}
    assert headers["X-Zoho-Webhook-Signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def test_without_a_secret_nothing_is_signed(office: Office) -> None:
    """The signature is opt-in."""
    key = office.ask("POST", "webhooks", {"webhook_name": "x", "url": "https://a.example", "entity": "invoice"})
    office.rule(key.json()["webhook"]["webhook_id"])
    office.desk.save("invoice")
    assert "X-Zoho-Webhook-Signature" not in office.desk.sent[0][2]


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({"body_type": "application/json", "raw_data": "${JSONString}"}, None),
        (
            {"body_type": "application/json", "raw_data": '{"e":"created","n":"${INVOICE.CUSTOMER_NAME}",'
             '"t":"${INVOICE.INVOICE_TOTAL}","s":"${INVOICE.STATUS}","x":"${INVOICE.NOTHING}"}'},
            {"e": "created", "n": 'A "B" & C', "t": "12.5", "s": "sent", "x": ""},
        ),
    ],
)  # fmt: skip
def test_raw_bodies_are_signed_after_their_placeholders(
    office: Office, settings: dict[str, Any], content: dict[str, str] | None
) -> None:
    """`${JSONString}` alone is the default payload."""
    office.install(**settings)
    made = office.desk.save("invoice", {"total": 12.5, "customer_name": 'A "B" & C'})
    ((_, body, headers),) = office.desk.sent
    assert json.loads(body) == (content or {"invoice": made["record"]})
    assert headers["X-Zoho-Webhook-Signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def test_form_and_query_are_signed_decoded_and_sorted(office: Office) -> None:
    """Pairs of both, by key; a form field can hold the whole record."""
    office.install(
        query_parameters=[{"param_name": "b", "param_value": "x y"}],
        form_data=[
            {"param_name": "c", "param_value": "${INVOICE.CUSTOMER_NAME}"},
            {"param_name": "JSONString", "param_value": "${JSONString}"},
        ],
    )
    office.desk.save("invoice", {"customer_name": "A & B"})
    ((url, body, headers),) = office.desk.sent
    text = parse_qs(body.decode())["JSONString"][0]
    assert (url, headers["Content-Type"]) == ("https://hooks.example/t1?b=x+y", "application/x-www-form-urlencoded")
    assert "invoice" in json.loads(text)
    signed = f"JSONString{text}bx ycA & B".encode()
    assert headers["X-Zoho-Webhook-Signature"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


RAN_BY = {"add": (1, 0, 0), "edit": (0, 1, 0), "add_edit": (1, 1, 0), "delete": (0, 0, 1)}


@pytest.mark.parametrize("rule_type", RULE_TYPES)
def test_each_rule_type_has_its_events(office: Office, rule_type: str) -> None:
    """Created, edited, deleted; of a deleted record only the id is told."""
    office.install(rule_type=rule_type)
    made = office.desk.save("invoice")
    edited = office.edit(made["id"], {"reference_number": "x"})
    deleted = office.desk.control("DELETE", f"zoho/{ORG}/records/invoices/{made['id']}").json()
    assert tuple(len(each["webhooks"]) for each in (made, edited, deleted)) == RAN_BY[rule_type]
    if rule_type == "delete":
        assert json.loads(office.desk.sent[0][1]) == {"invoice": {"invoice_id": made["id"]}}


@pytest.mark.parametrize(
    ("comparator", "fields", "edits"),
    [
        ("any", [], [1, 1, 1]),
        ("any", ["status"], [1, 0, 0]),
        ("or", ["status", "notes"], [1, 1, 0]),
        ("and", ["status", "notes"], [0, 0, 0]),
        ("except_or", ["status", "current_sub_status"], [0, 1, 1]),
        ("except_and", ["notes"], [1, 0, 1]),
    ],
)
def test_a_rule_can_look_at_fields(office: Office, comparator: str, fields: list[str], edits: list[int]) -> None:
    """It fires when those change their value; a second partial payment does not change the status."""
    office.install(rule_type="edit", field_update=fields, field_update_comparator=comparator)
    key = office.desk.save("invoice")["id"]
    said = [{"status": "viewed"}, {"notes": "n"}, {"terms": "t"}]
    assert [len(office.edit(key, each)["webhooks"]) for each in said] == edits


def test_without_apply_always_a_rule_runs_once_for_a_record(office: Office) -> None:
    """What the smallest body of 3.2 leaves out."""
    office.install(rule_type="add_edit", apply_rule_always=False)
    made = office.desk.save("invoice")
    assert [len(made["webhooks"]), len(office.edit(made["id"], {"status": "paid"})["webhooks"])] == [1, 0]


def test_the_days_cap_ends_webhooks_silently(office: Office) -> None:
    """1,000 a day, of the organization's day; nothing says so."""
    office.install()
    office.switch(webhooks_per_day=2)
    assert [len(office.desk.save("invoice")["webhooks"]) for _ in range(3)] == [1, 1, 0]
    assert len(office.org.records["invoices"]) == 3
    office.desk.world.clock.advance(86_400)
    assert len(office.desk.save("invoice")["webhooks"]) == 1


def test_lost_webhooks_never_leave(office: Office) -> None:
    """Whatever set them off."""
    office.install()
    office.switch(lose=1)
    assert [len(office.desk.save("invoice")["webhooks"]) for _ in range(2)] == [0, 1]


def test_payloads_of_ones_own_go_to_the_rules_webhooks(office: Office) -> None:
    """As to the hooks of tests, signed with their secret."""
    office.install()
    office.desk.control("POST", f"zoho/{ORG}/payloads/invoice", {"event": "created", "body": "{}"})
    assert office.desk.sent[0][2]["X-Zoho-Webhook-Signature"] == hmac.new(SECRET.encode(), b"{}", "sha256").hexdigest()


@pytest.mark.parametrize(("module", "key"), [("customer_payment", "customer_payment"), ("bill", "bill")])
def test_the_top_key_can_be_another(office: Office, module: str, key: str) -> None:
    """Nobody has published the one of payments; `organization_id` may stand beside it."""
    office.switch(payload_keys={"customerpayments": "customer_payment"}, payload_organization=True)
    office.install(key)
    office.desk.save(module)
    assert list(json.loads(office.desk.sent[0][1])) == ["organization_id", key]


# --- comments and payments


def test_a_comment_is_an_edit(office: Office) -> None:
    """The trap for loops: it changes the modification time and sets off the edited rules, after its answer."""
    office.install(rule_type="edit")
    made = office.desk.save("invoice")
    path = f"invoices/{made['id']}/comments"
    office.desk.world.clock.advance(5)
    assert office.desk.books(path, office.token, "POST", content={"description": "told"}).status == 200
    assert office.desk.sent == []
    office.desk.control("POST", f"zoho/{ORG}/webhooks/settle")
    told = json.loads(office.desk.sent[0][1])["invoice"]
    assert told["last_modified_time"] > made["record"]["last_modified_time"]
    assert {**told, "last_modified_time": ""} == {**made["record"], "last_modified_time": ""}
    office.switch(comments_edit=False)
    office.desk.books(path, office.token, "POST", content={"description": "told again"})
    assert office.desk.control("POST", f"zoho/{ORG}/webhooks/settle").json() == {"webhooks": []}


def test_a_comments_date_changes_the_order(office: Office) -> None:
    """Required where switched; another date is another order."""
    office.switch(order_comment_needs_date=True)
    key = office.desk.save("purchase_order")["id"]
    path, text = f"purchaseorders/{key}/comments", {"description": "told"}
    assert office.desk.books(path, office.token, "POST", content=text).status == 400
    dated = text | {"expected_delivery_date": "2026-12-24"}
    assert office.desk.books(path, office.token, "POST", content=dated).status == 201
    assert office.org.records["purchaseorders"][key]["expected_delivery_date"] == "2026-12-24"


def test_a_payment_changes_its_invoices(office: Office) -> None:
    """In part, then whole: the payment's created and each invoice's edited rules run."""
    office.install("customer_payment", name="p")
    office.install(rule_type="edit", name="i")
    keys = [office.desk.save("invoice", {"total": total})["id"] for total in (100, 50.5)]
    path = f"zoho/{ORG}/payments/customer_payment"
    part = office.desk.control("POST", path, {"amounts": {keys[0]: 40.1}}).json()
    assert [each["event"] for each in part["webhooks"]] == ["created", "updated"]
    assert part["changed"] == [{"module": "invoices", "id": keys[0], "status": "partially_paid"}]
    rest = office.desk.control("POST", path, {"amounts": {keys[0]: 59.9, keys[1]: 50.5}}).json()
    assert (rest["record"]["amount"], [each["status"] for each in rest["changed"]]) == (110.4, ["paid", "paid"])
    assert [row["invoice_number"] for row in rest["record"]["invoices"]] == ["INV-000001", "INV-000002"]
    invoice = office.org.records["invoices"][keys[0]]
    assert (invoice["balance"], invoice["payment_made"]) == (0.0, 100.0)
    listed = office.desk.books(f"invoices/{keys[0]}/payments", office.token).json()["payments"]
    assert [each["amount"] for each in listed] == [40.1, 59.9]
    assert office.desk.control("POST", path, {"amounts": {keys[0]: 1}}).status == 400


def test_a_payment_made_changes_its_bills(office: Office) -> None:
    """The same on the other side."""
    key = office.desk.save("bill", {"total": 9})["id"]
    made = office.desk.control("POST", f"zoho/{ORG}/payments/vendor_payment", {"amounts": {key: 9}}).json()
    assert (made["record"]["vendor_name"], made["changed"][0]["status"]) == ("Northwind Packaging Ltd", "paid")
    assert len(office.desk.books(f"bills/{key}/payments", office.token).json()["payments"]) == 1


def test_midnight_makes_overdue_without_a_word(office: Office) -> None:
    """Nobody edited the record: neither its time changes nor a rule runs; only the list shows it."""
    office.install(rule_type="edit")
    made = office.desk.save("invoice", {"due_date": "2026-11-18"})
    office.desk.save("invoice", {"due_date": "2026-11-18", "status": "paid"})
    assert office.desk.control("POST", f"zoho/{ORG}/midnight").json() == {"changed": []}
    office.desk.world.clock.advance(86_400)
    changed = office.desk.control("POST", f"zoho/{ORG}/midnight").json()["changed"]
    assert changed == [{"module": "invoices", "id": made["id"], "status": "overdue"}]
    (row,) = office.desk.books("invoices?filter_by=Status.Overdue", office.desk.zoho_token()).json()["invoices"]
    assert row["last_modified_time"] == made["record"]["last_modified_time"]
    assert office.desk.sent == []


# --- histories, resends, retries


def test_histories_are_filtered(office: Office) -> None:
    """By webhook, record, day and failure; an unknown filter is ignored."""
    one, two = office.install(name="one"), office.install("bill", name="two")
    office.desk.hook_status = 500
    invoice = office.desk.save("invoice")["id"]
    office.desk.hook_status = 202
    office.desk.world.clock.advance(86_400)
    office.token = office.desk.zoho_token()
    bill = office.desk.save("bill")["id"]
    office.desk.save("vendor_payment")
    assert [(each["entity_id"], each["status"]) for each in office.histories()] == [
        (bill, "success"),
        (invoice, "failed"),
    ]
    for query in ("webhook_id=" + one, "entity_id=" + invoice, "to_date=2026-11-18", "filter_by=Status.Failed"):
        assert [each["entity_id"] for each in office.histories("?" + query)] == [invoice], query
    for query in ("webhook_id=" + two, "from_date=2026-11-19", "filter_by=Status.Success"):
        assert [each["entity_id"] for each in office.histories("?" + query)] == [bill], query
    assert len(office.histories("?filter_by=Status.failed")) == 2
    assert office.ask("GET", "webhooks/histories?from_date=18.11.2026").status == 400
    assert len(office.histories("?per_page=1&page=2")) == 1


def test_a_failed_webhook_is_sent_again_byte_for_byte(office: Office) -> None:
    """One, or ten at a time; it leaves after the answer."""
    office.install()
    office.desk.hook_status = 0
    for _ in range(11):
        office.desk.save("invoice")
    failed = office.histories("?filter_by=Status.Failed")
    assert (len(failed), failed[0]["retry_count"], failed[0]["response_code"]) == (11, 0, "")
    office.desk.hook_status = 202
    before = list(office.desk.sent)
    assert office.ask("POST", f"webhooks/histories/{failed[0]['history_id']}/resend").json()["code"] == 0
    ids = ",".join(each["history_id"] for each in failed)
    assert office.ask("POST", f"webhooks/histories/bulkresend?history_ids={ids}").status == 400
    ids = ",".join(each["history_id"] for each in failed[1:])
    assert office.ask("POST", f"webhooks/histories/bulkresend?history_ids={ids}").json()["code"] == 0
    assert office.ask("POST", "webhooks/histories/9/resend").json()["code"] == 1002
    assert len(office.desk.sent) == 11
    office.desk.control("POST", f"zoho/{ORG}/webhooks/settle")
    again = office.desk.sent[11:]
    assert sorted(body for _, body, _ in again) == sorted(body for _, body, _ in before)
    assert office.histories("?filter_by=Status.Failed") == []
    got = office.ask("GET", f"webhooks/histories/{failed[0]['history_id']}").json()["webhook_history"]
    assert (got["status"], got["retry_count"], got["response_code"]) == ("success", 1, 202)


def test_without_a_policy_nothing_is_retried(office: Office) -> None:
    """A failure is kept, and that is all."""
    office.install()
    office.desk.hook_status = 503
    office.desk.save("invoice")
    office.desk.world.clock.advance(86_400)
    assert office.desk.control("POST", f"zoho/{ORG}/webhooks/settle").json() == {"webhooks": []}


def test_the_retry_policy_tries_again_in_time(office: Office) -> None:
    """At growing intervals, to its end."""
    office.switch(retry_after=[60, 300])
    office.install()
    office.desk.hook_status = 503
    office.desk.save("invoice")
    assert office.histories()[0]["next_retry_time"] != ""
    tries = []
    for seconds in (59, 1, 298, 3, 86_400):
        office.desk.world.clock.advance(seconds)
        office.desk.control("GET", "health")
        tries.append(len(office.desk.sent))
    assert tries == [1, 2, 2, 3, 3]
    office.token = office.desk.zoho_token()
    (entry,) = office.histories()
    assert (entry["retry_count"], entry["next_retry_time"], entry["status"]) == (2, "", "failed")


def test_a_rule_that_fails_may_be_switched_off(office: Office) -> None:
    """Nobody knows whether Zoho does; whoever looks after rules must notice."""
    office.switch(disable_after=2)
    office.install()
    office.desk.hook_status = 500
    assert [len(office.desk.save("invoice")["webhooks"]) for _ in range(3)] == [1, 1, 0]
    assert office.ask("GET", "workflows").json()["workflows"][0]["is_active"] is False


# --- what people do to settings


def test_people_change_and_remove_what_was_installed(office: Office) -> None:
    """By hand, past every check; what is shown of it holds no secret."""
    key = office.install()
    shown = office.desk.control("GET", f"zoho/{ORG}/settings")
    workflow = shown.json()["workflows"][0]["workflow_id"]
    assert shown.json()["webhooks"][0]["signed"] is True
    assert SECRET.encode() not in shown.body
    path = f"zoho/{ORG}/settings"
    assert office.desk.control("PATCH", f"{path}/webhooks/{key}", {"secret": "AnotherSecret12345"}).status == 200
    assert office.desk.control("PATCH", f"{path}/workflows/{workflow}", {"entity": "bill"}).status == 400
    assert office.desk.control("PATCH", f"{path}/workflows/{workflow}", {"is_active": False}).status == 200
    assert office.desk.save("invoice")["webhooks"] == []
    assert office.desk.control("DELETE", f"{path}/webhooks/{key}").status == 200
    assert office.desk.control("DELETE", f"{path}/workflows/{workflow}").status == 200
    assert (office.org.actions, office.org.rules) == ({}, {})
    assert office.desk.control("PATCH", f"zoho/{ORG}", {"edit_refuse": True}).status == 400
