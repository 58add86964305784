"""Where processes show their metrics, and how Prometheus finds them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from chat4all.cli.parts import PARTS
from chat4all.root import ROOT
from chat4all.settings import Settings
from chat4all.telemetry.exporter import STEP, announce, targets, targets_folder

SERVING = """
import sys
from chat4all.telemetry import exporter, logs
from chat4all.settings import load
logs.configure("tried")
print(exporter.serve(sys.argv[1], load()), flush=True)
sys.stdin.read()
"""


@contextmanager
def _serving(process: str, data: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that shows its metrics inside; and its port."""
    named = {**os.environ, "CHAT4ALL_DATA": str(data), **env}
    command = [sys.executable, "-c", SERVING, process]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=named, text=True, **pipes) as started:  # type: ignore[call-overload]
        try:
            yield started, int(started.stdout.readline())
        finally:
            started.stdin.close()


def _free() -> int:
    """A port that is free, and so is the one a step further."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = int(one.getsockname()[1])
            if port + STEP > 65535:
                continue
            with socket.socket() as other:
                if other.connect_ex(("127.0.0.1", port + STEP)):
                    return port


def test_a_second_process_of_a_kind_takes_another_port(tmp_path: Path) -> None:
    """Both answer, and the files say where."""
    port = str(_free())
    settings = Settings.model_validate({"data": tmp_path})
    with (
        _serving("worker-channels", tmp_path, CHAT4ALL_METRICS_PORT=port) as (_, first),
        _serving("worker-channels", tmp_path, CHAT4ALL_METRICS_PORT=port) as (_, second),
    ):
        assert (first, second) == (int(port), int(port) + STEP)
        urls = targets(settings)
        assert sorted(urls.values()) == sorted(f"http://127.0.0.1:{each}/metrics" for each in (first, second))
        for url in urls.values():
            assert "process_cpu_seconds_total" in requests.get(url, timeout=5).text
    assert not targets(settings)


def test_what_a_killed_process_left_goes_when_the_next_starts(tmp_path: Path) -> None:
    """Prometheus keeps looking for one that was killed until then: that is how it is noticed."""
    settings = Settings.model_validate({"data": tmp_path})
    with _serving("bridge", tmp_path, CHAT4ALL_METRICS_PORT="0") as (process, _):
        process.kill()
    assert [name.rpartition("-")[0] for name in targets(settings)] == ["bridge"]
    announce("stream", 1234, settings)
    assert list(targets(settings)) == [f"stream-{os.getpid()}"]
    [path] = targets_folder(settings).glob("*.json")
    assert json.loads(path.read_text()) == [{"targets": ["127.0.0.1:1234"], "labels": {"process": "stream"}}]


def test_who_cannot_be_watched_works_all_the_same(tmp_path: Path) -> None:
    """An address that is not this machine's: no port, no file, and the process goes on."""
    with _serving("bridge", tmp_path, CHAT4ALL_METRICS_HOST="192.0.2.1") as (process, port):
        assert (port, process.poll()) == (0, None)
    assert not targets(Settings.model_validate({"data": tmp_path}))


def test_off_shows_and_keeps_nothing(tmp_path: Path) -> None:
    """CHAT4ALL_METRICS=off: no port, no file."""
    with _serving("bridge", tmp_path, CHAT4ALL_METRICS="off") as (_, port):
        assert port == 0
    assert not targets(Settings.model_validate({"data": tmp_path}))


def test_parts_have_ports_of_their_own() -> None:
    """On one machine none of them finds its first choice taken by another."""
    settings = Settings()
    ports = [part.metrics_port(settings) for part in PARTS if part.metrics >= 0]
    assert len(set(ports)) == len(ports) == 8
    assert all(each.metrics_port(Settings(metrics_port=0)) == 0 for each in PARTS)
