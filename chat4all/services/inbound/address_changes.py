"""When a person's number or a group's id changes, it stays the same contact in the same conversation."""

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Identity, UserKind
from chat4all.model.ids import contact_conversation_id
from chat4all.ports import MessageStore, Spoken
from chat4all.services.contacts.families import is_same_person
from chat4all.telemetry import logs

log = logs.logger(__name__)


def follow(store: MessageStore, channel: str, account: str, address: str, to: str) -> bool:
    """Give the new address to whoever has the old one, with the conversation that it speaks in. False: nothing to give.

    The old one is let go last: it may be a stranger's tomorrow. So a process that dies on the way does no harm, and doing
    it again goes on. A contact that the new address already made for itself gives way; somebody who proved it does not, nor
    does who was merged with the owner of the old one: they are one person, until somebody undoes that.
    """
    old, new = (channel, address), (channel, to)
    owners = store.owners([old, new])
    if old not in owners or address == to:
        return False
    owner, there = owners[old], owners.get(new)
    is_theirs = there is not None and is_same_person(store, there.user_id, owner.user_id)
    if there and not is_theirs:
        kept = store.users([there.user_id]).get(there.user_id)
        if kept is None or kept.kind is not UserKind.CONTACT:
            log.warning("address_not_moved", channel=channel, why="the new address is proved to be another's")
            return False
        store.release_address(*new, there.user_id)
    holder = there.user_id if there and is_theirs else owner.user_id
    claim = Identity(*new, holder, now_ms(), owner.verified, owner.last_wrote_at)
    [kept_as] = store.claim_addresses([claim])
    if kept_as.user_id != holder:
        return False
    _bring_conversation(store, account, owner, to)
    _bring_windows(store, old, to)
    store.forward(*old, to)
    store.release_address(*old, owner.user_id)
    log.info("address_moved", channel=channel)
    return True


def _bring_conversation(store: MessageStore, account: str, owner: Identity, to: str) -> None:
    """What the new address writes comes in where the old one's words did, and its link goes with it."""
    old = (owner.channel, owner.address)
    linked = store.links([old]).get(old)
    if linked:
        store.put_link(owner.channel, to, linked)
    last = Spoken.parse(store.last_conversations([old]).get(old, "")).conversation_id
    homes = [each for each in (last, contact_conversation_id(owner.channel, account, owner.address)) if each]
    known = store.memberships(homes)
    home = next((each for each in homes if each in known and known[each].has(owner.user_id)), None)
    if home:
        now = now_ms()
        store.record({}, spoken={(owner.channel, to): (home, now)})
        store.note_wrote({(owner.channel, to): owner.last_wrote_at})


def _bring_windows(store: MessageStore, old: tuple[str, str], to: str) -> None:
    """Whom the person wrote to from the old address may answer at the new one."""
    wrote = store.last_wrote([old])[old]
    if wrote:
        store.note_wrote({}, {(old[0], to, account): at for account, at in wrote.items()})


def successor(store: MessageStore, channel: str, address: str, user_id: str, most: int = 8) -> str:
    """The address that this person has now in place of one that they left. Empty: it is not theirs, or there is none.

    It is theirs too where a contact has it that was merged with this user.
    """
    place = (channel, address)
    for _ in range(most):
        to = store.forwards([place]).get(place)
        if not to:
            return ""
        place = (channel, to)
        owner = store.owners([place]).get(place)
        if owner and owner.verified and is_same_person(store, owner.user_id, user_id):
            return to
    return ""
