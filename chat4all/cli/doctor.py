"""`chat4all doctor`: checks each part that the settings name, and prints what to do when something is wrong."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from importlib import import_module
from typing import Annotated

import msgspec
import requests
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from chat4all.channels import CHANNELS, open_channel
from chat4all.cli.banner import serves
from chat4all.cli.channels import webhook_url
from chat4all.cli.printing import say_json
from chat4all.cli.running import beside_running
from chat4all.model.failures import Failure, Temporary
from chat4all.model.records import EVENTS, SIGNALS, TOPICS
from chat4all.ports import Channel, EventLog, MessageStore
from chat4all.settings import Settings, SettingsError, sources, unknown
from chat4all.telemetry.exporter import targets, targets_folder
from storage.open import open_log, open_objects, open_store

app = typer.Typer()

SECRETS = ("jwt", "files", "seal")
FREE_BYTES = 2 << 30
CLOCK_S = 5.0
ASK_S = 3.0


class Finding(Struct, frozen=True):
    """What was looked at, what was seen, and what to do about it; nothing to do means: well."""

    what: str
    seen: str
    remedy: str = ""


def _look(what: str, see: Callable[[], str], remedy: str) -> Finding:
    """What `see` says, or why it could not."""
    try:
        return Finding(what, see())
    except (Failure, SettingsError, OSError, ValueError) as error:
        return Finding(what, str(error) or repr(error), remedy)


def _names() -> str:
    strange = unknown()
    if strange:
        raise ValueError(f"{', '.join(sorted(strange))}: no setting of this name")
    return ", ".join(f"{name} decides CHAT4ALL_{field.upper()}" for field, name in sources().items()) or "names are known"


def _secrets(settings: Settings) -> str:
    for name in SECRETS:
        if not settings.has_secret(name):
            raise SettingsError(f"CHAT4ALL_SECRET_{name.upper()} is not set, and {settings.data / 'secrets'} has none")
        settings.secret(name)
    return f"{', '.join(SECRETS)} are there"


def _disk(settings: Settings) -> str:
    if settings.is_embedded and not settings.data.is_dir():
        raise OSError(f"{settings.data} is not there: nothing has been started on it")
    if settings.data.is_dir() and not os.access(settings.data, os.W_OK | os.X_OK):
        raise OSError(f"{settings.data} cannot be written")
    if not settings.data.is_dir():
        return f"{settings.data} is not there, and not needed"
    free = shutil.disk_usage(settings.data).free
    if free < FREE_BYTES:
        raise OSError(f"{settings.data}: only {free >> 20} MiB free")
    return f"{settings.data.resolve()}, {free >> 30} GiB free"


def _topics(settings: Settings, log: EventLog, store: MessageStore) -> Iterator[Finding]:
    for name in TOPICS:

        def see(name: str = name) -> str:
            topic = log.topic(name)
            if topic.partitions != settings.partitions:
                raise ValueError(f"{topic.partitions} partitions, the settings say {settings.partitions}")
            kept = store.keep_topic(topic)
            if kept != topic:
                raise ValueError(f"the store was filled from another topic of this name ({kept.identity})")
            ends, progress = log.ends(name), store.progress(name)
            behind = sum(end - 1 - (progress[each].done if each in progress else -1) for each, (_, end) in ends.items())
            return f"{topic.partitions} partitions" + (
                "" if name in (EVENTS, SIGNALS) else f", {behind} records to be worked on"
            )

        yield _look(f"topic {name}", see, "start the service once to make it; never change partitions of a topic in use")


def _objects(settings: Settings) -> str:
    objects = open_objects(settings)
    try:
        return objects.check()
    finally:
        objects.close()


def _broker(settings: Settings) -> str:
    connection = import_module("kombu").Connection(settings.broker_url, ssl=settings.broker_tls, connect_timeout=ASK_S)
    try:
        connection.ensure_connection(max_retries=1, timeout=ASK_S)
    except Exception as error:
        raise Temporary("unreachable", type(error).__name__) from error
    finally:
        connection.release()
    return str(connection.as_uri())


def _gateway(settings: Settings) -> str:
    try:
        answer = requests.get(f"{settings.gateway_url}/readyz", timeout=ASK_S)
    except requests.RequestException as error:
        raise Temporary("unreachable", f"{settings.gateway_url}, {type(error).__name__}") from error
    if not answer.ok:
        raise Temporary("not_ready", answer.text[:200])
    there = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    if abs(there - time.time()) > CLOCK_S:
        raise ValueError(f"its clock is {there - time.time():+.0f} s from ours")
    return f"{settings.gateway_url}, clocks agree"


def _stream(settings: Settings) -> str:
    if not serves(settings.stream_target)():
        raise Temporary("unreachable", settings.stream_target)
    return settings.stream_target


def _metrics(settings: Settings) -> str:
    """Whether every process that said where it shows its metrics does so."""
    shown = targets(settings)
    for name, url in shown.items():
        try:
            requests.get(url, timeout=ASK_S).raise_for_status()
        except requests.RequestException as error:
            raise Temporary("unreachable", f"{name} at {url}, {type(error).__name__}") from error
    return f"{len(shown)} processes, in {targets_folder(settings)}"


async def _asked(channel: Channel) -> str:
    try:
        return await channel.check()
    finally:
        await channel.close()


def _channel(name: str, settings: Settings) -> str:
    """Of a real account the provider is asked whether the credentials are right."""
    channel = open_channel(name, settings)
    said = asyncio.run(_asked(channel)) if channel.account.real else ""
    where = webhook_url(name, settings) or "nowhere: CHAT4ALL_PUBLIC_URL is not set"
    way_in = "updates are fetched" if channel.polls else f"webhook {where}"
    return f"account {channel.account.account_id}, " + (f"real, {said}; {way_in}" if said else "simulated")


def _is_begun(settings: Settings) -> bool:
    """Whether there is a store to look into; opening an embedded one would make it."""
    return not settings.is_embedded or (settings.data / settings.store.partition(":")[2]).exists()


def findings(settings: Settings) -> Iterator[Finding]:
    """Everything there is to see, part by part. Looks only: nothing is made or written."""
    yield _look("settings", _names, "correct or unset them; chat4all/settings.py has every name")
    remedy = "make run, or `chat4all run`, in the right folder; free space; or set CHAT4ALL_DATA to another folder"
    yield _look("data folder", lambda: _disk(settings), remedy)
    if not _is_begun(settings):
        return
    yield _look("secrets", lambda: _secrets(settings), "set the named variable; make one with `openssl rand -base64 48`")
    log, store = open_log(settings), open_store(settings)
    try:
        yield _look("event log", log.check, "is it running, and is CHAT4ALL_LOG right?")
        yield _look("message store", store.check, "is it running, and is CHAT4ALL_STORE right?")
        yield from _topics(settings, log, store)
    finally:
        log.close()
        store.close()
    yield _look("object store", lambda: _objects(settings), "is it running, and are CHAT4ALL_OBJECTS and its keys right?")
    yield _look("broker", lambda: _broker(settings), "is it running, and is CHAT4ALL_BROKER right?")
    yield _look("gateway", lambda: _gateway(settings), "start it: chat4all gateway; clocks: run an NTP client")
    yield _look("stream server", lambda: _stream(settings), "start it: chat4all stream-server")
    if settings.metrics == "on":
        yield _look(
            "metrics", lambda: _metrics(settings), "look into the log of that process; the next start of any forgets it"
        )
    remedy = "are the credentials right? `chat4all channels connect` says more"
    for name in CHANNELS:
        yield _look(f"channel {name}", partial(_channel, name, settings), remedy)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="A list of {what, seen, remedy, well}.")] = False) -> None:
    """Look at every part and say what to do. Changes nothing. Status 1 when something is not well."""
    if as_json:
        found = list(findings(beside_running()))
        say_json([{**msgspec.structs.asdict(each), "well": not each.remedy} for each in found])
        raise typer.Exit(any(each.remedy for each in found))
    table = Table(show_edge=False, pad_edge=False)
    for column in ("", "what", "seen", "what to do"):
        table.add_column(column, overflow="fold")
    ill = 0
    for each in findings(beside_running()):
        ill += bool(each.remedy)
        table.add_row("[red]✗" if each.remedy else "[green]✓", each.what, each.seen, each.remedy)
    Console().print(table)
    if ill:
        raise typer.Exit(1)
