"""The load and what is asked of a run besides: only what was acknowledged counts, and a broken promise is put into words."""

import http.client
import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from ops.faults import growing
from ops.faults.crowd import Talk
from ops.faults.history import Accepted, Arrival, History
from ops.faults.load import Load, Request
from ops.faults.providers import _is_slow, others_p99


class Gateway:
    """Answers batches as it is told: a status for the whole, or one for each message; OSError when it hangs up."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def request(self, _method: str, _path: str, body: Any) -> tuple[int, Any]:
        said = [each["message_id"] for each in body["messages"]]
        self.asked.append(said)
        answer = self.answers.pop(0) if self.answers else [202] * len(said)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return answer, {}
        results = [{"status": "accepted"} if each == 202 else {"error": {"status": each}, "status": "error"} for each in answer]
        return 200, {"results": results}


def made(gateway: Gateway, per_second: float = 10_000.0, **more: float) -> Load:
    talks = [Talk(f"c{number}", "users", ("amy", "bob"), ("amy", "bob")) for number in range(24)]
    crowd = SimpleNamespace(hot=talks[:12], cold=talks[12:], operator=SimpleNamespace(token="t"))
    place = SimpleNamespace(system=SimpleNamespace(api=lambda _token: gateway))
    return Load(place, crowd, 1, per_second, **more)  # type: ignore[arg-type]


def two(load: Load) -> list[Any]:
    talk, places = load._crowd.hot[0], {"c0": 0}
    return [load._message(talk, places), load._message(talk, places)]


def test_what_is_refused_is_said_again_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """After no answer, a refusal of the whole or of one: the same ids, without those that were acknowledged, once each."""
    monkeypatch.setattr("time.sleep", lambda _s: None)
    gateway = Gateway(OSError("hung up"), 503, [202, 503], http.client.RemoteDisconnected("gone"))
    load = made(gateway)
    said = two(load)
    load._say(gateway, list(said))
    first, second = (each.message_id for each, _ in said)
    assert gateway.asked == [[first, second]] * 3 + [[second]] * 2
    assert [each.message_id for each in load.accepted] == [first, second]
    assert all(each.at for each in load.accepted)
    assert [each.number for each in load.accepted] == [0, 1]
    assert [each.text for each in load.accepted] == [f"{first} 0", f"{second} 1"]
    assert [(each.refused, each.messages, each.accepted) for each in load.requests] == [
        (-1, 2, 0), (503, 2, 0), (503, 2, 1), (-1, 1, 0), (0, 1, 1),
    ]  # fmt: skip
    assert not load.given_up


def test_what_nobody_acknowledges_is_given_up_by_name() -> None:
    """In the end it is in the list of what was never acknowledged, and not among what was."""
    load = made(Gateway(503), give_up_s=-1.0)
    said = two(load)
    load._say(load._place.system.api("t"), list(said))
    assert load.given_up == [each.message_id for each, _ in said]
    assert load.accepted == []


def test_senders_send_in_order_until_they_are_stopped() -> None:
    """Each conversation belongs to one sender, and its messages are numbered as they are sent."""
    gateway = Gateway()
    load = made(gateway)
    load.start()
    while len(load.requests) < 12:
        time.sleep(0.005)
    offered = load.stop()
    assert offered > 0
    assert sum(each.accepted for each in load.requests) == len(load.accepted)
    for talk in {each.conversation_id for each in load.accepted}:
        numbers = [each.number for each in load.accepted if each.conversation_id == talk]
        assert numbers == list(range(len(numbers)))


def run_with(**more: Any) -> Any:
    return SimpleNamespace(figures={}, wrong=[], **more)


def answer(status: int, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize(
    ("server", "given", "words"),
    [
        ("kafka", answer(503, Retry_After="1"), []),
        ("kafka", answer(503), ["without kafka: 503 and no Retry-After"]),
        ("kafka", answer(202), ["without kafka: 202 instead of 503"]),
        ("cassandra", answer(202), []),
        ("cassandra", answer(500), ["without cassandra: 500"]),
        ("rabbitmq", answer(202), []),
        ("rabbitmq", answer(503, Retry_After="1"), ["without rabbitmq: 503 instead of 202"]),
        ("minio", answer(404), ["without minio: 404 instead of 503", "without minio: 404"]),
    ],
)
def test_without_a_server_the_gateway_says_so(server: str, given: requests.Response, words: list[str]) -> None:
    """What needs it is refused until it is back, with a time to come again; what does not goes on."""
    run = run_with()
    growing._judge(run, server, given)
    assert run.wrong == words
    assert run.figures == {f"answer_without_{server}": given.status_code}


def test_the_longest_pause_ends_with_an_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals do not end it, and neither does what was accepted before; the time until now counts too."""
    monkeypatch.setattr("time.time", lambda: 20.0)
    asked = [
        Request(9_000, 0.5, 1, 1, 0),
        Request(11_000, 1.0, 1, 1, 0),
        Request(13_000, 0.1, 1, 0, 503),
        Request(18_000, 1.0, 1, 1, 0),
    ]
    assert growing._longest_pause(run_with(load=SimpleNamespace(requests=asked)), 10_000) == 7.0


def test_the_other_channels_are_measured_apart() -> None:
    """Only what was accepted in the spans, and not what went to the slow one."""
    accepted = [Accepted(f"m{n}", "c", n, at=1000 * n) for n in range(4)]
    arrivals = [Arrival("telegram:1", "c", f"m{n}", 1000 * n + 10 * (n + 1)) for n in range(4)]
    arrivals.append(Arrival("whatsapp:+1", "c", "m1", 99_000))
    assert others_p99(History(accepted, arrivals, []), [(1000, 2000)], _is_slow) == 30.0
