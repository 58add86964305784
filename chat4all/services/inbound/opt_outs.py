"""Who writes STOP gets no more broadcasts on that channel, until they write START."""

from collections.abc import Iterable

from chat4all.model.contacts import GRANTED, REVOKED, WORD, Consent, asks_to_stop
from chat4all.ports import MessageStore
from chat4all.services.contacts.consents import note_consent
from chat4all.services.inbound.inbound_message import Arrival


def opt_out(store: MessageStore, arrivals: Iterable[Arrival]) -> list[str]:
    """What these people say; whose consent was said. The newest counts, by the provider's time.

    Asks the store nothing where nobody says one of the words alone. What somebody says in a group is no such word.
    """
    heard = []
    for each in arrivals:
        said = each.inbound
        stops = None if said.is_echo or said.is_history or said.speaker else asks_to_stop(said.text)
        if stops is not None:
            note_consent(store, each.owner, said.channel, Consent(REVOKED if stops else GRANTED, said.at, WORD))
            heard.append(each.owner)
    return heard
