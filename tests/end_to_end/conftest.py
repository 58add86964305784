"""A system of its own for each end-to-end test: on the embedded parts, and on the real servers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from ops.harness.guard import refuse_real
from ops.harness.system import System
from ops.native.cassandra import Cassandra
from ops.native.kafka import Kafka
from ops.native.minio import Minio
from ops.native.processes import Server, free_port, start_all
from ops.native.rabbitmq import RabbitMQ
from ops.native.stack import variables
from tests.ops.real import home_with

QUICK = {
    "CHAT4ALL_BACKOFF_FIRST_S": "0.2",
    "CHAT4ALL_UNKNOWN_GRACE_S": "3",
    "CHAT4ALL_BREAKER_FAILURES": "1000",
    "CHAT4ALL_OPEN_REGISTRATION": "true",
}
PROGRAMS: tuple[type[Server], ...] = (Kafka, Cassandra, RabbitMQ, Minio)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """The real servers on free ports, started once for all tests."""
    data = tmp_path_factory.mktemp("servers")
    made = [each(home_with(each), data / each.name, free_port()) for each in PROGRAMS]
    try:
        start_all(made)
        yield {each.name: each for each in made}
    finally:
        for each in made:
            each.kill9()


def own_place(env: Mapping[str, str]) -> dict[str, str]:
    """Topics, a keyspace and a bucket that no other test has."""
    name = f"t{uuid4().hex[:12]}"
    return dict(env) | {
        "CHAT4ALL_LOG": f"{env['CHAT4ALL_LOG']}?prefix={name}-",
        "CHAT4ALL_STORE": env["CHAT4ALL_STORE"].replace("/chat4all", f"/{name}"),
        "CHAT4ALL_OBJECTS": env["CHAT4ALL_OBJECTS"].replace("/chat4all", f"/{name}"),
    }


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """Everything running on ports and data of its own; gone after the test."""
    env = dict(QUICK)
    if request.param == "real":
        env |= own_place(variables(request.getfixturevalue("servers"), tmp_path / "servers"))
        for name, value in env.items():
            # The test opens the store itself, with the same passwords.
            if name.startswith(("CHAT4ALL_SECRET_", "MINIO_")):
                monkeypatch.setenv(name, value)
    own = System(tmp_path / "data", env)
    refuse_real(own.settings)
    with own:
        yield own
