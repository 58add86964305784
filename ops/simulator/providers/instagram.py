"""Instagram Direct: own sends come back as echoes, a person's reading as messaging_seen, and nothing says delivered."""

from typing import Any, ClassVar

from ops.simulator.model import Arrival
from ops.simulator.providers.messaging import MessagingProvider


class Instagram(MessagingProvider):
    """One professional account. A failed receipt does not exist here; neither does a delivered one."""

    name = "instagram"
    kinds: ClassVar[tuple[str, ...]] = ("sent", "read")
    webhook_object = "instagram"
    outside_window = 2534022
    simulated_account = "17841400000000001"
    longest = 1000

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """An echo for sent, messaging_seen for read."""
        if kind == "sent":
            echo = {"mid": arrival.provider_id, "text": arrival.text, "is_echo": True}
            return self.event(arrival, False, at, message=echo)
        return self.event(arrival, True, at, read={"mid": arrival.provider_id})
