"""How far the stages have come, their tries, and the dead letters, in SQLite."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from chat4all.ports.event_log import Topic
from chat4all.ports.message_store import DeadLetter, Progress, ProgressStore, Trouble
from chat4all.records import Range
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json

KEEP_TOPIC = "INSERT INTO topics VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
TOPIC = "SELECT * FROM topics WHERE name = ?"

PROGRESS = "SELECT partition, done, beat FROM progress WHERE topic = ? ORDER BY partition"
ADVANCE = """
INSERT INTO progress VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET done = max(done, excluded.done), beat = beat + 1
"""

TRY = "INSERT INTO tries VALUES (?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT DO NOTHING"
EXCUSE = "INSERT INTO tries VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET excused = 1, at = excluded.at"
TROUBLES = """
SELECT stage, partition, first, last, count(*) FROM tries
WHERE topic = ? AND partition = ? AND last >= ? AND first <= ? AND excused = 0 GROUP BY stage, first, last
"""

BURY = "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
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
            return {partition: Progress(done, beat) for partition, done, beat in db.execute(PROGRESS, (topic,))}

    def raise_progress(self, topic: str, done: Mapping[int, int]) -> None:
        with self._db.write() as db:
            db.executemany(ADVANCE, [(topic, partition, offset) for partition, offset in done.items()])

    def beat(self, topic: str, partitions: Sequence[int]) -> None:
        self.raise_progress(topic, dict.fromkeys(partitions, -1))

    def begin_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        self._note(TRY, stage, topic, ranges, run)

    def excuse_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        self._note(EXCUSE, stage, topic, ranges, run)

    def _note(self, sql: str, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        now_ms = int(time.time() * 1000)
        with self._db.write() as db:
            db.executemany(sql, [(topic, *msgspec.structs.astuple(each), stage, run, now_ms) for each in ranges])

    def troubles(self, topic: str, ranges: Sequence[Range]) -> list[Trouble]:
        with self._db.read() as db:
            asked = [(topic, each.partition, each.first, each.last) for each in ranges]
            rows = dict.fromkeys(row for each in asked for row in db.execute(TROUBLES, each))
        return [Trouble(stage, Range(partition, first, last), tries) for stage, partition, first, last, tries in rows]

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        rows = [
            (each.letter_id, _day(each.at), each.at, each.topic, each.partition, each.offset, each.delivery, as_json(each))
            for each in letters
        ]
        with self._db.write() as db:
            db.executemany(BURY, rows)

    def dead_letters(self, day: str, limit: int, after: str = "") -> list[DeadLetter]:
        with self._db.read() as db:
            return [_letter(body) for (body,) in db.execute(OF_DAY, (day, after, after, limit))]

    def buried(self, topic: str, ranges: Sequence[Range]) -> dict[tuple[int, int], DeadLetter]:
        with self._db.read() as db:
            asked = [(topic, each.partition, each.first, each.last) for each in ranges]
            letters = [_letter(body) for each in asked for (body,) in db.execute(BURIED, each)]
        return {(each.partition, each.offset): each for each in letters}


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")
