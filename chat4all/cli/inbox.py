"""Commands for those who answer: list what waits, change how a conversation is handled."""

from itertools import islice
from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import clock_of, printable, say, say_json, unread_of
from chat4all.cli.session import SERVERS
from chat4all.model.handling import STATES

app = typer.Typer()


@app.command()
def inbox(
    state: Annotated[str, typer.Option(help=f"Only these: {', '.join(STATES)}, or all.")] = "open",
    assignee: Annotated[str | None, typer.Option(help="Only this user's; an empty text: nobody's.")] = None,
    label: Annotated[str | None, typer.Option(help="Only those with this label.")] = None,
    priority: Annotated[str | None, typer.Option(help="Only those: low, normal, high, urgent.")] = None,
    unread: Annotated[bool | None, typer.Option(help="Only those with something that you have not read, or without.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List conversations, the latest first. Needs scope manage."""
    chosen = {"state": None if state == "all" else state, "assignee": assignee, "label": label, "priority": priority}
    if unread is not None:
        chosen["unread"] = "true" if unread else "false"
    wanted = {name: value for name, value in chosen.items() if value is not None}
    for each in islice(SERVERS.client().inbox(**wanted), limit):
        if as_json:
            say_json(each)
        else:
            say(_line(each))


@app.command()
def handle(
    conversation_id: str,
    state: Annotated[str | None, typer.Option(help=f"{', '.join(STATES)}.")] = None,
    until: Annotated[str | None, typer.Option(help="With state snoozed: when it is open again (RFC 3339).")] = None,
    assignee: Annotated[str | None, typer.Option(help="Who answers; an empty text: nobody.")] = None,
    priority: Annotated[str | None, typer.Option(help="low, normal, high, urgent.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="All labels that it is to have; repeat it.")] = None,
    handler: Annotated[str | None, typer.Option(help="bot, human, nobody.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change how a conversation is handled. What is left out stays. Needs scope manage."""
    chosen: dict[str, Any] = {
        "state": state,
        "snoozed_until": until,
        "assignee": assignee,
        "priority": priority,
        "labels": label,
        "handler": handler,
    }
    changed = SERVERS.client().handle(conversation_id, **{name: value for name, value in chosen.items() if value is not None})
    if as_json:
        say_json(changed)
    else:
        say(_line(changed))


@app.command()
def windows(conversation_id: str, as_json: AsJson = False) -> None:
    """Show until when the members of a conversation may be written to on their channels."""
    for each in SERVERS.client().windows(conversation_id):
        if as_json:
            say_json(each)
        else:
            until = f" until {clock_of(each['open_until'])}" if each.get("open_until") else ""
            wrote = f"wrote last at {clock_of(each['last_wrote_at'])}" if each.get("last_wrote_at") else "never wrote"
            say(f"{printable(each['recipient'])}  {each['channel']}  {'open' if each['open'] else 'shut'}{until}  {wrote}")


@app.command()
def note(conversation_id: str, text: list[str]) -> None:
    """Write an internal note into a conversation: it is sent to nobody. Needs scope manage."""
    sent = SERVERS.client().note(conversation_id, " ".join(text))
    say(f"accepted {sent.message_id} in {sent.conversation_id}")


def _line(conversation: dict[str, Any]) -> str:
    names = ", ".join(printable(each.get("display_name") or each["user_id"]) for each in conversation["members"])
    until = f" until {clock_of(conversation['snoozed_until'])}" if conversation.get("snoozed_until") else ""
    whose = f"  {conversation['assignee']}'s" if conversation["assignee"] else ""
    labels = "".join(f" #{printable(each)}" for each in conversation["labels"])
    state = f"{conversation['state']}{until}  {conversation['priority']}{whose}{labels}"
    return f"{conversation['conversation_id']}  {state}{unread_of(conversation)}  {names}"
