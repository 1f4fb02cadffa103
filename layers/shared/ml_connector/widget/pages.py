"""How each page looks. Pure: everything that is shown has been read already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from ml_connector.events import DELETED
from ml_connector.gathering import MODULE
from ml_connector.modules import MODULES
from ml_connector.money import shown
from ml_connector.regions import REGIONS, web_link
from ml_connector.times import stamp
from ml_connector.widget.asked import OUTCOMES
from ml_connector.widget.frame import Frame
from ml_connector.widget.markup import Html, join, link, tag
from ml_connector.widget.words import TONES, by_people, moment, person, sentence, span, title

if TYPE_CHECKING:
    from ml_connector.connections import Connection
    from ml_connector.ports import AuditEntry, Memory
    from ml_connector.rounds import Turn
    from ml_connector.silence import Heard
    from ml_connector.subscriptions import Subscription
    from ml_connector.tokens import Due

CONFIRM = (
    "Send {} to {} again? Put right first what the reason names. If it says that a call got no answer, look there "
    "first: by sending again you say that it is not there."
)
MOST_NAMES = 200
"""Connections that the form offers to choose from; with more of them their name is typed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of entries, newest first. `more`: there are others behind it. `looked`: how far, if not to the end."""

    entries: Sequence[AuditEntry]
    more: bool = False
    looked: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """Of one record: its newest entries, oldest first; how many older ones are left out; where it is now."""

    connection: Connection
    module: str
    record: str
    entries: Sequence[AuditEntry]
    left_out: int
    whole: bool
    """Whether no more are left out than were counted."""
    waiting: Mapping[str, AuditEntry]
    """What is parked, by delivery."""
    places: Mapping[str, Memory]
    told: Sequence[AuditEntry] = ()
    """Of a digest: what it told of."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a connection is. `parked` is a lower bound if `more`; the others are None or empty if nothing is known."""

    name: str
    last: AuditEntry | None
    days: int
    """How many days back `last` was looked for."""
    parked: int
    more: bool
    tokens: Sequence[Due]
    subscriptions: Sequence[Subscription]
    turn: Turn | None
    heard: Heard | None


def form(frame: Frame, names: Sequence[str]) -> Html:
    """The search form, filled in as it was sent. `names`: connections to choose from."""
    asked = frame.asked

    def chosen(name: str, everything: str, values: Sequence[str], now: str) -> Html:
        options = [tag("option", value, value=value, selected=value == now) for value in values]
        return tag("select", tag("option", everything, value=""), *options, name=name, aria_label=everything)

    which = (
        chosen("connection", "all connections", names, asked.connection)
        if len(names) <= MOST_NAMES
        else tag("input", name="connection", value=asked.connection, placeholder="connection", aria_label="connection")
    )
    return tag(
        "form",
        tag(
            "input", class_="what", name="what", value=asked.what, autocomplete="off", aria_label="what to look for",
            placeholder="Number, Zoho id, message or item id, or a pasted link",
        ),
        which if len(names) > 1 else None,
        chosen("state", "any outcome", OUTCOMES, asked.state),
        tag("input", type="date", name="day", value=asked.day, aria_label="UTC day", title="UTC day"),
        frame.button("Search", {"view": "search"}, kind="btn btn-primary"),
        frame.button("Clear", {"view": "start"}) if asked.view != "start" else None,
        class_="find",
    )  # fmt: skip


def note(text: object, tone: str = "") -> Html:
    return tag("div", text, class_=f"note {tone}".strip())


def entries(frame: Frame, listed: Listed, *, several: bool, empty: str) -> Html:
    """Rows under a heading for each day; each opens its record's story. `several`: of more than one connection."""
    if not listed.entries:
        return note(join(empty, " ", listed.looked))
    parts: list[Html] = []
    day = ""
    for entry in listed.entries:
        if (heading := frame.day(entry.at)) != day:
            parts.append(tag("h4", heading))
            day = heading
        parts.append(_row(frame, entry, several=several))
    turn = [frame.button("Newer", frame.asked.turned(-1))] if frame.asked.page else []
    turn += [frame.button("Older", frame.asked.turned(1))] if listed.more else []
    looked = tag("span", listed.looked, class_="dim") if listed.looked else None
    return join(*parts, tag("div", *turn, looked, class_="more") if turn or looked else None)


def _row(frame: Frame, entry: AuditEntry, *, several: bool) -> Html:
    why = " · ".join(filter(None, [f"by {entry.by}" if entry.by and not by_people(entry) else "", entry.reason]))
    return frame.button(
        join(
            tag("span", frame.time(entry.at), class_="dim"),
            _pill(entry.outcome),
            tag("span", tag("b", title(entry.module, entry.record_id, entry.number)), " ", _happened(entry),
                class_="what"),
            tag("span", f"{entry.connection} → " if several else "", entry.destination, class_="where"),
            tag("span", why, class_="why") if why else None,
        ),
        _to(frame, entry),
        kind="row",
    )  # fmt: skip


def _to(frame: Frame, entry: AuditEntry) -> dict[str, object]:
    return frame.asked.at("story", connection=entry.connection, module=entry.module, record=entry.record_id)


def _happened(entry: AuditEntry) -> str:
    if by_people(entry):
        return f"{person(entry.by)} {'answered' if entry.outcome == 'acknowledged' else 'changed it'}"
    return "" if entry.module == MODULE else entry.event.rpartition(".")[2].replace("_", " ")


def _pill(outcome: str) -> Html:
    return tag("span", outcome, class_=f"pill {TONES.get(outcome, '')}".strip())


# --- the story ---------------------------------------------------------------------------------------------------


def story(frame: Frame, found: Story) -> Html:
    """A record's timeline: what came, every attempt, its receipt, what people did; and where it is now."""
    if not found.entries and not found.places:
        return note(f"Nothing is known of {found.module}/{found.record} in {found.connection.name} (any more).")
    number = next((entry.number for entry in reversed(found.entries) if entry.number), "")
    number = number or next((memory.number for memory in found.places.values() if memory.number), "")
    steps: list[Html] = []
    # What came: a delivery's entries stand together in time, and each change of the record begins with its first.
    before = ""
    for entry in found.entries:
        came = f"{entry.event}#{entry.version}"
        if not by_people(entry) and entry.module != MODULE and came != before:
            before = came
            steps.append(_came(frame, entry))
        steps.append(_step(frame, entry, found))
    count = f"{found.left_out}{'' if found.whole else ' or more'}"
    older = f"{count} older entries are not shown: mlc audit show {found.connection.name} {found.record}"
    return join(
        tag("h3", title(found.module, found.record, number)),
        tag("p", *_identity(found), class_="dim"),
        _places(frame, found.places) if found.places else None,
        note(older) if found.left_out else None,
        tag("ol", *steps, class_="line"),
        _told(frame, found.told) if found.told else None,
    )


def _identity(found: Story) -> list[object]:
    said: list[object] = [f"Connection {found.connection.name} · "]
    if found.module not in MODULES:
        return [*said, found.record]
    said.append(f"Zoho id {found.record}")
    if found.connection.region in REGIONS:
        to = web_link(
            found.connection.region, found.connection.organization_id, MODULES[found.module].route, found.record
        )
        said += [" · ", link(to, "open in Zoho Books")]
    return said


_NOW = {
    "waiting": ("waits for its next attempt", "wait"), "sending": ("under way", "wait"),
    "unknown": ("being looked for", "wait"), "parked": ("parked", "bad"), "new": ("nothing there", ""),
}  # fmt: skip


def _places(frame: Frame, places: Mapping[str, Memory]) -> Html:
    newest = max((memory.version.at for memory in places.values() if memory.version), default="")
    return tag(
        "div", *(_place(frame, name, memory, newest) for name, memory in sorted(places.items())), class_="places"
    )


def _place(frame: Frame, name: str, memory: Memory, newest: str) -> Html:
    state, tone = _has(memory, newest) if memory.state == "done" else _NOW.get(memory.state, (memory.state, ""))
    at = memory.version.at if memory.version and moment(memory.version.at) else ""
    facts = [
        _amount(memory),
        join("as of ", frame.time(at, "%d %b %H:%M")) if at else None,
        link(memory.link, "open") if memory.link else None,
    ]
    known = [part for fact in facts if fact for part in (" · ", fact)][1:]
    return tag(
        "div",
        tag("div", tag("b", name), tag("span", state, class_=f"pill {tone}".strip()), class_="head"),
        tag("p", *known, class_="dim") if known else None,
        class_="card",
    )


def _has(memory: Memory, newest: str) -> tuple[str, str]:
    """What a destination has that nothing is under way to. `newest`: when the newest version anywhere was made."""
    if not memory.external_id:
        return ("accepted", "good") if memory.amount or memory.date or memory.shown else ("nothing there", "")
    if memory.version is None:
        return "to be put right", "wait"
    return ("older version", "") if memory.version.at < newest else ("up to date", "good")


def _amount(memory: Memory) -> str:
    try:
        return shown(Decimal(memory.amount) if memory.amount else None, memory.currency)
    except InvalidOperation:
        return memory.amount


_HOW = {"webhook": "told by a webhook", "reconcile": "found by reconcile", "replay": "sent again"}


def _came(frame: Frame, entry: AuditEntry) -> Html:
    """What the attempts after it are about."""
    at, _, fingerprint = entry.version.partition("~")
    when = join(" in Zoho at ", frame.time(at, "%d %b %H:%M:%S")) if at and moment(at) else ""
    how = _HOW.get(entry.origin, f"by {entry.origin}")
    return tag(
        "li",
        tag("div", tag("b", entry.event), class_="head"),
        tag("p", _occurred(entry, deleted=fingerprint == DELETED), when, " · ", how, class_="dim"),
        class_="came",
    )  # fmt: skip


def _occurred(entry: AuditEntry, *, deleted: bool) -> str:
    action = entry.event.rpartition(".")[2]
    return "deleted" if deleted or action == "deleted" else "created" if action == "created" else "changed"


def _step(frame: Frame, entry: AuditEntry, found: Story) -> Html:
    glance = [
        f"attempt {entry.attempt}" if entry.attempt > 1 else "",
        f"took {span(entry.duration_ms / 1000)}" if entry.duration_ms else "",
        f"answered {entry.status}" if entry.status else "",
    ]
    done = moment(entry.version.partition("~")[0]) if by_people(entry) else None
    ids = {
        "Receipt": entry.external_id, "By": entry.by, "Request": entry.request_id, "Call": entry.correlation_id,
        "Delivery": entry.delivery, "Version": entry.version,
    }  # fmt: skip
    listed = [part for name, value in ids.items() if value for part in (tag("dt", name), tag("dd", tag("code", value)))]
    waits = found.waiting.get(entry.delivery)
    opens = "open the reply" if entry.outcome == "acknowledged" else "open where it is"
    return tag(
        "li",
        tag("div", tag("b", sentence(entry)), _pill(entry.outcome),
            tag("span", frame.time(entry.at, "%d %b %H:%M:%S"), class_="dim"), class_="head"),
        tag("p", f"by {entry.by}") if entry.by and not by_people(entry) else None,
        tag("p", entry.reason, class_="bad" if entry.outcome == "parked" else None) if entry.reason else None,
        tag("p", "on ", frame.time(stamp(done), "%d %b %H:%M:%S"), class_="dim") if done else None,
        tag("p", " · ".join(filter(None, glance)), class_="dim") if any(glance) else None,
        tag("p", link(entry.link, opens)) if entry.link else None,
        tag("p", again(frame, entry)) if waits == entry else None,
        tag("details", tag("summary", "Ids"), tag("dl", *listed, class_="facts")) if listed else None,
        class_=TONES.get(entry.outcome) or None,
    )  # fmt: skip


def _told(frame: Frame, told: Sequence[AuditEntry]) -> Html:
    return join(
        tag("h4", f"It told of {len(told)}"),
        *(
            tag("p", frame.button(title(each.module, each.record_id, each.number), _to(frame, each), kind="to"))
            for each in told
        ),
    )


# --- what waits for a person -------------------------------------------------------------------------------------


def again(frame: Frame, entry: AuditEntry) -> Html:
    """The button that sends a parked delivery again; whoever presses it must be allowed to call that function."""
    said = {"connection": entry.connection, "delivery": entry.delivery, "module": entry.module,
            "record": entry.record_id}  # fmt: skip
    name = title(entry.module, entry.record_id, entry.number)
    confirmation = CONFIRM.format(name, entry.destination)
    return frame.button("Send again", said, endpoint=frame.retry, confirmation=confirmation)


def parked(frame: Frame, waiting: Sequence[AuditEntry], *, more: bool, unnamed: bool) -> Html:
    """What is parked, newest first. `more`: perhaps there is more, not looked into. `unnamed`: the queue holds messages
    that the trail does not name.
    """
    hidden = note(
        join(
            "The queue seems to hold messages that no entry of the trail names: what nobody could read, or what "
            "crashed its workers. They are listed by ", tag("code", "mlc parked list"), "."
        )
    ) if unnamed else None  # fmt: skip
    rest = note(join("There may be more. All of them: ", tag("code", "mlc parked list"), ".")) if more else None
    if not waiting:
        newest = "Of what was parked lately, nothing waits any more." if more else "No delivery of the trail is parked."
        return join(note(newest if more or unnamed else "Nothing waits for a person."), rest, hidden)
    cards = [
        tag(
            "div",
            tag("div", tag("b", title(each.module, each.record_id, each.number)),
                tag("span", f"{each.event} → {each.destination}", class_="dim"), class_="head"),
            tag("p", each.reason or "no reason is known", class_="bad"),
            tag("p", join(f"{each.connection} · parked ", frame.time(each.at, "%d %b %H:%M:%S")),
                f" · attempt {each.attempt}" if each.attempt > 1 else "",
                f" · answered {each.status}" if each.status else "", class_="dim"),
            tag("div", again(frame, each), frame.button("Story", _to(frame, each)), class_="more"),
            class_="card",
        )
        for each in waiting
    ]  # fmt: skip
    return join(tag("div", *cards, class_="cards"), rest, hidden)


# --- connections -------------------------------------------------------------------------------------------------


def connections(frame: Frame, every: Sequence[Health], *, backlog: tuple[int, int], more: bool, now: datetime) -> Html:
    """A card for each. `backlog`: messages ready, and under way or waiting, of all connections together."""
    ready, hidden = backlog
    head = tag(
        "p", f"In the queue, of all connections: about {ready} ready, {hidden} under way or waiting.", class_="dim"
    )
    if not every:
        return join(head, note(join("No connection is applied yet: ", tag("code", "mlc connections apply FILE"), ".")))
    turn = [frame.button("Before", frame.asked.turned(-1))] if frame.asked.page else []
    turn += [frame.button("Next", frame.asked.turned(1))] if more else []
    cards = tag("div", *(_health(frame, each, now) for each in every), class_="cards")
    return join(head, cards, tag("div", *turn, class_="more") if turn else None)


def _health(frame: Frame, health: Health, now: datetime) -> Html:
    ill = [each for each in health.tokens if each.state != "ok"]
    unheard = [each for each in health.subscriptions if each.state != "ok"]
    facts = {
        "Last entry": _last(health, now),
        "Parked": _parked(frame, health),
        "Tokens": _tokens(frame, health.tokens, ill),
        "Webhooks": _webhooks(health.heard, now),
        "Subscriptions": _subscriptions(health.subscriptions, unheard, now),
        "Zoho today": _zoho(health.turn),
        "Reconcile": join("next at ", frame.time(health.turn.due_at, "%H:%M")) if health.turn and health.turn.due_at
        else tag("span", "not known", class_="dim"),
    }  # fmt: skip
    listed = [part for name, value in facts.items() for part in (tag("dt", name), tag("dd", value))]
    wrong = bool(ill or unheard or health.parked or (health.heard and health.heard.state))
    return tag(
        "div",
        tag("div", frame.button(tag("b", health.name), {"view": "start", "connection": health.name}, kind="to"),
            tag("span", "needs a person", class_="pill bad") if wrong else tag("span", "well", class_="pill good"),
            class_="head"),
        tag("dl", *listed, class_="facts"),
        class_="card bad" if wrong else "card",
    )  # fmt: skip


def _last(health: Health, now: datetime) -> Html:
    found = moment(health.last.at) if health.last else None
    if not health.last or not found:
        return tag("span", f"none in {health.days} days", class_="wait")
    ago = max((now - found).total_seconds(), 0)
    return join(f"{span(ago)} ago · ", health.last.outcome)


def _parked(frame: Frame, health: Health) -> Html:
    if not health.parked:
        looks = join("not all looked into: ", tag("code", f"mlc parked list {health.name}"))
        return looks if health.more else tag("span", "none")
    count = f"{health.parked}{' or more' if health.more else ''}"
    return frame.button(tag("span", count, class_="bad"), {"view": "parked", "connection": health.name}, kind="to")


def _tokens(frame: Frame, tokens: Sequence[Due], ill: Sequence[Due]) -> Html:
    if ill:
        return join(*(
            tag("p", tag("span", f"{each.kind}: {each.reason or each.state}", class_="bad"),
                join(" ", tag("code", each.command)) if each.command else None)
            for each in ill
        ))  # fmt: skip
    due = min((each.due_at for each in tokens), default="")
    return join(f"{len(tokens)} well, next renewed at ", frame.time(due, "%H:%M")) if due else tag("span", "none yet")


def _webhooks(heard: Heard | None, now: datetime) -> Html:
    """Whether Zoho's webhooks come, as the dead-man's switch sees it (silence.py)."""
    newest = moment(heard.newest) if heard else None
    if not heard or not newest:
        return tag("span", "none heard yet", class_="dim")
    ago = span(max((now - newest).total_seconds(), 0))
    match heard.state:
        case "deaf":
            return tag("span", f"none for {', '.join(heard.deaf)}, though Zoho has new records", class_="bad")
        case "quiet":
            return tag("span", f"silent for {ago}, longer than usual", class_="bad")
    return join(f"the newest tells of {ago} ago")


def _subscriptions(every: Sequence[Subscription], unheard: Sequence[Subscription], now: datetime) -> Html:
    if unheard:
        first = unheard[0]
        return tag("span", f"{len(unheard)} of {len(every)} {first.state}: {first.reason}", class_="bad")
    ends = min((found for each in every if (found := moment(each.expires))), default=None)
    if not ends:
        return tag("span", "none", class_="dim")
    left = (ends - now).total_seconds()
    near = left < timedelta(hours=2).total_seconds()
    return tag("span", f"{len(every)} well, the first ends in {span(max(left, 0))}", class_="wait" if near else None)


def _zoho(turn: Turn | None) -> Html:
    if not turn:
        return tag("span", "not known", class_="dim")
    calls = f"{turn.spent} of {turn.quota or 'an unknown number of'} calls by reconcile"
    return join(calls, f", {turn.webhooks} webhooks" if turn.counted_at else "")


# --- after a button ----------------------------------------------------------------------------------------------


def sent(frame: Frame, text: str, *, well: bool) -> Html:
    """What came of "Send again", with ways on."""
    asked = frame.asked
    ways = [frame.button("Parked", {"view": "parked"})]
    if asked.connection and asked.module and asked.record:
        to = {"view": "story", "connection": asked.connection, "module": asked.module, "record": asked.record}
        ways.insert(0, frame.button("Story", to, kind="btn btn-primary"))
    return join(note(text, "good" if well else "bad"), tag("div", *ways, class_="more"))
