"""Messages flow to people on WhatsApp and to a stream; a worker is killed with -9, twice; then everything is counted."""

import http.client
import os
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ops.harness.api import Api
from ops.harness.readers import Readers
from ops.harness.system import Running
from ops.harness.waiting import wait_until
from storage.open import open_store

SECONDS = 24
PER_SECOND = float(os.environ.get("RATE", "80"))
PHONES = 20
KILLS = {6: "worker-channels", 14: "worker-pipeline"}


class _Flow:
    """Sends to each phone in turn, in Alice's name, each message until it is acknowledged."""

    def __init__(self, api: Api) -> None:
        self._api = api
        run = int(time.time()) % 100_000
        self.phones = [f"+5521{run:05d}{number:04d}" for number in range(PHONES)]
        self.accepted: list[str] = []

    def run(self) -> None:
        begin, per_batch = time.monotonic(), round(PER_SECOND / 8)
        for number in range(SECONDS * 8):
            self._until_accepted([self._message(number * per_batch + place) for place in range(per_batch)])
            time.sleep(max(0.0, begin + (number + 1) / 8 - time.monotonic()))

    def _message(self, number: int) -> dict[str, Any]:
        message_id, phone = str(uuid4()), self.phones[number % PHONES]
        payload = {"type": "text", "text": f"{message_id} number {number}"}
        return {"message_id": message_id, "from": "alice", "to": [f"whatsapp:{phone}"], "payload": payload}

    def _until_accepted(self, messages: list[dict[str, Any]]) -> None:
        while True:
            # When the gateway goes away: the same ids again, so that nothing can double.
            with suppress(OSError, http.client.HTTPException):
                if all(each["status"] == "accepted" for each in self._api.send_batch(messages)):
                    self.accepted += [each["message_id"] for each in messages]
                    return
            time.sleep(0.2)


class _Count:
    """What is seen from outside: at the simulated phones and in Alice's stream."""

    def __init__(self, system: Running, flow: _Flow, readers: Readers) -> None:
        self._system, self._flow, self._readers = system, flow, readers
        self.kills: list[str] = []

    def phones(self) -> Counter[str]:
        mine = set(self._flow.accepted)
        return Counter(word for each in self._system.phones.sent("whatsapp") if (word := str(each["text"]).split()[0]) in mine)

    def stream(self) -> Counter[str]:
        mine = set(self._flow.accepted)
        return Counter(each.message_id for each in self._readers.seen() if each.message_id in mine)

    def table(self) -> Table:
        phones, stream = self.phones(), self.stream()
        table = Table(title="live", title_justify="left")
        for heading in ("accepted", "on phones", "in the stream", "doubled on phones", "killed"):
            table.add_column(heading)
        doubled = phones.total() - len(phones)
        figures = (len(self._flow.accepted), len(phones), len(stream), doubled)
        table.add_row(*map(str, figures), ", ".join(self.kills) or "-")
        return table


def tell(system: Running, console: Console) -> bool:
    """Tell it; False when anything was lost."""
    console.rule(f"[bold]{PER_SECOND:.0f} messages a second to {PHONES} people on WhatsApp, and two workers that die")
    with (
        system.login("alice", system.demo_password("alice")) as alice,
        system.operator() as operator,
        Readers({"alice": alice.token}, system.stream_target) as readers,
    ):
        flow = _Flow(operator)
        count = _Count(system, flow, readers)
        sender = threading.Thread(target=flow.run, daemon=True)
        sender.start()
        with Live(count.table(), console=console, refresh_per_second=2) as live:
            _watch(system, count, sender, live)
            wait_until("all of it arrived", lambda: _arrived(count, flow, live), 120, 0.5)
        return _verdict(system, console, count, flow)


def _watch(system: Running, count: _Count, sender: threading.Thread, live: Live) -> None:
    begin, due = time.monotonic(), dict(KILLS)
    while sender.is_alive():
        for at in [at for at in due if time.monotonic() - begin > at]:
            part = due.pop(at)
            count.kills.append(f"{part} (pid {system.kill9(part)})")
        live.update(count.table())
        time.sleep(0.5)


def _arrived(count: _Count, flow: _Flow, live: Live) -> bool:
    live.update(count.table())
    return len(count.phones()) >= len(flow.accepted) and len(count.stream()) >= len(flow.accepted)


def _verdict(system: Running, console: Console, count: _Count, flow: _Flow) -> bool:
    phones, stream = count.phones(), count.stream()
    lost = len(set(flow.accepted) - phones.keys()) + len(set(flow.accepted) - stream.keys())
    doubled = phones.total() - len(phones)
    console.print(
        f"accepted [bold]{len(flow.accepted)}[/], lost [bold]{lost}[/], doubled in the stream {stream.total() - len(stream)}"
    )
    counted = _resends(system, set(flow.accepted))
    console.print(f"doubled on phones [bold]{doubled}[/]; the system itself counted {counted} sends that might be a second one")
    return lost == 0


def _resends(system: Running, mine: set[str]) -> int:
    store = open_store(system.settings)
    try:
        found = [row for lane, state in store.lanes().items() for row in store.lane_rows(lane, (-1, -1), state.fanned, 10**6)]
    finally:
        store.close()
    return sum(row.facts.resends for row in found if row.message_id in mine)
