"""Load and faults are for simulated people only."""

from contextlib import closing

from chat4all.channels import CHANNELS, open_channel
from chat4all.settings import Settings
from storage.open import open_store


class RealPeople(Exception):
    """A channel has real credentials: what was about to start would reach people."""


def refuse_real(settings: Settings) -> None:
    """RealPeople, naming them, when any channel has real credentials."""
    real = [name for name in CHANNELS if open_channel(name, settings).account.real]
    if real:
        raise RealPeople(f"{', '.join(real)} has real credentials: unset them first, this would reach people.")


def refuse_connected(settings: Settings) -> None:
    """RealPeople, naming their channels, when accounts were connected to a system that runs."""
    with closing(open_store(settings)) as store:
        used = sorted({each.channel for each in store.accounts(1000) if each.is_used})
    if used:
        raise RealPeople(f"accounts of {', '.join(used)} are connected: remove them first, this would reach people.")
