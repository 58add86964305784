"""Commands about accounts at providers, for a service client with scope manage.

Credentials are asked for, or read from stdin.
"""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from chat4all.channels import CHANNELS, own_settings, unknown_channel
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS
from chat4all.model.failures import Permanent

app = typer.Typer()
accounts = typer.Typer(help="Numbers, pages and bots that are connected while the service runs.", no_args_is_help=True)
app.add_typer(accounts, name="accounts")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read the credentials from stdin, as a JSON object, and ask nothing.")]


@accounts.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Print all accounts, those of the environment among them."""
    for each in SERVERS.client().accounts():
        say_json(each) if as_json else say(_line(each))


@accounts.command()
def show(account_id: str) -> None:
    """Print an account."""
    say_json(SERVERS.client().account(account_id))


@accounts.command()
def create(
    channel: str,
    provider_account_id: Annotated[str, typer.Argument(help="Phone number id, page id or account id; none for a bot.")] = "",
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    of_app: Annotated[str, typer.Option("--app", help="The app that it is of: `chat4all app list`.")] = "",
    stdin: Stdin = False,
) -> None:
    """Connect an account, and check it: it is used once the provider accepts its credentials."""
    if channel not in CHANNELS:
        raise Permanent("unknown_channel", unknown_channel(channel))
    client = SERVERS.client()
    given = _credentials(channel, stdin, bool(of_app))
    account = client.create_account(channel, given, provider_account_id, name, of_app)
    say(f"account {account['account_id']}")
    _say_check(client.check_account(account["account_id"]))


@accounts.command()
def check(account_id: str, as_json: AsJson = False) -> None:
    """Ask the provider what is wrong with it. Status 1 when something is."""
    found = SERVERS.client().check_account(account_id)
    say_json(found) if as_json else _say_check(found)
    if found["findings"]:
        raise typer.Exit(1)


@accounts.command()
def health(account_id: str, as_json: AsJson = False) -> None:
    """Print how well it is, and what to do. Status 1 when something is to be done."""
    found = SERVERS.client().account_health(account_id)
    if as_json:
        say_json(found)
    else:
        for name in sorted(found.keys() - {"account_id", "advice"}):
            say(printable(f"{name}: {found[name]}"))
        for each in found["advice"]:
            say(printable(f"  {each['code']}: {each['said']} {each['mend']}"))
    if found["advice"]:
        raise typer.Exit(1)


@accounts.command()
def connect(account_id: str) -> None:
    """Register our webhook at the provider, where it lets us."""
    say(printable(SERVERS.client().connect_account(account_id)["said"]))


@accounts.command()
def rename(account_id: str, name: str) -> None:
    """Call it something else."""
    say(_line(SERVERS.client().rename_account(account_id, name)))


@accounts.command()
def limit(
    account_id: str,
    per_second: Annotated[float | None, typer.Option(help="Messages a second. Left out: as the channel has it.")] = None,
    in_flight: Annotated[int | None, typer.Option(help="Calls under way at a time. Left out: as the channel has it.")] = None,
    people_per_day: Annotated[
        int | None, typer.Option(help="To how many its broadcasts write within a day. Left out: as many as the provider says.")
    ] = None,
) -> None:
    """Have it keep to limits."""
    say(_line(SERVERS.client().limit_account(account_id, per_second, in_flight, people_per_day)))


@accounts.command()
def features(
    account_id: str,
    human_agent: Annotated[bool, typer.Option("--human-agent/--no-human-agent", help="Meta granted its app Human Agent.")],
) -> None:
    """Say what the provider granted it."""
    say(_line(SERVERS.client().grant_account(account_id, human_agent=human_agent)))


@accounts.command()
def pause(account_id: str) -> None:
    """Send nothing from it: messages wait."""
    say(_line(SERVERS.client().pause_account(account_id)))


@accounts.command()
def resume(account_id: str) -> None:
    """Send from it again."""
    say(_line(SERVERS.client().resume_account(account_id)))


@accounts.command()
def rotate(
    account_id: str,
    of_app: Annotated[str | None, typer.Option("--app", help="The app that it is of from now on; '': its own secret.")] = None,
    stdin: Stdin = False,
) -> None:
    """Give it other credentials. What is left empty stays."""
    client = SERVERS.client()
    there = client.account(account_id)
    has_app = bool(there.get("app_id") if of_app is None else of_app)
    given = _credentials(there["channel"], stdin, has_app, needed=False)
    say(_line(client.rotate_account(account_id, given, of_app)))


@accounts.command()
def delete(account_id: str) -> None:
    """Remove it, and forget its credentials."""
    SERVERS.client().delete_account(account_id)
    say(f"deleted {printable(account_id)}")


def _credentials(channel: str, stdin: bool, has_app: bool, needed: bool = True) -> dict[str, str]:
    if stdin:
        return from_stdin()
    own = own_settings(channel)
    elsewhere = {own.names_account, *(own.of_app if has_app else ())}
    return asked([each for each in own.credentials if each not in elsewhere and (each in own.needed or not needed)], needed)


def from_stdin() -> dict[str, str]:
    """Credentials as a JSON object. Never from arguments: other users of the machine see those."""
    try:
        given = json.load(sys.stdin)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise typer.BadParameter("a JSON object of texts", param_hint="--stdin")
    return given


def asked(wanted: Sequence[str], needed: bool) -> dict[str, str]:
    """Credentials as somebody types them; what is not `needed` may be left empty."""
    given = {each: typer.prompt(each, hide_input=True, default=None if needed else "", show_default=False) for each in wanted}
    return {name: value for name, value in given.items() if value}


def _say_check(found: dict[str, Any]) -> None:
    say(_line(found["account"]))
    if found.get("said"):
        say(printable(found["said"]))
    for each in found["findings"]:
        say(printable(f"  {each['code']}: {each['said']} {each['mend']}"))
    if not found["findings"]:
        say("nothing is wrong with it")


def _line(account: dict[str, Any]) -> str:
    marks = [account["state"], *([account["reason"]] if account.get("reason") else []), account["managed_by"]]
    marks += ["simulated"] if account.get("simulated") else ["in use"] if account["in_use"] else []
    marks += [name for name, is_granted in account.get("features", {}).items() if is_granted]
    marks += [f"{name} {value:g}" for name, value in account.get("limits", {}).items()]
    marks += ["default"] if account.get("is_default") else []
    marks += [f"app {account['app_id']}"] if account.get("app_id") and account["managed_by"] == "api" else []
    name = f"  {account['name']}" if account.get("name") else ""
    return printable(
        f"{account['account_id']}  {account['channel']} {account['provider_account_id']}  {', '.join(marks)}{name}"
    )
