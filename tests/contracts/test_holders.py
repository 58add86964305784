"""Holders of a lane that freeze, wake and die, on Cassandra: no fence is compared there."""

from pathlib import Path
from uuid import uuid4

import pytest

from ops.native.cassandra import Cassandra
from tests.tasks.test_holders import QUICK, whatever_happens
from tests.tasks.world import whatsapp, world


@pytest.mark.real
async def test_whoever_freezes_wherever_every_delivery_ends_and_what_is_twice_is_counted(
    cassandra_server: Cassandra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an embedded store."""
    monkeypatch.setenv("CHAT4ALL_SECRET_FILES", "a secret for tests, long enough to sign files with")
    store = f"cassandra://{cassandra_server.address}/holders_{uuid4().hex[:8]}?replication=1"
    with world(tmp_path, partitions=1, store=store, **QUICK | {"provider_timeout_s": 0.5}) as road:
        road.know(*map(whatsapp, range(10)))
        await whatever_happens(road, 1, turns=8)
