"""Says that deliveries are not to be sent any more. Their lane's holder ends them: nobody else writes how a delivery ended.

The holder writes an attempt and reads this; who withdraws writes this and reads the attempts. So at least one sees the other
(docs/decisions/withdrawn.md).
"""

from collections.abc import Iterable

from chat4all.model.deliveries import ARRIVED, DeliveryKey, Withdrawn, state
from chat4all.ports import MessageStore


def withdraw(store: MessageStore, keys: Iterable[DeliveryKey], why: Withdrawn) -> list[DeliveryKey]:
    """Have these deliveries not sent, nor sent again. Which of them may have been sent all the same: those with an attempt.

    What the provider has is left alone, and so is a row's newest resend then. A row that does not exist yet is withdrawn.
    Repeating changes nothing.
    """
    wanted = dict.fromkeys(keys)
    if not wanted:
        return []
    rows = store.deliveries(list(wanted))
    wanted |= dict.fromkeys(key.resend(row.facts.resent_as) for key, row in rows.items() if row.facts.resent_as)
    arrived = {key for key, row in rows.items() if state(row.facts) in ARRIVED}
    store.withdraw({key: why for key in wanted if key not in arrived})
    rows = store.deliveries(list(wanted))
    return [key for key, row in rows.items() if row.facts.attempts]
