"""A Kafka of one broker for the event log's suite: started when it is first needed, ended with the suites."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat4all.settings import Settings
from ops.native.kafka import Kafka
from ops.native.processes import free_port
from tests.ops.real import home_with, running

_running: dict[str, Kafka] = {}


@pytest.fixture(scope="package")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """The broker that every contract test shares."""
    server = Kafka(home_with(Kafka), tmp_path_factory.mktemp("kafka"), free_port())
    with running(server):
        _running["kafka"] = server
        yield server
    del _running["kafka"]


def kafka_settings(folder: Path) -> Settings:
    """Settings that name the broker."""
    return Settings(data=folder, log=f"kafka://{_running['kafka'].address}")


def kill_and_restart_kafka(_settings: Settings) -> None:
    """kill -9, and start again; back when every partition has a leader."""
    _running["kafka"].kill9()
    _running["kafka"].start()
