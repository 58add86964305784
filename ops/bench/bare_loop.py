"""The floor to compare with: one process that reads the log, writes the same rows, sends, and appends the events.

`python -m ops.bench.bare_loop MESSAGES`: fills a log of its own (not measured), works it off, prints JSON. No Celery, no
lanes, no leases, no retries: what remains is the work itself, through the same adapters and the same channel.
"""

import asyncio
import json
import sys
import time
from uuid import uuid4

from msgspec import Struct

from chat4all.channels import open_channel
from chat4all.model.content import Text
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts
from chat4all.model.events import encode
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import INCOMING, TOPICS, Range, incoming_record
from chat4all.ports import Channel, EventLog, Handle, MessageStore, Outgoing
from chat4all.settings import Settings, load
from ops.harness.guard import refuse_real
from storage.open import open_log, open_store
from tasks.outcomes.events import message_event, state_event
from tasks.stages.batches import Batches
from tasks.stages.fan_out import rows_of
from tasks.stages.persist import registrations, split_live

CONVERSATIONS = 50
IN_FLIGHT = 64
FILL = 500
APPEND_S = 10.0


class _Parts(Struct, frozen=True):
    settings: Settings
    log: EventLog
    store: MessageStore
    channel: Channel


def fill(parts: _Parts, count: int) -> None:
    """Append messages as acceptance does: in turn to 50 people, each in their own conversation."""
    now = int(time.time() * 1000)
    people = [(str(uuid4()), f"+5531{number:09d}") for number in range(CONVERSATIONS)]
    records = []
    for number in range(count):
        conversation, address = people[number % CONVERSATIONS]
        message_id = str(uuid4())
        text = Text(f"{message_id} of the bench".ljust(60, "."))
        recipients = (Recipient(f"contact-{conversation}", "whatsapp", address),)
        message = Message(message_id, conversation, "alice", text, 1, now, recipients, digest="0" * 32)
        records.append(incoming_record(message, parts.settings.partitions, {}))
    for start in range(0, count, FILL):
        parts.log.append(records[start : start + FILL], APPEND_S)


async def work(parts: _Parts) -> int:
    """Everything that waits, in batches as large as the bridge's; how many messages that were."""
    batches, done = Batches(parts.log), 0
    ends = parts.log.ends(INCOMING)
    positions = {partition: first for partition, (first, _) in ends.items()}
    share = max(1, parts.settings.batch_records // len(ends))
    while ranges := [
        Range(partition, at, min(at + share, ends[partition][1]) - 1)
        for partition, at in positions.items()
        if at < ends[partition][1]
    ]:
        messages = batches.load(INCOMING, ranges).messages()
        await _batch(parts, messages)
        positions.update({span.partition: span.last + 1 for span in ranges})
        done += len(messages)
    return done


async def _batch(parts: _Parts, messages: list[Message]) -> None:
    store, partitions = parts.store, parts.settings.partitions
    store.register(registrations(messages))
    live, _ = split_live(store, messages)
    store.put_messages(live)
    rows = [row for each in live for row in rows_of(each, partitions)]
    store.put_deliveries(rows)
    parts.log.append([encode(message_event(each, partitions)) for each in live], APPEND_S)
    gate = asyncio.Semaphore(IN_FLIGHT)
    sent = await asyncio.gather(*(_send(parts.channel, row, gate) for row in rows))
    facts: dict[DeliveryKey, Facts] = {row.key: row.facts for row in sent}
    account = parts.channel.account.account_id
    handles = [Handle("whatsapp", account, row.facts.provider_id, row.key) for row in sent]
    spoken = {("whatsapp", row.address): (row.conversation_id, row.facts.sent_at) for row in sent}
    store.record(facts, handles, spoken)
    parts.log.append([encode(state_event(row, row.facts.sent_at, partitions)) for row in sent], APPEND_S)


async def _send(channel: Channel, row: Delivery, gate: asyncio.Semaphore) -> Delivery:
    text = row.payload.as_text()
    async with gate:
        began = int(time.time() * 1000)
        provider_id = await channel.send_text(Outgoing(row.address, text, str(row.key)))
    now = int(time.time() * 1000)
    return row.seen(Facts(attempts=1, attempted_at=began, sent_at=now, provider_id=provider_id))


async def _measure(parts: _Parts) -> dict[str, float]:
    cpu, begin = time.process_time(), time.monotonic()
    done = await work(parts)
    seconds = time.monotonic() - begin
    await parts.channel.close()
    used = (time.process_time() - cpu) / done * 1_000_000
    return {"messages": done, "messages_per_second": round(done / seconds, 1), "cpu_us_per_message": round(used, 1)}


def main() -> None:
    """Fill, measure, print."""
    settings = load()
    refuse_real(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    log, store = open_log(settings), open_store(settings)
    log.create(dict.fromkeys(TOPICS, settings.partitions))
    store.migrate()
    parts = _Parts(settings, log, store, open_channel("whatsapp", settings))
    fill(parts, int(sys.argv[1]))
    print(json.dumps(asyncio.run(_measure(parts))))
    log.close()
    store.close()


if __name__ == "__main__":
    main()
