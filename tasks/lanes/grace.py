"""How long a call with an unknown outcome waits for a receipt before the message is sent again."""

import time
from collections.abc import Callable
from math import ceil

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, DeliveryKey

# A call that is older than this needs no more patience, whatever clocks say.
LONG_AGO_MS = 3_600_000


class Graces:
    """Until when each such call is waited for, on this process's own clock.

    The time of day of who made the call may be another than ours: a wrong clock must cost patience, not a second send. A call
    that another process made may still be under way there, so it has `others_s`.
    """

    # Those that are long over are forgotten when there are more: some MB, looked through rarely.
    FORGET_ABOVE = 50_000

    def __init__(self, others_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._others_s, self._clock = others_s, clock
        self._until: dict[DeliveryKey, float] = {}

    def begin(self, key: DeliveryKey, grace_s: float) -> None:
        """The outcome of a call is unknown from now on."""
        self._until[key] = self._clock() + grace_s
        if len(self._until) > self.FORGET_ABOVE:
            self._until = {each: until for each, until in self._until.items() if until > self._clock() - self._others_s}

    def left_ms(self, row: Delivery) -> int:
        """What is left of the grace, which begins now for a call that another process made; 0 long after it by any clock."""
        if row.key not in self._until:
            if now_ms() - row.facts.attempted_at > LONG_AGO_MS:
                return 0
            self.begin(row.key, self._others_s)
        return max(0, ceil((self._until[row.key] - self._clock()) * 1000))

    def end(self, key: DeliveryKey) -> None:
        """It has been told, or the grace is over."""
        self._until.pop(key, None)
