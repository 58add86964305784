"""What a provider gets in place of an option's id, and gives back when somebody chooses it. Pure; no I/O.

A token names the delivery that showed the choices, and the option's place among them: 64 bytes at most, whatever ids the
sender chose, and no provider learns those.
"""

from chat4all.model.deliveries import DeliveryKey

MARK = "#"
OPTIONS_MOST = 1000


def token(reference: str, number: int) -> str:
    """The token of the option at this place (from 1) of what is sent under this reference (`Outgoing.reference`)."""
    return f"{reference}{MARK}{number}"


def read(text: str) -> tuple[DeliveryKey, int] | None:
    """Which delivery and which option a token names; None: it is none of ours."""
    reference, _, number = text.rpartition(MARK)
    try:
        key = DeliveryKey.parse(reference)
        option = int(number)
    except ValueError:
        return None
    return (key, option) if 0 < option <= OPTIONS_MOST else None
