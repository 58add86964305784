"""Quiet hours: by the clock on the wall, in every time zone, also where clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.quiet_hours import MINUTE_MS, QuietHours

TIMES = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
QUIET = st.builds(QuietHours, TIMES, TIMES).filter(lambda each: each.begin != each.end)
ZONES = st.sampled_from(sorted(available_timezones()))
# 2000 to 2037, and around the nights in which clocks change in 2026.
INSTANTS = st.integers(946_684_800, 2_145_916_800) | st.sampled_from(
    [1_774_742_400, 1_792_886_400, 1_772_953_200, 1_793_512_800, 1_775_314_800]
).flatmap(lambda at: st.integers(at - 30 * 3600, at + 30 * 3600))


def wall(at: int, zone: str) -> str:
    """HH:MM of somebody there."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone)).strftime("%H:%M")


def is_quiet(quiet: QuietHours, at: int, zone: str) -> bool:
    """As people would say it."""
    there = wall(at, zone)
    if quiet.begin < quiet.end:
        return quiet.begin <= there < quiet.end
    return there >= quiet.begin or there < quiet.end


@given(quiet=QUIET, zone=ZONES, second=INSTANTS)
def test_they_are_over_at_the_first_minute_that_is_not_quiet(quiet: QuietHours, zone: str, second: int) -> None:
    """Never earlier, never later, whatever the zone and the night; at once where it is not quiet now."""
    now = second * 1000
    over = quiet.over_at(zone, now)
    if not is_quiet(quiet, now, zone):
        assert over == 0
        return
    minute = now - now % MINUTE_MS
    while is_quiet(quiet, minute, zone):
        minute += MINUTE_MS
    # Before 1972 or so offsets had seconds: nobody is told in them.
    assert over == minute


@pytest.mark.parametrize(
    ("zone", "now", "over"),
    [
        ("America/Sao_Paulo", "2026-11-30T02:00:00Z", "2026-11-30T11:00:00Z"),
        ("Asia/Tokyo", "2026-11-30T02:00:00Z", ""),
        ("", "2026-11-30T02:00:00Z", "2026-11-30T08:00:00Z"),
        ("Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T06:00:00Z"),
        ("Europe/Berlin", "2026-10-24T22:30:00Z", "2026-10-25T07:00:00Z"),
    ],
)
def test_from_21_until_8(zone: str, now: str, over: str) -> None:
    """Also past midnight, in the nights in which clocks change, and for whom no zone is known."""
    at = QuietHours("21:00", "08:00").over_at(zone, int(datetime.fromisoformat(now).timestamp() * 1000))
    assert at == (int(datetime.fromisoformat(over).timestamp() * 1000) if over else 0)
