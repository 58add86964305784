"""Commands about apps at providers, for a service client with scope manage.

Credentials are asked for, or read from stdin.
"""

from typing import Annotated, Any

import typer

from chat4all.channels import CHANNELS, own_settings, unknown_channel
from chat4all.cli.accounts import AsJson, Stdin, asked, from_stdin
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS
from chat4all.model.failures import Permanent

app = typer.Typer()
apps = typer.Typer(help="Apps at providers: one secret for the webhooks of many accounts.", no_args_is_help=True)
app.add_typer(apps, name="app")


@apps.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Print all apps, those of the environment among them."""
    for each in SERVERS.client().apps():
        say_json(each) if as_json else say(_line(each))


@apps.command()
def show(app_id: str) -> None:
    """Print an app."""
    say_json(SERVERS.client().app(app_id))


@apps.command()
def create(channel: str, name: Annotated[str, typer.Option(help="What people call it.")] = "", stdin: Stdin = False) -> None:
    """Make an app known, and print where its provider is to call us."""
    _say(SERVERS.client().create_app(channel, _credentials(channel, stdin), name))


@apps.command()
def rename(app_id: str, name: str) -> None:
    """Call it something else."""
    say(_line(SERVERS.client().rename_app(app_id, name)))


@apps.command()
def rotate(app_id: str, stdin: Stdin = False) -> None:
    """Give it another secret or verify token. What is left empty stays."""
    client = SERVERS.client()
    given = _credentials(client.app(app_id)["channel"], stdin, needed=False)
    say(_line(client.rotate_app(app_id, given)))


@apps.command()
def delete(app_id: str) -> None:
    """Forget it. Not while accounts are of it."""
    SERVERS.client().delete_app(app_id)
    say(f"deleted {printable(app_id)}")


def _credentials(channel: str, stdin: bool, needed: bool = True) -> dict[str, str]:
    if channel not in CHANNELS:
        raise Permanent("unknown_channel", unknown_channel(channel))
    return from_stdin() if stdin else asked(own_settings(channel).of_app, needed)


def _say(made: dict[str, Any]) -> None:
    say(f"app {made['app_id']}")
    say(_line(made))
    if made.get("webhook_url"):
        say(printable(f"set {made['webhook_url']} as its webhook, with the verify token, in the provider's console"))
    else:
        say("no public address: set CHAT4ALL_PUBLIC_URL, or the provider cannot call us")


def _line(each: dict[str, Any]) -> str:
    marks = [each["managed_by"], *(["simulated"] if each.get("simulated") else [])]
    count = each["account_count"]
    name = f"  {each['name']}" if each.get("name") else ""
    return printable(
        f"{each['app_id']}  {each['channel']}  {', '.join(marks)}, {count} account{'' if count == 1 else 's'}{name}"
    )
