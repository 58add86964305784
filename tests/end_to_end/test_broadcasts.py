"""A broadcast through real processes: paused, gone on with, its worker killed; and three people who want none."""

import time
from collections import Counter
from typing import Any

import pytest

from ops.harness.system import System
from ops.harness.waiting import wait_until

PEOPLE, RATE = 240, 60
IN_FORCE_S = 2.0
CALM_S = 1.5


def _address(number: int) -> str:
    return f"+55119{number:08d}"


@pytest.mark.end_to_end
@pytest.mark.timeout(240)
def test_everybody_is_told_once_but_who_wants_none(system: System) -> None:
    """Whatever is killed. A pause is in force in two seconds; nobody is told twice when it goes on; STOP ends it for one."""
    with system.operator() as operator:
        for number in range(PEOPLE):
            operator.call("POST", "/v1/contacts", {"address": f"whatsapp:{_address(number)}", "tags": ["news"]})
        system.phones.write("whatsapp", _address(7), "STOP")
        wait_until("STOP is known", lambda: _contact(operator, 7)["opted_out"] == ["whatsapp"], 30)
        revoked = f"/v1/contacts/{_contact(operator, 8)['contact_id']}/consents/whatsapp"
        operator.call("PUT", revoked, {"state": "revoked"})
        assert [_contact(operator, number)["opted_out"] for number in (6, 9)] == [[], []]
        body = {"payload": {"type": "text", "text": "Sale!"}, "channel": "whatsapp", "audience": {"tag": "news"}, "rate": RATE}
        name = operator.call("POST", "/v1/broadcasts", body)["broadcast_id"]

        def turns() -> int:
            counts: dict[str, int] = operator.call("GET", f"/v1/broadcasts/{name}")["counts"]
            return sum(counts.values())

        operator.call("POST", f"/v1/broadcasts/{name}/start")
        wait_until("some were told", lambda: turns() > 0, 30)
        operator.call("POST", f"/v1/broadcasts/{name}/pause")
        time.sleep(IN_FORCE_S)
        paused = turns()
        time.sleep(CALM_S)
        assert turns() == paused < PEOPLE
        told = _told(system)
        # What had its turn before the pause arrived meanwhile.
        asks = next(number for number in range(PEOPLE) if number not in (7, 8) and _address(number) not in told)
        system.phones.write("whatsapp", _address(asks), "STOP")
        wait_until("another STOP is known", lambda: _contact(operator, asks)["opted_out"] == ["whatsapp"], 30)
        operator.call("POST", f"/v1/broadcasts/{name}/start")
        wait_until("it goes on", lambda: turns() > paused, 30)
        system.wait_restarted("worker-pipeline", system.kill9("worker-pipeline"))
        wait_until("it is done", lambda: operator.call("GET", f"/v1/broadcasts/{name}")["state"] == "done", 90)
        counts = operator.call("GET", f"/v1/broadcasts/{name}")["counts"]
        assert counts == {"accepted": PEOPLE - 3, "refused": 0, "skipped": 3, "waiting": 0}
        wait_until("everything arrived", lambda: sum(_told(system).values()) >= PEOPLE - 3, 60)
    assert _told(system) == {_address(number): 1 for number in range(PEOPLE) if number not in (7, 8, asks)}


def _contact(operator: Any, number: int) -> dict[str, Any]:
    found = operator.call("GET", f"/v1/contacts?address=whatsapp:%2B{_address(number)[1:]}")["contacts"]
    contact: dict[str, Any] = found[0]
    return contact


def _told(system: System) -> Counter[str]:
    """How many messages each phone got."""
    return Counter(each["to"] for each in system.phones.sent("whatsapp"))
