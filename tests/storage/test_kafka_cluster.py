"""What a Kafka URL means, and what Kafka's errors mean in our words. No broker is needed."""

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from chat4all.model.failures import Failure, Mismatch, Permanent, Temporary, Unknown
from chat4all.settings import Settings, SettingsError
from storage.event_log.kafka import KafkaLog
from storage.event_log.kafka_appender import Appender
from storage.event_log.kafka_cluster import Cluster, Complaints, failure, parse, write_failure


@pytest.mark.parametrize(
    ("url", "cluster"),
    [
        ("kafka://127.0.0.1:9092", Cluster("127.0.0.1:9092")),
        ("kafka://a:1,b:2,c:3?replication=3", Cluster("a:1,b:2,c:3", replication=3)),
        ("kafka://a:1?prefix=blue-", Cluster("a:1", prefix="blue-")),
        ("kafka://a:1?security=ssl&ca=/etc/ca.pem", Cluster("a:1", security="ssl", ca="/etc/ca.pem")),
        ("kafka://a:1?security=sasl_ssl&user=u", Cluster("a:1", security="sasl_ssl", user="u")),
    ],
)
def test_urls(url: str, cluster: Cluster) -> None:
    """Servers, replication and prefix are read from the URL."""
    assert parse(url) == cluster


@pytest.mark.parametrize(
    "url",
    [
        *(
            "kafka:",
            "kafka://",
            "kafka://host",
            "kafka://host:port",
            "kafka://u:p@h:1",
            "kafka://h:1/topic",
            "kafka://h:1?acks=0",
        ),
        *("kafka://h:1?security=open", "kafka://h:1?user=u", "kafka://h:1?security=sasl_ssl", "kafka://h:1?mechanism=NTLM"),
        "kafka://h:1?password=u:p",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    """A URL that does not say what we understand is refused, without repeating what may be a password."""
    with pytest.raises(SettingsError) as refusal:
        parse(url)
    assert "u:p" not in str(refusal.value)


def test_a_replication_that_is_no_number() -> None:
    """The option is named in the refusal."""
    with pytest.raises(SettingsError, match="replication"):
        parse("kafka://h:1?replication=many")


def test_credentials_reach_every_client_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client library takes them, with the password from the secrets; what is printed of a cluster does not hold it."""
    monkeypatch.setenv("CHAT4ALL_SECRET_LOG", "hunter2")
    log = KafkaLog(Settings(log="kafka://h:1?security=sasl_ssl&user=u&mechanism=PLAIN"))
    settings = log._cluster.client()
    assert (settings["security.protocol"], settings["sasl.username"]) == ("sasl_ssl", "u")
    assert (settings["sasl.mechanism"], settings["sasl.password"]) == ("PLAIN", "hunter2")
    AdminClient(settings)
    assert "hunter2" not in repr(log._cluster)


def test_names_have_the_prefix() -> None:
    """Deployments with different prefixes share no topic and no group, and topics share no group."""
    one, other = Cluster("h:1", "one-"), Cluster("h:1", "other-")
    assert one.topic("a") != other.topic("a")
    assert len({one.group("a", "g"), one.group("b", "g"), other.group("a", "g")}) == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Mismatch),
        (KafkaError._UNKNOWN_PARTITION, Mismatch),
        (KafkaError.MSG_SIZE_TOO_LARGE, Permanent),
        (KafkaError._QUEUE_FULL, Temporary),
        (KafkaError._MSG_TIMED_OUT, Unknown),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, Unknown),
        (KafkaError._FATAL, Unknown),
    ],
)
def test_failed_writes(code: int, kind: type[Failure]) -> None:
    """Only what the broker refused, or what never left, is certainly not written; all else is unknown."""
    assert type(write_failure(KafkaError(code), "append")) is kind


def test_failed_questions() -> None:
    """Where nothing is written, nothing is unknown."""
    assert type(failure(KafkaError(KafkaError._MSG_TIMED_OUT), "ends")) is Temporary


def test_a_fatal_error_ends_the_process() -> None:
    """A producer that can write nothing any more asks for the end of its process; other complaints do not."""
    ended: list[str] = []
    complaints = Complaints(lambda error: ended.append(error.name()))
    complaints(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert ended == []
    complaints(KafkaError(KafkaError._FENCED, fatal=True))
    assert ended == ["_FENCED"]


def test_a_closed_appender_takes_nothing() -> None:
    """After closing, appending is Temporary, and closing again does no harm."""
    appender = Appender(Cluster("127.0.0.1:1"), 0.5)
    appender.close()
    appender.close()
    with pytest.raises(Temporary):
        appender.append([], 1.0)
