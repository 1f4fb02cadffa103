"""`mlc init`: asks for what a connection file needs, and writes one with comments, which `connections validate` takes.

What is asked is data: the answers' names, the questions, and what an answer must look like. Links are taken for ids
where people have links at hand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import available_timezones

import typer

from ml_connector.errors import ConfigError
from ml_connector.modules import CORE, EVENTS, MODULES
from ml_connector.regions import REGIONS
from ml_connector.routing import hears
from mlc import options
from mlc.monday_toml import text_of
from mlc.options import AsJson
from mlc.output import Exit, console, fail, friendly, line, literal, problems, say

TRANSPORTS = ("bot", "workflows", "delegated", "none")
PLANS = ("free", "basic", "standard", "pro", "enterprise")
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CHANNEL = r"19:[^/?#\s]+@thread\.(tacv2|skype)"


@dataclass(frozen=True, slots=True)
class Question:
    """`words` tell what is asked, `rule` what an answer must be that `pattern` does not take whole."""

    words: str
    pattern: str
    rule: str
    default: str | Callable[[Mapping[str, str]], str] = ""
    """Itself, or by the answers before it."""
    wanted: Callable[[Mapping[str, str]], bool] = lambda answers: True
    """Whether it is asked at all, after the answers before it."""
    wrong: Callable[[str, Mapping[str, str]], str] = lambda answer, answers: ""
    """What the pattern cannot tell, after the answers before it: why it will not do; "" if it will."""

    def proposed(self, answers: Mapping[str, str]) -> str:
        return self.default if isinstance(self.default, str) else self.default(answers)

    def fault(self, answer: str, answers: Mapping[str, str]) -> str:
        """Why the answer will not do; "" if it will."""
        return self.wrong(answer, answers) if re.fullmatch(self.pattern, answer) else f"it must be {self.rule}"


def _teams(*transports: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda answers: answers["teams"] in transports


def _or(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, words))


def _one_of(words: Iterable[str]) -> str:
    return f"one of {', '.join(words)}"


def _list_of(words: str) -> str:
    return rf"({words})(\s*,\s*({words}))*"


def _has_board(answers: Mapping[str, str]) -> bool:
    return answers["board"] != "none"


_ZONES = {
    "us": "America/New_York", "eu": "Europe/Berlin", "in": "Asia/Kolkata", "au": "Australia/Sydney", "jp": "Asia/Tokyo",
    "ca": "America/Toronto", "cn": "Asia/Shanghai", "sa": "Asia/Riyadh", "ae": "Asia/Dubai",
}  # fmt: skip
"""A guess where the machine's own is UTC, as servers' are."""


def machine_zone() -> str:
    """The name of this computer's time zone; "" if it has none, or UTC."""
    name = os.environ.get("TZ") or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return name if "/" in name and not name.startswith("Etc/") and _is_zone(name) else ""


def _zone(answers: Mapping[str, str]) -> str:
    return machine_zone() or _ZONES[answers["data_centre"]]


def _is_zone(name: str) -> bool:
    known = available_timezones()  # empty on a machine without the database
    return not known or name in known


def _no_zone(name: str, answers: Mapping[str, str]) -> str:
    if _is_zone(name):
        return ""
    return f"there is no time zone {name!r}; {_perhaps(name, available_timezones(), 'Europe/Berlin')}"


def _no_events(text: str, answers: Mapping[str, str]) -> str:
    unknown = [each for each in _split(text) if not hears([each], EVENTS)]
    if unknown and text != NONE:
        return f"{unknown[0]!r} matches no event; {_perhaps(unknown[0], EVENTS, 'invoice.created or bill.*')}"
    return ""


def _no_board_events(text: str, answers: Mapping[str, str]) -> str:
    return _no_events(text, answers) or (_nothing_sent(answers) if text == NONE else "")


def _no_board(board: str, answers: Mapping[str, str]) -> str:
    if board != NONE:
        return ""
    if answers["teams"] == NONE:
        return "a connection needs a destination: a way into Teams, or a board"
    return _nothing_sent(answers)


def _nothing_sent(answers: Mapping[str, str]) -> str:
    """With nothing for the board."""
    return "no event goes to Teams, so some must go to a board" if answers.get("teams_events", NONE) == NONE else ""


def _perhaps(given: str, known: Iterable[str], such: str) -> str:
    close = get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"they are called like {such}"


NONE = "none"
_EVENTS = _list_of(r"[a-z_*]+(\.[A-Za-z_ *-]+)?")
_EVENTS_RULE = "* for all, none, or events with commas between them, such as invoice.created, bill.*"
_ID = "a GUID, such as 6f1d2c3b-0000-4000-a000-0000000000aa"
_BY_APP = _teams("bot", "delegated")
QUESTIONS: Mapping[str, Question] = {
    "connection": Question(
        "Name of the connection, such as acme-eu", r"[a-z][a-z0-9-]{1,39}",
        "2 to 40 small letters, digits and -, a letter first",
    ),
    "data_centre": Question(
        f"Zoho's data centre ({', '.join(REGIONS)})", _or(list(REGIONS)), _one_of(REGIONS), "eu"
    ),
    "organization": Question(
        "Organization id in Zoho Books (Settings > Organization), or a link into it", r"\d{4,20}",
        "4 to 20 digits, or a link of Zoho Books that has them",
    ),
    "time_zone": Question(
        "Time zone of quiet hours and digests, such as Europe/Berlin", r"[A-Za-z]\S*", "a name such as Europe/Berlin",
        _zone, wrong=_no_zone,
    ),
    "modules": Question(
        "Modules, with commas between them", _list_of(_or(list(MODULES))),
        f"some of these, with commas between them: {', '.join(MODULES)}", ",".join(CORE),
    ),
    "teams": Question(
        f"Way into Teams ({', '.join(TRANSPORTS)}; see docs/teams.md)", _or(TRANSPORTS), _one_of(TRANSPORTS), "bot"
    ),
    "channel": Question(
        "Link to the channel (in Teams: … > Copy link), or its id", _CHANNEL,
        "a link to a channel, or an id such as 19:…@thread.tacv2", wanted=_BY_APP,
    ),
    "team": Question("Group id of the team", _GUID, _ID, wanted=_BY_APP),
    "tenant": Question("Tenant id in Entra ID", _GUID, _ID, wanted=_BY_APP),
    "client": Question("Client id of your app registration", _GUID, _ID, wanted=_BY_APP),
    "teams_events": Question(
        "Events for Teams, such as invoice.created, bill.paid; * for all, none for none", _EVENTS, _EVENTS_RULE, "*",
        lambda it: it["teams"] != NONE, _no_events,
    ),
    "board": Question(
        "Link to the monday board, or its id; none for no board", rf"[1-9]\d{{0,18}}|{NONE}",
        "a link to a board, its number, or none", NONE, wrong=_no_board,
    ),
    "plan": Question(
        f"Plan of the monday account ({', '.join(PLANS)})", _or(PLANS), _one_of(PLANS), "basic", _has_board
    ),
    "board_events": Question(
        "Events for the board; * for all, none for none", _EVENTS, _EVENTS_RULE, "*", _has_board, _no_board_events
    ),
}  # fmt: skip


def from_link(name: str, answer: str) -> dict[str, str]:
    """What a pasted address says: a channel's says its team and its tenant, too. An answer that is none stays."""
    try:
        address = urlsplit(answer.strip())
    except ValueError:  # what begins like an address and is none
        return {name: answer.strip()}
    if not address.scheme.startswith("http"):
        return {name: answer.strip()}
    asked = {key: values[0] for key, values in parse_qs(address.query).items()}
    match name:
        case "channel" if found := re.search(_CHANNEL, unquote(address.path)):
            known = {"channel": found[0], "team": asked.get("groupId", ""), "tenant": asked.get("tenantId", "")}
            return {key: value for key, value in known.items() if value}
        case "board" if found := re.search(r"/boards/(\d+)", address.path):
            return {"board": found[1]}
        case "organization" if found := re.search(r"/app/(\d{4,20})|organization_id=(\d{4,20})", answer):
            return {"organization": found[1] or found[2]}
    return {name: answer.strip()}


def gather(given: Mapping[str, str | None], ask: Callable[[str, Question, str], str] | None) -> dict[str, str]:
    """An answer to every question that is to be asked: given, asked for, or the default. Raises ConfigError.

    Without `ask` what has no default must be given; what is given and wrong is never asked for again.
    """
    said = {name: from_link(name, value) for name, value in given.items() if value is not None}
    # What is said by itself counts more than what a link says beside its own.
    answers = {key: value for found in said.values() for key, value in found.items()}
    answers |= {name: found[name] for name, found in said.items()}
    missing = []
    for name, question in QUESTIONS.items():
        if not question.wanted(answers):
            answers.pop(name, None)
        elif name in answers:
            if fault := question.fault(answers[name], answers):
                raise ConfigError(f"{_option(name)} {answers[name]!r} will not do: {fault}")
        elif ask:
            answers |= _asked(name, question, answers, ask)
        elif proposed := question.proposed(answers):
            answers[name] = proposed
        else:
            missing.append(_option(name))
    if missing:
        raise ConfigError(f"there is no terminal to ask at: give {', '.join(missing)}")
    if fault := _no_board(answers["board"], answers):
        raise ConfigError(fault)
    return answers


def _asked(
    name: str, question: Question, before: Mapping[str, str], ask: Callable[[str, Question, str], str]
) -> dict[str, str]:
    while True:
        answers = from_link(name, ask(name, question, question.proposed(before)))
        faults = [fault for each, value in answers.items() if (fault := QUESTIONS[each].fault(value, before))]
        if not faults:
            return answers
        problems.print(f"that will not do: {literal(faults[0])}", style="red", highlight=False, soft_wrap=True)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# --- the file ------------------------------------------------------------------------------------------------------


def written(answers: Mapping[str, str]) -> str:
    """The file's text."""
    modules = _split(answers["modules"])
    teams, board = answers["teams"], answers["board"]
    parts = [
        "# One Zoho Books organization: what it sends, and who hears about it. Credentials never stand here.\n"
        f"# Checked whole by `mlc connections validate`; all that can be said: connections/example.toml, docs/.\n\n"
        f"connection = {text_of(answers['connection'])}\n"
        '# locale = "de"                     # how amounts and dates are written\n'
        f"time_zone = {text_of(answers['time_zone'])}  # of quiet hours, digests, and what is due\n"
        + ('admin = "finance"                   # who is told when a person must act\n' if teams != "none" else ""),
        "[zoho]                               # docs/zoho.md\n"
        f"region = {text_of(answers['data_centre'])}\n"
        f"organization_id = {text_of(answers['organization'])}\n"
        f"modules = {_listed(modules)}\n"
        "# reconcile_share = 20               # percent of a day's API calls for what webhooks miss\n",
    ]
    if "client" in answers:
        parts.append(
            f"[microsoft]                          # the app registration that posts, docs/teams.md\n"
            f"tenant_id = {text_of(answers['tenant'])}\n"
            f"client_id = {text_of(answers['client'])}\n"
        )
    if teams != "none":
        remark = {"bot": "kept up to date, changes in a thread", "workflows": "post only"}.get(
            teams, "posts as a service account"
        )
        parts.append(
            f"[destinations.finance]               # a channel in Teams: {remark}\n"
            'type = "teams"\n'
            f"transport = {text_of(teams)}\n"
            + "".join(f"{key}_id = {text_of(answers[key])}\n" for key in ("team", "channel") if key in answers)
        )
    if board != "none":
        parts.append(
            "[destinations.ledger]                # a monday.com board; its columns: docs/monday.md\n"
            'type = "monday"\n'
            f"board_id = {board}\n"
            f"plan = {text_of(answers['plan'])}                       # says how many calls a day are made\n"
        )
    routes: dict[str, list[str]] = {}
    for key, name in (("teams_events", "finance"), ("board_events", "ledger")):
        if answers.get(key, NONE) != NONE:
            routes.setdefault(_listed(_split(answers[key])), []).append(name)
    parts += [
        "[[routes]]                           # conditions, such as amounts: docs/routes.md\n"
        f"events = {events}\n"
        f"to = {_listed(names)}\n"
        for events, names in routes.items()
    ]
    return "\n".join(parts)


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in text.split(",")))


def _listed(words: Sequence[str]) -> str:
    return f"[{', '.join(map(text_of, words))}]"


# --- the command ---------------------------------------------------------------------------------------------------

Answer = str | None


@friendly
def init(
    file: Annotated[
        Path | None, typer.Argument(help="The file to write.  [default: connections/NAME.toml]", dir_okay=False)
    ] = None,
    connection: Annotated[Answer, typer.Option(help=QUESTIONS["connection"].words)] = None,
    data_centre: Annotated[Answer, typer.Option(help=QUESTIONS["data_centre"].words)] = None,
    organization: Annotated[Answer, typer.Option(help=QUESTIONS["organization"].words)] = None,
    time_zone: Annotated[Answer, typer.Option(help=QUESTIONS["time_zone"].words)] = None,
    modules: Annotated[Answer, typer.Option(help=QUESTIONS["modules"].words)] = None,
    teams: Annotated[Answer, typer.Option(help=QUESTIONS["teams"].words)] = None,
    channel: Annotated[Answer, typer.Option(help=QUESTIONS["channel"].words)] = None,
    team: Annotated[Answer, typer.Option(help=QUESTIONS["team"].words)] = None,
    tenant: Annotated[Answer, typer.Option(help=QUESTIONS["tenant"].words)] = None,
    client: Annotated[Answer, typer.Option(help=QUESTIONS["client"].words)] = None,
    teams_events: Annotated[Answer, typer.Option(help=QUESTIONS["teams_events"].words)] = None,
    board: Annotated[Answer, typer.Option(help=QUESTIONS["board"].words)] = None,
    plan: Annotated[Answer, typer.Option(help=QUESTIONS["plan"].words)] = None,
    board_events: Annotated[Answer, typer.Option(help=QUESTIONS["board_events"].words)] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for what a connection needs and write its file; nothing else is changed, and AWS is not needed.

    What is given as an option is not asked for. A file that is there already is never written over.
    """
    given = {
        "connection": connection, "data_centre": data_centre, "organization": organization,
        "time_zone": time_zone, "modules": modules, "teams": teams,
        "channel": channel, "team": team, "tenant": tenant, "client": client,
        "teams_events": teams_events, "board": board, "plan": plan, "board_events": board_events,
    }  # fmt: skip
    if file and file.exists():
        fail(f"{file} is there already; it is not written over", Exit.USAGE)
    try:
        answers = gather(given, _prompt if options.terminal() else None)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    target = file or Path("connections") / f"{answers['connection']}.toml"
    text = written(answers)
    from ml_connector.config.load import parse

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            parse(text.encode(), str(target))
        except ConfigError as error:
            draft = target.with_name(f"{target.name}.draft")
            draft.write_text(text, encoding="utf-8")
            kept = f"{target} is not written; your answers are kept in {draft}: put it right and rename it"
            fail(f"{error}\n{kept}", Exit.FOUND_PROBLEMS)
        with target.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        fail(f"{target} is there already; it is not written over", Exit.USAGE)
    except OSError as error:
        fail(f"cannot write {target}: {error.strerror}")
    say(
        {"connection": answers["connection"], "file": str(target), "next": _next(answers, target)},
        as_json=as_json,
        people=lambda: _show(answers, target),
    )


def _prompt(name: str, question: Question, proposed: str) -> str:
    return str(typer.prompt(question.words, default=proposed or None, err=True))


def _next(answers: Mapping[str, str], file: Path) -> list[str]:
    """What to type from here on."""
    name = answers["connection"]
    vendors = {"bot": "microsoft", "delegated": "microsoft", "workflows": "workflows"}
    credentials = ["zoho", *filter(None, [vendors.get(answers["teams"])]), *(["monday"] if "plan" in answers else [])]
    return [
        f"mlc connections apply {file}",
        *(f"mlc credentials set {name} {vendor}" for vendor in credentials),
        f"mlc auth zoho {name}",
        *(
            [
                f"mlc teams package {name} --website https://YOUR.SITE    # then upload it, as it says",
                f"mlc teams install {name}    # or by hand: add the app to the team",
            ]
            if answers["teams"] == "bot"
            else []
        ),
        *([f"mlc auth microsoft {name}"] if answers["teams"] == "delegated" else []),
        f"mlc webhooks install {name}",
        f"mlc doctor {name}{'' if answers['teams'] == 'none' else ' --post'}",
    ]


def _show(answers: Mapping[str, str], file: Path) -> None:
    console.print(f"[green]✓[/] {literal(file)} is written: read it, change what you like, and then")
    for command in _next(answers, file):
        line(f"  {command}", "cyan")
