"""Providers that hang, refuse, lose their answers, and tell receipts in odd ways."""

import time
from collections.abc import Callable

from chat4all.model.records import ProviderReceipt, status_record
from ops.bench.figures import spread
from ops.faults.course import Course
from ops.faults.history import Arrival, History
from storage.open import open_log

WARM_S = 5.0
APPEND_S = 10.0
HANG_MS = 10_000
ROUNDS = 3
ROUND_S = 6.0
SLOW = "whatsapp"
ALLOWED = 1.25
TELLING = ("whatsapp", "instagram", "messenger")
CHANNELS = (*TELLING, "telegram")


def dropped_responses(run: Course) -> None:
    """One answer in a hundred is lost after the provider took the message, on every channel."""
    for channel in CHANNELS:
        run.system.phones.behave(channel, drop_response_rate=0.01)
    run.go(20.0)
    for channel in CHANNELS:
        run.system.phones.behave(channel)
    stats = run.system.phones.stats()
    run.figures["answers_dropped"] = sum(int(each.get("answers_dropped", 0)) for each in stats.values())


def receipts(run: Course) -> None:
    """Receipts come twice, in any order, before the answer they are about, and for ids that nobody knows."""
    odd = {"delivered_after_ms": 20, "read_after_ms": 40, "duplicate": True, "shuffle": True, "before_response": 0.5}
    for channel in TELLING:
        run.system.phones.behave(channel, receipts=odd)
    strangers(run, 20)
    for channel in TELLING:
        run.system.phones.behave(channel)


def strangers(run: Course, seconds: int) -> None:
    """Receipts for what somebody else sent from the same account: they come to us too, and are nobody's."""
    log, now = open_log(run.system.settings), int(time.time() * 1000)
    told = [ProviderReceipt(channel, "1", f"stranger-{n}", "read", now) for n in range(20) for channel in TELLING]
    try:
        for _ in range(seconds):
            log.append([status_record(each, run.system.settings.partitions, {}) for each in told], APPEND_S)
            run.go(1.0)
    finally:
        log.close()
    run.figures["receipts_of_strangers"] = seconds * len(told)


def refusing(run: Course) -> None:
    """Every channel answers half of all calls with 500 or 429 for 60 s."""
    run.go(WARM_S)
    codes = {"whatsapp": (130429, 131000), "instagram": (613, 2), "messenger": (613, 2), "telegram": (429, 500)}
    for channel, (fast, broken) in codes.items():
        rules = [
            {"status": 429, "code": fast, "rate": 0.25, "retry_after": 1},
            {"status": 500, "code": broken, "rate": 0.33},
        ]
        run.system.phones.behave(channel, rules=rules)
    run.go(60.0)
    for channel in codes:
        run.system.phones.behave(channel)
    run.hit()


def hanging(run: Course) -> None:
    """WhatsApp hangs for 10 s at each call, on and off; the other channels are as fast as without it."""
    run.go(WARM_S)
    spans: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for number in range(2 * ROUNDS):
        slow = number % 2 == 1
        run.system.phones.behave(SLOW, delay_ms=HANG_MS if slow else 0)
        run.go(1.0)
        begin = run.hit()
        run.go(ROUND_S)
        spans[slow].append((begin, run.hit()))
    run.system.phones.behave(SLOW)
    run.hit()
    run.go(3.0)
    history = run.outcome.history()
    calm, slow_ones = (others_p99(history, spans[slow], _is_slow) for slow in (False, True))
    run.figures |= {"others_p99_ms": calm, "others_p99_ms_while_one_hangs": slow_ones}
    if slow_ones > ALLOWED * calm:
        run.wrong.append(f"the other channels' p99 went from {calm:.0f} to {slow_ones:.0f} ms")


def _is_slow(arrival: Arrival) -> bool:
    return arrival.to.startswith(SLOW)


def others_p99(history: History, spans: list[tuple[int, int]], is_harmed: Callable[[Arrival], bool]) -> float:
    """Of the time from acknowledgement to the provider (ms), of all but what was harmed, for messages of these spans."""
    accepted = {each.message_id: each.at for each in history.accepted}
    took = [
        each.at - accepted[each.message_id]
        for each in history.arrivals
        if not is_harmed(each) and any(begin <= accepted[each.message_id] <= end for begin, end in spans)
    ]
    return spread(took).p99
