"""Commands about channels: list them and how they are set up, check credentials, register webhooks at the providers."""

import asyncio
from typing import Annotated

import typer

from chat4all.channels import CHANNELS, open_channel, unknown_channel
from chat4all.channels.webhook_address import webhook_address
from chat4all.cli.printing import say
from chat4all.cli.running import beside_running
from chat4all.model.failures import Failure, Permanent
from chat4all.ports import Channel, Limits
from chat4all.settings import Settings

app = typer.Typer()
channels = typer.Typer(help="The channels: their accounts, limits and webhooks.", invoke_without_command=True)
app.add_typer(channels, name="channels")

# What no send through one process comes near is no limit to speak of.
NOTHING_S = 0.001
ANY_RATE = 10_000


@channels.callback()
def show(context: typer.Context) -> None:
    """List the channels: account, whether it is real, limits, and the address of the webhook."""
    if context.invoked_subcommand is None:
        settings = beside_running()
        for name in CHANNELS:
            for line in described(open_channel(name, settings), settings):
                say(line)


@channels.command()
def connect(
    name: Annotated[str, typer.Argument(help=f"{', '.join(CHANNELS)}; left out: all.")] = "",
) -> None:
    """Check credentials and set webhooks. The gateway must run already: some providers call the webhook at once."""
    if name and name not in CHANNELS:
        raise Permanent("unknown_channel", unknown_channel(name))
    settings = beside_running()
    check_public_url(settings)
    refused = asyncio.run(_connect([name] if name else list(CHANNELS), settings))
    if refused:
        raise typer.Exit(1)


async def _connect(names: list[str], settings: Settings) -> list[str]:
    """Those that were refused; each is said, and the others go on."""
    refused = []
    for name in names:
        channel = open_channel(name, settings)
        try:
            say(f"{name}: {await channel.connect(webhook_url(name, settings))}{_hint(channel, settings)}")
        except Failure as failure:
            say(f"{name}: not connected: {explained(name, failure)}")
            refused.append(name)
        finally:
            await channel.close()
    return refused


def check_public_url(settings: Settings) -> None:
    """Permanent when providers could not call the public address: they take https only."""
    if settings.public_url and not settings.public_url.startswith("https://"):
        raise Permanent("public_url", "CHAT4ALL_PUBLIC_URL must begin with https://, providers call nothing else")


def webhook_url(name: str, settings: Settings) -> str:
    """Where the provider finds our webhook; empty without a public address."""
    return webhook_address(settings, name)


def explained(name: str, failure: Failure) -> str:
    """What went wrong, and what to look at."""
    look = {
        "credentials": f"the provider does not accept the {name.upper()}_… credentials",
        "unreachable": f"nobody answers where {name.upper()}_API_URL, or the simulator, should be",
        "no_answer": "the provider did not answer in time",
    }.get(failure.reason, "")
    return f"{failure} ({look})" if look else str(failure)


def described(channel: Channel, settings: Settings) -> list[str]:
    """A channel in a few lines."""
    kind = "real" if channel.account.real else "simulated"
    receipts = ", ".join(each for each in ("sent", "delivered", "read", "failed") if each in channel.limits.receipts)
    return [
        f"{channel.name}  account {channel.account.account_id}  {kind}",
        f"  limits    {'; '.join(limits(channel.limits))}",
        f"  receipts  {receipts or 'none: SENT is what can be known'}",
        f"  updates   {_updates(channel, settings)}",
    ]


def limits(each: Limits) -> list[str]:
    """Limits for people; what is no limit is left out."""
    found = [f"{each.text_length} {each.text_unit} a message"]
    if each.account_per_second < ANY_RATE:
        found.append(f"{each.account_per_second:g} messages/s in all")
    if each.recipient_interval_s > NOTHING_S:
        found.append(f"one in {each.recipient_interval_s:g} s to a person, {each.recipient_burst} at once before that")
    for beginning, (interval_s, burst) in each.recipient_paces.items():
        found.append(f"one in {interval_s:g} s to an address that begins with {beginning!r}, {burst} at once before that")
    return found


def _updates(channel: Channel, settings: Settings) -> str:
    if channel.polls:
        return "fetched (chat4all polling)"
    if settings.public_url or channel.account.real:
        return f"webhook {webhook_url(channel.name, settings) or 'nowhere: CHAT4ALL_PUBLIC_URL is not set'}"
    return f"webhook {settings.gateway_url}/channels/{channel.name}/webhook (the simulator)"


def _hint(channel: Channel, settings: Settings) -> str:
    if settings.public_url or channel.polls or not channel.account.real:
        return ""
    return " (CHAT4ALL_PUBLIC_URL is where providers reach the gateway)"
