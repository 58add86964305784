"""Instagram Direct: own sends come back as echoes, a person's reading as messaging_seen, and nothing says delivered."""

from typing import Any, ClassVar

from ops.simulator.model import Arrival
from ops.simulator.providers.messaging import MessagingProvider
from ops.simulator.providers.provider import MB

PICTURES = ("image/jpeg", "image/png", "image/gif")
SOUNDS = ("audio/aac", "audio/mp4", "audio/x-m4a", "audio/wav", "audio/x-wav")
FILMS = ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm")


class Instagram(MessagingProvider):
    """One professional account. A failed receipt does not exist here; neither does a delivered one."""

    name = "instagram"
    kinds: ClassVar[tuple[str, ...]] = ("sent", "read")
    takes: ClassVar[dict[str, dict[str, int]]] = {
        "image": dict.fromkeys(PICTURES, 8 * MB),
        "audio": dict.fromkeys(SOUNDS, 25 * MB),
        "video": dict.fromkeys(FILMS, 25 * MB),
        "file": {"application/pdf": 25 * MB},
    }
    webhook_object = "instagram"
    error_kind = "IGApiException"
    window_error = (10, 2534022, 403)
    stranger_error = (100, 2534014, 400)
    stranger_words = "The requested user cannot be found."
    simulated_account = "17841400000000001"
    longest = 1000
    cuts_titles = True
    reactions = frozenset({"love"})

    def length(self, text: str) -> int:
        """In bytes of UTF-8."""
        return len(text.encode())

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """An echo for sent, messaging_seen for read."""
        if kind == "sent":
            return self.event(arrival, False, at, message=self.echo(arrival))
        return self.event(arrival, True, at, read={"mid": arrival.provider_id})
