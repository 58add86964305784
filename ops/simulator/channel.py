"""One channel of the simulator: takes sends, lets people read them, lets people write."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from operator import itemgetter
from typing import Any

from ops.simulator.behaviour import Behaviour, Buckets, Receipts
from ops.simulator.held import Held
from ops.simulator.media import Gallery, fetch
from ops.simulator.model import Album, Answer, Arrival, Call, Clock, Fetched, Poll, Refused, Said, Send, Update
from ops.simulator.outbox import Outbox
from ops.simulator.providers.provider import Provider
from ops.simulator.record import Record

SAID_KEPT = 1000


class Dropped(Exception):
    """The send was taken, and its answer must be lost: close the connection."""


class SimulatedChannel:
    """A provider with its behaviour. `shown` is called with what the phones page shows: an Arrival or a Said.

    `usual`: how it behaves until it is told otherwise.
    """

    def __init__(
        self,
        provider: Provider,
        record: Record,
        webhook_url: str,
        shown: Callable[[Arrival | Said], None],
        clock: Clock,
        usual: Behaviour | None = None,
    ) -> None:
        self.usual = usual or Behaviour()
        self.provider = provider
        self.counts: Counter[str] = Counter()
        self.outbox = Outbox(provider, webhook_url, self.counts, self._told)
        self.behaviour = self.usual
        self.gallery = Gallery()
        self._buckets: Buckets | None = None
        self._held = Held(self._told)
        self._record = record
        self._shown = shown
        self._clock = clock
        self._later: set[asyncio.Task[None]] = set()
        self.said: deque[Said] = deque(maxlen=SAID_KEPT)
        provider.pending = lambda: len(self._held) if provider.polled else self.outbox.waiting()

    def start(self) -> None:
        """Begin, on the running loop; tell what a simulator that was killed had still to tell."""
        self.outbox.start()
        for arrival in self._record.unsettled(self.provider.name):
            self._tell(self._receipts(arrival, self.behaviour.receipts, 0))

    def behave(self, behaviour: Behaviour) -> None:
        """From now on like this."""
        self.behaviour = behaviour
        self._buckets = Buckets(behaviour.limits) if behaviour.limits else None

    async def close(self) -> None:
        """Stop telling and fetching."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self.outbox.close()

    def forget(self) -> None:
        """As new."""
        self.behave(self.usual)
        self.outbox.take()
        self._held.take()
        self.counts.clear()
        self.said.clear()
        self.gallery.clear()

    async def call(self, call: Call) -> Answer:
        """A call to the provider's endpoint. Dropped when the answer must be lost."""
        self.counts["calls"] += 1
        if self.behaviour.delay_ms:
            await asyncio.sleep(self.behaviour.delay_ms / 1000)
        polled = self.provider.polled
        try:
            wanted = self.provider.call(call)
            if isinstance(wanted, Send):
                return await self._take(wanted)
            if isinstance(wanted, Album):
                return await self._take_together(wanted)
            if isinstance(wanted, Poll):
                return self.provider.updates(await self._held.fetch(wanted))
        except Refused as refused:
            self.counts["refused"] += 1
            return self.provider.refused(refused)
        if wanted.signal:
            self.counts[wanted.signal] += 1
        if self.provider.drops_pending:
            self.provider.drops_pending = False
            self.outbox.take()
            self._held.take()
        if polled != self.provider.polled:
            self._change_sides()
        return wanted

    def _change_sides(self) -> None:
        """What waited for a webhook is fetched from now on, or the other way round."""
        if self.provider.polled:
            for update in self.outbox.take():
                self._held.add(update)
        else:
            for update in self._held.take():
                self.outbox.put(_key(update), update)

    async def _take_together(self, album: Album) -> Answer:
        """Nothing of it is kept before all of it is looked at."""
        codes = [await self._check(each) for each in album.sends]
        found = [await self._look(each) for each in album.sends]
        arrivals = [self._keep(*each) for each in zip(album.sends, found, strict=True)]
        for arrival, code in zip(arrivals, codes, strict=True):
            await self._answer_for(arrival, code)
        if self.behaviour.drops():
            self.counts["answers_dropped"] += 1
            raise Dropped
        return Answer(self.provider.taken_together(album.sends, [each.provider_id for each in arrivals]))

    async def _check(self, send: Send) -> int:
        """Whether it is taken: Refused, or the code with which it fails later, or 0."""
        rule = self.behaviour.rule(send)
        if rule is not None and rule.delay_ms:
            await asyncio.sleep(rule.delay_ms / 1000)
        if rule is not None and rule.status != 200:
            raise rule.refused()
        code = rule.code if rule else self._admit(send)
        if self._buckets is not None:
            self._buckets.check(send.to, *self.provider.too_fast)
        return code

    async def _take(self, send: Send) -> Answer:
        code = await self._check(send)
        looks_later = bool(send.media) and self.provider.fetches_later and not send.uploaded
        found = None if looks_later else await self._look(send)
        arrival = self._keep(send, found)
        if looks_later:
            self._begin(self._look_later(send, arrival, code))
        else:
            await self._answer_for(arrival, code)
        if self.behaviour.drops():
            self.counts["answers_dropped"] += 1
            raise Dropped
        return Answer(self.provider.taken(send, arrival.provider_id))

    def _admit(self, send: Send) -> int:
        """Whether this person may be written to now: Refused, or the code with which it fails later, or 0."""
        heard = self._record.heard(self.provider.name, send.to)
        refused: Refused | None = None
        if heard is None and not self.behaviour.strangers:
            refused = self.provider.nobody()
            later = self.provider.tells_failed
        elif self.behaviour.window != "off" and send.within_s is not None:
            open_until = -1 if heard is None else heard + send.within_s * 1000
            refused = self.provider.outside_window() if open_until < self._clock.now() else None
            later = self.provider.tells_failed and self.behaviour.window == "failed"
        if refused is None:
            return 0
        if later:
            return refused.code
        raise refused

    async def _look(self, send: Send) -> Fetched | None:
        """What is behind the link of a send, before it is answered. Refused when the provider does not take it."""
        if not send.media:
            return None
        if send.uploaded:
            content = self.provider.media_store.content(send.uploaded.media_id) or b""
            return Fetched(send.uploaded.size, send.uploaded.sha256, send.uploaded.mime_type, content)
        found = await self._fetch(send.media)
        refused = self.provider.unfit(send, found)
        if refused is not None:
            raise refused
        return found

    async def _look_later(self, send: Send, arrival: Arrival, code: int) -> None:
        """The same after the answer: what is not taken is told as a failed receipt."""
        found = await self._fetch(send.media)
        refused = self.provider.unfit(send, found)
        if found is not None:
            self._note(arrival, found)
            self._shown(arrival)
        await self._answer_for(arrival, code or (refused.code if refused else 0))

    async def _fetch(self, link: str) -> Fetched | None:
        found = await fetch(link)
        self.counts["media_fetched" if found else "media_not_fetched"] += 1
        return found

    def _keep(self, send: Send, found: Fetched | None) -> Arrival:
        arrival = Arrival(
            channel=self.provider.name,
            account=send.account,
            to=send.to,
            provider_id=self.provider.new_id(send.to),
            text=send.text,
            at=self._clock.now(),
            reference=send.reference,
            media=send.media,
            kind=send.kind,
            content=send.content,
            reply_to=send.reply_to,
            group=send.group,
        )
        if found is not None:
            self._note(arrival, found)
        self._record.add(arrival)
        self.counts["taken"] += 1
        self._shown(arrival)
        return arrival

    def _note(self, arrival: Arrival, found: Fetched) -> None:
        arrival.media_size, arrival.media_sha256, arrival.media_type = found.size, found.sha256, found.mime_type
        self.gallery.keep(arrival.provider_id, found)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _answer_for(self, arrival: Arrival, code: int) -> None:
        """Tell what becomes of a message: now, where receipts come before the answer, or when they are due."""
        receipts = self.behaviour.receipts
        updates = self._receipts(arrival, receipts, code)
        early = random.random() < receipts.before_response
        if not (early and updates and await self.outbox.post([update for _, update in updates])):
            self._tell(updates)

    def _receipts(self, arrival: Arrival, receipts: Receipts, code: int) -> list[tuple[float, Update]]:
        """(milliseconds from now, update) of all that will be told about a message."""
        times = {"sent": receipts.sent_after_ms, "delivered": receipts.delivered_after_ms, "read": receipts.read_after_ms}
        kinds = [kind for kind in self.provider.kinds if times[kind] is not None and self.provider.tells(arrival, kind)]
        if code and self.provider.tells_failed:
            kinds, times["failed"] = ["failed"], receipts.delivered_after_ms or 0
        afters = {kind: times[kind] or 0 for kind in kinds}
        if receipts.shuffle:
            afters = dict(zip(kinds, random.sample(list(afters.values()), len(kinds)), strict=True))
        twice = [kind for kind in kinds if random.random() < receipts.duplicate]
        planned = [(afters[kind], self._update(arrival, kind, afters[kind], code)) for kind in kinds + twice]
        planned.sort(key=itemgetter(0))
        if planned:
            planned[-1][1].last = True
        return planned

    def _update(self, arrival: Arrival, kind: str, after: float, code: int) -> Update:
        return Update(0, 0, self.provider.receipt(arrival, kind, self._clock.now() + int(after), code), kind, arrival)

    def _tell(self, planned: list[tuple[float, Update]]) -> None:
        for after, update in planned:
            self.outbox.put(_key(update), update, after)

    def tell(self, kind: str, content: Any) -> None:
        """Something that is about no message."""
        update = Update(0, 0, content, kind, None)
        self.outbox.put(_key(update), update)

    def says(self, said: Said) -> None:
        """A person writes. ValueError when what it refers to is no id of this provider."""
        content = self.provider.said(said)
        self.counts["inbound"] += 1
        self._record.hear(said.channel, said.sender, said.at)
        self.said.append(said)
        self._shown(said)
        if content is None:
            return
        update = Update(0, 0, content, "inbound", said)
        if self.provider.polled:
            self._held.add(update)
        else:
            self.outbox.put(_key(update), update)

    def _told(self, updates: Sequence[Update]) -> None:
        at = self._clock.now()
        for each in updates:
            if each.about is None:
                continue
            if isinstance(each.about, Said):
                each.about.taken_at = at
            else:
                each.about.told.setdefault(each.kind, at)
            self._shown(each.about)
        self._record.settle(each.about for each in updates if each.last and isinstance(each.about, Arrival))


def _key(update: Update) -> str:
    """What must be told in order: what one person writes, and what becomes of one message."""
    if update.about is None:
        return update.kind
    return update.about.sender if isinstance(update.about, Said) else update.about.provider_id
