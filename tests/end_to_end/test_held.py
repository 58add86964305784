"""What is held goes out in order when the person writes, through real processes; a template goes past it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.harness.system import System
from ops.harness.waiting import wait_until
from tests.end_to_end.conftest import STACKS, own_system

ANNA = "+5511900000001"
WORDS = [f"word {number}" for number in range(5)]


@pytest.fixture(params=STACKS)
def bound(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """A system whose simulator keeps to windows."""
    with own_system(request, request.param, tmp_path, {"CHAT4ALL_SIMULATED_WINDOWS": "true"}) as own:
        yield own


@pytest.mark.end_to_end
@pytest.mark.timeout(240)
def test_a_held_conversation_goes_out_in_order_when_the_person_writes(bound: System) -> None:
    """A template opens the conversation; a worker is killed meanwhile; what was cancelled is not sent, the rest once."""
    with bound.operator() as operator:

        def sends(payload: dict[str, Any], **more: Any) -> str:
            body = {"to": [f"whatsapp:{ANNA}"], "payload": payload, **more}
            name: str = operator.call("POST", "/v1/messages", body)["message_id"]
            return name

        names = [sends({"type": "text", "text": words}, outside_window="hold") for words in WORDS]
        sends({"type": "template", "name": "hello_world", "language": "en_US"})
        wait_until("the template went past", lambda: len(bound.phones.sent("whatsapp")) == 1, 30)
        assert operator.call("DELETE", f"/v1/messages/{names[2]}/deliveries")["cancelled"] == 1

        def state(name: str) -> tuple[str, str]:
            [delivery] = operator.call("GET", f"/v1/messages/{name}")["deliveries"]
            return delivery["status"], delivery.get("reason", "")

        wait_until("it is cancelled", lambda: state(names[2]) == ("CANCELLED", "cancelled"), 20)
        assert [state(name)[0] for name in names if name != names[2]] == ["PENDING"] * 4
        bound.wait_restarted("worker-channels", bound.kill9("worker-channels"))
        bound.phones.write("whatsapp", ANNA, "tell me")
        wait_until("all arrived", lambda: len(bound.phones.sent("whatsapp")) >= len(WORDS), 40)
        time.sleep(1)
    told = [each["text"] for each in bound.phones.sent("whatsapp")][1:]
    assert told == [words for words in WORDS if words != WORDS[2]]
