"""What Microsoft's refusals mean, and what a person does about them: one table per service, as data.

Contracts: microsoft-teams 1.2.5 (Bot Connector), 1.3 (Workflows), 6.3 (Entra ID), 8.2 and 8.3 (Graph).
A row is found by its code, else by its status; statuses without a row are read by `_by_status`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ml_connector.errors import ConnectorError, Gone, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.vendors.http import Answer


class Then(Enum):
    """What follows."""

    LATER = "nothing happened; it is made again"
    UNKNOWN = "it may have happened"
    GONE = "what was to be changed is no longer there"
    REFUSED = "a person must do something about the destination"
    CREDENTIALS = "a person must put the stored credentials right"
    CONSENT = "a person must agree again"


@dataclass(frozen=True, slots=True)
class Fault:
    then: Then
    says: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service's name in sentences, and its rows by code or by status."""

    name: str
    rows: Mapping[str | int, Fault]


def _refused(says: str) -> Fault:
    return Fault(Then.REFUSED, says)


_SMALLER = "show fewer fields and lines (`card` of the destination), apply, then retry"
CONNECTOR = Service(
    "Teams",
    {
        "BotNotRegistered": _refused(
            "the bot is not registered for this client id, or the Teams channel of its registration is off"
        ),
        "BotNotInConversationRoster": _refused(
            "the Teams app is not installed in this team (or, in a private or shared channel, not enabled there); "
            "install it (`mlc teams install CONNECTION`), then retry"
        ),
        "BotDisabledByAdmin": _refused("a Teams administrator's policy blocks the app; have it allowed, then retry"),
        "ConversationBlockedByUser": _refused("the channel does not let the app write (moderation)"),
        "MessageWritesBlocked": _refused("the channel does not let the app write (moderation)"),
        "ForbiddenOperationException": _refused("the bot may not write there; is the Teams app installed?"),
        "InvalidBotApiHost": _refused('the tenant is in the GCC cloud: set cloud = "gcc" under [microsoft] and apply'),
        "NotEnoughPermissions": _refused("the bot may not do this; an administrator must look at its permissions"),
        "ConversationNotFound": _refused("the channel does not exist (any more); put channel_id right and apply"),
        "ActivityNotFoundInConversation": Fault(Then.GONE, "the message was deleted in Teams"),
        "MessageSizeTooBig": _refused(f"the card is too large for Teams; {_SMALLER}"),
        412: Fault(Then.LATER, "another operation is under way in this conversation"),
        429: Fault(Then.LATER, "too many calls of the bot"),
    },
)

_NOT_FOR_THE_PERSON = _refused(
    "the Teams app is not installed for this person; `mlc teams install CONNECTION --person PERSON`, then retry"
)
_BLOCKED_BY_THE_PERSON = _refused(
    "the person blocks the app; only they can unblock it, in Teams: or put somebody else in person and apply"
)
PERSONAL = Service(
    "Teams",
    {
        **CONNECTOR.rows,
        "BotNotInConversationRoster": _NOT_FOR_THE_PERSON,
        "ForbiddenOperationException": _NOT_FOR_THE_PERSON,
        "ConversationBlockedByUser": _BLOCKED_BY_THE_PERSON,
        "MessageWritesBlocked": _BLOCKED_BY_THE_PERSON,
        "ConversationNotFound": _refused(
            "the chat with this person does not exist (any more); retry, or put person right and apply"
        ),
    },
)
"""The Connector's words where the conversation is a person's chat with the bot."""

GRAPH = Service(
    "Graph",
    {
        # Says nothing about our token: another one would be refused just the same (0, facts 1 and 2).
        "Unauthorized": _refused(
            "an app alone cannot post to a channel through Graph, except while messages are imported into it "
            '(migration mode); use transport = "bot"'
        ),
        "InvalidAuthenticationToken": Fault(
            Then.CREDENTIALS, "it does not accept a token that was issued just now; is the right cloud configured?"
        ),
        "Forbidden": _refused(
            "a permission or an administrator's consent is missing, or the account is no member of the team"
        ),
        "AclCheckFailed": _refused("the account is no member of the team or channel; add it there, then retry"),
        402: _refused("a licence is missing"),
        403: _refused("a permission or an administrator's consent is missing"),
        404: _refused("team, channel or message does not exist (any more)"),
        413: _refused(f"the message is too large for Teams; {_SMALLER}"),
        423: _refused("the team or channel is archived or locked"),
        409: Fault(Then.LATER, "something else is changing it"),
        412: Fault(Then.LATER, "another operation is under way"),
        429: Fault(Then.LATER, "too many calls"),
        # Storage and bandwidth of the tenant: nothing was written.
        507: Fault(Then.LATER, "the tenant is short of storage"),
        509: Fault(Then.LATER, "the tenant's bandwidth is used up"),
    },
)

WORKFLOW = Service(
    # Only the status counts here: the bodies are not documented.
    "the workflow",
    {
        401: _refused("its trigger is not open to anyone"),
        403: _refused("its trigger is not open to anyone"),
        404: _refused("it was deleted or switched off, or its address is old"),
        413: _refused(f"the card is too large for it; {_SMALLER}"),
        408: Fault(Then.LATER, "it was too slow"),
        429: Fault(Then.LATER, "too many calls"),
    },
)

_SECRET = Fault(Then.CREDENTIALS, "The client secret is wrong. Paste the secret value, not its id.")
_CERTIFICATE = Fault(Then.CREDENTIALS, "The certificate does not match the app registration.")
_APP = Fault(
    Then.CREDENTIALS,
    "App id or tenant id is wrong, or the app was never consented in this tenant. Compare [microsoft] with the app "
    "registration, apply, and store the credentials again.",
)
_DISABLED = Fault(Then.CREDENTIALS, "An administrator disabled the app.")
_CLOUD = Fault(Then.CREDENTIALS, "The tenant belongs to another cloud: set `cloud` under [microsoft] and apply.")
_RESOURCE = Fault(Then.CREDENTIALS, "The service is not available in this tenant; check its cloud and its plan.")
_OURS = Fault(Then.CREDENTIALS, "The connector asked wrongly; please report it.")
_ADMIN = Fault(
    Then.CONSENT,
    "Consent is missing. Grant admin consent: an administrator does so at the app registration, API permissions.",
)
_BLOCKED = Fault(Then.CONSENT, "Conditional Access or security defaults block it; an administrator must allow it.")
_ENDED = Fault(Then.CONSENT, "The service account's access has ended through inactivity.")
_REVOKED = Fault(Then.CONSENT, "The service account's access was revoked.")
_SIGN_IN = Fault(Then.CONSENT, "The service account must sign in again (sign-in frequency or MFA).")
_ACCOUNT = Fault(Then.CONSENT, "The service account is disabled or unknown.")
_BUSY = Fault(Then.LATER, "busy")
ENTRA: Mapping[int, Fault] = {
    **dict.fromkeys((7000215, 70002), _SECRET),
    7000222: Fault(
        Then.CREDENTIALS, "The client secret has expired. Create a new one or use a certificate, and store it."
    ),
    7000218: Fault(Then.CREDENTIALS, "Neither a client secret nor a certificate is stored."),
    **dict.fromkeys((700027, 50012, 700030), _CERTIFICATE),
    500133: Fault(Then.LATER, "the assertion was not valid at its time; is this machine's clock right?"),
    **dict.fromkeys((700016, 700011), _APP),
    **dict.fromkeys((7000112, 70001, 1000031), _DISABLED),
    90002: Fault(
        Then.CREDENTIALS,
        "The tenant id is unknown in this cloud. Put tenant_id (or cloud) right under [microsoft], apply, and store "
        "the credentials again.",
    ),
    **dict.fromkeys((90038, 900382, 900432, 90051), _CLOUD),
    **dict.fromkeys((500011, 650057, 650052), _RESOURCE),
    **dict.fromkeys((70011, 28002, 700022, 9001023), _OURS),
    **dict.fromkeys((65001, 90094, 650056), _ADMIN),
    **dict.fromkeys((53003, 530032, 530035), _BLOCKED),
    # After this Entra answers nobody of ours for some minutes.
    50196: Fault(Then.LATER, "it says that we ask in a loop"),
    **dict.fromkeys((700082, 70008), _ENDED),
    **dict.fromkeys((50173, 70000), _REVOKED),
    **dict.fromkeys((70043, 50076, 50078, 50079, 50074), _SIGN_IN),
    **dict.fromkeys((50057, 50034), _ACCOUNT),
    **dict.fromkeys((90033, 90024, 90006, 90012, 90055, 50033, 90090), _BUSY),
}
"""By AADSTS number."""
LOOP = 300.0
"""Seconds to wait after 50196."""


def request_id(answer: Answer) -> str:
    """What Microsoft's support asks for: the service's id of a call, and ours, which Graph repeats (8.3)."""
    own = answer.headers.get("request-id") or answer.headers.get("ms-cv", "")
    return " ".join(filter(None, (own, answer.headers.get("client-request-id", ""))))


def error_code(answer: Answer) -> str:
    """The code of a refusal, "" if it names none. Two shapes are in use, and one hides in the other's text (1.2.5)."""
    data = answer.json()
    if not isinstance(data, dict):
        return ""
    error = data.get("error")
    if isinstance(error, dict):
        return _inner(error.get("message")) or str(error.get("code") or "")
    return _inner(data.get("message")) or str(data.get("errorCode") or "")


def _inner(message: Any) -> str:
    """The code in a message that is itself JSON: `subCode`, or Teams' own word in `message`."""
    if not isinstance(message, str) or not message.lstrip().startswith("{"):
        return ""
    try:
        inner = json.loads(message)
    except (ValueError, RecursionError):
        return ""
    found = inner.get("subCode") or inner.get("message") if isinstance(inner, dict) else ""
    return found if isinstance(found, str) and found.isalnum() else ""


def said(answer: Answer) -> str:
    """A refusal's own words, whole; "" if it has none."""
    data = answer.json()
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get("message") or "") if isinstance(error, dict) else ""


def fault(service: Service, answer: Answer, *, harmless: bool = False) -> ConnectorError:
    """What an answer that is no success means. `harmless`: the call can be repeated whatever became of it."""
    status = answer.status
    code = error_code(answer) if service is not WORKFLOW else ""
    row = service.rows.get(code) or service.rows.get(status) or _by_status(service, answer, code)
    if row.then is Then.UNKNOWN and harmless:
        row = Fault(Then.LATER, row.says)
    error = _error(row, f"{service.name} answered {status}: {row.says}", answer)
    # Not in the words: the same trouble has the same reason, however often it comes.
    error.request_id = request_id(answer)
    return error


def _by_status(service: Service, answer: Answer, code: str) -> Fault:
    if answer.status >= 500:
        # "Dependency, unavailable, time-out": what was to be posted may be there all the same.
        return Fault(Then.UNKNOWN, "it is out of order")
    if answer.status < 400:
        return Fault(Then.UNKNOWN, "the answer is not readable")
    # The workflow's own words may repeat its address, which is a secret.
    return _refused(
        "it refuses the card" if service is WORKFLOW else f"{code} {said(answer)[:200]}".strip() or "it refuses"
    )


def entra_fault(answer: Answer) -> ConnectorError:
    """Why there is no token. `error` decides; its numbers choose the words (6.3). The description is not shown."""
    data = answer.json()
    data = data if isinstance(data, dict) else {}
    error = str(data.get("error", ""))
    codes = [code for code in data.get("error_codes") or [] if isinstance(code, int)]
    if answer.status >= 500 or answer.status == 429 or not error or error == "temporarily_unavailable":
        return RetryLater(f"Entra ID answered {answer.status}", answer.retry_after(), answer.status)
    known = next((code for code in codes if code in ENTRA), None)
    if known is None:
        then = Then.CONSENT if error in ("invalid_grant", "interaction_required") else Then.CREDENTIALS
        row = Fault(then, f"Entra ID refuses a token: {error[:60]}")
        return _error(row, f"{row.says} (AADSTS{codes[0]})" if codes else row.says, answer)
    row = ENTRA[known]
    if row.then is Then.LATER:
        after = LOOP if known == 50196 else answer.retry_after()
        return RetryLater(f"Entra ID: {row.says} (AADSTS{known})", after, answer.status)
    return _error(row, f"{row.says} (AADSTS{known})", answer)


def _error(row: Fault, reason: str, answer: Answer) -> ConnectorError:
    status = answer.status
    match row.then:
        case Then.LATER:
            return RetryLater(reason, answer.retry_after(), status)
        case Then.UNKNOWN:
            return Unknown(reason, answer.retry_after(), status)
        case Then.GONE:
            return Gone(reason, status)
        case Then.REFUSED:
            return Undeliverable(reason, status)
        case Then.CREDENTIALS:
            return NeedsAttention(reason, status)
    return NeedsAttention(reason, status, remedy="consent")
