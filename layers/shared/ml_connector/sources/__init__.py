"""Inbound sources. One module per caller; each verifies and translates in one step (design 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Inbound:
    """One HTTP call as it came in. Header names are lower case; `body` is the raw bytes, decoded from nothing."""

    source: str
    token: str
    query: str
    headers: Mapping[str, str]
    body: bytes


Secrets = Sequence[str]
