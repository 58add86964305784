"""Refuses what is known to reach nobody: who it goes to is blocked, blocked the account, or is gone."""

from collections.abc import Sequence

from chat4all.model.contacts import BLOCKED, GONE
from chat4all.model.conversations import UserKind
from chat4all.services.acceptance.draft_work import Work
from chat4all.services.directory import People

SAID = {
    BLOCKED: "who this goes to blocked the account, or is blocked: wait until they write, or unblock them",
    GONE: "nobody is at the address that this goes to: wait until somebody writes from it, or take another one",
}


def refuse_unreached(people: People, works: Sequence[Work]) -> None:
    """Refuse those. Where it reaches others, the deliveries to these end with the reason."""
    for work in works:
        recipients = work.message.recipients if work.message else ()
        if recipients and all(each.unreached for each in recipients) and not reads_here(people, work):
            why = recipients[0].unreached
            work.refuse(422, why, SAID[why], "to" if work.draft.to else "conversation_id")


def reads_here(people: People, work: Work) -> bool:
    """Whether somebody gets it in their own client too."""
    membership, message = work.membership, work.message
    others = [each for each in membership.now() if each != work.sender] if membership and message else []
    users = people.users(others)
    return any(users[each].kind is UserKind.PERSON and (work.limited is None or each in work.limited) for each in others)
