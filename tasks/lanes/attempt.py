"""One attempt at one delivery: what is checked before the call, and what follows from each way in which it can end."""

import random
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from chat4all.model.causes import SUSPENDS_ACCOUNT, ends_leg
from chat4all.model.clock import now_ms
from chat4all.model.content import Album, Media, Text
from chat4all.model.conversations import Identity
from chat4all.model.deliveries import OUTSIDE, WITHDRAWALS, Delivery, DeliveryKey, Facts, each_id, reason
from chat4all.model.failures import AddressMoved, Permanent, Temporary, Throttled, Unknown
from chat4all.model.workspaces import bare, workspace_of
from chat4all.ports import AccountLimits, Channel, Handle, MessageStore
from chat4all.services.accounts.news import suspend
from chat4all.services.contacts.families import is_same_person
from chat4all.services.inbound.address_changes import follow, successor
from chat4all.services.workspaces.scoped_store import scoped
from chat4all.telemetry import logs, metrics, trace_context, tracing
from tasks.lanes.aliases import Names
from tasks.lanes.calls import Calls
from tasks.lanes.conversions import in_its_form
from tasks.lanes.grace import Graces
from tasks.lanes.lease import Hold
from tasks.lanes.outcome import Done, Outcome, Wait, ends_of, in_a_word, letter_of, not_sent, refused, within_life
from tasks.lanes.outgoing_files import Pending, arrived
from tasks.lanes.places import Places
from tasks.lanes.pointing import First, is_open, resolved
from tasks.lanes.provider_uploads import Forgotten, Later, ProviderUploads, Source
from tasks.lanes.reply_windows import LOOK_MS, Gate
from tasks.lanes.signals import Signals
from tasks.lanes.threads import in_thread
from tasks.lanes.throttle import Throttle, backoff
from tasks.lanes.writer import Ended, GivenUp, Sent, Tried, Waits, Writer
from tasks.resources import Parts
from tasks.stages.stage import described

log = logs.logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Calls of one account under way at once. At 100 ms each that is 640 a second, more than any provider allows an account.
IN_FLIGHT = 64
# How often to look whether a file that a provider brought has been fetched, or one has been converted.
FILE_MS = 1000
# How often to look for the receipt that reconciles an unknown outcome.
RECEIPT_MS = 1000
# How many refused parts to remember; the store knows of older ones.
GIVEN_UP_MOST = 1000


class Sender:
    """A channel account's way out in this process."""

    def __init__(self, parts: Parts, channel: Channel, writer: Writer, executor: Executor) -> None:
        self._retries = channel.retries or parts.settings.retry_policy
        self.throttle = Throttle(channel.name, channel.limits, self._retries)
        self.calls = Calls(channel, parts, ProviderUploads(channel, parts, executor))
        self._parts, self.channel, self._writer, self._executor = parts, channel, writer, executor
        self.gate = Gate(parts, channel, executor)
        self._graces = Graces()
        self._in_flight = Places(IN_FLIGHT)
        self._names = Names()
        self._given_up: dict[DeliveryKey, str] = {}

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Try once, if it is time and the lane is ours. `refusals` in a row before this one."""
        if row.facts.unknown:
            waits, row = await self._reconciled(row, refusals)
            if waits:
                return waits
        if row.facts.ended:
            return Done(self.told_again(row))
        kept, freed_at = await self.gate.look(row, hold)
        if isinstance(kept, Wait):
            return kept
        if freed_at:
            self.gate.freed[row.key] = freed_at
        if row.as_human and not kept:
            row = replace(row, as_human=await self.gate.needs_human(row))
        try:
            outcome = kept or await self._once(row, refusals, hold)
            if row.part + 1 < row.parts and isinstance(outcome, Done):
                self._remember(outcome.write)
            if isinstance(outcome, Wait) and not outcome.is_held:
                return within_life(outcome, self._ends_of(row))
            return outcome
        finally:
            self.gate.freed.pop(row.key, None)

    async def _once(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        pointless = await self._pointless(row) if row.part else ""
        if pointless:
            return refused(row, pointless)
        return await (self._pointing if is_open(row) else self._tried)(row, refusals, hold)

    def passes(self, row: Delivery) -> bool:
        """Whether it is looked at while its key is held: it needs no window, or is held itself and may have to end."""
        return row.holds or row.facts.ended or not self.gate.needs_window(row)

    async def is_shut(self, row: Delivery) -> bool:
        """Whether what was just held is still to be."""
        return await self.gate.is_shut(row)

    def _ends_of(self, row: Delivery) -> int:
        return ends_of(row, self._parts.settings, self.gate.freed.get(row.key, 0))

    def told_again(self, row: Delivery) -> Ended | None:
        """What follows the facts of a delivery that was ended by an attempt: its event, parked receipts, dead letter.

        A holder that died right after it wrote the facts has not done these; doing them again changes nothing.
        """
        facts = row.facts
        if facts.attempts and facts.provider_id:
            return self._findable(row, facts, facts.sent_at)
        if facts.attempts and facts.refused_at:
            return GivenUp(row, Facts(), facts.refused_at, letter_of(row, facts.refused_at, facts.refused_reason))
        return None

    def follows(self, before: "Sender") -> None:
        """Take over from one with other credentials: what a person or the account was sent just now counts here too."""
        if before.channel.account == self.channel.account:
            self.throttle.follows(before.throttle)
            self._in_flight.resize(self.throttle.limits.calls_in_flight or IN_FLIGHT)

    def limit(self, limits: AccountLimits) -> None:
        """Keep to these, and where they say nothing to the channel's."""
        self.throttle.limit(limits, self.channel.limits.account_per_second)
        self._in_flight.resize(limits.calls_in_flight or IN_FLIGHT)

    def signals(self) -> Signals:
        """What the account shows in passing, beside all deliveries."""
        return Signals(self.channel, self.throttle.breaker)

    async def close(self) -> None:
        """Let go of the channel's connections. No attempt is under way any more."""
        await self.gate.close()
        await self.calls.uploads.close()
        await self.channel.close()

    # Before the call

    async def _reconciled(self, row: Delivery, refusals: int) -> tuple[Wait | None, Delivery]:
        """An earlier call's outcome is unknown: look whether a receipt told it, and give it time to, before sending again."""
        rows = await in_thread(self._executor, self._parts.store.deliveries, [row.key])
        row = rows[row.key]
        left_ms = self._graces.left_ms(row, max(self._retries.unknown_grace_s, self.calls.most_s(row)))
        if row.facts.ended or left_ms <= 0:
            self._graces.end(row.key)
            return None, row
        return Wait(now_ms() + self._look_again_ms(left_ms), refusals), row

    async def _pointless(self, row: Delivery) -> str:
        """Why not to send this, where the part before it will never arrive: half a message may say something else than all."""
        before = row.siblings()[row.part - 1]
        why = self._given_up.get(before, "")
        if not why:
            kept = await in_thread(self._executor, self._parts.store.deliveries, [before])
            why = reason(kept[before].facts) if before in kept else ""
        return why if why in WITHDRAWALS else "part_failed" if why else ""

    def _remember(self, write: Ended | None) -> None:
        """A part that was refused: the store may not have it yet when the next part's turn comes."""
        if isinstance(write, GivenUp) and write.facts.refused_at:
            older = self._given_up if len(self._given_up) < GIVEN_UP_MOST else {}
            self._given_up = older | {write.row.key: write.facts.refused_reason}

    async def _pointing(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Find what the provider calls the message that it is about. Nobody hears of a change to what never got there."""
        # What ended just before this one in its key may not be written yet: writes are done in order, so an empty one waits.
        await self._writer.write(Waits(()))
        known = await in_thread(self._executor, resolved(self._parts.store, row))
        if isinstance(known, First):
            return await self._behind(known.row, row, refusals, hold)
        return refused(row, known) if isinstance(known, str) else await self._tried(known, refusals, hold)

    async def _behind(self, first: Delivery, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Send what stands for the target of this row before it. The key is ours alone, and in its own turn it has ended."""
        if first.key == row.key:
            return Done()
        outcome = await self.attempt(first, refusals, hold)
        if isinstance(outcome, Wait):
            return outcome
        if outcome.write:
            await self._writer.write(outcome.write)
        return await self._pointing(row, 0, hold)

    async def _tried(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        if now_ms() >= self._ends_of(row):
            return refused(row, "expired", f"after {row.facts.attempts} attempts")
        if isinstance(row.payload, Media | Album):
            payload = await self._at_hand(row.payload)
            if isinstance(payload, Pending):
                return Wait(now_ms() + FILE_MS, refusals)
            row = replace(row, payload=payload)
        if not isinstance(row.payload, Media | Album):
            return await self._in_turn(row, refusals, hold)
        try:
            async with self.calls.source(row, row.payload) as source:
                return await self._in_turn(row, refusals, hold, source)
        except Later as later:
            return Wait(later.at, refusals)
        except Permanent as failure:
            return refused(row, failure.reason, failure.detail)

    async def _in_turn(self, row: Delivery, refusals: int, hold: Hold, source: Source = None) -> Outcome:
        """Try it when its turn has come. `source`: how a file goes out."""
        away_s = await self.throttle.clear(row.address, self.channel.limits.cost(row.payload))
        if away_s:
            return Wait(now_ms() + int(away_s * 1000) + 1, refusals)
        async with self._in_flight:
            away_s = self.throttle.enter()
            if away_s:
                return Wait(now_ms() + int(away_s * 1000) + 1, refusals)
            if not hold.goes_on():
                return Wait(now_ms(), refusals)
            return await self._send(row, refusals, hold, source)

    async def _at_hand(self, file: Media | Album) -> Media | Album | Text | Pending:
        """A file as it goes out: what one that a provider brought has come to, converted where that is needed."""
        if isinstance(file, Album):
            items = [await self._at_hand(each) if each.form else each for each in file.items]
            found_items = tuple(each for each in items if isinstance(each, Media))
            return replace(file, items=found_items) if len(found_items) == len(items) else Pending()
        found: Media | Text | Pending = file
        if not file.object_key:
            found = await in_thread(self._executor, arrived(self._parts.store, file))
        if isinstance(found, Media) and (found.form or found.mime_type in self.channel.limits.codecs):
            found = await in_thread(self._executor, in_its_form(self._parts, found, self.channel.limits))
        return found

    # The call

    async def _send(self, row: Delivery, refusals: int, hold: Hold, source: Source) -> Outcome:
        """Write that it is begun, look at the address and at the lease once more, and call."""
        self.throttle.sent(row.address)
        resends = row.facts.attempts - row.facts.refusals + row.overlaps
        begun = Facts(attempts=row.facts.attempts + 1, attempted_at=now_ms(), resends=resends)
        row = row.seen(begun)
        await self._writer.write(Tried(row, begun))
        standing = await self.gate.owners.look(row)
        to = await self._address(row, standing.owner)
        if not hold.valid():
            # Whoever holds the lane now may have begun an attempt of the same number: it is not ours to say what it came to.
            return Wait(now_ms(), refusals)
        if standing.withdrawn:
            return refused(row, standing.withdrawn.reason)
        if not to:
            return refused(row, "identity_moved")
        row = row if to == row.address else replace(row, address=to)
        with _step(row) as step:
            outcome = await self._call(row, refusals, source)
            step.set(outcome=in_a_word(outcome, refusals))
        if isinstance(outcome, Done) and isinstance(outcome.write, GivenUp) and not hold.valid():
            # The next holder may have sent it meanwhile: then it has not failed. It will hear the same, if it asks.
            return Wait(now_ms(), refusals)
        return outcome

    async def _address(self, row: Delivery, owner: Identity | None) -> str:
        """Where to send to now: there, while it is still that user's, or where they have gone from there. Empty: nowhere."""
        if owner and owner.user_id == row.user_id and owner.verified:
            return row.address
        return await in_thread(self._executor, self._place_now, row, owner if owner and owner.verified else None)

    def _place_now(self, row: Delivery, owner: Identity | None) -> str:
        store, user_id = _within(self._parts.store, row), bare(row.user_id)
        if owner and is_same_person(store, bare(owner.user_id), user_id):
            return row.address
        return successor(store, row.key.lane.channel, row.address, user_id)

    async def _call(self, row: Delivery, refusals: int, source: Source) -> Outcome:
        try:
            provider_id = await self.calls.post(row, source)
        except Forgotten:
            self.calls.came_to("temporary")
            self.throttle.succeeded()
            return Wait(now_ms(), refusals, not_sent(row))
        except Throttled as failure:
            self.calls.came_to("throttled")
            self.throttle.asked_to_wait()
            return Wait(now_ms() + int(failure.retry_after * 1000) + 1, refusals, not_sent(row))
        except Temporary as failure:
            self.calls.came_to("temporary")
            outcome = self._refused_for_now(row, refusals, failure)
            if failure.reason in SUSPENDS_ACCOUNT:
                await self._suspended(row, failure.reason)
            return outcome
        except Permanent as failure:
            self.calls.came_to("permanent")
            self.throttle.succeeded()
            return await self._refused_by_provider(row, refusals, failure)
        except Exception as error:  # noqa: BLE001 - Unknown, and whatever nobody foresaw: it may have left
            return self._doubtful(row, refusals, error)
        self.calls.came_to("sent")
        self.throttle.succeeded()
        self._count_second(row)
        return Done(self._sent(row, provider_id))

    # What it came to

    def _refused_for_now(self, row: Delivery, refusals: int, failure: Temporary) -> Outcome:
        """It is tried again, unless it was so often that it may never pass."""
        self.throttle.failed()
        log.info("attempt_failed", delivery=str(row.key), reason=failure.reason, **tracing.about(row))
        if (failure.tries and refusals + 1 >= failure.tries) or (row.has_next and ends_leg(failure.reason)):
            return refused(row, failure.reason, failure.detail)
        return Wait(now_ms() + self._backoff_ms(refusals) + 1, refusals + 1, not_sent(row))

    async def _suspended(self, row: Delivery, reason: str) -> None:
        """The provider takes nothing from the account for now: here at once, and soon wherever it is sent from.

        Of the environment's nothing is kept: each process finds out for itself, and tries one message now and then.
        """
        if not self.throttle.barred() or not row.account:
            return
        try:
            await in_thread(self._executor, suspend, self._parts.store, row.account, reason, now_ms())
        except (Temporary, Unknown) as outage:
            log.warning("account_not_suspended", channel=self.channel.name, account_id=row.account, reason=outage.reason)

    async def _refused_by_provider(self, row: Delivery, refusals: int, failure: Permanent) -> Outcome:
        """The end of it, unless the provider says where the address has gone: then it goes there."""
        if isinstance(failure, AddressMoved) and await in_thread(self._executor, self._followed, row, failure.to):
            return Wait(now_ms() + self._backoff_ms(refusals), refusals + 1, not_sent(row))
        if row.holds and failure.reason == OUTSIDE:
            self.gate.told_shut(row)
            at = now_ms()
            return Wait(max(min(at + LOOK_MS, row.expires_at), at), 0, not_sent(row), row.expires_at, is_held=True)
        return refused(row, failure.reason, failure.detail)

    def _followed(self, row: Delivery, to: str) -> bool:
        """Let the address move; whether what is addressed to the old one has somewhere to go now."""
        store, channel = _within(self._parts.store, row), row.key.lane.channel
        follow(store, channel, self.channel.account.account_id, row.address, to)
        return bool(successor(store, channel, row.address, bare(row.user_id)))

    def _doubtful(self, row: Delivery, refusals: int, error: Exception) -> Wait:
        """The person may have it: time for a receipt, longer each time, before it is sent again and counted."""
        self.calls.came_to("unknown")
        self.throttle.failed()
        metrics.UNKNOWN_OUTCOMES.of(self.channel.name).add()
        self._count_second(row)
        why = error.reason if isinstance(error, Unknown) else described(error)
        log.warning("outcome_unknown", delivery=str(row.key), reason=why, **tracing.about(row))
        life_ms = self._ends_of(row) - now_ms()
        grace_ms = max(int(self._retries.unknown_grace_s * 1000), min(self._backoff_ms(refusals), life_ms))
        self._graces.begin(row.key, grace_ms / 1000)
        return Wait(now_ms() + self._look_again_ms(grace_ms), refusals + 1)

    def _sent(self, row: Delivery, provider_id: str) -> Sent:
        at = now_ms()
        sent = self._findable(row, Facts(sent_at=at, provider_id=str(provider_id)), at)
        return replace(sent, spoken=True, aliases=self._names.learnt(row, provider_id))

    def _findable(self, row: Delivery, facts: Facts, at: int) -> Sent:
        """The provider has it: with the way back from its ids, where receipts without our reference may already wait."""
        account, limits = self.channel.account.account_id, self.channel.limits
        handles = [Handle(row.key.lane.channel, account, each, row.key) for each in each_id(facts.provider_id)]
        return Sent(row, facts, at, handles, limits.bare_receipts or not limits.echoes_reference)

    def _count_second(self, row: Delivery) -> None:
        """What may have left now may have left before."""
        if row.facts.resends:
            metrics.SECOND_SENDS.of(self.channel.name).add()

    def _backoff_ms(self, refusals: int) -> int:
        policy = self._retries
        return int(1000 * backoff(refusals + 1, policy.backoff_first_s, policy.backoff_most_s, random.random))

    def _look_again_ms(self, grace_ms: int) -> int:
        return min(grace_ms, RECEIPT_MS) if self.channel.limits.echoes_reference else grace_ms


def _within(store: MessageStore, row: Delivery) -> MessageStore:
    """The store as the delivery's workspace sees it."""
    return scoped(store, workspace_of(row.conversation_id))


def _step(row: Delivery) -> trace_context.Hop:
    """The attempt as the message's trace shows it."""
    if not tracing.is_sampled(row.trace):
        return tracing.NOTHING
    channel, attempts = row.key.lane.channel, row.facts.attempts
    home, delivery = row.conversation_id, str(row.key)
    return tracing.hop("attempt", row.trace, row.message_id, home, channel=channel, delivery=delivery, attempt=attempts)
