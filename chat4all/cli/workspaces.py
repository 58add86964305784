"""Commands about workspaces, for a service client with scope operator."""

from typing import Annotated, Any

import typer

from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS

app = typer.Typer()
workspaces = typer.Typer(help="Workspaces: whose everything is. For an operator.", no_args_is_help=True)
app.add_typer(workspaces, name="workspace")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Accounts = Annotated[int, typer.Option(min=0, help="How many accounts it may have; 0: any number.")]
Calls = Annotated[int, typer.Option(min=0, help="Requests a second that it may make; 0: as many as its callers may.")]


@workspaces.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Print all workspaces but `default`."""
    for each in SERVERS.client().workspaces():
        say_json(each) if as_json else say(_line(each))


@workspaces.command()
def show(workspace_id: str) -> None:
    """Print a workspace."""
    say_json(SERVERS.client().workspace(workspace_id))


@workspaces.command()
def create(
    workspace_id: str,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    accounts: Accounts = 0,
    calls: Calls = 0,
) -> None:
    """Make a workspace, and print the secret of the client that administers it: it is shown only now."""
    say_json(SERVERS.client().create_workspace(workspace_id, name, accounts, calls))


@workspaces.command()
def limit(workspace_id: str, accounts: Accounts = 0, calls: Calls = 0) -> None:
    """Limit what it may have and do."""
    changed = SERVERS.client().change_workspace(workspace_id, limits={"accounts": accounts, "calls": calls})
    say(_line(changed))


@workspaces.command()
def suspend(workspace_id: str) -> None:
    """Let nobody do anything in it, within two seconds."""
    say(_line(SERVERS.client().suspend_workspace(workspace_id)))


@workspaces.command()
def resume(workspace_id: str) -> None:
    """Let them in again."""
    say(_line(SERVERS.client().resume_workspace(workspace_id)))


@workspaces.command()
def remove(workspace_id: str, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove it for good, with its accounts and endpoints. Nobody can read what was said in it any more."""
    if not yes:
        typer.confirm(f"Remove {workspace_id} for good?", abort=True)
    say(_line(SERVERS.client().remove_workspace(workspace_id)))


@workspaces.command()
def rotate(workspace_id: str) -> None:
    """Give who administers it another secret, and print it: it is shown only now."""
    say_json(SERVERS.client().rotate_workspace(workspace_id))


def _line(each: dict[str, Any]) -> str:
    limits = ", ".join(f"{name} {most}" for name, most in each["limits"].items() if most)
    return "  ".join(filter(None, (each["workspace_id"], each["state"], printable(each.get("name", "")), limits)))
