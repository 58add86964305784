"""The demonstrations end well, on the embedded parts and on the real servers: the broker that dies is the one in use."""

import subprocess
import sys

import pytest

from chat4all.root import ROOT
from ops.harness.system import System

PER_SECOND = "30"
BROKERS = {"redis": "Redis", "amqp": "RabbitMQ"}

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]


def test_nothing_is_lost(system: System, request: pytest.FixtureRequest) -> None:
    """The failover story: the checker's verdict at its end is good, and it was the broker in use that was killed.

    The other stories tell the same way of what the row `joining` of `make faults` judges.
    """
    scheme = system.settings.broker_url.partition(":")[0].partition("+")[0]
    env = {**system.env, "RATE": PER_SECOND}
    if scheme == "amqp":
        env["CHAT4ALL_SERVERS_DATA"] = str(request.getfixturevalue("servers").each["rabbitmq"].folder.parent)
    command = [sys.executable, "-m", "ops.demo", "failover"]
    told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Nothing was lost" in told.stdout
    assert f"kill -9 of the broker ({BROKERS[scheme]})" in told.stdout
