"""What is known of windows: who wrote to which account, and when. Written as people write, read as somebody sends or asks."""

from collections.abc import Iterable, Mapping, Sequence

from chat4all.model.conversations import Identity
from chat4all.model.windows import Window
from chat4all.ports import Channel, Inbound, MessageStore
from chat4all.ports.directory import Place
from chat4all.services.accounts.live import accounts_of


def opened_windows(wrote: Iterable[Inbound], arrived: int) -> dict[Place, int]:
    """What these messages open, at both addresses of who has two: since the provider's time, or since they arrived if that is
    earlier.
    """
    opened: dict[Place, int] = {}
    for each in wrote:
        for channel, address in each.places:
            place = (channel, address, each.account)
            opened[place] = max(opened.get(place, 0), min(each.at, arrived))
    return opened


def windows(
    store: MessageStore, channels: Mapping[str, Channel], owned: Sequence[Identity], account: str = ""
) -> dict[tuple[str, str], Window]:
    """The windows of these addresses towards the account that answers them: of all that the channel has the one that they wrote
    to last. `account`: towards this one, by the provider's id.

    What older code noted names no account: it stands for every one, until the address writes again.
    """
    known, asked = accounts_of(channels), [(each.channel, each.address) for each in owned]
    wrote = store.last_wrote(asked) if asked else {}
    found = {}
    for each in owned:
        place = (each.channel, each.address)
        by_account = wrote[place]
        ours = (at for name, at in by_account.items() if (name == account if account else known.named(each.channel, name)))
        at = max(ours, default=0) if by_account else each.last_wrote_at
        found[place] = channels[each.channel].limits.window.window(at)
    return found
