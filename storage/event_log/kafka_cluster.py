"""The Kafka cluster of a URL: addresses, names of topics and groups, and which of its errors is which kind of failure."""

import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from confluent_kafka import KafkaError, KafkaException, Message
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.failures import Failure, Mismatch, Permanent, Temporary, Unknown
from chat4all.model.records import Record
from chat4all.settings import SettingsError
from chat4all.telemetry.logs import logger

USAGE = (
    "kafka://host:port[,host:port][?replication=3&prefix=name-&security=ssl|sasl_ssl|sasl_plaintext"
    "&ca=/path/to/ca.pem&user=name&mechanism=SCRAM-SHA-512]"
)
OPTIONS = frozenset({"replication", "prefix", "security", "ca", "user", "mechanism"})
PROTOCOLS = frozenset({"plaintext", "ssl", "sasl_ssl", "sasl_plaintext"})
MECHANISMS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
LOG_EVERY_S = 5.0
# The answer of one broker. A frozen one is given up after this, and another asked where its partitions went.
ANSWER_S = 5.0
RECORD_BYTES = 4 << 20

NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_ID})
NO_PARTITION = frozenset({KafkaError._UNKNOWN_PARTITION, KafkaError.INVALID_PARTITIONS})
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
# The broker said no, or nothing ever left us: such a record is certainly not in the log.
REFUSED = frozenset(
    {
        *(KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.POLICY_VIOLATION),
        *(KafkaError.INVALID_RECORD, KafkaError.NOT_ENOUGH_REPLICAS, KafkaError._QUEUE_FULL, KafkaError._PURGE_QUEUE),
    }
)


class Cluster(Struct, frozen=True):
    """Where the brokers are. `prefix` stands before every topic and group, so that deployments can share a cluster.

    replication: copies of each topic that we make, and that a topic must have; 0: what the brokers have as default.
    security, ca, user, mechanism: how brokers are trusted and how we say who we are; the URL holds no password.
    """

    servers: str
    prefix: str = ""
    replication: int = 0
    security: str = "plaintext"
    ca: str = ""
    user: str = ""
    mechanism: str = "SCRAM-SHA-512"
    password: str = ""

    @property
    def needs_password(self) -> bool:
        """Whether brokers ask who we are."""
        return self.security.startswith("sasl_")

    def topic(self, name: str) -> str:
        """A topic's name in Kafka."""
        return self.prefix + name

    def group(self, topic: str, group: str) -> str:
        """A group's name in Kafka. Each topic has groups of its own: members of one never wait for another's."""
        return f"{self.prefix}{group}-{topic}"

    def client(self, **more: object) -> dict[str, Any]:
        """What every client needs, and `more`, whose names have _ where Kafka writes a dot."""
        settings: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "client.id": f"chat4all-{os.getpid()}",
            "allow.auto.create.topics": False,
            "socket.timeout.ms": int(ANSWER_S * 1000),
            "socket.connection.setup.timeout.ms": 3000,
            # The defaults wait up to 10 s before a broker that is back is tried again.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            # What it would print goes through `error_cb` instead.
            "log_level": 0,
            "error_cb": Complaints(),
        }
        return {**settings, **self._credentials(), **{name.replace("_", "."): value for name, value in more.items()}}

    def _credentials(self) -> dict[str, str]:
        """What a client needs where brokers are not open to everybody."""
        found = {"security.protocol": self.security} if self.security != "plaintext" else {}
        if self.ca:
            found["ssl.ca.location"] = self.ca
        if self.needs_password:
            found |= {"sasl.mechanism": self.mechanism, "sasl.username": self.user, "sasl.password": self.password}
        return found

    def __repr__(self) -> str:
        """Without the password."""
        return f"Cluster({self.servers!r}, prefix={self.prefix!r}, security={self.security!r})"


def parse(url: str) -> Cluster:
    """The cluster that a URL names. SettingsError when it names none."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    unknown = options.keys() - OPTIONS
    servers = [each for each in parts.netloc.split(",") if each]
    if unknown or not servers or not all(_is_server(each) for each in servers) or parts.path.strip("/"):
        raise SettingsError(f"CHAT4ALL_LOG: expected {USAGE}")
    replication = options.get("replication", "0")
    if not replication.isdecimal():
        raise SettingsError(f"CHAT4ALL_LOG: replication must be a number; expected {USAGE}")
    texts = {name: value for name, value in options.items() if name != "replication"}
    cluster = replace(Cluster(",".join(servers), replication=int(replication)), **texts)
    _check_security(cluster)
    return cluster


def _check_security(cluster: Cluster) -> None:
    if cluster.security not in PROTOCOLS:
        raise SettingsError(f"CHAT4ALL_LOG: security is one of {', '.join(sorted(PROTOCOLS))}; expected {USAGE}")
    if cluster.mechanism not in MECHANISMS:
        raise SettingsError(f"CHAT4ALL_LOG: mechanism is one of {', '.join(sorted(MECHANISMS))}; expected {USAGE}")
    if cluster.needs_password != bool(cluster.user):
        raise SettingsError(f"CHAT4ALL_LOG: user and security=sasl_… belong together; expected {USAGE}")


def _is_server(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and "@" not in text


class Complaints:
    """Takes a client's errors and logs them, each kind at most every 5 s. `fatal` is called with one that ends the client."""

    def __init__(self, fatal: Callable[[KafkaError], None] | None = None) -> None:
        self._fatal = fatal
        self._logged: dict[str, float] = {}
        self._log = logger("event_log")

    def __call__(self, error: KafkaError) -> None:
        """For librdkafka, from whichever thread polls."""
        now = time.monotonic()
        if now - self._logged.get(error.name(), -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged[error.name()] = now
            self._log.warning("kafka_complains", error=error.name(), fatal=error.fatal())
        if error.fatal() and self._fatal is not None:
            self._fatal(error)


def failure(error: KafkaError, what: str) -> Failure:
    """A Kafka error in our words, where nothing was written."""
    if error.code() in NO_TOPIC:
        return Mismatch("no_such_topic", what)
    if error.code() in NO_PARTITION:
        return Mismatch("no_such_partition", what)
    if error.code() in TOO_LARGE:
        return Permanent("record_too_large", what)
    return Temporary("log_unavailable", f"{what}: {error.name()}")


def write_failure(error: KafkaError, what: str) -> Failure:
    """A Kafka error in our words, for a record that was handed over to be written."""
    certain = REFUSED | NO_TOPIC | NO_PARTITION | TOO_LARGE
    return failure(error, what) if error.code() in certain else Unknown("log_timeout", f"{what}: {error.name()}")


def error_of(exception: KafkaException) -> KafkaError:
    """The error that an exception carries."""
    error = exception.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(error))


def to_record(topic: str, message: Message) -> Record:
    """A message in our words, under the topic's name without prefix."""
    headers = {name: _text(value) for name, value in _pairs(message.headers())}
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None  # noqa: S101 - only failed messages are without
    return Record(topic, partition, offset, _text(message.key()), message.value() or b"", headers, message.timestamp()[1])


def _pairs(headers: Any) -> Any:
    return headers or ()


def _text(value: bytes | str | None) -> str:
    return value if isinstance(value, str) else (value or b"").decode(errors="replace")
