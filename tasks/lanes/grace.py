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

    The time of day of who made the call may be another than ours: a wrong clock must cost patience, not a second send.
    """

    # Those that are long over are forgotten when there are more: some MB, looked through rarely.
    FORGET_ABOVE = 50_000
    LONG_OVER_S = 60.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[DeliveryKey, float] = {}

    def begin(self, key: DeliveryKey, grace_s: float) -> None:
        """The outcome of a call is unknown from now on."""
        self._until[key] = self._clock() + grace_s
        if len(self._until) > self.FORGET_ABOVE:
            self._until = {each: until for each, until in self._until.items() if until > self._clock() - self.LONG_OVER_S}

    def left_ms(self, row: Delivery, others_s: float) -> int:
        """What is left of the grace; 0 long after it by any clock.

        It begins now for a call that another process made: that may still be under way there, for `others_s`.
        """
        if row.key not in self._until:
            if now_ms() - row.facts.attempted_at > max(LONG_AGO_MS, others_s * 1000):
                return 0
            self.begin(row.key, others_s)
        return max(0, ceil((self._until[row.key] - self._clock()) * 1000))

    def end(self, key: DeliveryKey) -> None:
        """It has been told, or the grace is over."""
        self._until.pop(key, None)
