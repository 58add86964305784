"""Waits until every process of a started system answers, then prints the addresses and lines to paste."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chat4all.cli.parts import Part
from chat4all.settings import Settings
from chat4all.telemetry.exporter import targets, targets_folder

PATIENCE_S = 90.0
BETWEEN_S = 0.2


def _answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return requests.get(url, timeout=2).ok
        except requests.RequestException:
            return False

    return ask


def serves(target: str) -> Callable[[], bool]:
    """Asks whether a gRPC server at `target` says that it serves."""

    def ask() -> bool:
        with grpc.insecure_channel(target) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return ask


def wait(settings: Settings, parts: list[Part], still_wanted: Callable[[], bool]) -> list[str]:
    """Wait for the parts that answer questions; the names of those that still do not after 90 s."""
    asks = {
        "gateway": _answers(f"{settings.gateway_url}/readyz"),
        "stream": serves(settings.stream_target),
        "objects": _answers(f"{settings.objects_address}/healthz"),
        "simulator": _answers(f"{settings.simulator_url}/control/stats"),
        "flower": _answers(f"http://{settings.host}:{settings.flower_port}/healthcheck"),
    }
    silent = [part.name for part in parts if part.name in asks]
    deadline = time.monotonic() + PATIENCE_S
    while silent and time.monotonic() < deadline and still_wanted():
        silent = [name for name in silent if not asks[name]()]
        time.sleep(BETWEEN_S if silent else 0)
    return silent


def text(settings: Settings) -> str:
    """Where to look, and lines to paste that work."""
    kept = settings.data / "demo.json"
    users: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    lines = [
        "Chat4All is running. Ctrl-C stops it.",
        "",
        f"  console: look and answer    {settings.gateway_url}/console",
        *_sign_in(users),
        f"  people's phones, simulated  {settings.simulator_url}/phones",
        f"  REST and its documentation  {settings.gateway_url}/docs",
        f"  gRPC stream                 {settings.stream_target}",
        f"  tasks (Flower)              http://{settings.host}:{settings.flower_port}",
        f"  logs                        {settings.data.resolve()}/logs",
        *_metrics(settings),
    ]
    if users:
        lines += ["", "To paste into another terminal:", "", *_to_paste(settings, users)]
    return "\n".join([*lines, ""])


def _sign_in(users: dict[str, str]) -> list[str]:
    """Who may sign in, first who sees everything."""
    named = [f"{who} (password {users[who]})" for who in sorted(users, key=lambda who: (who != "demo", who))]
    return [f"  sign in there as            {', or '.join(named)}"] if named else []


def _metrics(settings: Settings) -> list[str]:
    """Where each process shows its metrics, and what Prometheus needs to find them all."""
    if settings.metrics == "off":
        return []
    shown = [f"    {name.rpartition('-')[0]:<26}{url}" for name, url in targets(settings).items()]
    return [f"  metrics, for file_sd        {targets_folder(settings).resolve()}/*.json", *shown]


def _to_paste(settings: Settings, users: dict[str, str]) -> list[str]:
    token = _token(settings, "alice", users.get("alice", ""))
    events = f"http://{settings.host}:{settings.events_port}/v1/events"
    body = '{"to":["bob"],"payload":{"type":"text","text":"Hello Bob"}}'
    sends = "curl -s $BASE_URL/v1/messages -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json'"
    streams = f"{Path(sys.executable).parent / 'chat4all'} --stream-target {settings.stream_target} stream"
    return [
        f"  export BASE_URL={settings.gateway_url} TOKEN={token}",
        f"  {sends} -d '{body}'",
        f"  {streams}",
        f'  curl -sN {events} -H "Authorization: Bearer $TOKEN"',
    ]


def _token(settings: Settings, client_id: str, secret: str) -> str:
    body = {"client_id": client_id, "client_secret": secret}
    answer = requests.post(f"{settings.gateway_url}/auth/token", json=body, timeout=10)
    return str(answer.json().get("access_token", "")) if answer.ok else ""


def show(settings: Settings, parts: list[Part]) -> None:
    """Wait, then print the banner, or which parts are silent. Ends quietly when the supervisor that it serves is gone."""
    parent = os.getppid()
    silent = wait(settings, parts, lambda: os.getppid() == parent)
    if os.getppid() != parent:
        return
    if silent:
        logs = settings.data.resolve() / "logs"
        sys.stderr.write(f"Still no answer from: {', '.join(silent)}. Their logs are in {logs}.\n")
    else:
        sys.stdout.write(text(settings))
        sys.stdout.flush()
