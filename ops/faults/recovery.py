"""How long a run took to come back, and what waited meanwhile. Pure."""

from collections.abc import Container

from ops.faults.history import History


def recovery_ms(history: History, hit_at: int, excused: Container[tuple[str, str]] = ()) -> int:
    """How long after `hit_at` (ms UTC) the last of what had been accepted by then came for the first time; 0: all was there.

    `excused`: (to, conversation) whose time says nothing, because a call of unknown outcome has to be waited for.
    """
    firsts = _firsts(history)
    came = [
        firsts[each.message_id, to]
        for each in history.accepted
        for to in each.readers | each.addresses
        if each.at <= hit_at and (each.message_id, to) in firsts and (to, each.conversation_id) not in excused
    ]
    return max(0, max(came, default=0) - hit_at)


def waiting_at(history: History, at: int) -> int:
    """How many (message, to) had been accepted by then and came later: the backlog."""
    firsts = _firsts(history)
    return sum(
        firsts.get((each.message_id, to), at + 1) > at
        for each in history.accepted
        if each.at <= at
        for to in each.readers | each.addresses
    )


def _firsts(history: History) -> dict[tuple[str, str], int]:
    firsts: dict[tuple[str, str], int] = {}
    for each in [*history.arrivals, *history.seen]:
        firsts.setdefault((each.message_id, each.to), each.at)
    return firsts
