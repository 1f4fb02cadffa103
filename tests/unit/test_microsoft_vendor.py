"""Microsoft's answers and what we make of them (contracts: microsoft-teams 1.2.5, 1.3, 6.3, 7.5, 8.3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from ml_connector.clouds import CLOUDS
from ml_connector.errors import Gone, NeedsAttention, RetryLater, Undeliverable, Unknown
from ml_connector.ports import Issued
from ml_connector.vendors import microsoft
from ml_connector.vendors.http import Answer
from ml_connector.vendors.microsoft import BotConnector, Entra, Graph, Workflows
from ml_connector.vendors.microsoft.faults import ENTRA
from tests.fakes import CHANNEL, SECRET_URL, TEAM, TENANT, AccessTokens, Says, Wire, http

GLOBAL = CLOUDS["global"]
CREDENTIALS = {"tenant_id": TENANT, "client_id": "app", "client_secret": "bot-token-sEcReT"}


def error(code: str, message: str = "…") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


# --- tokens ------------------------------------------------------------------------------------------------------


def issue(*answers: Says | Exception) -> tuple[Issued, Wire]:
    wire = Wire(*answers)
    return Entra(lambda hosts: http(wire, hosts), "bot").issue(CREDENTIALS), wire


def test_token_request() -> None:
    """One form with the client's credentials and one audience (6.1); the lifetime is Microsoft's (6.2)."""
    issued, wire = issue(Says(200, {"access_token": "t", "expires_in": 4521}))
    assert issued == Issued("t", 4521)
    assert wire.calls[0].url == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    assert len(wire.calls) == 1, "what MSAL wants to know of the tenant is in our table"
    assert parse_qs(str(wire.calls[0].body)) == {
        "client_info": ["1"],
        "grant_type": ["client_credentials"],
        "client_id": ["app"],
        "client_secret": ["bot-token-sEcReT"],
        "scope": ["https://api.botframework.com/.default"],
    }


@pytest.mark.parametrize("said", [{}, {"expires_in": None}, {"expires_in": ""}])
def test_token_without_a_lifetime_has_the_usual_one(said: dict[str, Any]) -> None:
    """An hour less a second, as Microsoft's own (6.2)."""
    issued, _ = issue(Says(200, {"access_token": "t", **said}))
    assert issued == Issued("t", 3599)


def refused(code: int, name: str = "invalid_client") -> dict[str, Any]:
    return {"error": name, "error_codes": [code], "error_description": f"AADSTS{code}: bot-token-sEcReT"}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (7000215, "secret value"), (70002, "secret value"), (7000222, "expired"), (7000218, "AADSTS7000218"),
        (700027, "AADSTS"), (50012, "AADSTS"), (700016, "App id or tenant id"), (700011, "App id or tenant id"),
        (7000112, "disabled"), (90002, "unknown in this cloud"), (500011, "plan"),
        (70011, "AADSTS"), (65001, "admin consent"), (53003, "Conditional Access"), (90038, "another cloud"),
        (700082, "inactivity"), (50173, "revoked"), (50076, "sign in again"), (50057, "disabled"), (1, "AADSTS1"),
    ],
)  # fmt: skip
def test_refused_credentials_need_a_person(code: int, advice: str) -> None:
    """Entra's permanent errors say what to do, and nothing of the description, which may hold anything."""
    with pytest.raises(NeedsAttention, match=advice) as caught:
        issue(Says(401, refused(code)))
    assert "sEcReT" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        *(Says(400, refused(code)) for code in (90033, 90024, 90006, 90012, 90055, 50033, 90090)),
        Says(400, refused(1, "temporarily_unavailable")),
        Says(429, refused(7000215)),
        Says(503, b"<html>"),
        Says(200, b"<html>"),
        Says(200, {}),
        Says(200, []),
        Says(400, {"error_codes": None}),
    ],
    ids=str,
)
def test_transient_answers_are_waited_out(answer: Says) -> None:
    """Busy, or no answer to speak of: nobody has to do anything."""
    with pytest.raises(RetryLater):
        issue(answer)


def test_loop_is_left_alone_for_five_minutes() -> None:
    """Entra answers who asks in a loop not at all for a while; asking on would not shorten it (6.3)."""
    with pytest.raises(RetryLater) as caught:
        issue(Says(400, refused(50196)))
    assert caught.value.after == 300


@pytest.mark.parametrize("odd", [None, "", "soon", [], {}], ids=str)
def test_lifetime_that_nobody_can_read_is_an_hour(odd: Any) -> None:
    """A token is a token; neither does a decoration that MSAL would take apart for its own cache matter."""
    answer = {"access_token": "t", "expires_in": odd, "ext_expires_in": odd, "refresh_in": odd, "client_info": "?"}
    assert issue(Says(200, answer))[0] == Issued("t", 3599)
    assert issue(Says(200, {**answer, "expires_in": "4521"}))[0] == Issued("t", 4521)


def test_every_number_of_the_contract_has_its_row() -> None:
    """6.3, whole: what a person can do something about is said in words, the rest is waited out."""
    numbers = {
        7000215, 70002, 7000222, 7000218, 700027, 50012, 700030, 500133, 700016, 700011, 7000112, 70001, 1000031, 90002,
        90038, 900382, 900432, 90051, 500011, 650057, 650052, 70011, 28002, 700022, 9001023, 65001, 90094, 650056,
        53003, 530032, 530035, 50196, 700082, 70008, 50173, 70000, 70043, 50076, 50078, 50079, 50074, 50057, 50034,
        90033, 90024, 90006, 90012, 90055, 50033, 90090,
    }  # fmt: skip
    assert set(ENTRA) == numbers


def test_error_without_codes_is_refused() -> None:
    """`error` decides; the codes only choose the words."""
    with pytest.raises(NeedsAttention, match="unauthorized_client"):
        issue(Says(400, {"error": "unauthorized_client", "error_codes": None}))


@pytest.mark.parametrize("name", CREDENTIALS)
def test_incomplete_credentials_are_not_sent(name: str) -> None:
    """Half a registration needs a person, not a call."""
    wire = Wire(Says())
    with pytest.raises(NeedsAttention, match=name):
        Entra(lambda hosts: http(wire, hosts), "bot").issue({**CREDENTIALS, name: ""})
    assert wire.calls == []


# --- bot ---------------------------------------------------------------------------------------------------------


def post(*answers: Says | Exception) -> tuple[Answer, Wire, AccessTokens]:
    wire, tokens = Wire(*answers), AccessTokens()
    connector = BotConnector(http(wire, microsoft.HOSTS), tokens)
    return connector.call("acme-eu", "POST", microsoft.conversations_url(GLOBAL), {}), wire, tokens


_BOT: list[tuple[type[Exception], int, Any]] = [
    (Undeliverable, 400, error("BadSyntax")),
    (Undeliverable, 400, error("Bad Argument", "channelData is missing")),
    (Undeliverable, 401, error("BotNotRegistered")),
    (Undeliverable, 401, error("Unauthorized")),
    (Undeliverable, 403, error("BotNotInConversationRoster")),
    (Undeliverable, 403, error("BotDisabledByAdmin")),
    (Undeliverable, 403, error("ConversationBlockedByUser")),
    (Undeliverable, 403, error("ForbiddenOperationException")),
    (Undeliverable, 403, error("InvalidBotApiHost")),
    (Undeliverable, 403, error("NotEnoughPermissions")),
    (Undeliverable, 404, error("ConversationNotFound")),
    (Gone, 404, error("ActivityNotFoundInConversation")),
    (RetryLater, 412, error("PreconditionFailed")),
    (Undeliverable, 413, error("MessageSizeTooBig")),
    (RetryLater, 429, error("Throttled")),
    (Unknown, 500, error("ServiceError")),
    (Unknown, 502, error("ServiceError")),
    (Unknown, 503, None),
    (Unknown, 504, b"<html>"),
    (Undeliverable, 403, {"errorCode": 209, "message": '{"subCode":"MessageWritesBlocked"}'}),
    (Undeliverable, 400, b"nonsense"),
    (Undeliverable, 400, {"error": "text"}),
]


@pytest.mark.parametrize(("outcome", "status", "body"), _BOT)
def test_bot_error_table(outcome: type[Exception], status: int, body: Any) -> None:
    """Every row of 1.2.5 has one outcome; a server's error may have come after the post."""
    with pytest.raises(outcome) as caught:
        post(Says(status, body))
    assert type(caught.value) is outcome
    assert "sEcReT" not in str(caught.value)


def test_throttling_says_how_long() -> None:
    """Retry-After is handed on (1.2.6)."""
    with pytest.raises(RetryLater) as caught:
        post(Says(429, error("Throttled"), {"Retry-After": "17"}))
    assert caught.value.after == 17


def test_ended_token_is_replaced_once() -> None:
    """A 401 gets one new token and one more call, never a third (0, fact 2)."""
    answer, wire, tokens = post(Says(401, error("InvalidAuthenticationToken")), Says(201, {"id": "1"}))
    assert answer.status == 201
    assert [each.headers["Authorization"] for each in wire.calls] == [
        "Bearer bot-token-sEcReT",
        "Bearer bot-token-sEcReT1",
    ]
    assert tokens.refused == ["bot-token-sEcReT"]
    wire = Wire(Says(401, error("Unauthorized")))
    with pytest.raises(Undeliverable):
        BotConnector(http(wire, microsoft.HOSTS), AccessTokens()).call(
            "acme-eu", "POST", microsoft.conversations_url(GLOBAL), {}
        )
    assert len(wire.calls) == 2


def test_unregistered_bot_costs_no_token() -> None:
    """No new token makes a bot registered."""
    wire = Wire(Says(401, error("BotNotRegistered")))
    with pytest.raises(Undeliverable, match="registration"):
        BotConnector(http(wire, microsoft.HOSTS), AccessTokens()).call(
            "acme-eu", "POST", microsoft.conversations_url(GLOBAL), {}
        )
    assert len(wire.calls) == 1


def test_addresses() -> None:
    """A conversation id travels as one encoded segment (1.2.4); the link is the one Graph would give (1.7)."""
    assert microsoft.activity_url(f"{CHANNEL};messageid=1794301234567", "1794301234567", GLOBAL) == (
        "https://smba.trafficmanager.net/teams/v3/conversations/"
        "19%3Afinancechannel%40thread.tacv2%3Bmessageid%3D1794301234567/activities/1794301234567"
    )
    assert microsoft.message_link(CHANNEL, "1794301234567", TEAM, TENANT, GLOBAL) == (
        "https://teams.microsoft.com/l/message/19%3Afinancechannel%40thread.tacv2/1794301234567"
        f"?groupId={TEAM}&tenantId={TENANT}&createdTime=1794301234567&parentMessageId=1794301234567"
    )


# --- workflows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Undeliverable, 400), (Undeliverable, 401), (Undeliverable, 403), (Undeliverable, 404), (Undeliverable, 413),
        (RetryLater, 408), (RetryLater, 429), (Unknown, 500), (Unknown, 502), (Unknown, 503), (Unknown, 504),
    ],
)  # fmt: skip
def test_workflow_error_table(outcome: type[Exception], status: int) -> None:
    """Only the status counts (1.3), and the address, which is a secret, is told to nobody."""
    wire = Wire(Says(status, error("WorkflowTriggerIsNotEnabled", SECRET_URL)))
    with pytest.raises(outcome) as caught:
        Workflows(http(wire, microsoft.HOSTS)).post(SECRET_URL, {})
    assert type(caught.value) is outcome
    assert "sEcReT" not in str(caught.value)
    assert "Authorization" not in wire.calls[0].headers, "a token would make the call fail"


def test_old_connector_addresses_are_refused() -> None:
    """Office 365 connectors are gone (0, fact 5)."""
    wire = Wire(Says(200))
    with pytest.raises(Undeliverable):
        Workflows(http(wire, microsoft.HOSTS)).post("https://acme.webhook.office.com/webhookb2/sEcReT", {})
    assert wire.calls == []


# --- graph -------------------------------------------------------------------------------------------------------


def renew(*answers: Says | Exception) -> tuple[str, Wire]:
    wire = Wire(*answers)
    return Graph(http(wire, microsoft.HOSTS), AccessTokens()).renew("acme-eu", "s/1", "2026-11-25T06:00:00Z"), wire


def test_renewal() -> None:
    """PATCH with the new expiry; Graph's own answer counts."""
    expires, wire = renew(Says(200, {"id": "s/1", "expirationDateTime": "2026-11-25T05:00:00Z"}))
    assert expires == "2026-11-25T05:00:00Z"
    assert (wire.calls[0].method, wire.calls[0].url) == (
        "PATCH",
        "https://graph.microsoft.com/v1.0/subscriptions/s%2F1",
    )
    assert wire.sent() == {"expirationDateTime": "2026-11-25T06:00:00Z"}


def test_renewal_is_asked_of_the_connections_own_cloud() -> None:
    """The list holds subscriptions of all connections; a token of one cloud is not shown to another."""
    wire = Wire(Says(200, {"expirationDateTime": "2026-11-25T05:00:00Z"}))
    stored: dict[str, dict[str, str]] = {"acme-us": {"cloud": "gcch"}, "acme-eu": {}}
    graphs = microsoft.Graphs(lambda hosts: http(wire, hosts), AccessTokens(), stored.__getitem__)
    for name, host in (("acme-us", "graph.microsoft.us"), ("acme-eu", "graph.microsoft.com")):
        graphs.renew(name, "s1", "2026-11-25T06:00:00Z")
        assert wire.calls[-1].url == f"https://{host}/v1.0/subscriptions/s1"


@pytest.mark.parametrize(
    ("outcome", "status", "body", "calls"),
    [
        (Gone, 404, error("ResourceNotFound"), 1),
        (Undeliverable, 400, error("InvalidRequest"), 1),
        (Undeliverable, 401, error("Unauthorized"), 1),
        (NeedsAttention, 401, error("InvalidAuthenticationToken"), 2),
        (Undeliverable, 403, error("Forbidden"), 1),
        (RetryLater, 409, error("Conflict"), 1),
        (RetryLater, 412, error("PreconditionFailed"), 1),
        (RetryLater, 429, error("TooManyRequests"), 1),
        (RetryLater, 500, error("InternalServerError"), 1),
        (RetryLater, 503, b"<html>", 1),
    ],
)
def test_graph_error_table(outcome: type[Exception], status: int, body: Any, calls: int) -> None:
    """8.3: only a token that has ended is replaced, once; every other 401 is for a person."""
    wire = Wire(Says(status, body))
    with pytest.raises(outcome) as caught:
        Graph(http(wire, microsoft.HOSTS), AccessTokens()).renew("acme-eu", "s1", "2026-11-25T06:00:00Z")
    assert type(caught.value) is outcome
    assert len(wire.calls) == calls


ACL = '{"errorCode":209,"message":"AclCheckFailed"}'


@pytest.mark.parametrize(
    ("outcome", "status", "body", "calls"),
    [
        (Undeliverable, 400, error("BadRequest", "Failed to execute Skype backend request"), 3),
        (Undeliverable, 400, error("InvalidRequest"), 1),
        (NeedsAttention, 401, error("InvalidAuthenticationToken"), 2),
        (Undeliverable, 401, error("Unauthorized", "only for import purposes"), 1),
        (Undeliverable, 402, None, 1),
        (Undeliverable, 403, error("Forbidden", "Missing role permissions"), 1),
        (Undeliverable, 403, error("Forbidden", ACL), 1),
        (Undeliverable, 404, error("NotFound", "No threadId found"), 1),
        (RetryLater, 409, error("Conflict"), 1),
        (RetryLater, 412, error("PreconditionFailed"), 1),
        (Undeliverable, 413, error("RequestEntityTooLarge"), 1),
        (Undeliverable, 423, None, 1),
        (RetryLater, 429, error("TooManyRequests"), 1),
        (Unknown, 500, error("InternalServerError", ""), 1),
        (Unknown, 502, b"<html>", 1),
        (Unknown, 503, error("ServiceUnavailable"), 1),
        (Unknown, 504, b"", 1),
        (RetryLater, 507, None, 1),
        (RetryLater, 509, None, 1),
    ],
)
def test_graph_post_error_table(outcome: type[Exception], status: int, body: Any, calls: int) -> None:
    """8.3 for what makes a message: no key makes it safe to repeat; a server's error may have come after the post."""
    wire = Wire(Says(status, body))
    graph = Graph(http(wire, microsoft.HOSTS), AccessTokens(), kind="microsoft.delegated")
    url = microsoft.messages_url(GLOBAL, TEAM, CHANNEL)
    with pytest.raises(outcome) as caught:
        graph.post("acme-eu", "POST", url, {})
    assert (type(caught.value), len(wire.calls)) == (outcome, calls)


def test_membership_is_said_where_graph_hides_it() -> None:
    """A text within a text chooses the sentence, never what is done."""
    wire = Wire(Says(403, error("Forbidden", ACL)))
    graph = Graph(http(wire, microsoft.HOSTS), AccessTokens())
    with pytest.raises(Undeliverable, match="no member of the team"):
        graph.post("acme-eu", "POST", microsoft.messages_url(GLOBAL, TEAM, CHANNEL), {})


@pytest.mark.parametrize(("method", "tail"), [("PATCH", ""), ("POST", "/replies")])
def test_what_is_changed_or_answered_may_be_gone(method: str, tail: str) -> None:
    """A 404 then speaks of the message; of a new post it speaks of the channel."""
    url = microsoft.messages_url(GLOBAL, TEAM, CHANNEL, "1") + tail
    graph = Graph(http(Wire(Says(404, error("NotFound"))), microsoft.HOSTS), AccessTokens())
    with pytest.raises(Gone):
        graph.post("acme-eu", method, url, {})


def test_next_page_is_graphs_own() -> None:
    """An address from an answer gets no token of ours anywhere else, not even at another of our hosts."""
    for link in (
        SECRET_URL,
        "https://graph.microsoft.com/beta/teams",
        "https://graph.microsoft.com.evil.example/v1.0/x",
    ):
        wire = Wire(Says(200, {"value": [{"id": "1"}], "@odata.nextLink": link}))
        graph = Graph(http(wire, microsoft.HOSTS), AccessTokens())
        with pytest.raises(Undeliverable, match="not its own"):
            list(graph.messages("acme-eu", TEAM, CHANNEL))
        assert len(wire.calls) == 1
