"""Commands about templates of accounts, for a service client with scope manage."""

import json
import sys
from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS

app = typer.Typer()
templates = typer.Typer(help="Messages that a provider approves beforehand.", no_args_is_help=True)
app.add_typer(templates, name="templates")

Account = Annotated[str, typer.Argument(help="An account's id; the environment's has the channel's name, such as whatsapp.")]


@templates.command("list")
def list_all(
    account_id: Account = "whatsapp",
    name: Annotated[str, typer.Option(help="Only those called so, or like this.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print an account's templates with their status."""
    for each in SERVERS.client().templates(account_id, name):
        say_json(each) if as_json else say(_line(each))


@templates.command()
def read(account_id: Account = "whatsapp") -> None:
    """Ask the provider for all templates of an account now."""
    say(f"{SERVERS.client().read_templates(account_id)} changed")


@templates.command()
def preview(
    name: str,
    language: str,
    body: Annotated[list[str] | None, typer.Argument(help="What fills the places of its body.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="What fills the header: words, or a link.")] = None,
    button: Annotated[
        list[str] | None, typer.Option(help='What fills a button; "" for one without a place. Repeat it.')
    ] = None,
    account: Annotated[str, typer.Option(help="An account's id.")] = "whatsapp",
) -> None:
    """Print what a person reads."""
    given = {"header": header or [], "body": body or [], "buttons": button or []}
    shown = SERVERS.client().preview_template(account, name, language, **given)
    say("\n".join(map(printable, [*shown["text"].splitlines(), *(f"[{each}]" for each in shown.get("buttons", []))])))


@templates.command()
def create(
    name: str,
    language: str,
    category: Annotated[str, typer.Argument(help="MARKETING, UTILITY or AUTHENTICATION.")],
    body: Annotated[
        str, typer.Argument(help="Its words, with places such as {{1}}; - reads all components as JSON from stdin.")
    ],
    account: Annotated[str, typer.Option(help="An account's id.")] = "whatsapp",
    example: Annotated[list[str] | None, typer.Option(help="What might stand in a place of the words. Repeat it.")] = None,
) -> None:
    """Ask the provider for a template."""
    components = _read() if body == "-" else [_body(body, example or [])]
    say(_line(SERVERS.client().create_template(account, name, language, category, components)))


@templates.command()
def delete(name: str, language: str, account: Annotated[str, typer.Option(help="An account's id.")] = "whatsapp") -> None:
    """Delete a template in one language."""
    SERVERS.client().delete_template(account, name, language)
    say(f"deleted {printable(name)} {printable(language)}")


def _body(text: str, example: list[str]) -> dict[str, Any]:
    return {"type": "BODY", "text": text} | ({"example": {"body_text": [example]}} if example else {})


def _read() -> list[dict[str, Any]]:
    try:
        given = json.load(sys.stdin)
    except ValueError:
        given = None
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise typer.BadParameter("a JSON list of components on stdin")
    return given


def _line(template: dict[str, Any]) -> str:
    words = next((each.get("text", "") for each in template["components"] if each.get("type") == "BODY"), "")
    why = f" ({template['reason']})" if template.get("reason") else ""
    stands = f"{template['status']}{why}" + (f"  {template['quality']}" if template.get("quality") else "")
    return printable(f"{template['name']}  {template['language']}  {template['category']}  {stands}  {words}")
