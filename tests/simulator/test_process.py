"""The simulator as a process of its own."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chat4all.channels import open_channel
from chat4all.ports import Outgoing
from chat4all.settings import Settings

ROOT = Path(__file__).parent.parent.parent
Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def settings(tmp_path: Path, unused_tcp_port_factory: Any) -> Settings:
    return Settings(data=tmp_path, simulator_port=unused_tcp_port_factory(), gateway_port=unused_tcp_port_factory())


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts `python -m ops.simulator` and waits until it answers; what still runs is killed at the end."""
    running: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ,
        "CHAT4ALL_DATA": str(settings.data),
        "CHAT4ALL_SIMULATOR_PORT": str(settings.simulator_port),
        "CHAT4ALL_GATEWAY_PORT": str(settings.gateway_port),
    }

    def begin() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ops.simulator"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        running.append(process)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            try:
                requests.get(f"{settings.simulator_url}/healthz", timeout=1)
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                break
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def arrived(settings: Settings) -> list[str]:
    answer = requests.get(f"{settings.simulator_url}/control/sent", timeout=5).json()
    return [each["provider_id"] for each in answer["sent"]]


async def test_kill_9_loses_nothing(settings: Settings, start: Start) -> None:
    """What the provider said it took is there after kill -9; a second simulator on the same port says so in a line."""
    first = start()
    channel = open_channel("whatsapp", settings)
    try:
        taken = [await channel.send_text(Outgoing("+5511999990000", f"n{number}", "r")) for number in range(20)]
        refused = start()
        assert refused.wait(timeout=20) == 1
        assert refused.stderr is not None
        assert b"address already in use" in refused.stderr.read().lower()
        first.kill()
        first.wait()
        # In a thread: the channel must notice meanwhile that its kept connections are gone.
        await asyncio.to_thread(start)
        assert arrived(settings) == taken
        again = await channel.send_text(Outgoing("+5511999990000", "again", "r"))
        assert arrived(settings) == [*taken, again]
    finally:
        await channel.close()


def test_it_stops_when_asked(start: Start) -> None:
    """SIGTERM ends it, cleanly and soon."""
    process = start()
    process.terminate()
    assert process.wait(timeout=10) == 0
