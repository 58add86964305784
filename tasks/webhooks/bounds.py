"""How much a lane of webhooks has in memory and reads at once. No settings: their values go with each other."""

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """Numbers of events and conversations, of one endpoint in one partition."""

    # Events in memory. What is more is read again from the log.
    in_memory: int = 200
    # Conversations that wait by themselves.
    keys: int = 50
    # Offsets that a scan reads at once.
    page: int = 200


BOUNDS = Bounds()
