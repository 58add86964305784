"""Messages for later through real processes: each once, whoever is killed while they become due; what was cancelled never."""

import time
from typing import Any

import pytest

from chat4all.model.clock import now_ms, rfc3339
from ops.harness.system import System
from ops.harness.waiting import wait_until

PEOPLE = [f"+5511900000{number:03d}" for number in range(60)]
KILLS = 4


@pytest.mark.end_to_end
@pytest.mark.timeout(240)
def test_each_is_sent_once_though_their_releaser_is_killed(system: System) -> None:
    """They become due over some seconds in which the worker that releases them is killed again and again."""
    with system.operator() as operator:
        begins = now_ms() + 6_000

        def later(number: int, phone: str) -> str:
            send_at = rfc3339(begins + 150 * number)
            payload = {"type": "text", "text": f"for {number}"}
            body: dict[str, Any] = {"to": [f"whatsapp:{phone}"], "payload": payload, "send_at": send_at}
            answer = operator.call("POST", "/v1/messages", body)
            assert answer["status"] == "scheduled"
            name: str = answer["message_id"]
            return name

        names = [later(number, phone) for number, phone in enumerate(PEOPLE)]
        cancelled = names[-1]
        assert operator.call("DELETE", f"/v1/scheduled-messages/{cancelled}")["state"] == "cancelled"
        moved = operator.call(
            "PATCH", f"/v1/scheduled-messages/{names[-2]}", {"payload": {"type": "text", "text": "for nobody else"}}
        )
        assert moved["state"] == "scheduled"
        wait_until("the first are due", lambda: now_ms() > begins, 30)
        for _ in range(KILLS):
            system.wait_restarted("worker-pipeline", system.kill9("worker-pipeline"))
            time.sleep(1)

        def states() -> set[str]:
            return {operator.call("GET", f"/v1/scheduled-messages/{name}")["state"] for name in names if name != cancelled}

        wait_until("all were sent", lambda: states() == {"accepted"}, 90)
        wait_until("all arrived", lambda: len(system.phones.sent("whatsapp")) >= len(names) - 1, 60)
        time.sleep(2)
        assert operator.call("GET", "/v1/scheduled-messages")["scheduled_messages"] == []
    told = sorted(each["text"] for each in system.phones.sent("whatsapp"))
    assert told == sorted([f"for {number}" for number in range(len(PEOPLE) - 2)] + ["for nobody else"])
