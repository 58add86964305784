"""Load and faults are for simulated people only."""

from chat4all.channels import CHANNELS, open_channel
from chat4all.settings import Settings


class RealPeople(Exception):
    """A channel has real credentials: what was about to start would reach people."""


def refuse_real(settings: Settings) -> None:
    """RealPeople, naming them, when any channel has real credentials."""
    real = [name for name in CHANNELS if open_channel(name, settings).account.real]
    if real:
        raise RealPeople(f"{', '.join(real)} has real credentials: unset them first, this would reach people.")
