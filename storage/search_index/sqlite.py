"""The search index in one SQLite file, by its full-text module."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from chat4all.model.failures import Mismatch
from chat4all.model.search_terms import Term, called
from chat4all.ports.search import Document, Feeding, Hit, Hits, PersonFound, Search, SearchIndex
from chat4all.settings import Settings
from storage.message_store.sqlite_connection import Connections
from storage.search_index import sqlite_queries as queries

SCHEMA = 2
TABLES = ("found", "documents", "people_found", "people", "feeding")
TIE_BITS = 22
TIES = 1 << TIE_BITS
LAST = 2**63 - 1
FORGET_AT_ONCE = 5_000
# Between two looks at the clock, in steps of SQLite's machine: about a millisecond.
STEPS = 10_000


def place_of(at: int, seq: int) -> int:
    """Where a message belongs: by time, then as in its conversation. If another is there, the next free place."""
    return at * TIES + seq % TIES


class SQLiteSearchIndex(SearchIndex):
    """In the file that `search` names, in the data folder."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = settings.data / settings.search.partition(":")[2]
        self._connections = Connections(self._path)

    def migrate(self) -> None:
        self._connections.use_wal()
        with self._connections.write() as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA:
                raise Mismatch("newer_index", f"{self._path} is of a newer version; delete it, and it is made anew")
            if version < SCHEMA:
                _make(db)

    def begin(self, feeder: str) -> Feeding:
        with self._connections.write() as db:
            db.execute("UPDATE feeding SET feeder = ?", [feeder])
            return _feeding(db)

    def feeding(self) -> Feeding:
        with self._connections.read() as db:
            return _feeding(db)

    def feed(self, feeder: str, state: Feeding, documents: Sequence[Document] = (), people: Sequence[PersonFound] = ()) -> bool:
        with self._connections.write() as db:
            if not _goes_on(db, feeder):
                return False
            added = deleted = 0
            # In the order of places: the full-text module writes what goes back as a piece of its own.
            for each in sorted(documents, key=lambda each: (each.at, each.seq)):
                more, less = _put(db, each)
                added, deleted = added + more, deleted + less
            for person in people:
                _put_person(db, person)
            _keep(db, state)
            db.execute("UPDATE feeding SET documents = documents + ?, deleted = deleted + ?", [added - deleted, deleted])
            return True

    def empty(self, feeder: str, state: Feeding) -> bool:
        with self._connections.write() as db:
            if not _goes_on(db, feeder, anew=True):
                return False
            _make(db)
            db.execute("UPDATE feeding SET feeder = ?", [feeder])
            _keep(db, state)
            return True

    def want_anew(self) -> None:
        with self._connections.write() as db:
            db.execute("UPDATE feeding SET topic = ''")

    def find(self, search: Search, limit: int, limit_s: float) -> Hits:
        if search.conversations is not None and not search.conversations:
            return Hits([])
        match = queries.match_of(search.terms, search.conversations, search.types)
        first, last = search.since * TIES, search.until * TIES - 1 if search.until else LAST
        last = min(last, search.before - 1) if search.before else last
        statement = (
            "SELECT found.rowid, conversation_id, seq FROM found JOIN documents ON place = found.rowid"
            " WHERE found MATCH ? AND found.rowid BETWEEN ? AND ?"
        )
        if not search.with_internal:
            statement += " AND NOT internal"
        many = search.conversations is not None and len(search.conversations) > queries.CONVERSATIONS_MOST
        allowed = frozenset(search.conversations or ()) if many else None
        with self._connections.read() as db, _limited(db, limit_s) as is_over:
            rows = db.execute(f"{statement} ORDER BY found.rowid DESC", [match, first, last])
            with closing(rows):
                found = (Hit(*row) for row in _until_interrupted(rows, is_over) if allowed is None or row[1] in allowed)
                return Hits(list(islice(found, limit)), is_over())

    def find_people(self, terms: Sequence[Term], after: int, limit: int) -> list[tuple[int, str]]:
        statement = (
            "SELECT place, user_id FROM people_found JOIN people ON place = people_found.rowid"
            " WHERE people_found MATCH ? AND people_found.rowid > ? ORDER BY people_found.rowid LIMIT ?"
        )
        with self._connections.read() as db:
            return list(db.execute(statement, [queries.people_match(terms), after, limit]))

    def forget(self, before: int) -> int:
        with self._connections.write() as db:
            gone = list(
                db.execute("SELECT place, tokens FROM documents WHERE place < ? LIMIT ?", [before * TIES, FORGET_AT_ONCE])
            )
            for row in gone:
                _unindex(db, row)
            db.executemany("DELETE FROM documents WHERE place = ?", [row[:1] for row in gone])
            count = sum(row[1] is not None for row in gone)
            db.execute("UPDATE feeding SET documents = documents - ?, deleted = deleted + ?", [count, count])
            return len(gone)

    def tidy(self) -> None:
        with self._connections.write() as db:
            (deleted,) = db.execute("SELECT deleted FROM feeding").fetchone()
            if deleted:
                for table in ("found", "people_found"):
                    db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608 - names of ours
                db.execute("UPDATE feeding SET deleted = 0")

    def count(self) -> int:
        with self._connections.read() as db:
            return int(db.execute("SELECT documents FROM feeding").fetchone()[0])

    def check(self) -> str:
        return f"search index {self._path}, {self.count()} messages"

    def close(self) -> None:
        self._connections.close()


def _make(db: sqlite3.Connection) -> None:
    """An index without anything in it, in this transaction."""
    for table in TABLES:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    script = Path(__file__).with_name("sqlite.sql").read_text()
    for statement in "\n".join(line for line in script.splitlines() if not line.startswith("--")).split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def _feeding(db: sqlite3.Connection) -> Feeding:
    topic, positions, building = db.execute("SELECT topic, positions, building FROM feeding").fetchone()
    return Feeding(topic, {int(each): offset for each, offset in json.loads(positions).items()}, building)


def _goes_on(db: sqlite3.Connection, feeder: str, *, anew: bool = False) -> bool:
    """Whether this process still feeds it, and nobody wants it anew."""
    mine, topic = db.execute("SELECT feeder, topic FROM feeding").fetchone()
    return bool(mine == feeder and (topic or anew))


def _keep(db: sqlite3.Connection, state: Feeding) -> None:
    positions = json.dumps({str(each): offset for each, offset in state.positions.items()})
    db.execute("UPDATE feeding SET topic = ?, positions = ?, building = ?", [state.topic, positions, state.building])


def _put(db: sqlite3.Connection, document: Document) -> tuple[int, int]:
    """Keep one: (whether it is found from now on, whether words that were found are not)."""
    place, row = _free_or_its(db, document)
    if row is not None and document.is_new:
        return 0, 0
    if row is not None:
        _unindex(db, row)
    tokens = None
    if document.text is not None:
        tokens = queries.tokens(document.text, document.conversation_id, document.type)
        db.execute("INSERT INTO found (rowid, tokens) VALUES (?, ?)", [place, tokens])
    about = [place, document.conversation_id, document.seq, document.is_internal]
    db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", [*about, tokens])
    return int(document.text is not None), int(row is not None and row[1] is not None)


def _free_or_its(db: sqlite3.Connection, document: Document) -> tuple[int, tuple[int, str | None] | None]:
    """The place of a message, and what is kept there of it."""
    place = place_of(document.at, document.seq)
    while True:
        row = db.execute("SELECT conversation_id, seq, tokens FROM documents WHERE place = ?", [place]).fetchone()
        if row is None:
            return place, None
        if row[:2] == (document.conversation_id, document.seq):
            return place, (place, row[2])
        place += 1


def _unindex(db: sqlite3.Connection, row: Sequence[object]) -> None:
    """Its words are found no more: the full-text module is told which these were."""
    if row[1] is not None:
        db.execute("INSERT INTO found (found, rowid, tokens) VALUES ('delete', ?, ?)", row)


def _put_person(db: sqlite3.Connection, person: PersonFound) -> None:
    words = " ".join(called(person.text, person.addresses))
    row = db.execute("SELECT place, words FROM people WHERE user_id = ?", [person.user_id]).fetchone()
    place, there = row or (None, "")
    if there == words:
        return
    if place is not None:
        db.execute("INSERT INTO people_found (people_found, rowid, words) VALUES ('delete', ?, ?)", row)
        db.execute("DELETE FROM people WHERE place = ?", [place])
        db.execute("UPDATE feeding SET deleted = deleted + 1")
    if words:
        place = db.execute("INSERT INTO people VALUES (?, ?, ?)", [place, person.user_id, words]).lastrowid
        db.execute("INSERT INTO people_found (rowid, words) VALUES (?, ?)", [place, words])


@contextmanager
def _limited(db: sqlite3.Connection, limit_s: float) -> Iterator[Callable[[], bool]]:
    """What is asked here ends in time; whether it had to."""
    limit = time.monotonic() + limit_s
    interrupted = False

    def is_late() -> bool:
        nonlocal interrupted
        interrupted = time.monotonic() > limit
        return interrupted

    db.set_progress_handler(is_late, STEPS)
    try:
        yield lambda: interrupted
    finally:
        db.set_progress_handler(None, 0)


def _until_interrupted(rows: sqlite3.Cursor, is_over: Callable[[], bool]) -> Iterator[tuple[int, str, int]]:
    try:
        yield from rows
    except sqlite3.OperationalError:
        if not is_over():
            raise
