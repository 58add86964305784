"""What each native server is told, and when it is believed to be up: with small scripts and pages in the real ones' place."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest
from confluent_kafka import KafkaException

from ops.native import cassandra, kafka, rabbitmq
from ops.native.alertmanager import Alertmanager
from ops.native.jaeger import Jaeger
from ops.native.minio import Minio
from ops.native.processes import Server, StartFailed, free_port, is_well
from ops.native.prometheus import NodeExporter, Prometheus
from tests.ops.serving import served


class Page(ThreadingHTTPServer):
    """Answers each path with what stands in `pages`, (status, content); 404 to all others."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, object]] = {}
        super().__init__(("127.0.0.1", 0), Answers)


class Answers(BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        status, content = self.server.pages.get(self.path, (404, {}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def page() -> Iterator[Page]:
    with served(Page()) as made:
        yield made


def prepared(server: Server) -> Server:
    server.folder.mkdir(parents=True)
    server.prepare()
    return server


def test_only_200_is_well(page: Page) -> None:
    """A server that says 503 of itself, that has no such page, or that is not there is not up."""
    page.pages |= {"/up": (200, {}), "/soon": (503, {})}
    address = f"127.0.0.1:{page.server_port}"
    assert [is_well(address, path) for path in ("/up", "/soon", "/none")] == [True, False, False]
    assert not is_well(f"127.0.0.1:{free_port()}", "/up")


@pytest.mark.parametrize(
    ("program", "path"),
    [(Prometheus, "/-/ready"), (Alertmanager, "/-/ready"), (NodeExporter, "/"), (Minio, "/minio/health/ready")],
)
def test_each_answers_at_its_own_page(program: type[Server], path: str, page: Page, tmp_path: Path) -> None:
    """Its own readiness check decides; it listens on the port that it was given."""
    server = program(tmp_path, tmp_path / "data", page.server_port)
    assert not server.answers()
    page.pages[path] = (200, {})
    assert server.answers()
    assert server.address in " ".join(server.command())


def test_prometheus_is_told_what_to_scrape(tmp_path: Path) -> None:
    """Jobs with their addresses, our own processes where they announce themselves, the alerts, and who is told of them."""
    targets, announced = {"node": ["127.0.0.1:9100"]}, tmp_path / "targets"
    server = Prometheus(tmp_path, tmp_path / "p", 9, targets=targets, announced=[announced], alertmanager="127.0.0.1:9093")
    prepared(server)
    told = json.loads((server.folder / "prometheus.yml").read_text())
    node, own = told["scrape_configs"]
    assert (node["job_name"], node["static_configs"]) == ("node", [{"targets": ["127.0.0.1:9100"]}])
    assert own["file_sd_configs"][0]["files"] == [f"{announced}/*.json"]
    assert told["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]
    assert Path(told["rule_files"][0]).exists()
    alone = prepared(Prometheus(tmp_path, tmp_path / "alone", 9))
    assert json.loads((alone.folder / "prometheus.yml").read_text())["alerting"]["alertmanagers"] == []
    assert Prometheus.tool(tmp_path).endswith("promtool")
    assert Alertmanager.tool(tmp_path).endswith("amtool")


def test_jaeger_shows_traces(page: Page, tmp_path: Path) -> None:
    """Up when it answers questions and listens for spans; a trace comes with its processes, an unknown one is empty."""
    server = Jaeger(tmp_path, tmp_path / "jaeger", page.server_port, query_port=page.server_port)
    prepared(server)
    told = json.loads((server.folder / "jaeger.json").read_text())
    assert told["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == server.address
    assert "--config" in server.command()
    assert (server.endpoint, server.page) == (f"http://{server.address}", f"http://127.0.0.1:{page.server_port}")
    assert not server.answers()
    page.pages["/api/services"] = (200, {"data": []})
    assert server.answers()
    span = {"spanID": "1", "processID": "p1"}
    page.pages["/api/traces/a"] = (200, {"data": [{"spans": [span], "processes": {"p1": {"serviceName": "gateway"}}}]})
    assert server.trace("a") == [{**span, "process": {"serviceName": "gateway"}}]
    assert server.trace("b") == []
    page.pages["/api/traces/c"] = (500, {})
    with pytest.raises(OSError, match="500"):
        server.trace("c")


def test_a_minio_keeps_its_password(tmp_path: Path) -> None:
    """Made once, readable by its owner only, and given to the process with a limit of memory."""
    server = Minio(tmp_path, tmp_path / "minio", 9000)
    assert server.environment()["MINIO_ROOT_PASSWORD"] == Minio(tmp_path, tmp_path / "minio", 9000).password
    assert (tmp_path / "minio" / "password").stat().st_mode & 0o777 == 0o600
    assert server.environment()["MINIO_MEMLIMIT"]


def test_a_kafka_formats_its_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start formats, with every controller of the cluster as a voter; a later one only writes its settings."""
    formatted: list[list[str]] = []

    def run(command: list[str], _limit_s: float) -> str:
        formatted.append(command)
        return ""

    monkeypatch.setattr(kafka, "run", run)
    brokers = kafka.cluster(tmp_path, tmp_path / "data")
    assert len({each.port for each in brokers} | {each.node.controller_port for each in brokers}) == 6
    for each in brokers:
        prepared(each)
    voters = [command[command.index("--initial-controllers") + 1] for command in formatted]
    assert len(voters) == 3 and len(set(voters)) == 1 and voters[0].count("@127.0.0.1:") == 3
    settings = dict(line.split("=", 1) for line in (brokers[1].folder / "server.properties").read_text().splitlines())
    assert (settings["node.id"], settings["min.insync.replicas"], settings["default.replication.factor"]) == ("2", "2", "3")
    assert settings["controller.quorum.bootstrap.servers"].count(":") == 3
    assert brokers[0].bootstrap.split(",") == [each.address for each in brokers]
    (brokers[0].folder / "data").mkdir()
    (brokers[0].folder / "data" / "meta.properties").touch()
    brokers[0].prepare()
    assert len(formatted) == 3
    assert brokers[0].command()[-2:] == ["kafka.Kafka", str(brokers[0].folder / "server.properties")]
    alone = prepared(kafka.Kafka(tmp_path, tmp_path / "alone", 9092))
    assert "min.insync.replicas=1\n" in (alone.folder / "server.properties").read_text()


class Cluster:
    """What an admin client is told: brokers, and the leaders of one topic's partitions."""

    def __init__(self, brokers: set[int], leaders: list[int]) -> None:
        self.brokers = dict.fromkeys(brokers)
        self.topics = {"t": self}
        self.partitions = {n: type("Partition", (), {"leader": each})() for n, each in enumerate(leaders)}

    def list_topics(self, timeout: float) -> "Cluster":
        return self


class Nobody:
    """An admin client that reaches nobody."""

    def list_topics(self, timeout: float) -> NoReturn:
        raise KafkaException("no brokers")


@pytest.mark.parametrize(
    ("cluster", "is_up"),
    [(Cluster({1}, [1]), True), (Cluster({2}, [2]), False), (Cluster({1}, [1, -1]), False), (Nobody(), False)],
    ids=["all led", "not a member", "a partition without a leader", "nobody there"],
)
def test_a_broker_is_up_when_it_leads(cluster: Any, is_up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open port is not enough: it is a member, and every partition has a leader."""
    monkeypatch.setattr(kafka, "AdminClient", lambda _settings: cluster)
    assert kafka.Kafka(tmp_path, tmp_path / "k", 9092).answers() is is_up


def test_nodes_share_the_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three addresses, one port, evenly spread tokens, hints for each other; one alone is up sooner and keeps no hints."""
    nodes = cassandra.cluster(tmp_path, tmp_path / "data")
    assert [each.host for each in nodes] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert len({each.port for each in nodes}) == len({each.storage_port for each in nodes}) == 1
    told = [json.loads((prepared(each).folder / "cassandra.yaml").read_text()) for each in nodes]
    tokens = [int(each["initial_token"]) for each in told]
    assert abs((tokens[1] - tokens[0]) - (tokens[2] - tokens[1])) <= 1
    assert all(each["hinted_handoff_enabled"] and each["commitlog_sync"] == "batch" for each in told)
    alone = prepared(cassandra.Cassandra(tmp_path, tmp_path / "alone", 9042, heap="512m"))
    assert isinstance(alone, cassandra.Cassandra)
    assert not json.loads((alone.folder / "cassandra.yaml").read_text())["hinted_handoff_enabled"]
    (tmp_path / "cassandra" / "lib").mkdir(parents=True)
    (tmp_path / "cassandra" / "lib" / "jamm-1.jar").touch()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    command = alone.command()
    assert {"-Xmx512m", "-Dcassandra.ring_delay_ms=100"} <= set(command)
    assert "setpriv" not in command
    assert "-Dcassandra.ring_delay_ms=2000" in nodes[0].command()
    assert not alone.answers()


def test_of_a_cluster_all_start_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first node is up before the others are started; when one of these does not come up, all are killed."""
    done: list[str] = []
    monkeypatch.setattr(cassandra.Cassandra, "start", lambda self: done.append(f"start {self.host}"))
    monkeypatch.setattr(cassandra.Cassandra, "kill9", lambda self: done.append(f"kill {self.host}"))

    def fail(others: list[Server]) -> None:
        done.append(f"others {len(others)}")
        raise StartFailed("no")

    monkeypatch.setattr(cassandra, "start_all", fail)
    with pytest.raises(StartFailed):
        cassandra.start_cluster(cassandra.cluster(tmp_path, tmp_path / "data"))
    assert done == ["start 127.0.0.1", "others 2", *(f"kill 127.0.0.{n}" for n in (1, 2, 3))]


def test_a_rabbitmq_has_a_name_server_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started before and killed after; nothing of either is looked for outside the folder."""
    done: list[str] = []
    monkeypatch.setattr(rabbitmq.NameServer, "start", lambda _self: done.append("names start"))
    monkeypatch.setattr(rabbitmq.NameServer, "kill9", lambda _self: done.append("names end"))
    server = rabbitmq.RabbitMQ(tmp_path, tmp_path / "r", free_port(), epmd_port=4370)
    prepared(server)
    told = server.environment()
    assert told["ERL_EPMD_PORT"] == "4370"
    assert all(told[name].startswith(str(server.folder)) for name in ("HOME", "RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE"))
    assert server.address in (server.folder / "rabbitmq.conf").read_text()
    assert not server.answers()
    server.kill9()
    assert done == ["names start", "names end"]
    names = rabbitmq.NameServer(tmp_path, tmp_path / "names", free_port())
    assert names.command()[0] == "epmd" and not names.answers() and not names.install(tmp_path)


def test_a_rabbitmq_that_says_nothing_is_not_up(page: Page, tmp_path: Path) -> None:
    """Something that listens there and speaks no AMQP does not count."""
    assert not rabbitmq.RabbitMQ(tmp_path, tmp_path / "r", page.server_port).answers()
