"""Bringing the schema up to date: numbered files, each run once, with checksums, by one process at a time."""

import hashlib
import time
from pathlib import Path
from uuid import UUID, uuid4

from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.failures import Mismatch, Temporary
from storage.message_store.cassandra_session import Session

FOLDER = Path(__file__).with_name("cassandra_migrations")
LOCK_S = 60
PATIENCE_S = 120.0
AGAIN_S = 0.2

KEYSPACE = (
    "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{dc}': {copies}}}"
)
# With ids of our own: two nodes that make the same table at the same time would otherwise give it two.
LOCKS = "CREATE TABLE IF NOT EXISTS schema_lock (name text PRIMARY KEY, owner text) WITH id = {id}"
MIGRATIONS = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "scope text, number int, name text, checksum text, applied_at bigint, PRIMARY KEY ((scope), number)) WITH id = {id}"
)
APPLIED = "SELECT number, name, checksum FROM schema_migrations WHERE scope = 'chat4all'"
NOTE = "INSERT INTO schema_migrations (scope, number, name, checksum, applied_at) VALUES ('chat4all', ?, ?, ?, ?) IF NOT EXISTS"
LOCK = f"INSERT INTO schema_lock (name, owner) VALUES ('migrate', ?) IF NOT EXISTS USING TTL {LOCK_S}"  # noqa: S608
KEEP = f"UPDATE schema_lock USING TTL {LOCK_S} SET owner = ? WHERE name = 'migrate' IF owner = ?"  # noqa: S608
UNLOCK = "DELETE FROM schema_lock WHERE name = 'migrate' IF owner = ?"


class Migration(Struct, frozen=True):
    """A file of statements. A file that was applied somewhere must not change any more."""

    number: int
    name: str
    script: str

    @property
    def checksum(self) -> str:
        """What the file says, in short."""
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]

    def statements(self) -> list[str]:
        """Its statements, without comments."""
        lines = [line for line in self.script.splitlines() if not line.lstrip().startswith("--")]
        return [each.strip() for each in "\n".join(lines).split(";\n") if each.strip(" \n;")]


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All there are, by number."""
    files = sorted(folder.glob("[0-9]*.cql"))
    return [Migration(int(each.name.partition("_")[0]), each.stem, each.read_text() + "\n") for each in files]


def applied(session: Session) -> dict[int, tuple[str, str]]:
    """Name and checksum of what was applied, by number. Mismatch when nobody has migrated yet."""
    return {number: (name, checksum) for number, name, checksum in session.rows(APPLIED)}


def migrate(session: Session, known: list[Migration]) -> None:
    """Apply what is missing. Mismatch when the schema is newer than `known`, or was made by other files."""
    try:
        if not missing(known, applied(session)):
            return
    except Mismatch as error:
        if error.reason != "store_schema_absent":
            raise
        _prepare(session)
    owner = _lock(session)
    try:
        for each in missing(known, applied(session)):
            _apply(session, each, owner)
    finally:
        session.decide([(UNLOCK, (owner,))])


def missing(known: list[Migration], there: dict[int, tuple[str, str]]) -> list[Migration]:
    """What of `known` is not applied. Mismatch when more is than we know, or something else under the same number."""
    numbers = {each.number for each in known}
    if newer := sorted(there.keys() - numbers):
        raise Mismatch("store_schema", f"the schema has {there[newer[-1]][0]}; this code is older")
    for each in known:
        if each.number in there and there[each.number][1] != each.checksum:
            raise Mismatch("store_schema", f"{each.name} was applied with other contents, as {there[each.number][0]}")
    return [each for each in known if each.number not in there]


def _prepare(session: Session) -> None:
    place = session.place
    nodes = [each for each in session.cluster.metadata.all_hosts() if each.datacenter == session.datacenter]
    copies = place.replication or min(3, len(nodes))
    session.plain(KEYSPACE.format(keyspace=place.keyspace, dc=session.datacenter, copies=copies), checked=False)
    for table in (LOCKS, MIGRATIONS):
        digest = hashlib.md5(f"{place.keyspace} {table}".encode(), usedforsecurity=False).digest()
        session.plain(table.format(id=UUID(bytes=digest, version=1)))


def _lock(session: Session) -> str:
    """The right to change the schema, for a minute at a time. Temporary when others keep it."""
    owner = uuid4().hex
    deadline = time.monotonic() + PATIENCE_S
    while not session.decide([(LOCK, (owner,))])[0][0]:
        if time.monotonic() > deadline:
            raise Temporary("store", "another process has been migrating for too long")
        time.sleep(AGAIN_S)
    return owner


def _apply(session: Session, migration: Migration, owner: str) -> None:
    for statement in migration.statements():
        if not session.decide([(KEEP, (owner, owner))])[0][0]:
            raise Temporary("store", "the right to migrate was lost")
        session.plain(statement)
    at = now_ms()
    session.decide([(NOTE, (migration.number, migration.name, migration.checksum, at))])
