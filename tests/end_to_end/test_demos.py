"""The demonstrations end well, on the embedded parts and on the real servers: the broker that dies is the one in use."""

import subprocess
import sys

import pytest

from chat4all.cli.parts import ROOT
from ops.harness.system import System

PER_SECOND = "30"
BROKERS = {"redis": "Redis", "amqp": "RabbitMQ"}

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]


@pytest.mark.parametrize("story", ["failover", "scale"])
def test_nothing_is_lost(story: str, system: System, request: pytest.FixtureRequest) -> None:
    """The checker's verdict at the end is good, and what the demonstration says it did was done."""
    scheme = system.settings.broker_url.partition(":")[0]
    env = {**system.env, "RATE": PER_SECOND}
    if scheme == "amqp":
        env["CHAT4ALL_SERVERS_DATA"] = str(request.getfixturevalue("servers").each["rabbitmq"].folder.parent)
    command = [sys.executable, "-m", "ops.demo", story]
    told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Nothing was lost" in told.stdout
    assert story != "failover" or f"kill -9 of the broker ({BROKERS[scheme]})" in told.stdout
