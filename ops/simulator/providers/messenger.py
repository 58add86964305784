"""Facebook Messenger: own sends come back as echoes with their metadata, deliveries by id, reads as a watermark."""

from typing import Any, ClassVar

from ops.simulator.model import Arrival
from ops.simulator.providers.messaging import MessagingProvider
from ops.simulator.providers.provider import MB


class Messenger(MessagingProvider):
    """One page."""

    name = "messenger"
    kinds: ClassVar[tuple[str, ...]] = ("sent", "delivered", "read")
    takes: ClassVar[dict[str, dict[str, int]]] = {
        "image": {"image/": 8 * MB},
        "audio": {"audio/": 25 * MB},
        "video": {"video/": 25 * MB},
        "file": {"": 25 * MB},
    }
    keeps_attachments = True
    webhook_object = "page"
    window_error = (10, 2018278, 400)
    stranger_error = (100, 2018001, 400)
    stranger_words = "(#100) No matching user found"
    simulated_account = "100000000000002"
    longest = 2000

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """An echo, a delivery, or all that was read until now."""
        if kind == "sent":
            echo = self.echo(arrival) | {"app_id": 1}
            if arrival.reference:
                echo["metadata"] = arrival.reference
            return self.event(arrival, False, at, message=echo)
        if kind == "delivered":
            return self.event(arrival, True, at, delivery={"mids": [arrival.provider_id], "watermark": at})
        return self.event(arrival, True, at, read={"watermark": at})
