"""The table of channels: name -> "module:Class". To add a channel, write its file and add its line here."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from chat4all.channels.account_settings import AccountSettings
from chat4all.ports import Channel
from chat4all.settings import Settings

CHANNELS = {
    "whatsapp": "chat4all.channels.whatsapp:WhatsApp",
    "instagram": "chat4all.channels.instagram:Instagram",
    "telegram": "chat4all.channels.telegram:Telegram",
    "messenger": "chat4all.channels.messenger:Messenger",
}


def unknown_channel(name: str) -> str:
    """What to tell somebody who asked for a channel that is not in the table."""
    close = get_close_matches(name, CHANNELS, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"unknown channel {name!r}; known: {', '.join(CHANNELS)}.{hint}"


def open_channel(name: str, settings: Settings, given: Mapping[str, str] | None = None) -> Channel:
    """The channel of this name, with its account from the environment. KeyError with a hint when there is none.

    `given`: the credentials of an account in place of the environment's; WrongCredentials when they cannot be.
    """
    make: Any = channel_class(name)
    channel: Channel = make(settings, given)
    return channel


def own_settings(name: str) -> type[AccountSettings]:
    """What the channel of this name has for settings, and which of them are credentials. KeyError as `open_channel`."""
    made: Any = channel_class(name)
    found: type[AccountSettings] = made.own_settings
    return found


def channel_class(name: str) -> type[Channel]:
    """The code of the channel of this name. KeyError as `open_channel`."""
    if name not in CHANNELS:
        raise KeyError(unknown_channel(name))
    module, _, attribute = CHANNELS[name].partition(":")
    found: type[Channel] = getattr(import_module(module), attribute)
    return found


def polled(settings: Settings) -> list[str]:
    """The channels whose updates have to be fetched, as these settings have it."""
    return [name for name in CHANNELS if open_channel(name, settings).polls]
