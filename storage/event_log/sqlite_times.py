"""How the members of a group find out that one of them is gone. No settings: the numbers go with each other."""

from msgspec import Struct


class Times(Struct, frozen=True):
    """Seconds of each member's own clock."""

    # So often a member shows that it lives.
    beat_s: float = 1.0
    # One whose beat stood still for so long is gone: several beats, so that a pause of a busy machine costs nobody its place.
    silence_s: float = 5.0
    # Whoever has not polled for so long beats no more: its thread is stuck.
    poll_limit_s: float = 10.0


TIMES = Times()
