"""How far the stages have come, tries of records, and dead letters, in SQLite."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chat4all.model.clock import day_of, now_ms
from chat4all.model.records import Range
from chat4all.ports.event_log import Topic
from chat4all.ports.progress import DeadLetter, Progress, ProgressStore, Trouble
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Write, as_json, fetched

KEEP_TOPIC = "INSERT INTO topics VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
TOPIC = "SELECT * FROM topics WHERE name = ?"

PROGRESS = "SELECT partition, done, beat FROM progress WHERE topic = ? ORDER BY partition"
ADVANCE = Write(
    "INSERT INTO progress VALUES {rows} ON CONFLICT DO UPDATE SET done = max(done, excluded.done), beat = beat + 1", 4
)

TRY = Write("INSERT INTO tries VALUES {rows} ON CONFLICT DO UPDATE SET excused = max(excused, excluded.excused)", 8)
TROUBLES = """
SELECT stage, partition, first, last, count(*) AS tries FROM tries INDEXED BY tries_that_count
WHERE topic = ? AND partition = ? AND last >= ? AND first <= ? AND excused = 0 GROUP BY stage, first, last
"""

BURY = Write("INSERT INTO dead_letters VALUES {rows} ON CONFLICT DO NOTHING", 8)
KEEP_BODY = Write("INSERT INTO letter_bodies VALUES {rows} ON CONFLICT DO NOTHING", 3)
KEPT = "SELECT d.body, b.body FROM dead_letters AS d JOIN letter_bodies AS b USING (letter_id) WHERE letter_id = ?"
OF_DAY = """
SELECT body FROM dead_letters
WHERE day = ? AND (at, letter_id) > (coalesce((SELECT at FROM dead_letters WHERE letter_id = ?), -1), ?)
ORDER BY at, letter_id LIMIT ?
"""
BURIED = """
SELECT body FROM dead_letters
WHERE topic = ? AND partition = ? AND offset BETWEEN max(?, 0) AND ? AND delivery = '' ORDER BY at DESC, letter_id DESC
"""

_letter = msgspec.json.Decoder(DeadLetter).decode


class SQLiteProgress(ProgressStore):
    """The progress's part of the store."""

    _db: Connections

    def keep_topic(self, topic: Topic) -> Topic:
        with self._db.write() as db:
            db.execute(KEEP_TOPIC, msgspec.structs.astuple(topic))
            return Topic(*db.execute(TOPIC, (topic.name,)).fetchone())

    def progress(self, topic: str) -> dict[int, Progress]:
        with self._db.read() as db:
            rows = fetched(db, "partition, done, beat", PROGRESS, (topic,))
        return {partition: Progress(done, beat) for partition, done, beat in rows}

    def raise_progress(self, topic: str, done: Mapping[int, int]) -> None:
        self._db.put((ADVANCE, [(topic, partition, offset, 1) for partition, offset in done.items()]), syncs=False)

    def beat(self, topic: str, partitions: Sequence[int]) -> None:
        self.raise_progress(topic, dict.fromkeys(partitions, -1))

    def begin_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        self._note(stage, topic, ranges, run, excused=0)

    def excuse_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        self._note(stage, topic, ranges, run, excused=1)

    def _note(self, stage: str, topic: str, ranges: Sequence[Range], run: str, excused: int) -> None:
        at = now_ms()
        self._db.put((TRY, [(topic, *msgspec.structs.astuple(each), stage, run, excused, at) for each in ranges]))

    def troubles(self, topic: str, ranges: Sequence[Range]) -> list[Trouble]:
        with self._db.read() as db:
            asked = [(topic, each.partition, each.first, each.last) for each in ranges]
            rows = {tuple(row) for each in asked for row in fetched(db, "stage, partition, first, last, tries", TROUBLES, each)}
        return [Trouble(stage, Range(partition, first, last), tries) for stage, partition, first, last, tries in sorted(rows)]

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self._db.put((BURY, [_row(each) for each in letters]))

    def keep_webhooks(self, kept: Sequence[tuple[DeadLetter, bytes]]) -> None:
        bodies = [(letter.letter_id, letter.at, zlib.compress(body)) for letter, body in kept]
        self._db.put((KEEP_BODY, bodies), (BURY, [_row(letter) for letter, _ in kept]))

    def kept_webhook(self, letter_id: str) -> tuple[DeadLetter, bytes] | None:
        with self._db.read() as db:
            row = db.execute(KEPT, (letter_id,)).fetchone()
        return (_letter(row[0]), zlib.decompress(row[1])) if row else None

    def dead_letters(self, day: str, limit: int, after: str = "") -> list[DeadLetter]:
        with self._db.read() as db:
            rows = fetched(db, "body", OF_DAY, (day, after, after, limit))
        return [_letter(body) for (body,) in rows]

    def buried(self, topic: str, ranges: Sequence[Range]) -> dict[tuple[int, int], DeadLetter]:
        with self._db.read() as db:
            asked = [(topic, each.partition, each.first, each.last) for each in ranges]
            letters = [_letter(body) for each in asked for (body,) in fetched(db, "body", BURIED, each)]
        return {(each.partition, each.offset): each for each in letters}


def _row(letter: DeadLetter) -> tuple[Any, ...]:
    place = (letter.topic, letter.partition, letter.offset, letter.delivery)
    return (letter.letter_id, day_of(letter.at), letter.at, *place, as_json(letter))
