"""Thousands of slow clients at once, and how long everybody else waits meanwhile."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from urllib.parse import urlsplit
from uuid import uuid4

from chat4all.channels.whatsapp import SIMULATED_NUMBER
from chat4all.root import ROOT
from ops.bench.figures import spread
from ops.faults.course import Course
from ops.harness.api import Api, Refused
from ops.simulator.providers.graph import hub_signature
from storage.open import open_objects

WARM_S = 15.0
HOLD_S = 120.0
PROBE_EVERY_S = 0.25
# 250 ms on two cores that have nothing else to do; four times as much is wrong anywhere.
P99_MOST_MS = 1000
GREW_MIB = 100
FILE_MIB = 64
SERVING = ("gateway", "stream", "objects")


class Probe:
    """Asks one thing again and again, and keeps how long each answer took (ms) and what went wrong."""

    def __init__(self, name: str, ask: Callable[[], object]) -> None:
        self.name, self._ask = name, ask
        self.took: list[float] = []
        self.failed: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(PROBE_EVERY_S):
            began = time.perf_counter()
            try:
                self._ask()
            except (Refused, OSError, HTTPException) as error:
                self.failed.append(repr(error)[:100])
            self.took.append((time.perf_counter() - began) * 1000)

    def end(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join()


def clients(run: Course) -> None:
    """2,790 clients in nine ways of being slow, for two minutes; SECONDS in the environment for another time."""
    seconds = float(os.environ.get("SECONDS", HOLD_S))
    asks = _asks(run)
    with _probed(asks) as before:
        run.go(WARM_S)
    path, answer = _large_file(run), _large_answer(run)
    run.hit()
    memory = run.memory()
    with _probed(asks) as during:
        attack = _attack(run, seconds, path, answer)
        most = memory
        while attack.poll() is None:
            run.go(2.0)
            now = run.memory()
            most = {part: max(most[part], now.get(part, 0)) for part in SERVING}
    run.hit()
    told = json.loads(attack.communicate()[0] or "{}")
    grown = {part: most[part] - memory[part] for part in SERVING}
    _judge(run, before, during, grown, told)


def _judge(run: Course, before: list[Probe], during: list[Probe], grown: dict[str, int], told: dict[str, int]) -> None:
    for calm, held in zip(before, during, strict=True):
        run.figures[f"{held.name}_p99_ms"] = f"{spread(calm.took).p99:.0f} alone, {spread(held.took).p99:.0f} among them"
        if spread(held.took).p99 > P99_MOST_MS:
            run.wrong.append(f"{held.name}: the slowest hundredth waited {spread(held.took).p99:.0f} ms, {P99_MOST_MS} at most")
        if held.failed:
            run.wrong.append(f"{held.name}: {len(held.failed)} of {len(held.took)} had no answer, first {held.failed[0]}")
    run.figures["slow_clients_came"] = sum(count for name, count in told.items() if name.endswith("came"))
    run.figures["slow_clients_cut"] = sum(count for name, count in told.items() if name.endswith("cut"))
    run.figures["grew_mib"] = ", ".join(f"{part} {size}" for part, size in grown.items())
    if sum(grown.values()) > GREW_MIB:
        run.wrong.append(f"they grew by {sum(grown.values())} MiB: {run.figures['grew_mib']}")
    if not told:
        run.wrong.append("the slow clients ended early")


def _asks(run: Course) -> dict[str, Callable[[], object]]:
    """What others do meanwhile, each on a connection of its own: also those who connect anew each time."""
    settings, secret = run.system.settings, "correct horse battery"
    run.stack.register("probed").close()
    # These two belong to the probes, and are let go with them.
    sender, health = run.stack.register("prober"), run.system.api()
    place = sender.private("prober", "probed")
    words = {"type": "text", "text": "are you there?"}
    webhook = _receipt()
    signed = hub_signature(settings.secret("whatsapp_app_secret"), webhook)

    def anew() -> None:
        with Api(settings.host, settings.gateway_port) as api:
            api.call("GET", "/healthz")

    return {
        "health": lambda: health.call("GET", "/healthz"),
        "health_anew": anew,
        "login": lambda: run.system.login("prober", secret).close(),
        "webhook": lambda: _webhook(run, webhook, signed),
        "send": lambda: sender.send({"message_id": str(uuid4()), "conversation_id": place, "payload": words}),
    }


def _receipt() -> bytes:
    """A webhook as WhatsApp sends it, about a message of somebody else's."""
    status = {
        "id": "wamid.somebody",
        "status": "delivered",
        "timestamp": str(int(time.time())),
        "recipient_id": "5511999990000",
    }
    metadata = {"display_phone_number": "15550000000", "phone_number_id": SIMULATED_NUMBER}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _webhook(run: Course, body: bytes, signed: dict[str, str]) -> None:
    import requests  # noqa: PLC0415

    answer = requests.post(
        f"{run.system.settings.gateway_url}/channels/whatsapp/webhook", data=body, headers=signed, timeout=30
    )
    if answer.status_code != 200:
        raise Refused(answer.status_code, answer.text)


@contextmanager
def _probed(asks: dict[str, Callable[[], object]]) -> Iterator[list[Probe]]:
    probes = [Probe(name, ask) for name, ask in asks.items()]
    try:
        yield probes
    finally:
        for each in probes:
            each.end()


def _large_file(run: Course) -> str:
    """Path and query of the signed URL of a file that is there."""
    objects, key = open_objects(run.system.settings), str(uuid4())
    try:
        objects.put(key, (bytes(1 << 20) for _ in range(FILE_MIB)))
        place = urlsplit(objects.sign_get(key, "large.bin", "application/octet-stream", 3600))
    finally:
        objects.close()
    return f"{place.path}?{place.query}"


def _large_answer(run: Course) -> str:
    """A request for a page of long messages."""
    words = {"type": "text", "text": "long " * 800}
    with run.system.login("prober", "correct horse battery") as writer:
        place = writer.private("prober", "probed")
        for _ in range(3):
            writer.send_batch([{"message_id": str(uuid4()), "conversation_id": place, "payload": words} for _ in range(20)])
    head = f"GET /v1/conversations/{place}/messages?limit=50 HTTP/1.1\r\nHost: slow\r\n"
    return f"{head}Authorization: Bearer {writer.token}\r\n\r\n"


def _attack(run: Course, seconds: float, path: str, answer: str) -> "subprocess.Popen[bytes]":
    settings = run.system.settings
    given = (settings.host, settings.gateway_port, settings.objects_port, seconds, path, answer)
    command = [sys.executable, "-m", "ops.faults.holding", *map(str, given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
