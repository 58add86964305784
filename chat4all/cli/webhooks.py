"""Commands about outgoing webhooks, for a service client with scope manage."""

import time
from typing import Annotated, Any

import typer

from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS

app = typer.Typer()
webhooks = typer.Typer(help="Endpoints of your own backend that are told what happens.", no_args_is_help=True)
app.add_typer(webhooks, name="webhook")

TEST_S = 20.0

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Events = Annotated[list[str], typer.Option("--event", help="A type of event, such as message.accepted; none: all.")]
Headers = Annotated[list[str], typer.Option("--header", help="name: value, sent with every call.")]


@webhooks.command()
def create(
    url: str,
    event: Events = [],  # noqa: B006  (typer makes a new one)
    header: Headers = [],  # noqa: B006
    throttle: Annotated[float, typer.Option(help="Calls a second at most; 0: no limit.")] = 0,
    batch: Annotated[int, typer.Option(min=1, max=20, help="Events a request at most, while it is behind.")] = 1,
) -> None:
    """Make an endpoint, and print it with its secret, which is told only now."""
    say_json(SERVERS.client().create_webhook(url, event, headers=_headers(header), throttle=throttle, batch=batch))


@webhooks.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Print all endpoints."""
    for each in SERVERS.client().webhooks():
        say_json(each) if as_json else say(_line(each))


@webhooks.command()
def show(webhook_id: str) -> None:
    """Print an endpoint."""
    say_json(SERVERS.client().webhook(webhook_id))


@webhooks.command()
def update(
    webhook_id: str,
    url: Annotated[str, typer.Option()] = "",
    event: Events = [],  # noqa: B006
    header: Headers = [],  # noqa: B006
    throttle: Annotated[float | None, typer.Option()] = None,
    batch: Annotated[int | None, typer.Option(min=1, max=20)] = None,
) -> None:
    """Make something else of it. What is left out stays."""
    given: dict[str, Any] = {"url": url, "events": event, "headers": _headers(header)}
    numbers = {name: value for name, value in {"throttle": throttle, "batch": batch}.items() if value is not None}
    say_json(SERVERS.client().update_webhook(webhook_id, **{name: each for name, each in given.items() if each}, **numbers))


@webhooks.command()
def delete(webhook_id: str) -> None:
    """Tell it nothing more, and forget it."""
    SERVERS.client().delete_webhook(webhook_id)
    say(f"deleted {printable(webhook_id)}")


@webhooks.command()
def rotate(
    webhook_id: str,
    old_valid_s: Annotated[int, typer.Option(help="How long the secret before it signs too, in seconds.")] = 86_400,
) -> None:
    """Give it another secret, and print it."""
    say(SERVERS.client().rotate_webhook(webhook_id, old_valid_s)["secret"])


@webhooks.command()
def enable(webhook_id: str) -> None:
    """Tell it of what happens from now on."""
    say(_line(SERVERS.client().enable_webhook(webhook_id)))


@webhooks.command()
def disable(webhook_id: str) -> None:
    """Tell it nothing more, until it is enabled."""
    say(_line(SERVERS.client().disable_webhook(webhook_id)))


@webhooks.command()
def test(webhook_id: str) -> None:
    """Have it called with an event of its own, and print what came of it."""
    client = SERVERS.client()
    event_id = client.test_webhook(webhook_id)
    end = time.monotonic() + TEST_S
    while time.monotonic() < end:
        found = [each for each in client.webhook_deliveries(webhook_id)["deliveries"] if each["event_id"] == event_id]
        if found:
            say(_call(found[0]))
            return
        time.sleep(0.5)
    raise typer.BadParameter(f"no call within {TEST_S:.0f} s: is it behind?", param_hint="WEBHOOK_ID")


@webhooks.command()
def recover(
    webhook_id: str,
    since: Annotated[str, typer.Option(help="RFC 3339, or 90m, 24h, 7d ago.")],
    until: Annotated[str, typer.Option(help="Left out: now.")] = "",
) -> None:
    """Tell it once more what happened between two times."""
    say(f"events that are told again, at most: {SERVERS.client().recover_webhook(webhook_id, since, until)['events']}")


@webhooks.command()
def deliveries(webhook_id: str, limit: Annotated[int, typer.Option(min=1, max=200)] = 50, as_json: AsJson = False) -> None:
    """Print the newest calls to it."""
    for each in SERVERS.client().webhook_deliveries(webhook_id, limit)["deliveries"]:
        say_json(each) if as_json else say(_call(each))


def _call(each: dict[str, Any]) -> str:
    came = each.get("error") or each["status"]
    return printable(f"{each['at']}  {each['type']}  {each['event_id']}  try {each['number']}: {came}, {each['took_ms']} ms")


def _headers(given: list[str]) -> dict[str, str]:
    split = [each.partition(":") for each in given]
    if any(not colon for _, colon, _ in split):
        raise typer.BadParameter("write name: value", param_hint="--header")
    return {name.strip(): value.strip() for name, _, value in split}


def _failing(webhook: dict[str, Any]) -> str:
    return f"no success since {webhook['failing_since']}" if webhook.get("failing_since") else ""


def _line(webhook: dict[str, Any]) -> str:
    said = (webhook.get("reason"), "no key opens its secret: rotate it" if webhook.get("sealed") else "", _failing(webhook))
    why = "".join(f" ({each})" for each in said if each)
    types = ", ".join(webhook["events"]) or "all events"
    return printable(f"{webhook['webhook_id']}  {webhook['status']}{why}  {webhook['url']}  {types}")
