"""The kinds of failure. Code that retries knows these kinds and no channel."""


class Failure(Exception):
    """Base of all kinds. `reason` is a stable, short code; `detail` is for people and holds no secrets."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Temporary(Failure):
    """It may work later, unchanged: an outage, a 5xx, a timeout before anything was sent.

    `tries`: after so many in a row it is no use; 0: as long as the message is worth sending.
    """

    def __init__(self, reason: str, detail: str = "", tries: int = 0) -> None:
        super().__init__(reason, detail)
        self.tries = tries


class Newer(Temporary):
    """A record of a version that this code cannot read yet. Nothing is wrong with it: it waits for the upgrade."""


# A provider that asks to wait for longer than this is asked again after this.
LONGEST_WAIT_S = 86_400.0


class Throttled(Temporary):
    """The other side asks to wait. `retry_after` is in seconds, between 0 and a day whatever was asked for."""

    def __init__(self, reason: str, retry_after: float, detail: str = "") -> None:
        super().__init__(reason, detail)
        # Not a number is no time: as if none had been said. Compared before it is converted, as integers have no bounds.
        self.retry_after = float(min(max(retry_after, 0), LONGEST_WAIT_S)) if retry_after == retry_after else 0.0  # noqa: PLR0124


class Permanent(Failure):
    """It will never work unchanged: a blocked user, a bad address, a message outside the window."""


class AddressMoved(Permanent):
    """It will never work at this address: whoever had it is at `to` now, by the provider's own word."""

    def __init__(self, reason: str, to: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.to = to


class Unknown(Failure):
    """The request left and no answer came back: it may have happened. Reconcile before doing it again."""


class RangeLost(Failure):
    """A range of the log can no longer be read. An error for people, never an empty batch."""


class Mismatch(Failure):
    """A server is not the one this deployment was set up with: other topics, partitions or schema. Refuse to start."""
