"""Commands about the keys of a deployment. They open the store themselves, at the address in the settings."""

from contextlib import closing

import typer

from chat4all.cli.printing import printable, say
from chat4all.cli.running import beside_running
from chat4all.services.resealing import reseal
from chat4all.services.seal import Seal
from storage.open import open_store

app = typer.Typer()
secrets = typer.Typer(help="The keys of this deployment.", no_args_is_help=True)
app.add_typer(secrets, name="secrets")


@secrets.callback()
def group() -> None:
    """The keys of this deployment."""


@secrets.command()
def rotate() -> None:
    """Seal everything with the first key of CHAT4ALL_SECRET_SEAL: then the others can go. Status 1 when something cannot be."""
    settings = beside_running()
    with closing(open_store(settings)) as store:
        done = reseal(store, Seal(settings))
    say(f"sealed with the first key: {done.accounts} accounts, {done.apps} apps, {done.webhooks} webhooks")
    for name in done.unopened:
        say(printable(f"{name}: no key opens it; give it its credentials or its secret again"))
    if done.unopened:
        raise typer.Exit(1)
