"""`celery -A tasks.app replay`: the entry point that Celery loads whenever any of its commands starts, workers too.

So this file imports next to nothing; the commands are loaded when somebody calls them.
"""

from importlib import import_module

import click

from chat4all.root import find_service


class Later(click.Group):
    """A group whose commands are in another module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return self._group().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        return self._group().get_command(ctx, cmd_name)

    def _group(self) -> click.Group:
        find_service()
        found: click.Group = import_module("chat4all.cli.replaying").commands
        return found


replay = Later("replay", help="Send again what did not arrive, or run stages again.")
