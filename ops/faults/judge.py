"""From a run to a row of figures, and whether what is promised was kept. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ops.faults.checker import Report, check
from ops.faults.course import Course
from ops.faults.history import History
from ops.faults.recovery import recovery_ms, waiting_at

# Receipts of these carry our reference, so an unknown outcome is found out and nothing is sent twice.
HANDLES = frozenset({"whatsapp", "messenger"})
# What a backlog drains with at least, beside the load, on two cores.
DRAIN_PER_SECOND = 150.0


class Fault(Struct, frozen=True):
    """One row. `run` harms a course while its load flows.

    `resends`: second sends may reach people, on channels without a handle. `recovery_s`: the promise, counted from the
    last hit; `backlog`: plus what it takes to work off what had gathered. `env`: settings of the run. `small`: this folder
    of the data gets a small disk of its own. `stacks`: where it can be made. `tail_s`: load after it.
    `arrive_s`: how long all may take to come after the load. `short`: runs in CI. `long`: runs where it is named only.
    `cut_calls`: calls of unknown outcome are so many, and receipts so late, that second sends come on every channel, and
    several of one key; each is counted all the same. `per_second`: messages, where it is not the usual load.
    `prepare`: what is done before the load begins. In values of `env` `{simulator}` and `{gateway}` stand for where these are.
    """

    name: str
    about: str
    run: Callable[[Course], None]
    resends: bool = False
    recovery_s: float | None = None
    backlog: bool = False
    env: Mapping[str, str] = {}
    small: str = ""
    stacks: tuple[str, ...] = ("embedded", "real")
    tail_s: float = 5.0
    arrive_s: float = 120.0
    short: bool = False
    long: bool = False
    cut_calls: bool = False
    per_second: float | None = None
    prepare: Callable[[Course], Any] | None = None


class Row(Struct, frozen=True, omit_defaults=True):
    """A fault, a stack and a seed with its figures. Empty `wrong`: nothing was lost, doubled, swapped or left.

    `late`: the promises about time that were not kept; a machine with other work to do breaks these first. `not_run` says why
    a row was not run.
    """

    fault: str
    stack: str
    seed: int
    not_run: str = ""
    accepted: int = 0
    offered_per_second: float = 0.0
    lost: int = 0
    doubled_streams: int = 0
    doubled_providers: int = 0
    own_second_sends: int = 0
    inversions: int = 0
    backwards: int = 0
    endless: int = 0
    receding: int = 0
    stale: int = 0
    gaps: int = 0
    strangers: int = 0
    failed: int = 0
    kills: int = 0
    recovery_s: float | None = None
    recovery_limit_s: float | None = None
    backlog: int = 0
    seconds: float = 0.0
    load_before: float = 0.0
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    late: list[str] = []


class Measured(Struct, frozen=True):
    """What a run came to, before it is judged."""

    history: History
    resends: Mapping[tuple[str, str], int]
    hits: Sequence[int]
    kills: int
    offered_per_second: float
    seconds: float
    load_before: float
    figures: Mapping[str, Any]
    wrong: Sequence[str]
    late: Sequence[str] = ()


def judge(fault: Fault, stack: str, seed: int, measured: Measured) -> Row:
    """The row of a run."""
    report = check(measured.history)
    backlog = waiting_at(measured.history, measured.hits[-1]) if measured.hits else 0
    recovery, limit = _recovery(fault, measured, report, backlog)
    late = [f"recovered after {recovery:.1f} s, {limit:.1f} s are promised"] if limit and (recovery or 0) > limit else []
    return Row(
        fault=fault.name,
        stack=stack,
        seed=seed,
        accepted=len(measured.history.accepted),
        offered_per_second=round(measured.offered_per_second, 1),
        lost=len(report.lost),
        doubled_streams=sum(report.doubled_in.values()),
        doubled_providers=sum(report.doubled_out.values()),
        own_second_sends=sum(measured.resends.values()),
        inversions=len(report.inversions),
        backwards=len(report.backwards),
        endless=len(report.endless),
        receding=len(report.receding),
        stale=len(report.stale),
        gaps=len(report.gaps) + len(report.repeats),
        strangers=len(report.strangers),
        failed=sum(each.state == "FAILED" for each in measured.history.ended),
        kills=measured.kills,
        recovery_s=None if recovery is None else round(recovery, 2),
        recovery_limit_s=None if limit is None else round(limit, 2),
        backlog=backlog,
        seconds=round(measured.seconds, 1),
        load_before=measured.load_before,
        figures=dict(measured.figures),
        wrong=[*_broken(report), *_doubles(fault, measured, report), *measured.wrong],
        late=[*late, *measured.late],
    )


def _recovery(fault: Fault, measured: Measured, report: Report, backlog: int) -> tuple[float | None, float | None]:
    """Seconds from the last hit until all was there that had been accepted by then, and what is promised of it."""
    if not measured.hits:
        return None, None
    conversations = {each.message_id: each.conversation_id for each in measured.history.accepted}
    # Keys that waited for an unknown outcome waited by rule; they are counted as second sends.
    excused = {(to, conversations[message]) for message, to in [*measured.resends, *report.doubled_out]}
    took = recovery_ms(measured.history, measured.hits[-1], excused) / 1000
    if fault.recovery_s is None:
        return took, None
    return took, fault.recovery_s + (backlog / DRAIN_PER_SECOND if fault.backlog else 0.0)


def _broken(report: Report) -> list[str]:
    """Promises that hold under every fault."""
    allowed = {"doubled_out"}
    names = [each for each in report.__struct_fields__ if each not in allowed]
    return [f"{name}: {_some(getattr(report, name))}" for name in names if getattr(report, name)]


def _some(found: Any) -> str:
    first = list(found.items() if isinstance(found, dict) else found)[:3]
    return f"{len(found)}, such as {first}"


def _doubles(fault: Fault, measured: Measured, report: Report) -> list[str]:
    """Second arrivals at providers: where they may be, and that the system knows of each."""
    if not report.doubled_out:
        return []
    if not fault.resends:
        return [f"doubled at providers: {_some(report.doubled_out)}"]
    wrong = []
    handled = {pair: more for pair, more in report.doubled_out.items() if pair[1].partition(":")[0] in HANDLES}
    if handled and not fault.cut_calls:
        wrong.append(f"doubled on a channel with a handle: {_some(handled)}")
    unknown = {pair: more for pair, more in report.doubled_out.items() if measured.resends.get(pair, 0) < more}
    if unknown:
        wrong.append(f"sent twice and not counted: {_some(unknown)}")
    return wrong if fault.cut_calls else wrong + _too_many(measured, report)


def _too_many(measured: Measured, report: Report) -> list[str]:
    """One per key in flight and kill."""
    if not measured.kills:
        return []
    conversations = {each.message_id: each.conversation_id for each in measured.history.accepted}
    per_key: Counter[tuple[str, str]] = Counter()
    for (message_id, to), more in report.doubled_out.items():
        per_key[to, conversations[message_id]] += more
    most = max(per_key.values())
    return [f"{most} second sends of one key at {measured.kills} kills"] if most > measured.kills else []
