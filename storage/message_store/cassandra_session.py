"""One process's session: statements prepared once, a bounded number of requests under way, all with a time limit."""

import atexit
import logging
import os
import re
import time
from collections.abc import Iterable, Sequence
from threading import BoundedSemaphore, Lock
from typing import Any

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.io import libevreactor
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
)
from cassandra.query import BatchStatement, BatchType, tuple_factory

from chat4all.model.failures import Temporary
from storage.message_store.cassandra_cluster import Place, Undecided, as_failures, check_copies

REQUEST_S = 5.0
CONNECT_S = 5.0
RECONNECT_S = 0.5
HEARTBEAT_S = 5
# A coordinator that is silent for so long is not waited for: another is asked too. All but compare-and-set may be done twice.
SILENT_S = 1.0
# How long the driver's thread is waited for at exit; the driver itself would wait for 5 s.
LOOP_ENDS_S = 1.0
IN_FLIGHT = 128
BATCH_ROWS = 50
DECIDE, SERIAL = "decide", "serial"
COPIES = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"

# Where a statement names its table, without a keyspace.
TABLE = re.compile(r"\b(FROM|INTO|UPDATE|TABLE IF NOT EXISTS|CREATE TABLE|ALTER TABLE) (?=[a-z_]+\b(?!\.))")
# It would say twice a second that a dead node is still dead; that it went down and came back is said elsewhere.
logging.getLogger("cassandra.pool").setLevel(logging.ERROR)


def _end_loop() -> None:
    """Have the driver's thread end before the process does.

    The driver's own way at exit (3.29.12) first stops the watcher that would stop the loop's timer, and then waits five
    seconds for a loop that cannot end. Told here, the loop stops its timer itself. Open connections are left to the driver.
    """
    loop: Any = libevreactor._global_loop
    if loop is not None and loop._thread is not None and not loop._live_conns:
        loop._shutdown = True
        loop.notify()
        loop._thread.join(LOOP_ENDS_S)


# After the import of the driver, whose own function for this is then called later.
atexit.register(_end_loop)

Row = tuple[Any, ...]
Call = tuple[str, Sequence[Any]]
# A write with the partition that it goes to: writes to one partition travel and are synced together.
Put = tuple[tuple[Any, ...], str, Sequence[Any]]


class Clock:
    """Microseconds that only grow, also beyond what others have written: clocks of machines differ."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last = 0

    def __call__(self) -> int:
        """A time that was never given before, later than everything seen."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last

    def saw(self, at: int) -> None:
        """Somebody has written at this time."""
        with self._lock:
            self._last = max(self._last, at)


def _batches(puts: Iterable[Put]) -> list[list[Call]]:
    """What travels together: writes of one partition, so many at most, in their order."""
    groups: dict[tuple[Any, ...], list[Call]] = {}
    for partition, cql, values in puts:
        groups.setdefault(partition, []).append((cql, values))
    return [calls[at : at + BATCH_ROWS] for calls in groups.values() for at in range(0, len(calls), BATCH_ROWS)]


class Session:
    """Connects when it is first used, and anew after a fork. From many threads. The driver's errors come out as ours."""

    def __init__(self, place: Place, password: str = "") -> None:
        self.place = place
        self.clock = Clock()
        self._password = password
        self._tls = place.tls
        self._closed = False
        self._connecting = Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._room = BoundedSemaphore(IN_FLIGHT)
        self._prepared: dict[str, Any] = {}
        self._cluster: Any = None
        self._session: Any = None
        self._checked = False

    # Asking

    def rows(self, cql: str, *values: Any) -> list[Row]:
        """The rows that a statement gives."""
        return self.all([(cql, values)])[0]

    def all(self, calls: Iterable[Call]) -> list[list[Row]]:
        """The rows of each of these statements, asked side by side."""
        with as_failures():
            session = self._open()
            futures = [self._send(session, self._prepare(session, cql).bind(values)) for cql, values in calls]
            return [list(future.result()) for future in futures]

    def put(self, puts: Iterable[Put]) -> None:
        """Write. Those of one partition go together, in their order; partitions side by side. All durable on return."""
        self._write(_batches(puts))

    def put_in_order(self, series: Iterable[Iterable[Put]]) -> None:
        """Write each of these series from its beginning: who sees some of it sees all before that. Series go side by side."""
        batches = [_batches(each) for each in series]
        for turn in range(max(map(len, batches), default=0)):
            self._write([each[turn] for each in batches if turn < len(each)])

    def _write(self, batches: Sequence[Sequence[Call]]) -> None:
        if not batches:
            return
        with as_failures():
            session = self._open()
            for future in [self._send(session, self._together(session, calls)) for calls in batches]:
                future.result()

    def decide(self, calls: Iterable[Call]) -> list[Row]:
        """Compare-and-set, side by side; of each the row that begins with whether it was applied.

        Undecided when an answer does not come: it is never asked again by itself.
        """
        with as_failures(Undecided):
            session = self._open()
            futures = [self._send(session, self._prepare(session, cql).bind(values), DECIDE) for cql, values in calls]
            return [next(iter(future.result())) for future in futures]

    def decide_together(self, calls: Sequence[Call]) -> bool:
        """Conditional and other writes of one partition: all of them, or none; whether they were applied."""
        with as_failures(Undecided):
            session = self._open()
            batch = self._together(session, calls, always=True)
            return bool(next(iter(self._send(session, batch, DECIDE).result()))[0])

    def serial(self, cql: str, *values: Any) -> list[Row]:
        """Rows of one partition, with all compare-and-sets that were begun on it finished first."""
        with as_failures():
            session = self._open()
            return list(self._send(session, self._prepare(session, cql).bind(values), SERIAL).result())

    def plain(self, cql: str, *values: Any, checked: bool = True) -> list[Row]:
        """A statement for the schema, not prepared. `checked`: whether our keyspace is looked at before."""
        with as_failures():
            future = self._open(checked).execute_async(self.named(cql), values or None, timeout=4 * REQUEST_S)
            found = list(future.result())
            if not future.is_schema_agreed:
                raise Temporary("store", "the nodes do not agree on the schema")
            return found

    def _send(self, session: Any, statement: Any, profile: Any = EXEC_PROFILE_DEFAULT) -> Any:
        if not self._room.acquire(timeout=2 * REQUEST_S):
            raise Temporary("store", "too many requests are waiting")
        room = self._room
        try:
            future = session.execute_async(statement, execution_profile=profile)
        except BaseException:
            room.release()
            raise
        future.add_callbacks(lambda _rows: room.release(), lambda _error: room.release())
        return future

    def _together(self, session: Any, calls: Sequence[Call], always: bool = False) -> Any:
        if len(calls) == 1 and not always:
            return self._prepare(session, calls[0][0]).bind(calls[0][1])
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.is_idempotent = not always
        for cql, values in calls:
            batch.add(self._prepare(session, cql), values)
        return batch

    def _prepare(self, session: Any, cql: str) -> Any:
        prepared = self._prepared.get(cql)
        if prepared is None:
            prepared = session.prepare(self.named(cql))
            prepared.is_idempotent = " IF " not in cql
            self._prepared[cql] = prepared
        return prepared

    def named(self, cql: str) -> str:
        """The statement with our keyspace before its table: servers warn of statements that lean on the connection's."""
        return TABLE.sub(rf"\1 {self.place.keyspace}.", cql, count=1)

    # Connecting

    def _open(self, checked: bool = True) -> Any:
        if self._closed:
            raise Temporary("store", "closed")
        if self._session is not None and self._pid == os.getpid() and (self._checked or not checked):
            return self._session
        with self._connecting:
            if self._pid != os.getpid():
                # What is open belongs to the parent; its threads do not exist here.
                self._begin()
            if self._session is None:
                self._connect()
            if checked and not self._checked:
                found = self._session.execute(COPIES, (self.place.keyspace,)).one()
                if found is not None:
                    check_copies(self.place, dict(found[0]))
                    self._checked = True
        return self._session

    def _connect(self) -> None:
        cluster = self._new_cluster()
        try:
            self._session = cluster.connect()
        except BaseException:
            cluster.shutdown()
            raise
        self._cluster = cluster

    def _new_cluster(self) -> Any:
        usual: dict[str, Any] = {
            "row_factory": tuple_factory,
            "request_timeout": REQUEST_S,
            "serial_consistency_level": self.place.serial_level,
        }
        # Whatever is not compare-and-set may be done twice: a coordinator that is silent is not waited for.
        often: dict[str, Any] = {
            "speculative_execution_policy": ConstantSpeculativeExecutionPolicy(SILENT_S, 2),
            "consistency_level": self.place.level,
        }
        once = {"retry_policy": FallthroughRetryPolicy(), "consistency_level": self.place.level}
        serial = {"consistency_level": self.place.serial_level}
        return Cluster(
            list(self.place.hosts),
            # Other nodes are known by address only: they listen where the first does.
            port=self.place.hosts[0][1],
            execution_profiles={
                EXEC_PROFILE_DEFAULT: ExecutionProfile(self._policy(), **usual, **often),
                DECIDE: ExecutionProfile(self._policy(), **usual, **once),
                SERIAL: ExecutionProfile(self._policy(), **usual, **serial),
            },
            auth_provider=PlainTextAuthProvider(self.place.user, self._password) if self.place.user else None,
            connection_class=LibevConnection,
            ssl_context=self._tls,
            # What both servers speak; asking for more costs a refused connection each time.
            protocol_version=4,
            connect_timeout=CONNECT_S,
            control_connection_timeout=CONNECT_S,
            reconnection_policy=ConstantReconnectionPolicy(RECONNECT_S, None),
            idle_heartbeat_interval=HEARTBEAT_S,
            idle_heartbeat_timeout=HEARTBEAT_S,
            timestamp_generator=self.clock,
        )

    def _policy(self) -> Any:
        here = self.place.datacenter
        return TokenAwarePolicy(DCAwareRoundRobinPolicy(here) if here else RoundRobinPolicy())

    @property
    def cluster(self) -> Any:
        """The driver's cluster, once connected: who its nodes are."""
        with as_failures():
            self._open(checked=False)
        return self._cluster

    @property
    def datacenter(self) -> str:
        """The datacenter that we work in."""
        if self.place.datacenter:
            return self.place.datacenter
        nodes = self.cluster.metadata.all_hosts()
        return str(next(each.datacenter for each in nodes if each.datacenter))

    def close(self) -> None:
        """Let go of connections and threads. Safe to call twice."""
        self._closed = True
        with self._connecting:
            cluster, self._cluster, self._session = self._cluster, None, None
        if cluster is not None and self._pid == os.getpid():
            cluster.shutdown()
