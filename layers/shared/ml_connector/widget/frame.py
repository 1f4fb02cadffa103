"""What is around every page: the style, the tabs, and buttons that call a function with the viewer's own rights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ml_connector.widget.asked import Asked
from ml_connector.widget.markup import Html, join, tag
from ml_connector.widget.words import moment

TABS = {"start": "Trail", "parked": "Parked", "connections": "Connections"}
_TAB_OF = {"search": "start", "story": "start"}

# Every rule begins with .mlc: a dashboard has other widgets. Colours are those of the console's own two themes.
STYLE = Html("""<style>
.mlc{--ink:#16191f;--dim:#545b64;--line:#d5dbdb;--soft:#f2f3f3;--act:#0972d3;--on:#fff;--good:#037f0c;--wait:#8a5a00;\
--bad:#c7121c;font:13px/1.45 "Amazon Ember","Helvetica Neue",Roboto,Arial,sans-serif;color:var(--ink);\
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.mlc.dark{--ink:#d9dee5;--dim:#9aa7b5;--line:#3b4755;--soft:#1d2a39;--act:#58a6f0;--on:#0b1521;--good:#3fc14a;\
--wait:#e3c24a;--bad:#ff7079}
.mlc *{box-sizing:border-box}
.mlc cwdb-action{display:none}
.mlc a{color:var(--act);text-decoration:none;cursor:pointer}
.mlc a:hover{text-decoration:underline}
.mlc a:focus-visible,.mlc input:focus-visible,.mlc select:focus-visible{outline:2px solid var(--act);outline-offset:2px}
.mlc .bar{display:flex;flex-wrap:wrap;gap:4px 18px;align-items:baseline;border-bottom:1px solid var(--line);\
margin-bottom:12px}
.mlc .tab{padding:5px 1px 6px;color:var(--dim);font-weight:700;border-bottom:3px solid transparent;margin-bottom:-1px}
.mlc .tab.here{color:var(--act);border-color:var(--act)}
.mlc .tab:hover{color:var(--act);text-decoration:none}
.mlc .now{margin-left:auto;color:var(--dim);font-size:12px}
.mlc .btn{display:inline-block;padding:3px 14px;border:1px solid var(--act);border-radius:14px;font-weight:700;\
background:none;color:var(--act);line-height:20px;white-space:nowrap}
.mlc .btn:hover{background:var(--soft);text-decoration:none}
.mlc .btn.btn-primary{background:var(--act);color:var(--on)}
.mlc .btn.btn-primary:hover{opacity:.88}
.mlc .find{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 12px;align-items:center}
.mlc .find input,.mlc .find select{min-width:0;height:30px;padding:2px 8px;border:1px solid var(--line);\
border-radius:6px;background:transparent;color:inherit;font:inherit;color-scheme:light}
.mlc.dark .find input,.mlc.dark .find select{color-scheme:dark;background:#0f1b2a}
.mlc .find .what{flex:1 1 220px}
.mlc h3{font-size:18px;line-height:1.25;margin:2px 0 4px;font-weight:700;color:inherit}
.mlc h4{font-size:12px;margin:16px 0 4px;font-weight:700;color:var(--dim)}
.mlc p{margin:2px 0}
.mlc .dim{color:var(--dim)}
.mlc .bad{color:var(--bad)}.mlc .wait{color:var(--wait)}.mlc .good{color:var(--good)}
.mlc .note{border-left:3px solid var(--act);background:var(--soft);padding:8px 12px;margin:8px 0;\
border-radius:0 6px 6px 0}
.mlc .note.bad{border-color:var(--bad);color:inherit}.mlc .note.good{border-color:var(--good);color:inherit}
.mlc .row{display:grid;grid-template-columns:64px 104px minmax(0,1fr) auto;gap:0 10px;padding:6px 4px;\
border-bottom:1px solid var(--line);color:inherit;align-items:baseline}
.mlc a.row:hover{background:var(--soft);text-decoration:none}
.mlc .row b{font-weight:700}
.mlc .row .why{grid-column:3/-1;color:var(--dim)}
.mlc .row .where{color:var(--dim);text-align:right}
.mlc .pill{font-size:12px;font-weight:700;white-space:nowrap;color:var(--dim)}
.mlc .pill::before{content:"";display:inline-block;width:8px;height:8px;border-radius:50%;margin-right:6px;\
background:currentColor}
.mlc .pill.good{color:var(--good)}.mlc .pill.wait{color:var(--wait)}.mlc .pill.bad{color:var(--bad)}
.mlc .line{list-style:none;margin:8px 0 0;padding:0 0 0 18px}
.mlc .line li{position:relative;padding:0 0 14px 4px}
.mlc .line li::before{content:"";position:absolute;left:-18px;top:5px;width:10px;height:10px;border-radius:50%;\
background:var(--dim)}
.mlc .line li::after{content:"";position:absolute;left:-14px;top:18px;bottom:-3px;width:2px;background:var(--line)}
.mlc .line li:last-child::after{display:none}
.mlc .line li.good::before{background:var(--good)}.mlc .line li.wait::before{background:var(--wait)}
.mlc .line li.bad::before{background:var(--bad)}
.mlc .line li.came::before{background:none;border:2px solid var(--act)}
.mlc .line li,.mlc .line li.bad,.mlc .line li.wait,.mlc .line li.good{color:inherit}
.mlc .head{display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline}
.mlc .head .dim{margin-left:auto;font-size:12px}
.mlc .places,.mlc .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,230px),1fr));gap:8px;\
margin:8px 0}
.mlc .cards{grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}
.mlc .card{border:1px solid var(--line);border-radius:8px;padding:8px 12px;min-width:0}
.mlc .card.bad{border-color:var(--bad);color:inherit}
.mlc .facts{display:grid;grid-template-columns:auto minmax(0,1fr);gap:1px 12px;margin:4px 0 0}
.mlc .facts dt{color:var(--dim);margin:0;font-weight:400}
.mlc .facts dd{margin:0}
.mlc details{margin:4px 0 0}
.mlc summary{cursor:pointer;color:var(--dim);font-size:12px}
.mlc code{font:12px/1.4 ui-monospace,Menlo,Consolas,monospace;background:var(--soft);color:inherit;padding:1px 4px;\
border-radius:3px}
.mlc .more{margin:10px 0;display:flex;flex-wrap:wrap;gap:8px;align-items:center}
.mlc.narrow .row{grid-template-columns:58px minmax(0,1fr) auto}
.mlc.narrow .row .what{grid-column:1/-1;grid-row:2}.mlc.narrow .row .why{grid-column:1/-1}
</style>""")


@dataclass(frozen=True, slots=True)
class Frame:
    """Names of the two functions, and the page that is drawn."""

    widget: str
    """ARN of the function that answers with pages; it can only read."""
    retry: str
    """ARN of the function that sends a parked delivery again."""
    asked: Asked

    def button(
        self, label: object, params: Mapping[str, Any], *, kind: str = "btn", endpoint: str = "", confirmation: str = ""
    ) -> Html:
        """Calls a function, and shows its answer in place of the page. CloudWatch ties it to the element before."""
        # No &, < or > in it: it reads the same whether its host decodes it or not.
        said = json.dumps(dict(params), separators=(",", ":"))
        said = said.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
        call = tag(
            "cwdb-action",
            Html(said),
            action="call",
            endpoint=endpoint or self.widget,
            confirmation=confirmation or None,
        )
        return join(tag("a", label, class_=kind, role="button", tabindex="0"), call)

    def whole(self, *content: object, now: datetime, parked: int | None = None) -> str:
        """A page: `parked` is how many messages wait for a person, of all connections; None if that is not known."""
        here = _TAB_OF.get(self.asked.view, self.asked.view)
        only = {"connection": self.asked.connection} if self.asked.connection else {}
        tabs = [
            self.button(
                f"{label} ({parked})" if view == "parked" and parked else label,
                {"view": view, **only},
                kind="tab here" if view == here else "tab",
            )
            for view, label in TABS.items()
        ]
        stamp = tag("span", f"{now.astimezone(self.asked.zone):%d %b %Y %H:%M} {self.asked.zone_name}", class_="now")
        classes = " ".join(
            filter(None, ("mlc", "dark" if self.asked.dark else "light", "narrow" if self.asked.narrow else ""))
        )
        return join(STYLE, tag("div", tag("div", *tabs, stamp, class_="bar"), *content, class_=classes))

    def time(self, at: str, pattern: str = "%H:%M:%S") -> Html:
        """A UTC time of the trail on the viewer's clock; the exact one as its title."""
        found = moment(at)
        return tag("span", found.astimezone(self.asked.zone).strftime(pattern), title=at) if found else Html("")

    def day(self, at: str) -> str:
        """The day of a UTC time of the trail on the viewer's clock, as a heading: `Sunday, 22 November 2026`."""
        found = moment(at) or datetime.fromtimestamp(0, UTC)
        return f"{found.astimezone(self.asked.zone):%A, %d %B %Y}"
