"""What grows, in Cassandra: every row carries its end, and nothing that may be large is read whole."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat4all.model.clock import DAY_MS, day_of
from chat4all.model.deliveries import DeliveryKey, Facts
from chat4all.model.files import message_holder
from chat4all.ports import DeadLetter, Handle, Registration, WebhookCall
from storage.message_store.cassandra import CassandraStore
from storage.message_store.cassandra_session import Session
from tests.contracts.cassandra_server import cassandra_settings
from tests.contracts.stores import delivery, fresh, lane, message

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("cassandra_server")]
DAY_S = 86_400
KEPT = {"messages": 60, "deliveries": 40, "handles": 30, "letters": 20}


@pytest.fixture
def limited(cassandra_server: object, tmp_path: Path) -> Iterator[CassandraStore]:
    """A store with limits for everything."""
    yield from _store(tmp_path, **KEPT)


@pytest.fixture
def unlimited(cassandra_server: object, tmp_path: Path) -> Iterator[CassandraStore]:
    """A store that keeps everything for ever."""
    yield from _store(tmp_path, **dict.fromkeys(KEPT, 0))


def _store(folder: Path, **kept: int) -> Iterator[CassandraStore]:
    days = {f"keep_{kind}_days": number for kind, number in kept.items()}
    store = CassandraStore(cassandra_settings(folder).model_copy(update=days))
    store.migrate()
    yield store
    store.close()


def ends(store: CassandraStore) -> dict[str, list[int | None]]:
    """For how many days one of each kind of row that was written just now is kept."""
    key, talk, name = DeliveryKey(lane(), 5, 0), fresh("c"), fresh("m")
    store.put_messages([message(talk, 5)])
    store.register([Registration(talk, name, 5, "d")])
    store.put_deliveries([delivery(key)])
    store.record({key: Facts(sent_at=5)}, [Handle(key.lane.channel, "a", name, key)])
    store.add_dead_letters([DeadLetter(name, int(time.time() * 1000), "s", "r", topic=talk, offset=5)])
    channel = key.lane.channel
    asked = {
        "messages": ("SELECT TTL(body) FROM messages WHERE conversation_id = ? AND bucket = 0", talk),
        "ids": ("SELECT TTL(digest) FROM message_ids WHERE message_id = ?", name),
        "deliveries": ("SELECT TTL(body) FROM deliveries WHERE channel = ? AND partition = 0 AND bucket = 0", channel),
        "handles": ("SELECT TTL(delivery) FROM handles WHERE channel = ? AND account = 'a' AND provider_id = ?", channel, name),
        "letters": ("SELECT TTL(body) FROM dead_letters WHERE letter_id = ?", name),
        "buried": ("SELECT TTL(body) FROM buried WHERE topic = ? AND partition = 0", talk),
    }
    found = {kind: [ttl for (ttl,) in store._db.rows(*query)] for kind, query in asked.items()}
    return {kind: [None if ttl is None else -(-ttl // DAY_S) for ttl in ttls] for kind, ttls in found.items()}


def test_rows_are_written_with_their_end(limited: CassandraStore) -> None:
    """As the settings say; letters a few days longer, to be counted."""
    assert ends(limited) == {
        "messages": [60],
        "ids": [75],
        "deliveries": [40],
        "handles": [30],
        "letters": [23],
        "buried": [23],
    }


def test_what_is_kept_for_ever_has_no_end(unlimited: CassandraStore) -> None:
    """Neither now nor by a default of the table."""
    assert set(map(tuple, ends(unlimited).values())) == {(None,)}


def test_calls_of_webhooks_are_written_with_their_end(cassandra_server: object, tmp_path: Path) -> None:
    """As the settings say, each in the partition of its day."""
    name, now = fresh("wh"), int(time.time() * 1000)
    for store in _store(tmp_path, webhook_calls=3):
        store.log_webhook_calls([WebhookCall(name, "1", now, "e", "t")])
        query = "SELECT TTL(body) FROM webhook_calls WHERE webhook_id = ? AND day = ?"
        [(ttl_s,)] = store._db.rows(query, name, day_of(now))
        assert -(-ttl_s // DAY_S) == 3
        assert store.expire(now).rows.get("webhook_calls") is None


def test_letters_are_counted_when_they_have_had_their_days(limited: CassandraStore) -> None:
    """Each day once, before they expire; nothing is counted at the first look, which has nothing to compare with."""
    old = int(time.time() * 1000) + 900 * DAY_MS
    limited.add_dead_letters([DeadLetter(fresh("l"), old, "s", "r") for _ in range(3)])
    over = old + KEPT["letters"] * DAY_MS
    limited.expire(over)
    assert limited.expire(over + DAY_MS).rows == {"letters": 3}
    assert limited.expire(over + DAY_MS).rows == {}


def test_a_reference_costs_the_same_however_many_there_are(limited: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """To hold an object, to keep it again and to see that it may not retire reads a row each, not three hundred."""
    checksum = fresh("sum")
    limited.keep_object(checksum, "key", "file:one", 1)
    limited.hold_objects([(checksum, message_holder("one", "c", f"{number}")) for number in range(300)], 2)
    read = 0

    def counting(method: Any) -> Any:
        def counted(self: Session, *asked: Any) -> Any:
            nonlocal read
            found = method(self, *asked)
            read += len(found)
            return found

        return counted

    monkeypatch.setattr(Session, "serial", counting(Session.serial))
    monkeypatch.setattr(Session, "rows", counting(Session.rows))
    assert limited.hold_objects([(checksum, message_holder("one", "c", "new"))], 3) == [True]
    assert limited.keep_object(checksum, "other", "file:two", 3) == "key"
    assert not limited.retire_object(checksum, "key")
    assert 3 <= read < 10
