"""Steps of broadcasts: each says something to those whose turn it is.

A step may be taken twice, and by two at once: what it says has ids made of broadcast and address, so it is said once. Only who
claims a step takes it, so the rate is kept. A position is moved after the results are kept, and only from where it was read.
Whose turn comes while they may not be told has another one later: the result says when, and is kept before the position moves.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from chat4all.model.broadcasts import (
    ACCEPTED,
    RATE_MOST,
    REFUSED,
    RUNNING,
    SHARE,
    SKIPPED,
    WAITING,
    Broadcast,
    Later,
    Reached,
    Result,
)
from chat4all.model.callers import MANAGE, SEND, Caller
from chat4all.model.clock import now_ms
from chat4all.model.conversations import UserKind
from chat4all.model.daily_budgets import frees_at, left, share
from chat4all.model.drafts import Accepted, Draft, Refused, Sendable, read_payload
from chat4all.model.failures import Temporary
from chat4all.model.ids import DEFAULT_WORKSPACE, made_id
from chat4all.ports import MessageStore
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.accounts.live import accounts_of
from chat4all.services.broadcasts.audience import Audience, Turn
from chat4all.services.broadcasts.daily_budget import budget_of

Others = Callable[[], Sequence[Broadcast]]
# While everybody sleeps nothing is written for so long.
SHOW_MS = 15_000


class BroadcastSteps:
    """Takes steps of what runs in a workspace. `store`, `acceptor`: as that sees them. `clock`: ms UTC."""

    def __init__(
        self,
        store: MessageStore,
        acceptor: Acceptor,
        clock: Callable[[], int] = now_ms,
        workspace: str = DEFAULT_WORKSPACE,
    ) -> None:
        self._store, self._acceptor, self._clock, self._workspace = store, acceptor, clock, workspace
        self._audience = Audience(store, acceptor.people)

    def step(self, broadcast: Broadcast, together: int = 1, others: Others = tuple) -> list[Result]:
        """Give the next ones their turn, if it is time and nobody else does; what came of it.

        together: how many broadcasts run on its channel, this one too. others: all others of its workspace on its channel, read
        now; asked only where the account has a daily budget. Temporary: nothing more can be said now; the same have their turn
        in a later step.
        """
        now = self._clock()
        pace = accounts_of(self._acceptor.people.channels).pace(broadcast.channel)
        most = broadcast.may_now(now, pace * SHARE / together)
        if not most or self._rests(broadcast, now):
            return []
        most = min(most, self._affordable(broadcast, others, now))
        claimed = replace(broadcast, stepped_at=now, version=broadcast.version + 1, waits_until=0)
        if not most or not self._store.put_broadcast(claimed):
            return []
        late = self._store.later(claimed.broadcast_id, claimed.later_after, now, most)
        room = 0 if claimed.exhausted else most - len(late)
        fresh = self._audience.page(claimed, room) if room else []
        reached = Reached(
            fresh[-1] if fresh else "",
            late[-1].place if late else "",
            claimed.exhausted or len(fresh) < room,
        )
        results, put_off = self._results(claimed, self._turns(claimed, fresh, late), now)
        self._store.put_later(claimed.broadcast_id, put_off)
        self._store.put_results(claimed.broadcast_id, [each for _, each in results])
        self._move(claimed, results, reached)
        return [each for _, each in results]

    def _rests(self, broadcast: Broadcast, now: int) -> bool:
        """Whether all that is left is later: a step would do nothing. Now and then one is taken, to show that it goes on."""
        if not broadcast.exhausted or now - broadcast.moved_at > SHOW_MS:
            return False
        return not self._store.later(broadcast.broadcast_id, broadcast.later_after, now, 1)

    def _affordable(self, broadcast: Broadcast, others: Others, now: int) -> int:
        """How many may be told within the account's daily budget. Where nobody may, that is noted, and shown now and then."""
        budget = budget_of(self._acceptor.people.channels, broadcast.channel)
        if not budget:
            return RATE_MOST
        if broadcast.waits_until > now and now - broadcast.moved_at <= SHOW_MS:
            return 0
        there = others()
        spent = [broadcast.spent, *(each.spent for each in there)]
        running = [each.broadcast_id for each in there if each.state == RUNNING]
        found = share(left(budget, spent, now), broadcast.broadcast_id, running)
        if not found and not self._has_more(broadcast, now):
            # A step finds nobody, and says that it is done.
            return 1
        if not found:
            until = frees_at(spent, now + 1)
            is_new = until != broadcast.waits_until
            waits = replace(broadcast, waits_until=until, moved_at=now, untold=broadcast.untold or is_new)
            self._store.put_broadcast(replace(waits, version=broadcast.version + 1))
        return found

    def _has_more(self, broadcast: Broadcast, now: int) -> bool:
        """Whether anybody could have their turn now."""
        fresh = [] if broadcast.exhausted else self._audience.page(broadcast, 1)
        return bool(fresh or self._store.later(broadcast.broadcast_id, broadcast.later_after, now, 1))

    def _turns(self, broadcast: Broadcast, fresh: Sequence[str], late: Sequence[Later]) -> list[Turn]:
        """Of those that were put off only those whose turn this is: they may have been put off twice."""
        kept = self._store.results_of(broadcast.broadcast_id, [each.turn for each in late]) if late else {}
        due = {each.turn: each.due_at for each in late if each.is_told_by(kept.get(each.turn))}
        return self._audience.turns(broadcast, fresh, due)

    def _results(self, broadcast: Broadcast, turns: Sequence[Turn], now: int) -> tuple[list[tuple[Turn, Result]], list[Later]]:
        later = {each.turn: at for each in turns if not each.why and (at := _over_at(broadcast, each, now))}
        going = [each for each in turns if not each.why and each.turn not in later]
        answers = self._answers(broadcast, going)
        put_off = [Later(at, turn) for turn, at in later.items()]
        results = [(each, _result(each, answer)) for each, answer in zip(going, answers, strict=True)]
        for each in turns:
            if each.why:
                results.append((each, replace(each.result, outcome=SKIPPED, reason=each.why)))
            elif each.turn in later:
                waits = replace(each.result, outcome=WAITING, reason="quiet_hours", due_at=later[each.turn])
                results.append((each, waits))
        return results, put_off

    def _answers(self, broadcast: Broadcast, going: Sequence[Turn]) -> Sequence[Accepted | Refused]:
        caller = Caller(broadcast.created_by, UserKind.CLIENT, frozenset({SEND, MANAGE}), workspace=self._workspace)
        payload = read_payload(broadcast.payload)
        drafts = [_draft(broadcast, payload, each.result.address) for each in going]
        answers = self._acceptor.accept(caller, drafts) if drafts else []
        for answer in answers:
            if isinstance(answer, Refused) and answer.status == 503:
                raise Temporary(answer.code, answer.detail)
        return answers

    def _move(self, claimed: Broadcast, results: Sequence[tuple[Turn, Result]], reached: Reached) -> None:
        late = sum(bool(turn.result.due_at) for turn, _ in results)
        there: Broadcast | None = claimed
        # Somebody who paused it meanwhile moved nothing; who took the same step was faster, and counted.
        while there and (there.after, there.later_after) == (claimed.after, claimed.later_after):
            wanted = there.advanced([each for _, each in results], late, reached, self._clock())
            if self._store.put_broadcast(replace(wanted, version=there.version + 1)):
                return
            there = self._store.broadcast(claimed.broadcast_id)


def _over_at(broadcast: Broadcast, turn: Turn, now: int) -> int:
    return broadcast.quiet.over_at(turn.time_zone, now) if broadcast.quiet else 0


def _draft(broadcast: Broadcast, payload: Sendable, place: str) -> Draft:
    return Draft(
        payload,
        to=[place],
        sender=broadcast.sender or None,
        key=made_id("broadcast", broadcast.broadcast_id, *place.split(":", 1)),
        metadata={"broadcast_id": broadcast.broadcast_id},
    )


def _result(turn: Turn, answer: Accepted | Refused) -> Result:
    if isinstance(answer, Refused):
        return replace(turn.result, outcome=REFUSED, reason=answer.code)
    return replace(turn.result, outcome=ACCEPTED, message_id=answer.message_id, conversation_id=answer.conversation_id)
