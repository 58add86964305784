"""How far the stages have come, tries of records, and dead letters, in Cassandra."""

import zlib
from collections.abc import Mapping, Sequence

import msgspec

from chat4all.model.clock import DAY_MS, day_of
from chat4all.model.records import Range
from chat4all.model.retention import (
    Retention,
    before,
)
from chat4all.ports.event_log import Topic
from chat4all.ports.progress import DeadLetter, Progress, ProgressStore, Trouble
from storage.message_store.cassandra_rows import TOP, Lookup, Register, as_json
from storage.message_store.cassandra_session import Call, Put, Session

TOPICS = Register("topics", "name")

PROGRESS = "SELECT partition, done, beat FROM progress WHERE topic = ?"
DONE = "UPDATE progress USING TIMESTAMP ? SET done = ? WHERE topic = ? AND partition = ?"
BEAT = "UPDATE progress USING TIMESTAMP ? SET beat = ? WHERE topic = ? AND partition = ?"

DAY_S = 86_400
KEEP_TRIES_S = 7 * DAY_S
TRY = "INSERT INTO tries (topic, partition, last, first, stage, run) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
EXCUSE = "INSERT INTO tries (topic, partition, last, first, stage, run, excused) VALUES (?, ?, ?, ?, ?, ?, true) USING TTL ?"
TROUBLES = "SELECT first, last, stage, run, excused FROM tries WHERE topic = ? AND partition = ? AND last >= ?"

LETTER = "INSERT INTO dead_letters (letter_id, at, body) VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?"
LETTER_OF_DAY = "INSERT INTO dead_letters_of_day (day, at, letter_id) VALUES (?, ?, ?) USING TTL ?"
BURY = "INSERT INTO buried (topic, partition, place, at, letter_id, body) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
KEEP_BODY = "INSERT INTO letter_bodies (letter_id, body) VALUES (?, ?) USING TTL ?"
BODY = "SELECT body FROM letter_bodies WHERE letter_id = ?"
LETTERS = Lookup("at, body", "dead_letters", "letter_id")
OF_DAY = "SELECT at, letter_id FROM dead_letters_of_day WHERE day = ? AND (at, letter_id) > (?, ?) LIMIT ?"
BURIED = "SELECT place, body FROM buried WHERE topic = ? AND partition = ? AND place >= ? AND place <= ?"

# Letters outlive their days by a little, so that they can be counted.
LETTERS_COUNTED_DAYS = 3
LETTERS_OF = "SELECT count(*) FROM dead_letters_of_day WHERE day = ?"
COUNTED = "SELECT value FROM positions WHERE name = 'letters_gone'"
COUNT = "UPDATE positions USING TIMESTAMP ? SET value = ? WHERE name = 'letters_gone'"

_topic = msgspec.json.Decoder(Topic).decode
_letter = msgspec.json.Decoder(DeadLetter).decode


class CassandraProgress(ProgressStore):
    """The progress's part of the store."""

    _db: Session
    _kept: Retention

    def keep_topic(self, topic: Topic) -> Topic:
        kept = TOPICS.settle(self._db, [(topic.name,)], lambda _key, there: there or as_json(topic))
        return _topic(kept[topic.name,][0] or "")

    def progress(self, topic: str) -> dict[int, Progress]:
        kept = {}
        for partition, done, beat in self._db.rows(PROGRESS, topic):
            self._db.clock.saw(beat or 0)
            kept[partition] = Progress(-1 if done is None else done, beat or 0)
        return kept

    def raise_progress(self, topic: str, done: Mapping[int, int]) -> None:
        self._db.put(
            [
                *(_at(topic, DONE, offset + 1, offset, partition) for partition, offset in done.items()),
                *self._beats(topic, done),
            ]
        )

    def beat(self, topic: str, partitions: Sequence[int]) -> None:
        self._db.put(self._beats(topic, partitions))

    def _beats(self, topic: str, partitions: Mapping[int, int] | Sequence[int]) -> list[Put]:
        """A time, later than every beat that we have seen, so that each sign of life is a new one."""
        now = self._db.clock()
        return [_at(topic, BEAT, now, now, partition) for partition in partitions]

    def begin_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        self._db.put(_try(TRY, stage, topic, each, run) for each in ranges)

    def excuse_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        self._db.put(_try(EXCUSE, stage, topic, each, run) for each in ranges)

    def troubles(self, topic: str, ranges: Sequence[Range]) -> list[Trouble]:
        calls: list[Call] = [(TROUBLES, (topic, each.partition, each.first)) for each in ranges]
        runs: dict[tuple[str, Range], set[str]] = {}
        for asked, rows in zip(ranges, self._db.all(calls), strict=True):
            for first, last, stage, run, excused in rows:
                if first <= asked.last and not excused:
                    runs.setdefault((stage, Range(asked.partition, first, last)), set()).add(run)
        return [Trouble(stage, span, len(runs[stage, span])) for stage, span in sorted(runs)]

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        ttl_s = self._letters_s()
        self._db.put(put for each in letters for put in _puts(each, ttl_s))

    def _letters_s(self) -> int:
        return (self._kept.letters + LETTERS_COUNTED_DAYS) * DAY_S if self._kept.letters else 0

    def letters_gone(self, now_ms: int) -> int:
        """How many letters have had their days since this was last asked: counted before they expire."""
        if not self._kept.letters:
            return 0
        last = before(self._kept.letters, now_ms) // DAY_MS - 1
        rows = self._db.rows(COUNTED)
        first = max(rows[0][0] + 1, last - LETTERS_COUNTED_DAYS + 1) if rows else last
        if first > last:
            return 0
        days = [day_of(day * DAY_MS) for day in range(first, last + 1)]
        gone: int = sum(count for [(count,)] in self._db.all([(LETTERS_OF, (day,)) for day in days]))
        self._db.put([(("positions",), COUNT, (last + 1, last))])
        return gone

    def keep_webhooks(self, kept: Sequence[tuple[DeadLetter, bytes]]) -> None:
        bodies: list[Put] = [
            (("letter_bodies", letter.letter_id), KEEP_BODY, (letter.letter_id, zlib.compress(body), self._letters_s()))
            for letter, body in kept
        ]
        self._db.put(bodies)
        self.add_dead_letters([letter for letter, _ in kept])

    def kept_webhook(self, letter_id: str) -> tuple[DeadLetter, bytes] | None:
        found = LETTERS(self._db, [(letter_id,)])
        bodies = self._db.rows(BODY, letter_id) if found else ()
        return next(((_letter(found[0][1][1]), zlib.decompress(body)) for (body,) in bodies), None)

    def dead_letters(self, day: str, limit: int, after: str = "") -> list[DeadLetter]:
        place = (-1, "")
        if after:
            place = next(((at, after) for _, (at, _) in LETTERS(self._db, [(after,)])), place)
        found: list[DeadLetter] = []
        while len(found) < limit:
            rows = self._db.rows(OF_DAY, day, *place, limit)
            letters = dict(LETTERS(self._db, [(letter_id,) for _, letter_id in rows]))
            # A later report of the same letter is listed too, at a time that the letter does not have.
            found += [_letter(letters[letter_id,][1]) for at, letter_id in rows if letters.get((letter_id,), (None,))[0] == at]
            if len(rows) < limit:
                break
            place = rows[-1]
        return found[:limit]

    def buried(self, topic: str, ranges: Sequence[Range]) -> dict[tuple[int, int], DeadLetter]:
        calls: list[Call] = [(BURIED, (topic, each.partition, max(each.first, 0), each.last)) for each in ranges]
        kept: dict[tuple[int, int], DeadLetter] = {}
        for asked, rows in zip(ranges, self._db.all(calls), strict=True):
            for offset, body in rows:
                kept.setdefault((asked.partition, offset), _letter(body))
        return kept


def _at(topic: str, cql: str, timestamp: int, value: int, partition: int) -> Put:
    return ("progress", topic), cql, (timestamp, value, topic, partition)


def _try(cql: str, stage: str, topic: str, span: Range, run: str) -> Put:
    return ("tries", topic, span.partition), cql, (topic, span.partition, span.last, span.first, stage, run, KEEP_TRIES_S)


def _puts(letter: DeadLetter, ttl_s: int) -> list[Put]:
    day = day_of(letter.at)
    body = as_json(letter)
    puts: list[Put] = [
        (("dead_letters", letter.letter_id), LETTER, (letter.letter_id, letter.at, body, TOP - letter.at, ttl_s)),
        (("dead_letters_of_day", day), LETTER_OF_DAY, (day, letter.at, letter.letter_id, ttl_s)),
    ]
    if letter.offset >= 0 and not letter.delivery:
        place = (letter.topic, letter.partition)
        puts.append((("buried", *place), BURY, (*place, letter.offset, letter.at, letter.letter_id, body, ttl_s)))
    return puts
