"""Hours in which people are left alone, by the clock on their wall. Pure rules; no I/O."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60


class QuietHours(Struct, frozen=True):
    """From one time of the day (HH:MM) until another, also past midnight. `time_zone`: of whom none is known."""

    begin: str
    end: str
    time_zone: str = "UTC"

    def over_at(self, zone: str, now: int) -> int:
        """When somebody in this zone ("": none is known) may be told again, ms UTC; 0: now.

        The first full minute from now on that is not quiet: what clocks are put forward or back by is not waited for twice.
        """
        where = ZoneInfo(zone or self.time_zone)
        if not self._is_quiet(_wall(now, where)):
            return 0
        minute = now - now % MINUTE_MS
        there = _wall(minute, where)
        ends = datetime.combine(there.date(), _time(self.end))
        left = int((ends - there.replace(tzinfo=None)) / timedelta(minutes=1)) % DAY_MINUTES
        guess = minute + left * MINUTE_MS
        if _wall(guess, where).utcoffset() == there.utcoffset():
            return guess
        # Clocks change in between, once or twice a year: look at each minute.
        while self._is_quiet(_wall(minute, where)):
            minute += MINUTE_MS
        return minute

    def _is_quiet(self, there: datetime) -> bool:
        at, begin, end = there.time(), _time(self.begin), _time(self.end)
        return begin <= at < end if begin < end else at >= begin or at < end


def _wall(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)


def _time(text: str) -> time:
    return time.fromisoformat(text)
