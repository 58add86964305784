"""A system under load and in trouble, scraped by a real Prometheus: every metric that a dashboard asks for has come to be."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen
from uuid import uuid4

from chat4all.model.records import INCOMING, NewRecord
from chat4all.telemetry.exporter import targets_folder
from ops.faults.crowd import Crowd
from ops.faults.load import Load
from ops.faults.stack import Embedded
from ops.harness.readers import Readers
from ops.native.alertmanager import Alertmanager
from ops.native.processes import free_port
from ops.native.prometheus import NodeExporter, Prometheus
from storage.open import open_log
from tests.ops.real import home_with, running

PER_SECOND = 40.0
ENV = {"CHAT4ALL_UNKNOWN_GRACE_S": "2", "CHAT4ALL_BREAKER_FAILURES": "5", "CHAT4ALL_BREAKER_PROBE_S": "2"}
ASK_S = 10


class Watched:
    """The system and those who watch it."""

    def __init__(self, stack: Embedded, prometheus: Prometheus, alertmanager: Alertmanager, node: str) -> None:
        self.stack, self.prometheus, self.alertmanager, self.node = stack, prometheus, alertmanager, node

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers; an expression that it does not understand is an AssertionError."""
        found: list[dict[str, Any]] = self._ask(f"/api/v1/query?{urlencode({'query': expression})}")["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule and how its last evaluation went."""
        return [rule for group in self._ask("/api/v1/rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> set[str]:
        """What the Alertmanager knows of."""
        return {each["labels"]["alertname"] for each in _get(f"http://{self.alertmanager.address}/api/v2/alerts")}

    def _ask(self, path: str) -> Any:
        return _get(f"http://{self.prometheus.address}{path}")["data"]


def _get(url: str) -> Any:
    try:
        with urlopen(url, timeout=ASK_S) as answer:
            return json.loads(answer.read())
    except HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()[:500]}") from None


# A refusal of the message, not of its person: the next one would be refused before it is accepted.
TOO_LONG = "Bad Request: message is too long"


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Everything running; ended on the way out."""
    programs = {each: home_with(each) for each in (Alertmanager, NodeExporter, Prometheus)}
    stack = Embedded(folder / "data", ENV)
    alertmanager = Alertmanager(programs[Alertmanager], folder / "alertmanager", free_port())
    node = NodeExporter(programs[NodeExporter], folder / "node", free_port())
    prometheus = Prometheus(
        programs[Prometheus],
        folder / "prometheus",
        free_port(),
        targets={"node": [node.address]},
        announced=[targets_folder(stack.system.settings)],
        alertmanager=alertmanager.address,
        every="1s",
    )
    with ExitStack() as all_of_it:
        for each in (alertmanager, node, prometheus):
            all_of_it.enter_context(running(each))
        all_of_it.enter_context(stack.running())
        yield Watched(stack, prometheus, alertmanager, node.address)


@contextmanager
def load(stack: Embedded) -> Iterator[Crowd]:
    """Users and people on all channels write to each other; everybody reads."""
    crowd = Crowd(stack, 1)
    flowing = Load(stack, crowd, 1, PER_SECOND)
    try:
        with Readers(crowd.tokens, stack.system.stream_target):
            flowing.start()
            try:
                yield crowd
            finally:
                flowing.stop()
    finally:
        crowd.close()


def trouble(stack: Embedded, crowd: Crowd) -> None:
    """Refusals, dead letters, unknown outcomes, throttling, a webhook that fails, an open breaker, dead and frozen workers.

    And a log that is away.
    """
    system = stack.system
    system.phones.behave("whatsapp", drop_response_rate=0.3, rules=_rules(429, 130429, 0.2))
    system.phones.behave("telegram", rules=[*_rules(400, 400, 0.2, TOO_LONG), *_rules(429, 429, 0.2)])
    system.phones.behave("instagram", rules=_rules(500, 2, 1.0))
    # An endpoint at which nobody listens.
    crowd.operator.call("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{free_port()}/"}, expect=(201,))
    crowd.operator.request("POST", "/v1/messages", {"payload": {"type": "text", "text": ""}})
    stranger = system.api("no token")
    stranger.request("GET", "/v1/users/me")
    stranger.close()
    _bury(stack, crowd)
    time.sleep(6)
    system.kill9("worker-channels")
    system.freeze("worker-pipeline")
    time.sleep(7)
    system.thaw("worker-pipeline")
    with stack.log_down():
        time.sleep(4)
    for channel in ("whatsapp", "telegram", "instagram"):
        system.phones.behave(channel)


def _rules(status: int, code: int, rate: float, words: str = "") -> list[dict[str, Any]]:
    more = {"retry_after": 1} if status == 429 else {"words": words}
    return [{"status": status, "code": code, "rate": rate, **more}]


def _bury(stack: Embedded, crowd: Crowd) -> None:
    """A record that nobody can read."""
    log = open_log(stack.system.settings)
    try:
        talk = crowd.cold[0].conversation_id
        log.append([NewRecord(INCOMING, 0, talk, b"no JSON", {"id": str(uuid4())})], ASK_S)
    finally:
        log.close()
