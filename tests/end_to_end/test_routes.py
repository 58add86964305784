"""One channel takes over from another through real processes: in time, once, and what comes late is counted."""

import time
from typing import Any

import pytest

from ops.harness.system import System
from ops.harness.waiting import wait_until
from storage.open import open_store

WITHIN_S = 3
UNDELIVERABLE = {"status": 400, "code": 131026}


class Person:
    """Somebody with a number on WhatsApp and a chat on Telegram, and what they were told."""

    def __init__(self, system: System, operator: Any, number: int) -> None:
        self.system, self.operator = system, operator
        self.number, self.chat = f"+55119{number:08d}", str(7_000_000 + number)
        made = operator.call("POST", "/v1/contacts", {"address": f"whatsapp:{self.number}"})
        operator.call("PUT", f"/v1/users/{made['contact_id']}/identities/telegram", {"address": self.chat})

    def send(self, words: str) -> str:
        """On WhatsApp, and on Telegram when that has not come in time; the message's id."""
        route = [{"channel": "whatsapp", "until": "delivered", "within_s": WITHIN_S}, {"channel": "telegram"}]
        body = {"to": [f"whatsapp:{self.number}"], "payload": {"type": "text", "text": words}, "route": route}
        name: str = self.operator.call("POST", "/v1/messages", body)["message_id"]
        return name

    def states(self, name: str) -> list[tuple[str, str]]:
        """What became of each leg."""
        found = self.operator.call("GET", f"/v1/messages/{name}")["deliveries"]
        return [(each["channel"], each["status"]) for each in sorted(found, key=lambda each: int(each["leg"]))]

    def told(self, words: str) -> list[tuple[str, int]]:
        """On which channels these reached them, and when."""
        return [
            (each["channel"], int(each["at"]))
            for each in self.system.phones.sent()
            if each["text"] == words and str(each["to"]).lstrip("+") in (self.number[1:], self.chat)
        ]


def second_sends(system: System) -> dict[str, int]:
    """How often the service says that it may have reached somebody twice, by address: the store is asked itself."""
    store = open_store(system.settings)
    try:
        rows = [row for lane, known in store.lanes().items() for row in store.lane_rows(lane, (-1, -1), known.fanned, 1000)]
    finally:
        store.close()
    return {row.address: row.facts.resends for row in rows if row.facts.resends}


@pytest.mark.end_to_end
@pytest.mark.timeout(240)
def test_telegram_takes_over_from_whatsapp(system: System) -> None:
    """At once where WhatsApp fails; where it is silent, in its time. Its late receipt sends nothing again and is counted."""
    with system.operator() as operator:
        fails, silent = Person(system, operator, 1), Person(system, operator, 2)
        late_ms = 4 * WITHIN_S * 1000
        receipts = {"delivered_after_ms": late_ms, "read_after_ms": None}
        system.phones.behave("whatsapp", rules=[{**UNDELIVERABLE, "match": fails.number}], receipts=receipts)
        began = int(time.time() * 1000)
        failed, late = fails.send("refused"), silent.send("late")
        wait_until("Telegram took over", lambda: bool(fails.told("refused")), WITHIN_S + 15)
        wait_until("Telegram took over in time", lambda: len(silent.told("late")) == 2, WITHIN_S + 15)
        assert [channel for channel, _ in fails.told("refused")] == ["telegram"]
        [(first, _), (second, at)] = silent.told("late")
        assert (first, second) == ("whatsapp", "telegram")
        assert at - began >= WITHIN_S * 1000
        system.wait_restarted("worker-channels", system.kill9("worker-channels"))
        wait_until("the receipt came late", lambda: silent.states(late)[0] == ("whatsapp", "DELIVERED"), 40)
        assert silent.states(late) == [("whatsapp", "DELIVERED"), ("telegram", "SENT")]
        assert fails.states(failed) == [("whatsapp", "FAILED"), ("telegram", "SENT")]
        assert second_sends(system) == {silent.chat: 1}
        time.sleep(WITHIN_S + 1)
    assert (len(fails.told("refused")), len(silent.told("late"))) == (1, 2)
