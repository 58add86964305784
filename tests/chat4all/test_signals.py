"""How often a signal is shown, and how it travels: by a message that is worth nothing when it is late."""

from typing import Any

import pytest
from kombu.exceptions import OperationalError

from chat4all.model.signals import Cadence, Signal
from chat4all.services.wake import SIGNAL_S, CeleryWaker

ANA = Signal("whatsapp", "typing", "+5511999990000", "wamid.1")


def test_each_thing_has_its_turn() -> None:
    """Once in its interval, each thing for itself."""
    cadence = Cadence()
    asked = [("a", 0.0), ("a", 3.9), ("b", 3.9), ("a", 4.0), ("a", 4.1), ("b", 8.0)]
    assert [cadence.due(key, 4.0, now) for key, now in asked] == [True, False, True, True, False, True]


def test_a_flood_of_things_does_not_grow_for_ever() -> None:
    """Those whose time has passed are forgotten first; where that is too few, all."""
    cadence = Cadence(most=10)
    assert all(cadence.due(number, 1.0, number / 100) for number in range(1000))
    assert not cadence.due(999, 1.0, 9.99)
    assert len(cadence._again_at) <= 10


class Sends:
    """An application that notes what it is asked to send, or cannot."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.asked = 0
        self.away = False

    def send_task(self, name: str, **given: Any) -> None:
        self.asked += 1
        if self.away:
            raise OperationalError
        self.sent.append((name, given))


def test_a_signal_is_a_message_that_ends_soon(caplog: pytest.LogCaptureFixture) -> None:
    """To the channel's own queue; no broker writes it down, and Flower is not shown whose address it is."""
    app = Sends()
    CeleryWaker(app).signal([ANA])
    [(name, given)] = app.sent
    assert (name, given["args"]) == ("signal", ("whatsapp", "typing", "+5511999990000", "wamid.1"))
    assert (given["queue"], given["expires"], given["delivery_mode"]) == ("whatsapp-out", SIGNAL_S, 1)
    assert ANA.address not in given["argsrepr"] + caplog.text


def test_who_types_does_not_wait_for_a_broker_that_is_away() -> None:
    """One try finds that out; the others are dropped for a while without any."""
    app = Sends()
    app.away, waker = True, CeleryWaker(app)
    for _ in range(100):
        waker.signal([ANA, ANA])
    assert app.asked == 1
