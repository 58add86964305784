"""`python -m ops.native`: the real servers from the command line."""

import shlex
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops.native.install import InstallFailed
from ops.native.k6 import K6
from ops.native.processes import Server, StartFailed, start_all
from ops.native.stack import PROGRAMS, TOOLS, USUAL, default_home, environment, stack

app = typer.Typer(
    help="Kafka, Cassandra, RabbitMQ, MinIO and what watches them, as plain processes on this machine.", no_args_is_help=True
)
console = Console()

Names = Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PROGRAMS)}. Default: {', '.join(USUAL)}.")]
Home = Annotated[Path | None, typer.Option(help="Folder of the programs. Default: CHAT4ALL_SERVERS, else .servers.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the data. Default: data in the programs' folder.")]


@app.command()
def install(names: Names = None, home: Home = None) -> None:
    """Install what is missing. Safe to repeat."""
    installable: dict[str, type[Server] | type[K6]] = {**PROGRAMS, **TOOLS}
    for name in _chosen(names, installable):
        began = time.monotonic()
        try:
            made = installable[name].install(home or default_home())
        except InstallFailed as error:
            raise _refusal(f"{name}: {error}") from None
        console.print(f"{name}: {f'installed in {time.monotonic() - began:.0f} s' if made else 'is there'}")


@app.command()
def start(names: Names = None, home: Home = None, data: Data = None) -> None:
    """Start, and wait until each really answers."""
    servers = _servers(names, home, data)
    for each in servers:
        if not each.is_installed(each.home):
            raise _refusal(f"{each.name} is not installed: python -m ops.native install {each.name}")
    try:
        start_all(servers)
    except StartFailed as error:
        raise _refusal(str(error)) from None
    _show(servers)


@app.command()
def stop(names: Names = None, home: Home = None, data: Data = None) -> None:
    """End what `start` started, by pid, and nothing else."""
    for each in _servers(names or list(PROGRAMS), home, data):
        was_running = each.is_running
        each.stop()
        if was_running:
            console.print(f"{each.name}: stopped")


@app.command()
def status(names: Names = None, home: Home = None, data: Data = None) -> None:
    """Show what runs. Ends with 1 when a server that was asked for does not answer."""
    servers = _servers(names, home, data)
    _show(servers)
    if not all(each.is_running and each.answers() for each in servers):
        raise typer.Exit(1)


@app.command()
def env(home: Home = None, data: Data = None) -> None:
    """Print the variables for running on these servers: eval "$(python -m ops.native env)"."""
    for name, value in environment(*_folders(home, data)).items():
        print(f"export {name}={shlex.quote(value)}")


def _folders(home: Path | None, data: Path | None) -> tuple[Path, Path]:
    programs = home or default_home()
    return programs, data or programs / "data"


def _servers(names: list[str] | None, home: Path | None, data: Path | None) -> list[Server]:
    servers = stack(*_folders(home, data))
    return [servers[name] for name in _chosen(names)]


def _chosen(names: list[str] | None, known: Collection[str] = PROGRAMS) -> list[str]:
    wrong = [name for name in names or [] if name not in known]
    if wrong:
        raise _refusal(f"unknown: {', '.join(wrong)}; known: {', '.join(known)}")
    return names or list(USUAL)


def _show(servers: list[Server]) -> None:
    table = Table("server", "address", "pid", "memory", "ready after", "state")
    for each in servers:
        process = each.process
        pid, memory = (str(process.pid), f"{each.memory() >> 20} MiB") if process else ("-", "-")
        ready = f"{each.ready_s} s" if process and each.ready_s is not None else "-"
        table.add_row(each.name, each.address, pid, memory, ready, _state(each))
    console.print(table)


def _state(server: Server) -> str:
    if not server.is_installed(server.home):
        return "not installed"
    if not server.is_running:
        return "stopped"
    return "answers" if server.answers() else "does not answer"


def _refusal(text: str) -> typer.Exit:
    console.print(text, style="red", markup=False, soft_wrap=True)
    return typer.Exit(1)


if __name__ == "__main__":
    app()
