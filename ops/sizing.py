"""`python -m ops.sizing [MESSAGES] [--cassandra]`: how many bytes each kind of row takes, by filling a store of its own.

Messages of a hundred characters to one person on WhatsApp, in fifty times fewer conversations, each sent, delivered and
read: through the stages themselves, the sending aside. An endpoint of a webhook for each conversation, which is called once for
each message of it. Prints bytes per message and table as JSON; docs/sizing.md reckons with them.
"""

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from chat4all.model.clock import DAY_MS
from chat4all.model.content import Text
from chat4all.model.conversations import Conversation, ConversationType, Identity, User, UserKind
from chat4all.model.deliveries import Delivery, Facts, Lane
from chat4all.model.messages import Message, Recipient, body_digest
from chat4all.model.records import INCOMING, STATUS, ProviderReceipt, Range, incoming_record, status_record
from chat4all.ports import Change, Handle, Webhook, WebhookCall
from chat4all.settings import Settings
from ops.native.cassandra import Cassandra
from ops.native.processes import free_port
from ops.native.stack import default_home
from tasks.outcomes.events import publish, state_event
from tasks.resources import Parts, open_parts
from tasks.stages.batches import Batches
from tasks.stages.fan_out import fan_out
from tasks.stages.persist import persist
from tasks.stages.receipts import receipts

STEP = 500
PER_CONVERSATION = 50
APPEND_S = 30.0
ACCOUNT = "106540352242922"
DAYS = {"deliveries": 28}
TABLES = (
    "SELECT coalesce(m.tbl_name, s.name), sum(s.pgsize) FROM dbstat AS s LEFT JOIN sqlite_schema AS m USING (name) GROUP BY 1"
)


def fill(parts: Parts, count: int) -> None:
    """All of their way, step by step."""
    for first in range(0, count, STEP):
        _step(parts, range(first, min(first + STEP, count)))


def _step(parts: Parts, numbers: Sequence[int]) -> None:
    now = int(time.time() * 1000)
    said = [_message(number, now) for number in numbers]
    people = {each.conversation_id: each.recipients[0] for each in said}
    parts.store.add_users([User(each.user_id, UserKind.CONTACT, now, "Maria da Silva") for each in people.values()])
    parts.store.claim_addresses([Identity(each.channel, each.address, each.user_id, now) for each in people.values()])
    parts.store.add_conversations(
        [(Conversation(name, ConversationType.PRIVATE, "shop", now), ["shop", each.user_id]) for name, each in people.items()]
    )
    places = _appended(parts, INCOMING, [incoming_record(each, parts.partitions, {}) for each in said])
    batch = Batches(parts.log).load(INCOMING, places)
    persist(parts, batch, False)
    fan_out(parts, batch, False)
    _sent(parts, places, now)
    _called(parts, said, now)


def _message(number: int, now: int) -> Message:
    """As acceptance freezes it."""
    talk = number // PER_CONVERSATION
    person = Recipient(_id("person", talk), "whatsapp", f"+5511{talk:09d}")
    text = Text(
        f"Message {number} is a hundred characters long, which is what people write on their phones on most days."[:100]
    )
    return Message(
        _id("message", number), _id("talk", talk), "shop", text, 1, now, (person,), digest=body_digest(text), sender_name=""
    )


def _id(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, ":".join(map(str, parts))))


def _appended(parts: Parts, topic: str, records: Sequence[object]) -> list[Range]:
    before = parts.log.ends(topic)
    parts.log.append(records, APPEND_S)  # type: ignore[arg-type]
    after = parts.log.ends(topic)
    return [Range(each, before[each][1], end - 1) for each, (_, end) in after.items() if end > before[each][1]]


def _sent(parts: Parts, places: Sequence[Range], now: int) -> None:
    """What a lane writes of calls that went well, and what the provider says of them."""
    rows: list[Delivery] = []
    for each in places:
        lane = Lane("whatsapp", each.partition)
        rows += parts.store.lane_rows(lane, (each.first, 2**31 - 1), each.last + 1, STEP)
    parts.store.record({row.key: Facts(attempts=1, attempted_at=now) for row in rows})
    sent = [row.seen(Facts(attempts=1, attempted_at=now, sent_at=now, provider_id=_provider_id(row))) for row in rows]
    parts.store.record(
        {row.key: row.facts for row in sent},
        [Handle("whatsapp", ACCOUNT, row.facts.provider_id, row.key) for row in sent],
        {("whatsapp", row.address): (row.conversation_id, now) for row in sent},
        changes=[Change(row.conversation_id, now, "state", str(row.key)) for row in sent],
    )
    publish(parts.log, [state_event(row, now, parts.partitions) for row in sent])
    for lane in {row.key.lane for row in rows}:
        parts.store.raise_cursor(lane, max(row.key.seq for row in rows if row.key.lane == lane), 0)
    told = [
        ProviderReceipt("whatsapp", ACCOUNT, row.facts.provider_id, kind, now + later)
        for kind, later in (("delivered", 1_000), ("read", 9_000))
        for row in sent
    ]
    places = _appended(parts, STATUS, [status_record(each, parts.partitions, {}) for each in told])
    receipts(parts, Batches(parts.log).load(STATUS, places), False)


def _called(parts: Parts, said: Sequence[Message], now: int) -> None:
    """What is kept of endpoints and of calls to them."""
    for each in dict.fromkeys(message.conversation_id for message in said):
        url = "https://hooks.example.com/chat4all/v1/events"
        types = ("message.received", "message.sent", "message.delivered")
        parts.store.put_webhook(
            Webhook(each, url, types, sealed=b"s" * 200, created_at=now, changed_at=now, created_by="shop", version=1)
        )
    parts.store.log_webhook_calls(
        [
            WebhookCall(
                webhook_id=each.conversation_id,
                call_id=f"{now:013d}-{_id('call', each.message_id)[-12:]}",
                at=now,
                event_id=each.message_id,
                type="message.received",
                conversation_id=each.conversation_id,
                offset=number,
                status=200,
                took_ms=42,
                answer='{"ok":true}',
            )
            for number, each in enumerate(said)
        ]
    )


def _provider_id(row: Delivery) -> str:
    return f"wamid.{(_id(row.key) + _id('more', row.key)).replace('-', '').upper()[:56]}"


# What it came to.


def tables(path: Path) -> dict[str, int]:
    """Bytes of each table of a SQLite file, its indexes with it."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute(TABLES))


def per_message(sizes: dict[str, int], count: int) -> dict[str, float]:
    """The larger ones, for each message."""
    found = {name: round(size / count, 1) for name, size in sorted(sizes.items(), key=lambda each: -each[1])}
    return {name: size for name, size in found.items() if size >= 1}


def embedded(folder: Path, count: int) -> dict[str, dict[str, float]]:
    """Store and log in a folder, and the store again when its delivery rows have had their days."""
    parts = open_parts(Settings(data=folder, keep_deliveries_days=DAYS["deliveries"]))
    fill(parts, count)
    store = per_message(tables(folder / "store.db"), count)
    parts.store.expire(int(time.time() * 1000) + (DAYS["deliveries"] + 1) * DAY_MS)
    later = per_message(tables(folder / "store.db"), count)
    log = {path.stem: round(sum(tables(path).values()) / count, 1) for path in sorted((folder / "log").glob("*.topic"))}
    parts.close()
    return {"store": store, "store_after_days": later, "log": log}


@contextmanager
def _node(folder: Path) -> Iterator[Cassandra]:
    node = Cassandra(default_home(), folder, free_port())
    node.start()
    try:
        yield node
    finally:
        node.stop()


def on_cassandra(folder: Path, count: int) -> dict[str, dict[str, float]]:
    """One copy of each table, as it lies on the disk after the node has written all of it down and ended."""
    (folder / "node").mkdir()
    with _node(folder / "node") as node:
        os.environ.setdefault("CHAT4ALL_SECRET_FILES", "x" * 64)
        parts = open_parts(Settings(data=folder, store=f"cassandra://{node.address}/sizing?replication=1"))
        fill(parts, count)
        parts.close()
    kept = next((folder / "node" / "data").rglob("sizing"))
    sizes = {
        each.name.rpartition("-")[0]: sum(file.stat().st_size for file in each.rglob("*") if file.is_file())
        for each in kept.iterdir()
    }
    return {"store": per_message(sizes, count)}


def main() -> None:
    """Fill, measure, print."""
    numbers = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    measure = on_cassandra if "--cassandra" in sys.argv else embedded
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), *(numbers or [20_000])), indent=2))


if __name__ == "__main__":
    main()
