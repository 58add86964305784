"""The random mix: what is done to a system, and when, from a seed. Pure: the same seed gives the same plan."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from msgspec import Struct

WARM_S = 4.0
# Before the end nothing is done any more, so that the last harm is seen to be survived.
CALM_S = 6.0
GAP_S = 1.6
CHANNELS = ("whatsapp", "instagram", "telegram", "messenger")
TELLING = ("whatsapp", "instagram", "messenger")
JOINING = ("bridge", "stream", "worker-pipeline", "worker-channels")
READERS = tuple(str(number) for number in range(8))
# The process that is told how providers behave.
WORLD = "simulator"
# A whole restart takes about so long, and nothing else can be done meanwhile.
RESTART_S = 20.0
# One restart for each so many seconds, and at least one.
RESTART_EVERY_S = 120.0


class Step(Struct, frozen=True, order=True):
    """One harm. `at`: seconds after the load began. `lasts`: seconds until it is undone, 0 where there is nothing to undo.

    `share`: how much of what it is about is harmed, where that is a matter of degree.
    """

    at: float
    act: str
    target: str = ""
    lasts: float = 0.0
    share: float = 0.0

    @property
    def ends(self) -> float:
        """When it is undone."""
        return self.at + self.lasts


class Kind(Struct, frozen=True):
    """A kind of harm. `weight`: how often it is drawn. `targets`: "" where there is but one; None: every process.

    `holds`: what it has for itself while it lasts: of the same kind of thing and target there is one at a time.
    """

    weight: int
    targets: tuple[str, ...] | None = ("",)
    lasts: tuple[float, float] = (0.0, 0.0)
    share: tuple[float, float] = (0.0, 0.0)
    holds: str = ""


KINDS: Mapping[str, Kind] = {
    "kill": Kind(10, None, holds="part"),
    "freeze": Kind(6, None, (0.5, 8.0), holds="part"),
    "wipe": Kind(1),
    "queues": Kind(1),
    "errors": Kind(3, CHANNELS, (2.0, 8.0), (0.2, 0.7), "channel"),
    "limits": Kind(2, CHANNELS, (2.0, 8.0), (0.2, 0.7), "channel"),
    "hang": Kind(1, CHANNELS, (2.0, 5.0), holds="channel"),
    "lost-answers": Kind(3, CHANNELS, (3.0, 10.0), (0.02, 0.2), "channel"),
    "refusals": Kind(2, CHANNELS, (2.0, 6.0), (0.1, 0.4), "channel"),
    "receipts": Kind(3, TELLING, (4.0, 12.0), (0.2, 1.0), "channel"),
    "strangers": Kind(1),
    "join": Kind(3, JOINING, (8.0, 20.0), holds="second"),
    "upload": Kind(4),
    "replay": Kind(1),
    "old-cursor": Kind(3, READERS),
    "restart": Kind(0, lasts=(RESTART_S, RESTART_S), holds="all"),
}


def plan(seed: int, seconds: float, parts: Sequence[str]) -> tuple[Step, ...]:
    """What is done in so many seconds to a system of these parts, in order: each kind, each process; then by chance."""
    random, first, last = Random(seed), WARM_S, seconds - CALM_S
    taken: list[Step] = []
    restarts = ["restart"] * max(1, int(seconds / RESTART_EVERY_S))
    # What lasts longest is placed first: a short time has room for it only then.
    others = sorted(random.sample([each for each in KINDS if each != "restart"], len(KINDS) - 1), key=_longest, reverse=True)
    once = [*restarts, *others]
    many = [random.choice(_weighted()) for _ in range(int(max(0.0, last - first) / GAP_S))]
    wanted = [*((act, parts) for act in once), *(("kill", [part]) for part in parts), *((act, parts) for act in many)]
    for act, of in wanted:
        # Where it does not fit it is tried elsewhere, and left out when there is no room at all.
        drawn = (_drawn(random, act, first, last, of) for _ in range(40))
        found = next((each for each in drawn if each.ends <= last and not any(_collide(each, one) for one in taken)), None)
        taken += [found] if found else []
    return tuple(sorted(taken))


def _longest(act: str) -> float:
    return KINDS[act].lasts[1]


def _weighted() -> list[str]:
    return [name for name, kind in KINDS.items() for _ in range(kind.weight)]


def _drawn(random: Random, act: str, first: float, last: float, parts: Sequence[str]) -> Step:
    kind = KINDS[act]
    lasts = round(random.uniform(*kind.lasts), 2)
    at = round(random.uniform(first, max(first, last - lasts)), 2)
    target = random.choice(parts if kind.targets is None else kind.targets)
    return Step(at, act, target, lasts, round(random.uniform(*kind.share), 2))


def _collide(one: Step, other: Step) -> bool:
    """Whether the two cannot be both: one excludes the other, and they are at the same time."""
    excluded = _excludes(one, other) or _excludes(other, one)
    return excluded and one.at <= other.ends and other.at <= one.ends


def _excludes(one: Step, other: Step) -> bool:
    """A restart excludes all; what stands still excludes what is said to it; else what holds the same excludes each other."""
    holds, others = KINDS[one.act].holds, KINDS[other.act].holds
    if holds == "all" or (one.target == WORLD and others == "channel"):
        return True
    return bool(holds) and (holds, one.target) == (others, other.target)


def counts(steps: Iterable[Step]) -> dict[str, int]:
    """How many of each kind."""
    found = dict.fromkeys(KINDS, 0)
    for each in steps:
        found[each.act] += 1
    return found
