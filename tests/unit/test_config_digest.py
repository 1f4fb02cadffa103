"""What a file may say of digests, and how it is told what it may not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ml_connector.config.load import parse
from ml_connector.config.model import Digest
from ml_connector.errors import ConfigError
from ml_connector.gathering import ABOVE

FILE = """\
connection = "acme-eu"
[zoho]
region = "eu"
organization_id = "20081234567"
[microsoft]
tenant_id = "11111111-2222-4333-8444-555555555555"
client_id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
[destinations.finance]
type = "teams"
{channel}
digest = {digest}
[[routes]]
to = ["finance"]
"""
CHANNEL = 'team_id = "99999999-8888-4777-8666-555555555555"\nchannel_id = "19:a@thread.tacv2"'


def compiled(digest: str, channel: str = CHANNEL) -> object:
    text = FILE.format(digest=digest, channel=channel)
    return parse(text.encode(), "acme-eu.toml").compiled()["destinations"]["finance"]["digest"]


def test_what_is_said_reaches_the_functions() -> None:
    """As plain data, with the number for those who only name their hours."""
    said = '{ quiet = { from = "19:00", to = "07:00", days = ["sat", "sun"] }, daily = "08:00" }'
    hours = {"from": "19:00", "to": "07:00", "days": ["sat", "sun"]}
    assert compiled(said) == {"above": 15, "quiet": hours, "daily": "08:00"}
    assert compiled("{ above = 0 }") == {"above": 0}
    assert compiled('{ quiet = { days = ["sun"] } }', 'transport = "workflows"')


def test_the_page_shows_what_can_be_applied() -> None:
    """People copy it; each setting stands there, and what holds without it."""
    page = (Path(__file__).parents[2] / "docs" / "teams.md").read_text("utf-8")
    (shown,) = (block for block in re.findall(r"```toml\n(.*?)```", page, re.S) if ".digest]" in block)
    said = tomllib.loads(shown)["destinations"]["finance"]["digest"]
    assert said == Digest.model_validate(said).model_dump(mode="json", by_alias=True)
    assert said["above"] == ABOVE
    assert set(said) == set(Digest.model_fields)


@pytest.mark.parametrize(
    ("digest", "channel", "expected"),
    [
        ("{ above = -1 }", CHANNEL, "digest.above: must be at least 0"),
        ("{ above = 61 }", CHANNEL, "digest.above: must be at most 60"),
        ('{ daily = "8:00" }', CHANNEL, "digest.daily: must be a time of the day such as 07:00"),
        ('{ quiet = { from = "24:00", to = "07:00" } }', CHANNEL, "digest.quiet.from: must be a time of the day"),
        ('{ quiet = { from = "19:00" } }', CHANNEL, "digest.quiet: from and to belong together"),
        ('{ quiet = { from = "19:00", to = "19:00" } }', CHANNEL, "digest.quiet: it would always be quiet"),
        ("{ quiet = {} }", CHANNEL, "digest.quiet: it is never quiet: say from and to"),
        ('{ quiet = { days = ["sonntag"] } }', CHANNEL, "digest.quiet.days.1: must be mon, tue"),
        (
            '{ quiet = { days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] } }',
            CHANNEL,
            "digest.quiet: it would always be quiet",
        ),
        ("{ abov = 3 }", CHANNEL, "digest.abov: no such key"),
        ("{ above = 3 }", 'person = "ada@acme.example"', "a person's chat has no digests: they are cards in a channel"),
        (
            "{ above = 3 }",
            f'transport = "activity"\npeople = ["ada@acme.example"]\n{CHANNEL}',
            "the activity transport has no digests",
        ),
    ],
)
def test_what_cannot_be_kept_to_is_refused_with_the_way_out(digest: str, channel: str, expected: str) -> None:
    """Hours that never end, times that no clock shows, digests where no card can be."""
    with pytest.raises(ConfigError) as refused:
        compiled(digest, channel)
    assert expected in str(refused.value)
