"""To how many people an account may write first within a day, and what of that its broadcasts have spent. Pure.

What they spend is counted by the hour. An hour counts until a day after its end: so it frees a little late, never early.
"""

import re
from collections.abc import Iterable, Mapping

from chat4all.model.clock import DAY_MS

HOUR_MS = 3_600_000
# As Meta writes a number's limit: TIER_250, TIER_2K, or the number alone.
TIER = re.compile(r"(?:TIER_)?([1-9][0-9]{0,8})(K|M)?")
UNITS = {None: 1, "K": 1_000, "M": 1_000_000}

# How many in each hour, by its number since 1970.
Spent = Mapping[int, int]


def people_per_day(tier: str) -> int:
    """What a provider's words for it mean; 0: no limit, or none that is known here."""
    found = TIER.fullmatch(tier)
    return int(found[1]) * UNITS[found[2]] if found else 0


def spend(before: Spent, number: int, now: int) -> dict[int, int]:
    """So many more, without what counts no longer."""
    kept = {hour: count for hour, count in before.items() if counts_until(hour) > now}
    return kept | {now // HOUR_MS: kept.get(now // HOUR_MS, 0) + number} if number else kept


def counts_until(hour: int) -> int:
    """Until when (ms UTC) what was spent in an hour counts."""
    return (hour + 1) * HOUR_MS + DAY_MS


def left(most: int, spent: Iterable[Spent], now: int) -> int:
    """How many are left of `most` a day; less than nothing where a limit was lowered."""
    return most - sum(count for each in spent for hour, count in each.items() if counts_until(hour) > now)


def frees_at(spent: Iterable[Spent], now: int) -> int:
    """When (ms UTC) the next ones are free; `now`: nothing was spent."""
    return min((until for each in spent for hour in each if (until := counts_until(hour)) > now), default=now)


def share(number: int, name: str, names: Iterable[str]) -> int:
    """What of a number falls to one of those who share it, named in any order and itself among them: all of it together."""
    ordered = sorted({*names, name})
    every, over = divmod(max(0, number), len(ordered))
    return every + (ordered.index(name) < over)
