"""Messages through the whole road, under a steady load and with many waiting; where the time and the CPU went."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery

from chat4all.model.records import INCOMING, Range, read_message
from ops.bench import cpu
from ops.bench.figures import Flow, spread
from ops.bench.load import LARGEST_BATCH, Sends, batches, messages, send
from ops.harness.api import Api
from ops.harness.readers import Readers, Seen
from ops.harness.system import System
from ops.harness.waiting import wait_until
from ops.native.processes import Server
from storage.open import open_log

CHAIN = "persist"
CONVERSATIONS = 50
PATIENCE_S = 300.0
PER_REQUEST = 5
SILENT = {"sent_after_ms": None, "delivered_after_ms": None, "read_after_ms": None}


class Measured(System):
    """A system, and the servers that it runs on: their CPU is counted apart."""

    servers: Mapping[str, Server] = {}

    def cpu(self) -> cpu.Used:
        """What every process has used by now."""
        return cpu.used(self, self.servers)


class Course:
    """A system with a sender whose conversations each have a person on WhatsApp, and the sender's stream to read."""

    def __init__(self, system: Measured, token: str, sender: str, conversations: Sequence[str], readers: Readers) -> None:
        self._system = system
        self._token = token
        self._sender = sender
        self._conversations = conversations
        self._readers = readers

    def steady(self, per_second: int, seconds: int, receipts: bool) -> Flow:
        """The same load for some seconds, in small requests over one connection, until all has arrived."""
        self._system.phones.behave("whatsapp", receipts={} if receipts else SILENT)
        bodies = messages(self._conversations, self._sender, per_second * seconds)
        watch = _Watch(self._system, self._readers)
        requests = batches(bodies, PER_REQUEST)
        sends = send(self._system, self._token, requests, 2, per_second / PER_REQUEST)
        return watch.until_arrived(sends)

    def waiting(self, count: int) -> Flow:
        """`count` messages wait in the log while the bridge stands still; times count from when it goes on."""
        self._system.phones.behave("whatsapp", receipts=SILENT)
        self._system.freeze("bridge")
        bodies = messages(self._conversations, self._sender, count)
        sends = send(self._system, self._token, batches(bodies, LARGEST_BATCH), 1)
        watch = _Watch(self._system, self._readers)
        self._system.thaw("bridge")
        now = int(time.time() * 1000)
        sends.sent_at = dict.fromkeys(sends.sent_at, now)
        return watch.until_arrived(sends, logged=sends.sent_at)


def with_people(operator: Api, sender: str) -> list[str]:
    """Make the sender's conversations, each with a person on WhatsApp; their ids."""
    people = [f"whatsapp:+5541{number:09d}" for number in range(CONVERSATIONS)]
    first = [{"from": sender, "to": [each], "payload": {"type": "text", "text": "hello"}} for each in people]
    return [str(operator.send(each)["conversation_id"]) for each in first]


def idle(system: Measured, seconds: float) -> dict[str, float]:
    """Thousandths of a core that each part uses when nothing is to be done."""
    before = system.cpu()
    time.sleep(seconds)
    return {part: round(each / 1000 / seconds, 1) for part, each in cpu.per_message(before, system.cpu(), 1).items()}


class _Watch:
    """Everything that is counted between its making and the arrival of a load."""

    def __init__(self, system: Measured, readers: Readers) -> None:
        self._system = system
        self._readers = readers
        self._chains = chains(system)
        self._cpu = system.cpu()
        self._taken = self._arrived()
        self._begin = time.monotonic()

    def _arrived(self) -> int:
        return int(self._system.phones.stats()["whatsapp"].get("taken", 0))

    def until_arrived(self, sends: Sends, logged: dict[str, int] | None = None) -> Flow:
        count = len(sends.sent_at)

        def all_came() -> bool:
            return self._arrived() >= self._taken + count and len(self._seen(sends)) >= count

        wait_until(f"{count} messages arrived", all_came, PATIENCE_S, 0.2)
        seconds = time.monotonic() - self._begin
        used = cpu.per_message(self._cpu, self._system.cpu(), count)
        made = chains(self._system) - self._chains
        arrived, logged = self._at_phones(sends), logged or logged_at(self._system, sends)
        return Flow(
            messages=count,
            rate=round(count / seconds, 1),
            send_to_stream=spread(each.at - sends.sent_at[each.message_id] for each in self._seen(sends)),
            log_to_provider=spread(at - logged[message_id] for message_id, at in arrived.items()),
            cpu=used,
            per_chain=round(count / made, 1) if made else 0.0,
        )

    def _seen(self, sends: Sends) -> Sequence[Seen]:
        return self._readers.seen(lambda each: each.message_id in sends.sent_at)

    def _at_phones(self, sends: Sends) -> dict[str, int]:
        sent: list[dict[str, Any]] = self._system.phones.sent("whatsapp")
        named = [(str(each["text"]).split()[0], int(each["at"])) for each in sent]
        return {message_id: at for message_id, at in named if message_id in sends.sent_at}


def logged_at(system: System, sends: Sends) -> dict[str, int]:
    """When the log took each of these messages."""
    log = open_log(system.settings)
    try:
        spans = [Range(number, first, end - 1) for number, (first, end) in log.ends(INCOMING).items() if end > first]
        records = log.read(INCOMING, spans, 30.0)
    finally:
        log.close()
    found = {read_message(record).message_id: record.at for record in records}
    return {message_id: found[message_id] for message_id in sends.sent_at}


def chains(system: System) -> int:
    """How many chains for messages the workers have run."""
    app = Celery(broker=system.settings.broker_url)
    with app.connection_for_write() as connection:
        answers = app.control.inspect(timeout=2, connection=connection).stats() or {}
    return sum(int(each["total"].get(CHAIN, 0)) for each in answers.values())
