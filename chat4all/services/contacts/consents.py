"""Whether contacts want what they did not ask for: one fact for each channel, whoever says it, in whatever order."""

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.contacts import CONSENT_CHANGED, GRANTED, REVOKED, SETTING, TEAM, Consent, Profile
from chat4all.model.merges import Family
from chat4all.ports import Consented, MessageStore, Update
from chat4all.services.contacts.families import families


def note_consent(store: MessageStore, user_id: str, channel: str, said: Consent) -> Profile:
    """Keep what was said of a channel, unless something newer was; what is then kept. Saying it again changes nothing."""
    return store.change_profile(user_id, partial(_consenting, channel, said, now_ms()))


def decide_consent(store: MessageStore, user_id: str, channel: str, state: str, by: str) -> None:
    """The same, as somebody of the team has it now: it stands until somebody says otherwise later."""
    family = families(store, [user_id])[user_id]
    store.change_profile(family.root, partial(_decided, family, channel, state, by, now_ms()))


def consented(store: MessageStore, updates: Iterable[Update]) -> list[str]:
    """What people say in their provider's app: whose consents were said. A stranger's says nothing of anybody."""
    said = [each for each in updates if isinstance(each, Consented)]
    if not said:
        return []
    owners = store.owners(list({place for each in said for place in each.places}))
    heard = []
    for each in said:
        owner = next((owners[place].user_id for place in each.places if place in owners), "")
        if owner:
            note_consent(store, owner, each.channel, Consent(GRANTED if each.granted else REVOKED, each.at, SETTING))
            heard.append(owner)
    return heard


def _consenting(channel: str, said: Consent, now: int, there: Profile) -> Profile:
    wanted = there.consenting(channel, said)
    return there if wanted == there else there.changing(replace(wanted, changed_at=now, changed_by=said.by), CONSENT_CHANGED)


def _decided(family: Family, channel: str, state: str, by: str, now: int, there: Profile) -> Profile:
    known = Family(family.root, {**family.profiles, family.root: there}).whole
    if known.consent(channel) == state:
        return there
    # Later than all that is known, whatever the provider's clock says, and than who said it became one person.
    before = [merge.at for _, merge in family.merged] + [each.at for name, each in known.consents.items() if name == channel]
    return _consenting(channel, Consent(state, max([now, *(at + 1 for at in before)]), TEAM, by), now, there)
