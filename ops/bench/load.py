"""Sends messages and times their acceptance: kept connections and ready-made bodies, so that the load stays cheap."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from msgspec import Struct

from ops.harness.api import Api
from ops.harness.system import Running

LARGEST_BATCH = 500
# What the gateway can do is measured, not what it allows one caller.
UNLIMITED = {"CHAT4ALL_RATE_LIMIT": "100000/second"}


class Batch(Struct):
    """One request's worth of messages; `ids` in their order."""

    ids: list[str]
    path: str
    body: bytes


class Sends(Struct):
    """What a run of requests came to: when each message was sent (ms UTC), how long each request took (s), all in all (s)."""

    sent_at: dict[str, int]
    took: list[float]
    seconds: float


def messages(conversations: Sequence[str], sender: str, count: int) -> list[dict[str, Any]]:
    """Messages of a sender to these conversations in turn, 60 characters each."""
    found = []
    for number in range(count):
        message_id = str(uuid4())
        payload = {"type": "text", "text": f"{message_id} of the bench".ljust(60, ".")}
        where = conversations[number % len(conversations)]
        found.append({"message_id": message_id, "conversation_id": where, "from": sender, "payload": payload})
    return found


def singles(bodies: Sequence[dict[str, Any]]) -> list[Batch]:
    """Each message in a request of its own."""
    return [Batch([each["message_id"]], "/v1/messages", json.dumps(each).encode()) for each in bodies]


def batches(bodies: Sequence[dict[str, Any]], size: int) -> list[Batch]:
    """`size` messages a request."""
    found = []
    for start in range(0, len(bodies), size):
        some = bodies[start : start + size]
        body = json.dumps({"messages": some}).encode()
        found.append(Batch([each["message_id"] for each in some], "/v1/messages:batch", body))
    return found


def send(system: Running, token: str, requests: Sequence[Batch], connections: int, per_second: float = 0.0) -> Sends:
    """Send all over so many connections, `per_second` requests or as fast as they are answered. RuntimeError when refused."""
    queue, lock, result = iter(enumerate(requests)), threading.Lock(), Sends({}, [], 0.0)
    wrong: list[str] = []
    begin = time.monotonic()

    def work() -> None:
        with system.api(token) as api:
            while not wrong:
                with lock:
                    number, request = next(queue, (0, None))
                if request is None:
                    break
                if per_second:
                    time.sleep(max(0.0, begin + number / per_second - time.monotonic()))
                _one(api, request, result, wrong)

    _together([work] * connections)
    result.seconds = time.monotonic() - begin
    if wrong:
        raise RuntimeError(f"refused under load: {wrong[0]}")
    return result


def _one(api: Api, request: Batch, result: Sends, wrong: list[str]) -> None:
    now, began = int(time.time() * 1000), time.perf_counter()
    status, answer = api.request("POST", request.path, request.body)
    result.took.append(time.perf_counter() - began)
    result.sent_at.update(dict.fromkeys(request.ids, now))
    if status not in (200, 202) or any(each["status"] != "accepted" for each in answer.get("results", ())):
        wrong.append(f"{status} {str(answer)[:300]}")


def _together(works: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
