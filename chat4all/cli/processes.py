"""Commands that run processes: all of them under a supervisor, or one alone."""

import os
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from chat4all.cli import banner, running, starting
from chat4all.cli.parts import PARTS, Part, become, parts_of, prepare_environment
from chat4all.model.failures import Failure
from chat4all.private_files import UMASK
from chat4all.settings import Settings, SettingsError, load, sources

app = typer.Typer()


class Worker(StrEnum):
    """Which Celery worker."""

    PIPELINE = "pipeline"
    CHANNELS = "channels"


@app.command()
def run() -> None:
    """Start everything in the foreground; whatever ends is started again. Ctrl-C stops all."""
    settings = _settings()
    parts = parts_of(settings)
    os.umask(UMASK)
    try:
        starting.check_alone(settings)
        starting.check_ports(settings, parts)
        starting.prepare(settings)
        running.note(settings)
        config = starting.write_config(settings)
    except (SettingsError, Failure) as error:
        _refuse(error)
    sys.stdout.write(f"Starting {', '.join(part.name for part in parts)} …\n")
    sys.stdout.flush()
    prepare_environment(settings)
    # A child of the supervisor-to-be: this process becomes the supervisor, so that one pid stands for everything.
    subprocess.Popen([sys.executable, "-m", "chat4all", "banner"])
    os.execv(sys.executable, [sys.executable, "-m", "chat4all.cli.supervising", "-n", "-s", "-c", str(config)])  # noqa: S606


@app.command(name="banner", hidden=True)
def show_banner() -> None:
    """Wait until everything answers and say where to look."""
    settings = _settings()
    try:
        banner.show(settings, parts_of(settings))
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
def worker(which: Annotated[Worker, typer.Argument(help="pipeline: persist, fan_out, receipts. channels: deliver.")]) -> None:
    """Run one Celery worker."""
    _become(f"worker-{which.value}")


def _single(part: Part) -> Callable[[], None]:
    return lambda: _become(part.name)


for _part in PARTS:
    if not _part.name.startswith("worker-"):
        app.command(name=_part.name, help=f"Run one process: {_part.help}.")(_single(_part))


def _become(name: str) -> None:
    settings = _settings()
    part = next(each for each in PARTS if each.name == name)
    os.umask(UMASK)
    try:
        starting.check_ports(settings, [part])
        starting.prepare(settings)
        become(part, settings)
    except (SettingsError, Failure) as error:
        _refuse(error)


def _settings() -> Settings:
    try:
        return load()
    except SettingsError as error:
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    sys.stderr.write(f"{error}\n")
    if isinstance(error, Failure):
        # Who set such a name for another program does not look for it here.
        for field, name in sources().items():
            sys.stderr.write(f"{name} is set, so it decides CHAT4ALL_{field.upper()}; unset it if that was not meant.\n")
    raise typer.Exit(1)
