"""How a simulated provider misbehaves when asked to: refusals, delays, lost answers, limits, odd receipts."""

import random
import time
from typing import Literal

from msgspec import Struct

from ops.simulator.model import Refused, Send


class Rule(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Answer with `status` and the provider's `code` to what `match` (an address, or a part of the text) fits; empty: to all.

    At most `times` times, with the probability `rate`. With status 200 the message is taken, and `code` comes as a
    failed receipt. `account`: only what is sent from this number, page or bot. `delay_ms`: the answer, whatever it is, comes so
    much later. `retry_after` is in seconds; `words` are the provider's, where the code alone does not give them
    (Telegram's "Forbidden: user is deactivated"), `subcode` is Meta's.
    """

    status: int
    code: int
    match: str = ""
    retry_after: float | None = None
    times: int | None = None
    rate: float = 1.0
    words: str = ""
    subcode: int = 0
    account: str = ""
    delay_ms: float = 0

    def refused(self) -> Refused:
        """The provider's error."""
        return Refused(self.code, self.status, self.retry_after, words=self.words, subcode=self.subcode)

    def fits(self, send: Send) -> bool:
        """Whether this rule is about this send; it counts as used then."""
        if self.account not in ("", send.account):
            return False
        if self.times == 0 or (self.match and self.match != send.to and self.match not in send.text):
            return False
        if self.rate < 1 and random.random() >= self.rate:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Receipts(Struct, frozen=True, forbid_unknown_fields=True):
    """When receipts are told after a send; None: never. `duplicate` is the share told twice (true: all).

    `shuffle`: a message's receipts come in any order. `before_response`: the share of messages (true: all) whose receipts
    are there before the sender has its answer.
    """

    sent_after_ms: float | None = 0
    delivered_after_ms: float | None = 50
    read_after_ms: float | None = 150
    duplicate: bool | float = False
    shuffle: bool = False
    before_response: bool | float = False


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Pacing that is enforced as the provider does; None: not."""

    account_per_second: float | None = None
    recipient_interval_s: float | None = None
    recipient_burst: int = 1


class Behaviour(Struct, forbid_unknown_fields=True):
    """One channel's. `delay_ms` precedes answers; `drop_response_rate` is the share of sends taken and never answered.

    `window`: what becomes of a send more than 24 hours after the person's last message: "off" takes it, "refused" answers with
    the provider's error, "failed" takes it and tells a failed receipt where the provider does that. `strangers`: whether people
    can be written to who never wrote; where they cannot, the provider answers that it knows nobody of this address.
    """

    rules: list[Rule] = []
    delay_ms: float = 0
    drop_response_rate: float = 0
    receipts: Receipts = Receipts()
    limits: Limits | None = None
    window: Literal["off", "refused", "failed"] = "off"
    strangers: bool = True

    def rule(self, send: Send) -> Rule | None:
        """The first rule that is about this send."""
        return next((rule for rule in self.rules if rule.fits(send)), None)

    def drops(self) -> bool:
        """Whether the answer to this send is lost."""
        return self.drop_response_rate > 0 and random.random() < self.drop_response_rate


class Buckets:
    """Token buckets: of the account and of each recipient."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._levels: dict[str, tuple[float, float]] = {}

    def check(self, to: str, account_code: int, recipient_code: int) -> None:
        """Refused with the provider's code when a send to this recipient comes too soon."""
        rate, interval = self._limits.account_per_second, self._limits.recipient_interval_s
        if rate and not self._take("", rate, max(1.0, rate)):
            raise Refused(account_code, 429)
        if interval and not self._take(to, 1 / interval, self._limits.recipient_burst):
            raise Refused(recipient_code, 429, interval)

    def _take(self, key: str, per_second: float, most: float) -> bool:
        now = time.monotonic()
        level, at = self._levels.get(key, (most, now))
        level = min(most, level + (now - at) * per_second)
        self._levels[key] = (level - 1 if level >= 1 else level, now)
        return level >= 1
