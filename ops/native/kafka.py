"""Kafka (KRaft) from Maven: one broker, or several that are each broker and controller."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from ops.native.install import run
from ops.native.processes import LOOPBACK, Server, free_port

CLUSTER = "chat4all-native-cluster"


class Node(Struct, frozen=True):
    """Where a broker listens: for clients, and for the other controllers."""

    number: int
    port: int
    controller_port: int


class Kafka(Server):
    """One broker of a cluster of `nodes`; alone unless told otherwise."""

    name: ClassVar[str] = "kafka"

    def __init__(
        self,
        home: Path,
        folder: Path,
        port: int,
        host: str = LOOPBACK,
        *,
        controller_port: int = 0,
        nodes: Sequence[Node] = (),
        heap: str = "512m",
    ) -> None:
        super().__init__(home, folder, port, host)
        self.nodes = nodes or (Node(1, port, controller_port or free_port()),)
        self.node = next(each for each in self.nodes if each.port == port)
        self.heap = heap

    @property
    def bootstrap(self) -> str:
        """All brokers, as clients take them."""
        return ",".join(f"{self.host}:{each.port}" for each in self.nodes)

    @property
    def _jars(self) -> str:
        return f"{self.home / self.name / 'lib'}/*"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def prepare(self) -> None:
        """Write the configuration; format the disk the first time."""
        settings = _settings(self.host, self.node, len(self.nodes), self.folder / "data")
        settings["controller.quorum.bootstrap.servers"] = ",".join(f"{self.host}:{each.controller_port}" for each in self.nodes)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        if not (self.folder / "data" / "meta.properties").exists():
            voters = ",".join(f"{n.number}@{self.host}:{n.controller_port}:{_identity(n.number)}" for n in self.nodes)
            tool = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", self._jars, "kafka.tools.StorageTool", "format"]
            options = ["-t", _short(CLUSTER), "-c", str(self._properties), "--initial-controllers", voters]
            run([*tool, *options], 60)

    def command(self) -> Sequence[str]:
        """The broker, with a heap that fits a small machine."""
        levels = ["org.apache.kafka.common.config=warn", "state.change.logger=warn"]
        return [
            "java",
            f"-Xmx{self.heap}",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            *(f"-Dorg.slf4j.simpleLogger.log.{each}" for each in levels),
            "-cp",
            self._jars,
            "kafka.Kafka",
            str(self._properties),
        ]

    def answers(self) -> bool:
        """This broker is a member, and every partition has a leader. An open port says neither."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": 2000})
        try:
            known = admin.list_topics(timeout=2)
        except KafkaException:
            return False
        led = all(part.leader >= 0 for topic in known.topics.values() for part in topic.partitions.values())
        return self.node.number in known.brokers and led


def cluster(home: Path, folder: Path, size: int = 3, heap: str = "384m") -> list[Kafka]:
    """Brokers on free ports that form one cluster. Start them with `start_all`."""
    nodes = [Node(number, free_port(), free_port()) for number in range(1, size + 1)]
    return [Kafka(home, folder / f"kafka-{node.number}", node.port, nodes=nodes, heap=heap) for node in nodes]


def _settings(host: str, node: Node, size: int, data: Path) -> dict[str, object]:
    replicas, in_sync = min(3, size), 2 if size > 2 else 1
    addresses = f"PLAINTEXT://{host}:{node.port},CONTROLLER://{host}:{node.controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": node.number,
        "listeners": addresses,
        "advertised.listeners": addresses,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        **_replication(replicas, in_sync),
        **_small_machine(),
        # After kill -9 a broker is refused until its old session has ended; the default is 9 s.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
    }


def _replication(replicas: int, in_sync: int) -> Mapping[str, object]:
    return {
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _small_machine() -> Mapping[str, object]:
    return {
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        # The default sets 128 MiB of heap aside at the start.
        "log.cleaner.dedupe.buffer.size": 16 << 20,
    }


def _short(name: str) -> str:
    """A name as Kafka writes ids: a UUID in URL-safe base64."""
    return base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes).decode().rstrip("=")


def _identity(number: int) -> str:
    return _short(f"{CLUSTER}-{number}")
