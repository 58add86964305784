"""What the service needs of a broker: that wake-ups come, and that everything resumes by itself whatever becomes of it.

Each test runs the whole road on that broker, with the log and the store embedded.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ops.harness.api import Api
from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.contracts.brokers import BROKERS, Broker

DELETIONS = 8
PER_SECOND = 100

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(420)]


# Redis comes with the requirements; it is the embedded broker.
@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.real)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with BROKERS[request.param](tmp_path / "broker") as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def system(broker: Broker, tmp_path: Path) -> Iterator[System]:
    with System(tmp_path / "data", {"CHAT4ALL_BROKER": broker.url}) as own:
        yield own


class Stream:
    """A steady stream of messages to twenty people, until `stop`. `accepted`: the texts that were acknowledged."""

    def __init__(self, system: System) -> None:
        self.accepted: list[str] = []
        self._system, self._api = system, system.operator()
        self._sender = system.register("sender")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(5 / PER_SECOND):
            bodies = [self._body(len(self.accepted) + n) for n in range(5)]
            answers = send_all(self._api, bodies)
            self.accepted += [body["payload"]["text"] for body, ok in zip(bodies, answers, strict=True) if ok]

    def _body(self, number: int) -> dict[str, Any]:
        text = f"{number} {uuid4()}"
        to = [f"whatsapp:+5511{900000000 + number % 20}"]
        return {"message_id": str(uuid4()), "from": "sender", "to": to, "payload": {"type": "text", "text": text}}

    def stop(self) -> None:
        """Send no more."""
        self._over.set()
        self._thread.join(30)
        for api in (self._sender, self._api):
            api.close()

    def arrived(self) -> list[str]:
        """What the simulated provider took, in order."""
        return [each["text"] for each in self._system.phones.sent("whatsapp")]

    def missing(self) -> int:
        """How many were acknowledged and have not arrived."""
        return len(set(self.accepted) - set(self.arrived()))


def send_all(api: Api, bodies: list[dict[str, Any]]) -> list[bool]:
    """One batch; which of its messages were accepted."""
    answer = api.call("POST", "/v1/messages:batch", {"messages": bodies})
    return [each["status"] == "accepted" for each in answer["results"]]


@pytest.fixture
def stream(system: System) -> Iterator[Stream]:
    made = Stream(system)
    try:
        wait_until("the first messages arrived", lambda: len(made.arrived()) > 20, 60)
        yield made
    finally:
        made.stop()


def settle(stream: Stream) -> None:
    """Everything that was accepted arrives, once."""
    stream.stop()
    wait_until("everything accepted has arrived", lambda: stream.missing() == 0, 90, between_s=0.5)
    arrived = stream.arrived()
    assert len(arrived) == len(set(arrived))


def flows_again(stream: Stream) -> None:
    """Messages that are accepted from now on arrive."""
    before = len(stream.accepted)
    wait_until("more was accepted", lambda: len(stream.accepted) >= before + 20, 60)
    later = set(stream.accepted[before : before + 20])
    wait_until("it flows again", lambda: later <= set(stream.arrived()), 60, between_s=0.5)


def test_deleted_queues_come_back_by_themselves(broker: Broker, stream: Stream) -> None:
    """Under load all queues are deleted, eight times in a row: each time the flow resumes without a hand, nothing is lost."""
    for _ in range(DELETIONS):
        broker.delete_queues()
        flows_again(stream)
    settle(stream)


def test_a_killed_broker_is_found_again(broker: Broker, stream: Stream) -> None:
    """Killed under load and started again after a while: the flow resumes, nothing is lost."""
    broker.server.kill9()
    accepted = len(stream.accepted)
    wait_until("messages are accepted without a broker", lambda: len(stream.accepted) > accepted + 50, 30)
    time.sleep(3)
    broker.server.start()
    flows_again(stream)
    settle(stream)
