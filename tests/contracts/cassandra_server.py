"""A Cassandra of one node for the message store's suite: started when it is first needed, ended with the suites."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from chat4all.settings import Settings
from ops.native.cassandra import Cassandra
from ops.native.processes import free_port
from tests.ops.real import home_with, running

_running: dict[str, Cassandra] = {}
KEYSPACE = f"test_{uuid4().hex[:8]}"


@pytest.fixture(scope="package")
def cassandra_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cassandra]:
    """The node that every contract test shares."""
    server = Cassandra(home_with(Cassandra), tmp_path_factory.mktemp("cassandra"), free_port())
    with running(server):
        _running["cassandra"] = server
        yield server
    del _running["cassandra"]


def cassandra_settings(folder: Path) -> Settings:
    """Settings that name this session's keyspace on the node."""
    return Settings(data=folder, store=f"cassandra://{_running['cassandra'].address}/{KEYSPACE}?replication=1")
