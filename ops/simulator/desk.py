"""One channel of the simulator: takes sends, lets people read them, lets people write."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

from ops.simulator.behaviour import Behaviour, Buckets, Receipts
from ops.simulator.held import Held
from ops.simulator.media import fetch
from ops.simulator.model import Answer, Arrival, Poll, Refused, Said, Send, Update, now
from ops.simulator.outbox import Outbox
from ops.simulator.providers.provider import Provider
from ops.simulator.record import Record

SAID_KEPT = 1000


class Dropped(Exception):
    """The send was taken, and its answer must be lost: close the connection."""


class Desk:
    """A provider with its behaviour. `shown` is called with what the phones page shows: an Arrival or a Said."""

    def __init__(self, provider: Provider, record: Record, webhook_url: str, shown: Callable[[Arrival | Said], None]) -> None:
        self.provider = provider
        self.counts: Counter[str] = Counter()
        self.outbox = Outbox(provider, webhook_url, self.counts, self._told)
        self.behaviour = Behaviour()
        self._buckets: Buckets | None = None
        self._held = Held()
        self._record = record
        self._shown = shown
        self._fetching: set[asyncio.Task[None]] = set()
        self.said: deque[Said] = deque(maxlen=SAID_KEPT)

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
        for task in self._fetching:
            task.cancel()
        await asyncio.gather(*self._fetching, return_exceptions=True)
        await self.outbox.close()

    def forget(self) -> None:
        """As new."""
        self.behave(Behaviour())
        self.outbox.forget()
        self.counts.clear()
        self.said.clear()
        self._held = Held()

    async def call(self, method: str, path: Sequence[str], headers: Mapping[str, str], body: bytes) -> Answer:
        """A call to the provider's endpoint. Dropped when the answer must be lost."""
        self.counts["calls"] += 1
        if self.behaviour.delay_ms:
            await asyncio.sleep(self.behaviour.delay_ms / 1000)
        try:
            wanted = self.provider.call(method, path, headers, body)
            if isinstance(wanted, Poll):
                return self.provider.updates(await self._held.fetch(wanted))
            return wanted if isinstance(wanted, Answer) else await self._take(wanted)
        except Refused as refused:
            self.counts["refused"] += 1
            return self.provider.refused(refused.code, refused.status, refused.retry_after)

    async def _take(self, send: Send) -> Answer:
        rule = self.behaviour.rule(send)
        if rule is not None and rule.status != 200:
            raise Refused(rule.code, rule.status, rule.retry_after)
        if self._buckets is not None:
            self._buckets.check(send.to, *self.provider.too_fast)
        arrival = self._keep(send)
        receipts = self.behaviour.receipts
        updates = self._receipts(arrival, receipts, rule.code if rule else 0)
        early = random.random() < receipts.before_response
        if not (early and updates and await self.outbox.post([update for _, update in updates])):
            self._tell(updates)
        if self.behaviour.drops():
            self.counts["answers_dropped"] += 1
            raise Dropped
        return Answer(self.provider.taken(send, arrival.provider_id))

    def _keep(self, send: Send) -> Arrival:
        arrival = Arrival(
            channel=self.provider.name,
            account=send.account,
            to=send.to,
            provider_id=self.provider.new_id(send.to),
            text=send.text,
            at=now(),
            reference=send.reference,
            media=send.media,
        )
        self._record.add(arrival)
        self.counts["taken"] += 1
        self._shown(arrival)
        if send.media:
            task = asyncio.get_running_loop().create_task(self._fetch(arrival))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        return arrival

    async def _fetch(self, arrival: Arrival) -> None:
        """Look behind the link of a file, as providers do."""
        found = await fetch(arrival.media)
        if found is None:
            self.counts["media_not_fetched"] += 1
            return
        self.counts["media_fetched"] += 1
        arrival.media_size, arrival.media_sha256 = found.size, found.sha256

    def _receipts(self, arrival: Arrival, receipts: Receipts, code: int) -> list[tuple[float, Update]]:
        """(milliseconds from now, update) of all that will be told about a message."""
        times = {"sent": receipts.sent_after_ms, "delivered": receipts.delivered_after_ms, "read": receipts.read_after_ms}
        kinds = [kind for kind in self.provider.kinds if times[kind] is not None]
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
        return Update(0, 0, self.provider.receipt(arrival, kind, now() + int(after), code), kind, arrival)

    def _tell(self, planned: list[tuple[float, Update]]) -> None:
        for after, update in planned:
            self.outbox.put(update.about.provider_id, update, after)

    def says(self, said: Said) -> None:
        """A person writes. ValueError when what it refers to is no id of this provider."""
        content = self.provider.said(said)
        self.counts["inbound"] += 1
        self.said.append(said)
        self._shown(said)
        if self.provider.polled:
            self._held.add(content)
        else:
            self.outbox.put(said.sender, Update(0, 0, content, "inbound", said))

    def _told(self, updates: Sequence[Update]) -> None:
        at = now()
        for each in updates:
            if isinstance(each.about, Said):
                each.about.taken_at = at
            else:
                each.about.told.setdefault(each.kind, at)
            self._shown(each.about)
        self._record.settle(each.about for each in updates if each.last and isinstance(each.about, Arrival))
