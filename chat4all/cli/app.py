"""The command line as a whole: commands for users, for operators, and commands that run processes."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import grpc
import typer

from chat4all.cli import (
    access,
    accounts,
    apps,
    broadcasts,
    channels,
    contacts,
    contents,
    doctor,
    files,
    inbox,
    listening,
    operator,
    people,
    presence,
    processes,
    reports,
    saved_replies,
    scheduled,
    search,
    secrets,
    templates,
    webhooks,
    workspaces,
)
from chat4all.cli.session import SERVERS
from chat4all.client import ApiError
from chat4all.model.failures import Failure
from chat4all.settings import SettingsError

app = typer.Typer(
    help="Chat4All: messages between people on different platforms.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _join(part: typer.Typer) -> None:
    """Take in another file's commands. A process whose name people already use is called NAME-server."""
    taken = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    for command in part.registered_commands:
        command.name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        if command.name in taken:
            command.name = f"{command.name}-server"
        app.registered_commands.append(command)
    app.registered_groups += part.registered_groups


_TEAM = (inbox, scheduled, saved_replies, reports, contacts, broadcasts, channels, accounts, apps, templates, webhooks)
_OPERATORS = (secrets, workspaces, operator, doctor, processes)
for _room in (search, people, presence, contents, access, files, *_TEAM, listening, *_OPERATORS):
    _join(_room.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("chat4all"))
        raise typer.Exit


@app.callback()
def choose_server(
    base_url: Annotated[str, typer.Option(envvar=["CHAT4ALL_BASE_URL", "BASE_URL"], help="The gateway.")] = "",
    stream_target: Annotated[str, typer.Option(envvar="CHAT4ALL_STREAM", help="The gRPC server: host:port, or https://…")] = "",
    token: Annotated[str, typer.Option(envvar=["CHAT4ALL_TOKEN", "TOKEN"], help="Instead of a login.")] = "",
    _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Chat4All: messages between people on different platforms."""
    SERVERS.base_url, SERVERS.stream_target, SERVERS.token = base_url, stream_target, token


def run() -> None:
    """Run the command that was typed. What goes wrong is one line, and status 1."""
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except grpc.RpcError:
        _fail("the stream server does not answer")
    except (ApiError, Failure, SettingsError, OSError) as error:
        _fail("; ".join([str(error), *getattr(error, "__notes__", [])]))


def _fail(why: str) -> None:
    sys.stderr.write(f"chat4all: {why}\n")
    sys.exit(1)
