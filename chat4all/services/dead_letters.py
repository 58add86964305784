"""Looks through the dead letters, day after day, and finds what a letter is about. For operators' commands and the API."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from chat4all.model.clock import DAY_MS, from_rfc3339
from chat4all.model.deliveries import DeliveryKey
from chat4all.model.messages import offset_of
from chat4all.model.records import INCOMING
from chat4all.ports import DeadLetter, MessageStore

PAGE = 500
UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": DAY_MS}
AGO = re.compile(r"([0-9]{1,6})([mhd])")


class Wanted(Struct, frozen=True):
    """Which letters: `since` <= at < `until` (ms UTC), and these words where they are not empty."""

    since: int
    until: int
    channel: str = ""
    reason: str = ""
    stage: str = ""

    def has(self, letter: DeadLetter) -> bool:
        """Whether this letter is one of them."""
        asked = ((self.channel, letter.channel), (self.reason, letter.reason), (self.stage, letter.stage))
        return self.since <= letter.at < self.until and all(wish in {"", found} for wish, found in asked)


def instant(text: str, now: int) -> int:
    """A time as people give it, in ms UTC: RFC 3339, a day (its beginning, UTC), or how long ago: 90m, 24h, 7d. ValueError."""
    ago = AGO.fullmatch(text)
    if ago:
        return now - int(ago[1]) * UNITS_MS[ago[2]]
    return from_rfc3339(text, zone_needed=False)


def scan(
    store: MessageStore, since: int, until: int, after: tuple[int, str] = (0, ""), at_once: int = PAGE
) -> Iterator[DeadLetter]:
    """All letters with `since` <= at < `until`, by (at, letter_id), beginning after the one at `after`. Reads page by page."""
    begin = max(since, after[0])
    day = datetime.fromtimestamp(begin / 1000, UTC).date()
    last = datetime.fromtimestamp(max(begin, until - 1) / 1000, UTC).date()
    letter_id = after[1]
    while day <= last:
        page = store.dead_letters(day.isoformat(), at_once, letter_id)
        yield from (letter for letter in page if since <= letter.at < until)
        if len(page) < at_once:
            day, letter_id = day + timedelta(days=1), ""
        else:
            letter_id = page[-1].letter_id


def record_of(letter: DeadLetter) -> str:
    """The record that the letter is about, or that its delivery came from, as topic:partition:offset. Empty if none."""
    if letter.delivery:
        key = DeliveryKey.parse(letter.delivery)
        return f"{INCOMING}:{key.lane.partition}:{offset_of(key.seq)}"
    return f"{letter.topic}:{letter.partition}:{letter.offset}" if letter.offset >= 0 else ""
