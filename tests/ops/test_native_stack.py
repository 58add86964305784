"""The stack as a whole: its settings, its command line, and each real server's start and end."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chat4all.settings import Settings
from ops.native.__main__ import app
from ops.native.alertmanager import Alertmanager
from ops.native.cassandra import Cassandra
from ops.native.jaeger import Jaeger
from ops.native.kafka import Kafka
from ops.native.minio import Minio
from ops.native.processes import Server, free_port
from ops.native.prometheus import NodeExporter, Prometheus
from ops.native.rabbitmq import RabbitMQ
from ops.native.redis import Redis
from ops.native.stack import SECRETS, environment
from tests.ops.real import home_with

ROOT = Path(__file__).parents[2]
SERVICE = ("chat4all", "webapp", "bridges", "tasks", "storage", "ops/simulator")
Make = Callable[[Path, Path], Server]


def test_the_environment_names_every_secret() -> None:
    """Outside the embedded default secrets are never made by themselves: all that the service asks for are given."""
    asked = {
        name.replace("{self.name}", channel)
        for folder in SERVICE
        for path in (ROOT / folder).rglob("*.py")
        for channel in ("whatsapp", "instagram", "messenger")
        for name in re.findall(r"""\bsecret\(["']([a-z0-9_{}.]+)["']\)""", path.read_text())
    }
    assert asked <= set(SECRETS)


def test_the_environment_makes_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are understood by the settings, stay the same, and are readable by their owner only."""
    variables = environment(tmp_path, tmp_path / "data")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert not settings.is_embedded
    assert settings.log.startswith("kafka://")
    assert settings.broker_url.startswith("amqp://")
    assert settings.secret("jwt") == variables["CHAT4ALL_SECRET_JWT"]
    assert environment(tmp_path, tmp_path / "data") == variables
    assert {each.stat().st_mode & 0o777 for each in (tmp_path / "data" / "secrets").iterdir()} == {0o600}


def test_the_command_line(tmp_path: Path) -> None:
    """start, status and stop by name; what is unknown or not installed is refused with a hint."""
    options = ["--home", str(tmp_path), "--data", str(tmp_path / "data")]

    def call(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [*words, *options])
        return result.exit_code, result.output

    assert call("status", "redis")[0] == 1
    code, text = call("start", "kafka")
    assert (code, "install kafka" in text) == (1, True)
    code, text = call("start", "kafak")
    assert (code, "kafak" in text) == (1, True)
    code, text = call("env")
    assert (code, "export CHAT4ALL_LOG=kafka://" in text) == (0, True)
    assert call("stop")[0] == 0


def _kafka(home: Path, folder: Path) -> Server:
    return Kafka(home, folder, free_port())


def _cassandra(home: Path, folder: Path) -> Server:
    return Cassandra(home, folder, free_port(), heap="512m")


def _rabbitmq(home: Path, folder: Path) -> Server:
    return RabbitMQ(home, folder, free_port())


def _minio(home: Path, folder: Path) -> Server:
    return Minio(home, folder, free_port())


def _prometheus(home: Path, folder: Path) -> Server:
    return Prometheus(home, folder, free_port())


def _node_exporter(home: Path, folder: Path) -> Server:
    return NodeExporter(home, folder, free_port())


def _alertmanager(home: Path, folder: Path) -> Server:
    return Alertmanager(home, folder, free_port())


def _jaeger(home: Path, folder: Path) -> Server:
    return Jaeger(home, folder, free_port())


REAL: dict[type[Server], Make] = {
    Kafka: _kafka,
    Cassandra: _cassandra,
    RabbitMQ: _rabbitmq,
    Minio: _minio,
    Prometheus: _prometheus,
    Alertmanager: _alertmanager,
    NodeExporter: _node_exporter,
    Jaeger: _jaeger,
}


@pytest.mark.real
@pytest.mark.parametrize("program", REAL, ids=lambda program: program.name)
def test_a_real_server_starts_and_ends(program: type[Server], tmp_path: Path) -> None:
    """Each server answers when started, and leaves no process behind when stopped; their return is the contracts' to show."""
    server = REAL[program](home_with(program), tmp_path / "server")
    try:
        server.start()
        assert server.answers()
        family = server._family()
        server.stop()
        assert not server.answers()
        assert not any(each.is_running() and each.status() != "zombie" for each in family)
    finally:
        server.kill9()


def test_redis_is_always_there(tmp_path: Path) -> None:
    """Redis comes with the requirements."""
    assert Redis.is_installed(tmp_path)
    assert not Redis.install(tmp_path)
    assert os.access(Redis(tmp_path, tmp_path, 1).command()[0], os.X_OK)


class Mute(Redis):
    """One that answers until it is told not to."""

    is_mute = False

    def answers(self) -> bool:
        return not self.is_mute and super().answers()


def test_the_command_line_starts_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was started is shown with its process and asked for by status; a port that is taken is refused in words."""
    port = free_port()
    server = Mute(tmp_path, tmp_path / "data" / "redis", port)
    # The same object each time, since it reaps its child at the end; another one on other data.
    others = {tmp_path / "data": server, tmp_path / "other": Redis(tmp_path, tmp_path / "other" / "redis", port)}
    monkeypatch.setattr("ops.native.__main__.stack", lambda _home, data: {"redis": others[data]})
    options = ["--home", str(tmp_path), "--data", str(tmp_path / "data")]

    def call(command: str, *more: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [command, "redis", *options, *more])
        return result.exit_code, result.output

    try:
        code, text = call("start")
        assert (code, server.is_running) == (0, True)
        assert "answers" in text and "MiB" in text
        assert call("status")[0] == 0
        other = ["--data", str(tmp_path / "other")]
        code, text = call("start", *other)
        assert (code, "is taken by another process" in text) == (1, True)
        server.pause()
        server.is_mute = True
        code, text = call("status")
        assert (code, "does not answer" in text) == (1, True)
        assert call("stop") == (0, "redis: stopped\n")
        assert not server.is_running
    finally:
        server.kill9()
