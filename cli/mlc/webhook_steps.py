"""What a person does in Zoho Books to install a webhook by hand (contracts: zoho-books 3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ml_connector.modules import MODULES
from ml_connector.webhook_plan import Wanted
from mlc.output import line

_WEBHOOKS = "Settings > Automation > Workflow Actions > Webhooks > + New Webhook"
_RULES = "Settings > Automation > Workflow Rules > + New Workflow Rule"
CHECK = "Settings > Automation > Workflow Logs > Webhooks shows what was sent, and what failed."
SECRET = "Settings > Automation > Workflow Actions > Webhooks > open the webhook > Secret Token > Save"  # noqa: S105 (words)
_MODULES: Mapping[str, str] = {
    "invoice": "Invoice",
    "bill": "Bill",
    "purchase_order": "Purchase Order",
    "customer_payment": "Payments Received",
    "vendor_payment": "Payments Made",
}
"""As Zoho's menus say it; the others by analogy."""
_ACTIONS = {"created": "Created", "updated": "Edited", "deleted": "Deleted"}

Step = tuple[str, Sequence[tuple[str, str]]]
"""Where to go, and what to put into which field."""


def steps(each: Wanted) -> list[Step]:
    """The webhook, then the rule that runs it. They hold the address and the secret."""
    module = _MODULES.get(each.module, MODULES[each.module].label)
    edited = [("Execute the workflow when", "any field is updated"), ("Execute when the record is", "Edited each time")]
    return [
        (
            _WEBHOOKS,
            [
                ("Name", each.name),
                ("Module", module),
                ("URL & Parameters", f"POST {each.url}"),
                ("", "add no parameters"),
                ("Headers", "leave empty"),
                ("Authorization Type", "Self-Authorization"),
                ("I want to secure this webhook", "tick it"),
                ("Secret Token", each.secret),
                ("Body", "Default Payload"),
                ("", "Save"),
            ],
        ),
        (
            _RULES,
            [
                ("Workflow Rule Name", each.name),
                ("Module", f"{module}, then Next"),
                ("Workflow Type", "Event Based"),
                ("Action Type", _ACTIONS[each.action]),
                *(edited if each.action == "updated" else []),
                ("Criteria", "leave it for all records"),
                ("Immediate Actions", f"Webhooks > {each.name}"),
                ("", "Save"),
            ],
        ),
    ]


def for_programs(endpoints: Iterable[Wanted]) -> list[dict[str, object]]:
    return [
        {
            "event": each.event,
            "steps": [
                {"open": place, **{name: value for name, value in fields if name}} for place, fields in steps(each)
            ],
        }
        for each in endpoints
    ]


def show(endpoints: Sequence[Wanted]) -> None:
    """For people. Lines are not cut or folded: addresses and secrets are copied from here."""
    for each in endpoints:
        line(each.event, "bold")
        for letter, (place, fields) in zip("AB", steps(each), strict=True):
            line(f"  {letter}. {place}")
            for name, value in fields:
                line(f"     {name:<31}{value}")
    line(CHECK)
