"""Errors, named by what to do next.

    ConnectorError
    ├── InboundRejected(status)   answer one plain 4xx; the log says why, the caller learns nothing
    ├── NotQueued                 answer 503; the caller repeats it
    ├── RetryLater(after)         the message comes back after that many seconds or a longer back-off
    │   ├── Throttled             our own count of the vendor's limits says no: the call was not made
    │   │   └── Crowded           the channel has enough new messages for now: gathered for a digest, where there is one
    │   └── Unknown               it may have happened: settled by looking, at the next attempt
    ├── Undeliverable(reason)     park it with its reason, acknowledge, alarm
    │   ├── NeedsAttention        the vendor refuses our credentials: a person must connect again
    │   │   └── NotAllowed        they are good, but lack a scope or their user a role
    │   ├── Gone                  what we meant to change is no longer there
    │   └── Missing               Zoho does not have the record any more: it was deleted
    └── ConfigError               refused when the configuration is applied; the old one stays in force

Adapters map every answer of their vendor onto these. No message carries a secret or a webhook's address.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Something went wrong that we have a name for."""

    request_id = ""
    """By which the vendor's support finds the call that was refused, if it has a name."""
    partly = False
    """Whether a part of the refused call has happened all the same."""


class InboundRejected(ConnectorError):
    """An inbound call is refused. `status` is the 4xx answer, `reason` a short code for log and metric.

    `connection` and `endpoint` say where it came in; they are empty for a token that we do not know.
    """

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.status = status
        self.reason = reason
        self.connection = ""
        self.endpoint = ""


class NotQueued(ConnectorError):
    """The queue did not take every delivery of an event: nothing may be acknowledged."""


class RetryLater(ConnectorError):
    """The vendor is busy or out of reach and nothing happened. `after`: seconds it asked us to wait, if it did."""

    def __init__(self, reason: str, after: float | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.status = status


class Throttled(RetryLater):
    """Our own count says that the vendor would refuse the call; it was not made. `after`: until there is room."""


class Crowded(Throttled):
    """The channel has had as many new messages as people can read; the vendor would take more. It was not posted."""


class Unknown(RetryLater):
    """The call was sent and no readable answer came: its effect may or may not have happened.

    `under_way`: for how many seconds the vendor may still be about to bring it about.
    """

    under_way: float = 0.0


class Undeliverable(ConnectorError):
    """Repeating cannot help without a person. `reason` says what happened and what to do next."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class NeedsAttention(Undeliverable):
    """The vendor refuses our credentials: a person must connect again.

    `remedy` is what helps: `credentials` (the stored ones are wrong or lack something) or `consent` (they are right,
    but access was taken back).
    """

    def __init__(self, reason: str, status: int | None = None, *, remedy: str = "credentials") -> None:
        super().__init__(reason, status)
        self.remedy = remedy


class NotAllowed(NeedsAttention):
    """The credentials are good, but lack a scope, or their user a role, for what was asked."""


class Gone(Undeliverable):
    """What we meant to change (a message, an item, a subscription) is no longer there."""


class Missing(Undeliverable):
    """Zoho does not have the record (any more). A delivery that meets this is one of its deletion."""


class ConfigError(ConnectorError):
    """A connection's configuration is wrong. The message names the key and the way out."""
