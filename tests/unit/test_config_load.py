"""Connection files: checked whole, refused with the line, the key and the way out (design 6)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ml_connector.config.load import MAX_BYTES, PATTERNS, load, parse, unused, warnings
from ml_connector.config.model import ConnectionFile
from ml_connector.connections import Connection
from ml_connector.destinations.zoho_comment import PLACEHOLDERS
from ml_connector.errors import ConfigError
from ml_connector.modules import MODULES

EXAMPLE = Path(__file__).parents[2] / "connections" / "example.toml"
WHOLE = """\
connection = "fjord"

[zoho]
region = "eu"
organization_id = "60018273645"

[destinations.board]
type = "monday"
board_id = 77

[destinations.channel]
type = "teams"
transport = "workflows"

[[routes]]
events = ["invoice.*"]
to = ["board"]

[[routes]]
events = ["*"]
to = ["channel"]
[routes.when]
min_amount = 10.50
currency = ["EUR"]
party = ["ACME*"]
"""


def read(text: str) -> ConnectionFile:
    return parse(text.encode(), "fjord.toml")


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "fjord.toml")
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert WHOLE.count(old) >= 1, old
    return WHOLE.replace(old, new, 1)


# --- good files --------------------------------------------------------------------------------------------------


def test_the_example_is_in_order() -> None:
    """What we ship as an example works as it is."""
    assert load(EXAMPLE).connection == "acme-eu"


def test_the_functions_can_read_what_is_stored() -> None:
    """Checked configuration becomes plain data, and plain data a connection: nothing is lost between."""
    at = Connection.from_data({**read(WHOLE).compiled(), "version": 3, "applied_at": "2026-10-01T00:00:00Z"})
    assert (at.name, at.region, at.organization_id) == ("fjord", "eu", "60018273645")
    assert (at.locale, at.time_zone, at.routing, at.microsoft) == ("en", "UTC", "all", {})
    assert at.retry == {"unknown": "park", "base_seconds": 2, "cap_seconds": 21600, "horizon_hours": 76}
    assert len(at.modules) == 5
    assert at.routes[1]["when"] == {"min_amount": "10.5", "currency": ["EUR"], "party": ["ACME*"]}
    assert at.destinations["board"]["external_id_column"] == "zb_doc_id"
    assert at.destinations["board"]["columns"]["zb_total"] == {"from": "amount", "type": "numbers", "labels": {}}


def test_a_mark_and_windows_line_ends_are_fine() -> None:
    """Files come from any editor."""
    assert parse(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode(), "fjord.toml") == read(WHOLE)


# --- broken files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed('region = "eu"', "region = eu"), "fjord.toml:4: region: not TOML: Invalid value (column 10); texts"),
        (changed("[zoho]", "[zoho"), "fjord.toml:3: not TOML: Expected ']'"),
        (changed('region = "eu"', 'region = "eu"\nregion = "in"'), "fjord.toml:5: region: not TOML: Cannot overwrite"),
        (changed('to = ["board"]', 'to = ["board"'), "fjord.toml:19: not TOML: Unclosed array"),
        (WHOLE + "\nx = [", "fjord.toml: not TOML: Invalid value (at end of document)"),
        ("x = " + "9" * 5000, "fjord.toml: not TOML: a number is too long, or"),
        ("x = " + "[" * 5000, "fjord.toml: not TOML: a number is too long, or brackets are nested too deeply"),
        (b"connection = \xff", "fjord.toml: not UTF-8 text (byte 13)"),
    ],
)
def test_broken_toml_names_the_line_the_key_and_the_way_out(text: str | bytes, expected: str) -> None:
    """One line that an editor can jump to, and what usually helps."""
    (line,) = faults(text)
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # typing errors
        ("organization_id", "organisation_id", "fjord.toml:5: zoho.organisation_id: no such key; did you mean 'organ"),
        ("board_id", "bord_id", "fjord.toml:9: destinations.board.bord_id: no such key; did you mean 'board_id'?"),
        ("min_amount", "min_amout", "fjord.toml:23: routes.2.when.min_amout: no such key; did you mean 'min_amount'?"),
        ("[zoho]", "[zohoo]", "fjord.toml:3: zohoo: no such key; did you mean 'zoho'?"),
        (
            'transport = "workflows"',
            'transport = "workflows"\ncard = { replys = false }',
            "fjord.toml:14: destinations.channel.card.replys: no such key; did you mean 'replies'?",
        ),
        (
            'type = "teams"\n',
            "",
            "fjord.toml:11: destinations.channel.type: is missing: teams, monday, zoho_comment",
        ),
        ("[zoho]", "[billing]", "fjord.toml:3: billing: no such key"),
        ("invoice.*", "invoce.created", "fjord.toml:16: routes.1.events.1: 'invoce.created' matches no event; did you"),
        ("invoice.*", "weather", "fjord.toml:16: routes.1.events.1: 'weather' matches no event; events are invoice."),
        (
            'to = ["board"]',
            'to = ["bord"]',
            "fjord.toml:17: routes.1.to: 'bord' is no destination; there are board, ch",
        ),
        (
            "board_id = 77",
            'board_id = 77\nfeedback = "channel"',
            "fjord.toml:10: destinations.board.feedback: 'channel' is no zoho_comment destination; there are none",
        ),
        (
            '"teams"',
            '"team"',
            "fjord.toml:12: destinations.channel.type: must be teams, monday or zoho_comment; did you mean 'teams'?",
        ),
        # wrong values
        ('"eu"', '"mars"', "fjord.toml:4: zoho.region: must be us, eu, in, au, jp, ca, cn, sa or ae"),
        ("= 77", '= "seventy"', "fjord.toml:9: destinations.board.board_id: must be a whole number"),
        ("= 77", "= -1", "fjord.toml:9: destinations.board.board_id: must be above 0"),
        ('"60018273645"', "60018273645", 'fjord.toml:5: zoho.organization_id: must be a text in "quotes"'),
        ('"60018273645"', '"../x"', "fjord.toml:5: zoho.organization_id: must be 4 to 20 digits"),
        ('"fjord"', '"Fjord!"', "fjord.toml:1: connection: must be 2 to 40 small letters"),
        ('"fjord"', '"fjord"\ntime_zone = "Europe/Atlantis"', "fjord.toml:2: time_zone: no such time zone"),
        ('to = ["board"]', 'to = "board"', "fjord.toml:17: routes.1.to: must be a list"),
        ('to = ["board"]', "to = []", "fjord.toml:17: routes.1.to: must not be empty"),
        ("10.50", "nan", "fjord.toml:23: routes.2.when.min_amount: must be a number"),
        ('["EUR"]', '["euro"]', "fjord.toml:24: routes.2.when.currency.1: must be a currency code such as EUR"),
        ("currency = ", "max_amount = 1\ncurrency = ", "fjord.toml:22: routes.2.when: min_amount is above max_amount"),
        (
            "min_amount = 10.50",
            "min_base_amount = 2\nmax_base_amount = 1",
            "fjord.toml:22: routes.2.when: min_base_amount is above max_base_amount: nothing would ever match",
        ),
        ('party = ["ACME*"]', "office = []", "fjord.toml:25: routes.2.when.office: must not be empty"),
        ('party = ["ACME*"]', "custom = { cf_x = [] }", "fjord.toml:25: routes.2.when.custom.cf_x: must not be empty"),
        (
            'party = ["ACME*"]',
            'ofice = ["B"]',
            "fjord.toml:25: routes.2.when.ofice: no such key; did you mean 'office'",
        ),
        (
            'region = "eu"',
            'region = "eu"\nmodules = ["invoices"]',
            "fjord.toml:5: zoho.modules: 'invoices' is not a mod",
        ),
        # what is missing or does not fit together
        (
            'transport = "workflows"',
            "",
            "fjord.toml:11: destinations.channel: the bot transport needs team_id and chan",
        ),
        ("board_id = 77", "", "fjord.toml:7: destinations.board.board_id: is missing"),
        (
            "board_id = 77",
            'board_id = 77\ncolumns = { zb_doc_id = { from = "id", type = "text" } }',
            "fjord.toml:7: destinations.board: zb_doc_id holds the Zoho id",
        ),
        (
            "board_id = 77",
            'board_id = 77\ncolumns = { total = { from = "amount[", type = "numbers" } }',
            "fjord.toml:10: destinations.board.columns.total.from: not a JMESPath expression",
        ),
    ],
)
def test_a_fault_is_found_where_it_stands(old: str, new: str, expected: str) -> None:
    """A typing error in a file is an error when it is checked, not a lost event later."""
    assert any(line.startswith(expected) for line in faults(changed(old, new))), faults(changed(old, new))


@pytest.mark.parametrize(
    ("place", "key", "expected"),
    [
        (
            "organization_id",
            "client_secret",
            "zoho.client_secret: credentials never stand here; use `mlc credentials set ",
        ),
        ("organization_id", "refresh_token", "set fjord zoho`"),
        ("board_id", "api_key", "destinations.board.api_key: credentials never stand here"),
        ("board_id", "password", "credentials never stand here; use `mlc credentials set fjord VENDOR`"),
        ("transport", "url", "a workflow's address is a secret: `mlc credentials set fjord workflows`"),
    ],
)
def test_credentials_in_a_file_are_shown_their_place(place: str, key: str, expected: str) -> None:
    """Files live in git: what looks like a credential is refused with the command that keeps it, and not repeated."""
    (line,) = faults(changed(f"{place} =", f'{key} = "hunter2"\n{place} ='))
    assert expected in line
    assert "hunter2" not in line


def test_every_pattern_has_its_words() -> None:
    """Nobody is shown a regular expression."""
    patterns: set[str] = set()

    def collect(node: object) -> None:
        if isinstance(node, dict):
            patterns.update([node["pattern"]] if isinstance(node.get("pattern"), str) else [])
            patterns.update(node.get("patternProperties", {}))
            for each in node.values():
                collect(each)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    collect(ConnectionFile.model_json_schema())
    number = {each for each in patterns if each.startswith("^(?!")}  # pydantic's own, of decimals
    assert patterns - number == set(PATTERNS)


def test_a_destination_without_a_route_is_found() -> None:
    """It is no fault, but hardly meant."""
    assert unused(read(WHOLE)) == []
    assert unused(read(changed('to = ["channel"]', 'to = ["board"]'))) == ["channel"]


def test_notes_of_what_people_do_on_a_board_need_no_route() -> None:
    """They are used all the same."""
    notes = '[destinations.notes]\ntype = "zoho_comment"\n[[routes]]'
    text = changed("[[routes]]", notes)
    assert unused(read(text)) == ["notes"]
    assert unused(read(text.replace("board_id = 77", 'board_id = 77\nfeedback = "notes"'))) == []


def test_a_bot_needs_its_registration() -> None:
    """A channel that the bot posts to cannot work without [microsoft]."""
    guid = "99999999-8888-4777-8666-555555555555"
    bot = f'team_id = "{guid}"\nchannel_id = "19:x@thread.tacv2"'
    (line,) = faults(changed('transport = "workflows"', bot))
    assert line.startswith("fjord.toml:11: destinations.channel: the bot transport needs [microsoft]")


GUID = "99999999-8888-4777-8666-555555555555"
_PLACE = f'team_id = "{GUID}"\nchannel_id = "19:x@thread.tacv2"'


def teams(keys: str, cloud: str = "global") -> str:
    """The file with a Teams destination of these keys, in a tenant of that cloud."""
    tenant = f'[microsoft]\ntenant_id = "{GUID}"\nclient_id = "{GUID}"\ncloud = "{cloud}"\n\n[destinations.board]'
    return changed('transport = "workflows"', keys).replace("[destinations.board]", tenant)


@pytest.mark.parametrize(
    "keys",
    [
        _PLACE,
        f'transport = "delegated"\n{_PLACE}',
        f'transport = "delegated"\nedits = true\n{_PLACE}',
        f'transport = "graph_import"\nauthor = {{ id = "{GUID}", displayName = "Books" }}\n{_PLACE}',
        f'transport = "activity"\npeople = ["ola@acme.example"]\n{_PLACE}',
        f'transport = "activity"\npeople = ["{GUID}", "{GUID}"]\n{_PLACE}',
        'transport = "workflows"',
        f'person = "{GUID}"',
        'transport = "bot"\nperson = "ola@acme.example"',
    ],
    ids=str,
)
def test_every_way_into_teams_can_be_said(keys: str) -> None:
    """And the functions can read it."""
    settings = read(teams(keys)).compiled()["destinations"]["channel"]
    assert settings["type"] == "teams"
    if settings["transport"] == "graph_import":
        assert settings["author"] == {"id": GUID, "displayName": "Books"}


@pytest.mark.parametrize(
    ("keys", "cloud", "says"),
    [
        ('transport = "delegated"', "global", "the delegated transport needs team_id and channel_id"),
        (f"edits = true\n{_PLACE}", "global", "edits is for the delegated transport only"),
        (f'people = ["a@b.example"]\n{_PLACE}', "global", "people is for the activity transport only"),
        (f'transport = "graph_import"\n{_PLACE}', "global", "imported messages need an author"),
        (f'transport = "activity"\n{_PLACE}', "global", "the activity transport needs people"),
        (f'transport = "activity"\npeople = ["{GUID}", "a@b.example"]\n{_PLACE}', "global", "object ids in Entra ID"),
        (f'transport = "activity"\npeople = ["Ola"]\n{_PLACE}', "global", "user's object id"),
        ('transport = "bot"', "global", "needs team_id and channel_id, or person"),
        (f'person = "{GUID}"\n{_PLACE}', "global", "to person or to a channel"),
        (f'person = "{GUID}"\ntransport = "workflows"', "global", "person is for the bot transport only"),
        (f'person = "{GUID}"\ntransport = "delegated"\n{_PLACE}', "global", "person is for the bot transport only"),
        ('person = "Ola"', "global", "user's object id"),
        (f'person = "{GUID}"', "china", "no address for bots is documented"),
        ('transport = "workflows"', "gcc", "has no Flow bot"),
        (_PLACE, "china", "no address for bots is documented"),
        (f'transport = "delegated"\nedits = true\n{_PLACE}', "gcch", "cannot be changed through Graph"),
        (_PLACE, "mars", "must be global, gcc, gcch, dod or china"),
    ],
)
def test_what_a_transport_or_cloud_cannot_do_is_refused(keys: str, cloud: str, says: str) -> None:
    """When the file is applied, not when the first invoice comes."""
    assert any(says in line for line in faults(teams(keys, cloud))), faults(teams(keys, cloud))


@pytest.mark.parametrize("transport", ["graph_import", "activity"])
def test_notices_want_a_place_for_messages(transport: str) -> None:
    """Whoever must act is told in a channel."""
    more = 'people = ["a@b.example"]' if transport == "activity" else f'author = {{ id = "{GUID}", displayName = "B" }}'
    file = 'admin = "channel"\n' + teams(f'transport = "{transport}"\n{more}\n{_PLACE}')
    (line,) = faults(file)
    assert "takes records only" in line


def test_a_connection_without_routes_is_refused() -> None:
    """A connection that would tell nobody anything is a mistake, missing or empty."""
    without = WHOLE[: WHOLE.index("[[routes]]")]
    assert faults(without) == ["fjord.toml:1: routes: is missing"]
    assert faults("routes = []\n" + without)[0].startswith("fjord.toml:1: routes: must not be empty")


def test_a_connection_without_destinations_is_refused() -> None:
    """If it says so; the route that follows is not blamed twice."""
    text = (
        'connection = "a1"\n[zoho]\nregion = "eu"\norganization_id = "1234"\n[destinations]\n[[routes]]\nto = ["x"]\n'
    )
    assert faults(text) == ["fjord.toml:5: destinations: must not be empty"]


def test_a_connection_may_come_before_its_destinations() -> None:
    """Their ids are listed, and boards made, by a connection that is applied; it is said that nothing goes anywhere."""
    text = 'connection = "a1"\n[zoho]\nregion = "eu"\norganization_id = "1234"\n'
    file = read(text)
    assert (file.compiled()["destinations"], file.compiled()["routes"]) == ({}, [])
    assert warnings(file) == ["there is no destination yet: events are taken in, and go nowhere"]
    assert faults(text + '[[routes]]\nto = ["x"]\n') == [
        "fjord.toml:6: routes.1.to: 'x' is no destination; there are none"
    ]


def test_an_empty_file_says_what_a_file_needs() -> None:
    """The two things that every file has."""
    assert faults("") == [f"fjord.toml:1: {key}: is missing" for key in ("connection", "zoho")]


def test_all_faults_at_once() -> None:
    """Whoever mends a file sees everything that is wrong with it, once each."""
    text = changed('"eu"', '"mars"').replace("board_id = 77", "bord_id = 77").replace("invoice.*", "weather")
    assert [line.split(": ")[1] for line in faults(text)] == [
        "zoho.region",
        "destinations.board.board_id",
        "destinations.board.bord_id",
        "routes.1.events.1",
    ]


def test_dotted_keys_have_lines_too() -> None:
    """TOML's short form is found like the long one."""
    text = changed('[zoho]\nregion = "eu"\norganization_id', 'zoho.region = "mars"\nzoho.organization_id')
    assert faults(text)[0].startswith("fjord.toml:3: zoho.region: must be us")


def test_no_value_is_repeated() -> None:
    """Somebody may have put a token into the wrong place: the report names the key, not the value."""
    assert "s3cr3t" not in "\n".join(faults(changed("board_id = 77", 'board_id = "s3cr3t"\ntoken = "s3cr3t"')))


# --- notes in Zoho -----------------------------------------------------------------------------------------------


def notes(events: str = '["*"]', settings: str = "", modules: str = "") -> str:
    """The file with a route to notes on Zoho's own records."""
    text = changed("[[routes]]", f'[destinations.notes]\ntype = "zoho_comment"\n{settings}\n[[routes]]')
    text = text.replace('region = "eu"', f'region = "eu"\n{modules}')
    return f'{text}\n[[routes]]\nevents = {events}\nto = ["notes"]\n'


ALL = "modules = [" + ", ".join(f'"{name}"' for name in MODULES) + "]"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (
            '["expense.*"]',
            "Zoho has no endpoint for notes on expense; a zoho_comment destination is for invoice, bill, ",
        ),
        (
            '["customer_payment.created", "vendor_payment.updated"]',
            "Zoho has no endpoint for notes on payment received, payment made; ",
        ),
        ('["vendor_credit.open"]', "Zoho has no endpoint for notes on vendor credit; "),
        ('["*.reimbursed"]', "Zoho has no endpoint for notes on expense; "),
        ('["*.deleted", "expense.created"]', "Zoho has no endpoint for notes on "),
        ('["invoice.deleted"]', "a deleted record takes no notes; "),
    ],
)
def test_a_route_that_can_only_send_what_takes_no_notes_is_refused(events: str, said: str) -> None:
    """Said when the file is applied, not found out from notes that never come."""
    (line,) = faults(notes(events, modules=ALL))
    assert f": routes.3.events: {said}" in line


@pytest.mark.parametrize(
    "events", ['["*"]', '["*.updated"]', '["*.created"]', '["invoice.paid"]', '["expense.*", "bill.*"]', '["*.void"]']
)
def test_a_route_that_also_sends_what_takes_notes_is_in_order(events: str) -> None:
    """`*` is allowed: a note does not lead to another one, and what takes none is skipped."""
    assert read(notes(events, modules=ALL)).routes[2].to == ("notes",)


def test_only_the_connections_own_modules_count() -> None:
    """A connection of expenses alone has nothing to write notes on, whatever its pattern says."""
    (line,) = faults(notes('["*"]', modules='modules = ["expense"]'))
    assert "Zoho has no endpoint for notes on expense" in line


@pytest.mark.parametrize(
    "text", ["{title} {amount}", "Seen.", "{{as it is}} {status}", "".join(f"{{{p}}}" for p in PLACEHOLDERS)]
)
def test_a_note_may_say_what_it_likes(text: str) -> None:
    """All placeholders, or none."""
    read(notes(settings=f'text = "{text}"'))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{titel}", "{titel} is no placeholder as it is written; there are {title}, {event}, "),
        ("{}", "{} is no placeholder"),
        ("{0}", "{0} is no placeholder"),
        ("{title.__class__}", "{title.__class__} is no placeholder"),
        ("{title[0]}", "{title[0]} is no placeholder"),
        ("{amount:>99999999}", "{amount} is no placeholder as it is written"),
        ("{title!r}", "{title} is no placeholder as it is written"),
        ("{title", "a { or } stands alone; write {{ or }} for one"),
        ("", ""),
        ("x" * 501, ""),
    ],
)
def test_a_note_with_an_unknown_placeholder_is_refused(text: str, said: str) -> None:
    """It would fail at the first event; and a template reaches nothing but the texts that are named."""
    (line,) = faults(notes(settings=f'text = "{text}"'))
    assert f": destinations.notes.text: {said}" in line


# --- files that are none -----------------------------------------------------------------------------------------


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    """What cannot be read is said so, with its name."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path)


def test_a_huge_file(tmp_path: Path) -> None:
    """A wrong file by the hundred megabytes is not parsed."""
    path = tmp_path / "huge.toml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load(path)


def test_the_example_has_no_credentials() -> None:
    """Connection files live in git: the example shows that no secret stands in one."""
    keys = str(tomllib.loads(EXAMPLE.read_text("utf-8"))).lower()
    for word in ("secret", "password", "token", "https://"):
        assert word not in keys
