"""What a provider's refusal says of the person, and not only of one message: kept, so that the next message is told at once."""

from collections.abc import Iterable

from chat4all.model.contacts import ANSWER, REVOKED, UNREACHED, Consent, Reach
from chat4all.model.deliveries import Delivery, reason
from chat4all.services.contacts.consents import note_consent
from chat4all.services.contacts.contact_events import ContactNews
from chat4all.services.contacts.standing import note_reach
from tasks.outcomes.events import TIMEOUT_S
from tasks.resources import Parts

OPTED_OUT = "opted_out"


def learn(parts: Parts, failed: Iterable[Delivery]) -> None:
    """Of these deliveries, which providers refused: the address is reached by nobody, or its person wants no such messages."""
    heard = []
    for row in failed:
        why, channel = reason(row.facts), row.key.lane.channel
        at = row.facts.failed_at or row.facts.refused_at
        if why in UNREACHED and row.address:
            note_reach(parts.store, row.user_id, (channel, row.address), Reach(UNREACHED[why], at))
        elif why == OPTED_OUT:
            note_consent(parts.store, row.user_id, channel, Consent(REVOKED, at, ANSWER))
            heard.append(row.user_id)
    ContactNews(parts.store, parts.partitions).tell(parts.log, heard, TIMEOUT_S)
