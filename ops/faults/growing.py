"""Processes that join and leave under load, and servers that die for good or come back."""

import subprocess
import time
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

import requests

from ops.faults.course import Course
from ops.faults.stack import NotHere
from ops.harness.api import Api
from ops.harness.waiting import wait_until

WARM_S = 5.0
TOGETHER_S = 8.0
ALONE_S = 8.0
DOWN_S = 8.0
ASK_S = 15.0
LEFT_S = 15.0
START_S = 60.0
# What a process writes into its log when it takes part.
READY = {
    "bridge": '"starts": {"',
    "stream": "stream_ready",
    "worker-pipeline": "worker_ready",
    "worker-channels": "worker_ready",
}


def joining(run: Course) -> None:
    """A second process of each kind joins, the first ones leave and come back, and the second ones leave."""
    run.go(WARM_S)
    second = [_second(run, part) for part in READY]
    for part in READY:
        said = run.stack.log_of(part, f"{part}-second")
        wait_until(f"a second {part} takes part", partial(_is_ready, part, said), START_S)
    run.go(TOGETHER_S)
    for part in READY:
        run.system.halt(part)
    run.go(ALONE_S)
    for part in READY:
        run.system.go_on(part)
    run.go(TOGETHER_S)
    for each in second:
        run.stack.end(each)
    run.hit()


def _second(run: Course, part: str) -> "subprocess.Popen[bytes]":
    ports = dict(zip(("CHAT4ALL_STREAM_PORT", "CHAT4ALL_EVENTS_PORT"), map(str, run.stack.second_ports), strict=True))
    return run.stack.spawn(part, f"{part}-second", ports if part == "stream" else {})


def _is_ready(part: str, said: Path) -> bool:
    return READY[part] in said.read_text(errors="replace")


def servers_restarted(run: Course) -> None:
    """Kafka, Cassandra, RabbitMQ and MinIO are killed and started again, one after the other."""
    from ops.faults.real import Real  # noqa: PLC0415  (needs the servers' packages)

    if not isinstance(run.stack, Real):
        raise NotHere("the embedded parts are no servers")
    run.go(WARM_S)
    for name, ask in (("kafka", _message), ("cassandra", _message), ("rabbitmq", _message), ("minio", _upload)):
        with run.stack.killed(name):
            run.go(DOWN_S)
            _judge(run, name, ask(run))
        run.hit()
        run.figures[f"calm_after_{name}_s"] = run.until_calm()
    statuses = {each.refused for each in list(run.load.requests) if each.refused > 0}
    if statuses - {503}:
        run.wrong.append(f"answered with {sorted(statuses)} instead of 503")


def _judge(run: Course, name: str, answer: requests.Response) -> None:
    """While it cannot accept, the gateway says so and when to come again; what does not need this server goes on."""
    run.figures[f"answer_without_{name}"] = answer.status_code
    needed = name in {"kafka", "minio"}
    if answer.status_code == 503 and "Retry-After" not in answer.headers:
        run.wrong.append(f"without {name}: 503 and no Retry-After")
    if needed and answer.status_code != 503:
        run.wrong.append(f"without {name}: {answer.status_code} instead of 503")
    if name == "rabbitmq" and answer.status_code != 202:
        run.wrong.append(f"without {name}: {answer.status_code} instead of 202")
    if answer.status_code not in {202, 503}:
        run.wrong.append(f"without {name}: {answer.status_code}")


def _message(run: Course) -> requests.Response:
    """A message to somebody who is in no conversation of the load: what becomes of it is not counted."""
    who, payload = run.crowd.talks[0].writers[0], {"type": "text", "text": "is anybody there?"}
    body = {"from": who, "to": ["telegram:990000001"], "payload": payload}
    return _post(run, "/v1/messages", run.crowd.operator, body)


def _upload(run: Course) -> requests.Response:
    talk = run.crowd.talks[0]
    file = {"conversation_id": talk.conversation_id, "filename": "a.txt", "mime_type": "text/plain", "size": 1}
    return _post(run, "/v1/files/initiate", run.crowd.people[talk.writers[0]], file)


def _post(run: Course, path: str, caller: Api, body: Mapping[str, object]) -> requests.Response:
    headers = {"Authorization": f"Bearer {caller.token}"}
    return requests.post(f"{run.system.settings.gateway_url}{path}", json=body, headers=headers, timeout=ASK_S)


def node_left_dead(run: Course) -> None:
    """Of three brokers and three nodes one each is killed, and stays dead."""
    from ops.faults.real import Cluster  # noqa: PLC0415  (needs the servers' packages)

    if not isinstance(run.stack, Cluster):
        raise NotHere("needs three of each")
    run.go(WARM_S)
    for name in ("kafka", "cassandra"):
        run.until_calm()
        began = run.hit()
        run.stack.server(name).kill9()
        run.go(LEFT_S)
        run.figures[f"longest_pause_without_{name}_s"] = _longest_pause(run, began)


def _longest_pause(run: Course, began: int) -> float:
    """The longest time (s) since `began` in which no message was accepted."""
    ends = sorted(each.at + each.took * 1000 for each in list(run.load.requests) if each.accepted)
    times = [began, *(end for end in ends if end >= began), int(time.time() * 1000)]
    return round(max(later - earlier for earlier, later in pairwise(times)) / 1000, 2)
