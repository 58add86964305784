"""Commands about logins: one's own, and those of other users for clients with scope manage."""

from typing import Annotated

import typer

from chat4all.cli.printing import say, say_json
from chat4all.cli.session import SERVERS

app = typer.Typer()
users = typer.Typer(help="Users, for a service client with scope manage.", no_args_is_help=True)
app.add_typer(users, name="user")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]


@app.command()
def password(
    current: Annotated[str, typer.Option(prompt=True, hide_input=True, envvar="CHAT4ALL_PASSWORD")],
    new: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="CHAT4ALL_NEW_PASSWORD")],
) -> None:
    """Choose another password. All other logins end."""
    SERVERS.client().change_password(current, new)
    say("changed; all other logins have ended")


@app.command()
def ticket() -> None:
    """Print a ticket that opens this account's stream in a browser: /v1/events?ticket=… within a minute."""
    say(str(SERVERS.client().stream_ticket()["ticket"]))


@app.command()
def sessions(
    end: Annotated[str, typer.Option(help="End the login with this id.")] = "",
    end_all: Annotated[bool, typer.Option("--end-all", help="End all of them, this one too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print this account's logins, or end them."""
    _sessions("", end, end_all, as_json)


@users.command("sessions")
def of_user(
    user_id: str,
    end: Annotated[str, typer.Option(help="End the login with this id.")] = "",
    end_all: Annotated[bool, typer.Option("--end-all", help="End all of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a user's logins, or end them."""
    _sessions(user_id, end, end_all, as_json)


def _sessions(user_id: str, end: str, end_all: bool, as_json: bool) -> None:
    client = SERVERS.client()
    if end_all:
        client.end_sessions(user_id)
        say("ended")
    elif end:
        client.end_session(end, user_id)
        say(f"ended {end}")
    else:
        for each in client.sessions(user_id):
            mark = "  (this one)" if each["current"] else ""
            line = f"{each['session_id']}  last used {each['last_used_at']}  {each.get('user_agent', '')}{mark}"
            say_json(each) if as_json else say(line)


@users.command()
def disable(user_id: str) -> None:
    """Let nobody come in as this user, and end their logins."""
    say(f"disabled since {SERVERS.client().disable(user_id)['disabled_at']}")


@users.command()
def enable(user_id: str) -> None:
    """Let them log in again."""
    SERVERS.client().enable(user_id)
    say("enabled")


@users.command("reset-password")
def reset_password(
    user_id: str,
    password: Annotated[str, typer.Option(envvar="CHAT4ALL_NEW_PASSWORD", help="Left out: one is made and printed.")] = "",
) -> None:
    """Give a user another password, and end their logins."""
    answer = SERVERS.client().reset_password(user_id, password)
    say("reset" if password else answer)
