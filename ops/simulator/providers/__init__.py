"""The simulated providers: name -> "module:Class". A provider is its file and its line here."""

from importlib import import_module

from chat4all.settings import Settings
from ops.simulator.model import Clock
from ops.simulator.providers.provider import Provider

PROVIDERS = {
    "whatsapp": "ops.simulator.providers.whatsapp:WhatsApp",
    "instagram": "ops.simulator.providers.instagram:Instagram",
    "telegram": "ops.simulator.providers.telegram:Telegram",
    "messenger": "ops.simulator.providers.messenger:Messenger",
}


def open_providers(settings: Settings, clock: Clock | None = None) -> dict[str, Provider]:
    """All of them, with the secrets that the channels use against the simulator."""
    clock = clock or Clock()
    opened: dict[str, Provider] = {}
    for name, place in PROVIDERS.items():
        module, _, attribute = place.partition(":")
        opened[name] = getattr(import_module(module), attribute)(settings, clock)
    return opened
