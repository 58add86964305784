"""Facebook Messenger: own sends come back as echoes with their metadata, deliveries by id, reads as a watermark."""

from typing import Any, ClassVar

from ops.simulator.model import Arrival
from ops.simulator.providers.messaging import MessagingProvider


class Messenger(MessagingProvider):
    """One page."""

    name = "messenger"
    kinds: ClassVar[tuple[str, ...]] = ("sent", "delivered", "read")
    webhook_object = "page"
    outside_window = 2018278
    simulated_account = "100000000000002"
    longest = 8000

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """An echo, a delivery, or all that was read until now."""
        if kind == "sent":
            echo = {"mid": arrival.provider_id, "text": arrival.text, "is_echo": True, "app_id": 1}
            if arrival.reference:
                echo["metadata"] = arrival.reference
            return self.event(arrival, False, at, message=echo)
        if kind == "delivered":
            return self.event(arrival, True, at, delivery={"mids": [arrival.provider_id], "watermark": at})
        return self.event(arrival, True, at, read={"watermark": at})
