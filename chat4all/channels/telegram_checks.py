"""What can be wrong with a bot, and how it is mended. Pure."""

from collections.abc import Iterator

from chat4all.channels.webhook_address import address_findings
from chat4all.model.failures import Permanent
from chat4all.ports import Finding

TOKEN = "Ask @BotFather for the bot's token (/mybots, API Token), and rotate the account's credentials."  # noqa: S105
CONNECT = "Connect the account: that sets the bot's webhook, with its secret."


def refusal(failure: Permanent) -> Finding:
    """Telegram knows no bot with this token. Raises what is no answer about the bot."""
    if failure.reason != "credentials":
        raise failure
    return Finding("token_refused", "Telegram does not accept the token.", TOKEN, True)


def findings(hook: str, error: str | None, webhook_url: str, polls: bool) -> Iterator[Finding]:
    """`hook`: where updates go, "" for nowhere; `error`: why the last one could not be brought there."""
    if polls:
        if hook:
            yield Finding("webhook_elsewhere", "The bot has a webhook, so its updates cannot be fetched.", CONNECT)
        return
    yield from (places := address_findings(webhook_url))
    if not places and hook != webhook_url:
        yield Finding("webhook_elsewhere", "The bot's webhook is not our address.", CONNECT)
    elif error and "403" in error:
        yield Finding("webhook_refused", "We refused the bot's last update: its webhook has another secret.", CONNECT)
    elif error:
        yield Finding("webhook_failed", "Telegram could not bring its last update to us.", "See that the address is reachable.")
