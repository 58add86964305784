"""Cassandra from Maven: one node, or several on 127.0.0.1, .2, .3 that form one cluster."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ops.native.processes import LOOPBACK, Server, free_port, is_taken, start_all

LOGGING = """<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%date{ISO8601} %-5level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""
# Parts of the Java platform that Cassandra reaches into.
EXPORTED = {
    "java.base": ("jdk.internal.misc", "jdk.internal.ref", "java.lang.ref", "sun.nio.ch"),
    "java.management.rmi": ("com.sun.jmx.remote.internal.rmi",),
    "java.rmi": ("sun.rmi.registry", "sun.rmi.server", "sun.rmi.transport.tcp"),
    "java.sql": ("java.sql",),
    "jdk.attach": ("sun.tools.attach",),
    "jdk.compiler": ("com.sun.tools.javac.file",),
    "jdk.unsupported": ("sun.misc",),
}
OPENED = {
    "java.base": (
        *("java.io", "java.lang", "java.lang.module", "java.lang.reflect", "java.nio"),
        *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch"),
        *("jdk.internal.loader", "jdk.internal.math", "jdk.internal.module", "jdk.internal.ref"),
        *("jdk.internal.reflect", "jdk.internal.util.jar"),
    ),
    "jdk.compiler": ("com.sun.tools.javac",),
    "jdk.management": ("com.sun.management.internal",),
}


class Cassandra(Server):
    """One node: number `place`, from 0, of `size`; the first is at 127.0.0.1. Data are synced before a write is answered.

    Without `flushes_schema` a keyspace is made in half the time, and a node that is killed may not know of it afterwards.
    """

    name: ClassVar[str] = "cassandra"
    start_limit_s: ClassVar[float] = 150

    def __init__(
        self,
        home: Path,
        folder: Path,
        port: int,
        host: str = LOOPBACK,
        *,
        storage_port: int = 0,
        place: int = 0,
        size: int = 1,
        heap: str = "1g",
        flushes_schema: bool = True,
    ) -> None:
        super().__init__(home, folder, port, host)
        self.storage_port = storage_port or free_port()
        self.place = place
        self.size = size
        self.heap = heap
        self.flushes_schema = flushes_schema

    def prepare(self) -> None:
        """Write the configuration. JSON is YAML."""
        settings = {**_network(self.host, self.port, self.storage_port), **_token(self.place, self.size), **_DURABLE, **_SMALL}
        settings["hinted_handoff_enabled"] = self.size > 1
        (self.folder / "cassandra.yaml").write_text(json.dumps(settings, indent=2))
        (self.folder / "logback.xml").write_text(LOGGING)

    def command(self) -> Sequence[str]:
        """The node, without the right to lock its memory: locked, it starts 8 s slower and keeps its whole heap."""
        unlocked = ["prlimit", "--memlock=65536:65536"] if shutil.which("prlimit") else []
        if os.geteuid() == 0 and shutil.which("setpriv"):
            unlocked += ["setpriv", "--bounding-set=-ipc_lock"]
        return [*unlocked, "java", *_jvm(self.heap), *self._options(), "org.apache.cassandra.service.CassandraDaemon"]

    def _options(self) -> list[str]:
        lib = self.home / self.name / "lib"
        options = {
            "cassandra-foreground": "yes",
            "cassandra.test.flush_local_schema_changes": str(self.flushes_schema).lower(),
            "cassandra.storagedir": self.folder / "data",
            "cassandra.logdir": self.folder,
            "cassandra.config": f"file://{self.folder / 'cassandra.yaml'}",
            "cassandra.ring_delay_ms": 100 if self.size == 1 else 2000,
            "cassandra.skip_wait_for_gossip_to_settle": 0 if self.size == 1 else -1,
            "java.io.tmpdir": self.folder,
            "logback.configurationFile": self.folder / "logback.xml",
        }
        agent = next(lib.glob("jamm-*.jar"))
        return [
            f"-javaagent:{agent}",
            *(f"-D{name}={value}" for name, value in options.items()),
            "-cp",
            f"{self.folder}:{lib}/*",
        ]

    def answers(self) -> bool:
        """A query is answered."""
        return is_taken(self.host, self.port) and _answers_queries(self.host, self.port)


def cluster(home: Path, folder: Path, size: int = 3, heap: str = "512m") -> list[Cassandra]:
    """Nodes on 127.0.0.1, 127.0.0.2, … that form one cluster. Start them with `start_cluster`."""
    ports: dict[str, Any] = {"port": free_port(), "storage_port": free_port()}
    return [
        Cassandra(
            home, folder / f"cassandra-{place + 1}", host=f"127.0.0.{place + 1}", place=place, size=size, heap=heap, **ports
        )
        for place in range(size)
    ]


def start_cluster(nodes: Sequence[Cassandra]) -> None:
    """The first node, then the others, which join it. All or none."""
    try:
        nodes[0].start()
        start_all(nodes[1:])
    except BaseException:
        for each in nodes:
            each.kill9()
        raise


def _answers_queries(host: str, port: int) -> bool:
    # Imported late: the driver takes half a second and starts a thread.
    from cassandra import DriverException, OperationTimedOut, RequestExecutionException  # noqa: PLC0415
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable  # noqa: PLC0415
    from cassandra.policies import WhiteListRoundRobinPolicy  # noqa: PLC0415

    profiles = {EXEC_PROFILE_DEFAULT: ExecutionProfile(WhiteListRoundRobinPolicy([host]), request_timeout=3)}
    limits = {"connect_timeout": 3, "control_connection_timeout": 3}
    client: Any = Cluster([host], port=port, execution_profiles=profiles, **limits)
    try:
        client.connect().execute("SELECT release_version FROM system.local")
    except (NoHostAvailable, OperationTimedOut, RequestExecutionException, DriverException, OSError):
        return False
    finally:
        client.shutdown()
    return True


def _network(host: str, port: int, storage_port: int) -> dict[str, object]:
    seeds = [{"seeds": f"{LOOPBACK}:{storage_port}"}]
    return {
        "cluster_name": "chat4all",
        "listen_address": host,
        "storage_port": storage_port,
        "rpc_address": host,
        "native_transport_port": port,
        "start_native_transport": True,
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [{"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": seeds}],
    }


def _token(place: int, size: int) -> dict[str, object]:
    """Evenly spread over the ring; with given tokens empty nodes need not stream from each other."""
    return {
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "num_tokens": 1,
        "initial_token": str((place + 1) * 2**64 // (size + 1) - 2**63),
        "auto_bootstrap": False,
    }


_DURABLE: dict[str, object] = {
    # "periodic", the default, answers before it syncs: kill -9 then loses rows that were acknowledged.
    "commitlog_sync": "batch",
    "commitlog_segment_size": "32MiB",
    "commitlog_total_space": "512MiB",
    "commit_failure_policy": "stop",
    "disk_failure_policy": "stop",
    "paxos_variant": "v2",
    "storage_compatibility_mode": "NONE",
}
_SMALL: dict[str, object] = {
    "memtable_heap_space": "256MiB",
    "memtable_allocation_type": "heap_buffers",
    "file_cache_size": "64MiB",
    "networking_cache_size": "32MiB",
    "key_cache_size": "16MiB",
    "counter_cache_size": "0MiB",
    "prepared_statements_cache_size": "10MiB",
    "concurrent_reads": 16,
    "concurrent_writes": 16,
    "concurrent_counter_writes": 4,
    "concurrent_compactors": 1,
    "native_transport_max_threads": 32,
    "read_request_timeout": "10s",
    "range_request_timeout": "20s",
    "write_request_timeout": "10s",
    "cas_contention_timeout": "5s",
    "request_timeout": "20s",
}


def _jvm(heap: str) -> list[str]:
    exports = [f"--add-exports={module}/{name}=ALL-UNNAMED" for module, names in EXPORTED.items() for name in names]
    opens = [f"--add-opens={module}/{name}=ALL-UNNAMED" for module, names in OPENED.items() for name in names]
    return [
        f"-Xmx{heap}",
        "-Xss256k",
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=300",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:+PerfDisableSharedMem",
        "-XX:MaxDirectMemorySize=256m",
        "-Djava.net.preferIPv4Stack=true",
        "-Djdk.attach.allowAttachSelf=true",
        "-Dio.netty.tryReflectionSetAccessible=true",
        *exports,
        *opens,
    ]
