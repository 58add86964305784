"""Contacts as a directory: who they are, how they are reached, and what a team keeps about them."""

from typing import Any

from flask import Response

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.contacts import Consent, Merge, Profile
from chat4all.model.conversations import Identity
from chat4all.services.contacts.contact_book import Contact, ContactBook, check
from chat4all.services.contacts.contact_events import ContactNews
from chat4all.services.contacts.contact_table import NoTable, rows, table
from chat4all.services.directory import Address
from chat4all.services.refusals import Conflict, NoSuch, Wrong
from webapp.requests.api_docs import CONTACTS
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import once
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked, validated, without_blanks
from webapp.schemas.contact_models import (
    ConsentIn,
    ConsentPath,
    ContactChange,
    ContactOut,
    ContactPath,
    ContactsExported,
    ContactsImported,
    ContactsOut,
    ContactsQuery,
    ContactTable,
    ExportQuery,
    MergeIn,
    NewContact,
    UnmergeIn,
)
from webapp.views import auth

api = auth.for_managers("contacts", CONTACTS, "contact")


@api.get("/v1/contacts", responses={"200": ContactsOut})
@checked
def list_contacts(query: ContactsQuery) -> Response:
    """Everybody who is known by an address, page by page."""
    if query.address:
        found = _book().at(_place(query.address))
        return answer({"contacts": [shape(each) for each in found if not query.tag or query.tag in each.profile.tags]})
    page, following = _book().page(query.tag, query.after, query.limit)
    return answer({"contacts": [shape(each) for each in page]} | ({"next": following} if following else {}))


@api.post("/v1/contacts", responses={"200": ContactOut, "201": ContactOut})
@checked
def put_contact(body: NewContact) -> Response:
    """Have somebody in the directory: 201 when nobody had this address, 200 when it is theirs already.

    What is said of them is changed, the rest stays. So a list that is brought in again changes what is new in it.
    """
    contact, is_new = _put(body.address, body.given)
    return answer(shape(contact), 201 if is_new else 200)


def _put(address: str, given: dict[str, Any]) -> tuple[Contact, bool]:
    """Whoever has this address, as is said of them; True: nobody had it."""
    people, place = gateway().people, _place(address)
    check(given)
    known = gateway().store.owners([place])
    contact_id = people.owners({place: given.get("display_name", "")})[place]
    try:
        contact = _book().change(contact_id, given, caller().user_id, now_ms())
    except NoSuch:
        raise Conflict("address_taken", "this address belongs to a user who logs in") from None
    people.look_again([contact_id])
    return _announced(contact), not known


@api.post("/v1/contacts/import", responses={"200": ContactsImported})
@checked
def import_contacts(body: ContactTable) -> Response:
    """Bring in a table of at most 500 contacts. Twice is as once; a row that is wrong is said and passed over."""
    try:
        found = list(rows(body.csv))
    except NoTable as error:
        raise Problem(422, "bad_table", str(error), "csv") from None
    faults = [fault for line, address, said in found if (fault := _row_fault(line, {"address": address} | said))]
    return answer({"contacts": len(found) - len(faults), "errors": faults})


def _row_fault(line: int, said: dict[str, Any]) -> dict[str, Any] | None:
    """Have a row in the directory; what is wrong with it, if it cannot be."""
    try:
        contact = validated(NewContact, said)
        _put(contact.address, contact.given)
    except Problem as problem:
        return {"line": line, **(problem.errors or [{"field": "address", "detail": problem.detail}])[0]}
    except Wrong as wrong:
        return {"line": line, "field": wrong.field, "detail": str(wrong)}
    except Conflict as conflict:
        return {"line": line, "field": "address", "detail": str(conflict)}
    return None


@api.get("/v1/contacts/export", responses={"200": ContactsExported})
@checked
def export_contacts(query: ExportQuery) -> Response:
    """All contacts, or those with a tag, as a table that import takes, page by page."""
    page, following = _book().page(query.tag, query.after, query.limit)
    return answer({"csv": table(page, with_head=not query.after)} | ({"next": following} if following else {}))


@api.get("/v1/contacts/<contact_id>", responses={"200": ContactOut})
@checked
def get_contact(path: ContactPath) -> Response:
    """A contact."""
    return answer(shape(_book().get(path.contact_id)))


@api.patch("/v1/contacts/<contact_id>", responses={"200": ContactOut})
@checked
def change_contact(path: ContactPath, body: ContactChange) -> Response:
    """Change what the team calls them and keeps about them."""
    contact = _book().change(path.contact_id, body.given, caller().user_id, now_ms())
    gateway().people.look_again([path.contact_id])
    return answer(shape(_announced(contact)))


@api.put("/v1/contacts/<contact_id>/consents/<channel>", responses={"200": ContactOut})
@checked
def set_consent(path: ConsentPath, body: ConsentIn) -> Response:
    """Say for a contact whether they want broadcasts on a channel, until they say otherwise."""
    return answer(shape(_announced(_book().consent(path.contact_id, path.channel, body.state, caller().user_id))))


@api.post("/v1/contacts/<contact_id>/merge", responses={"200": ContactOut})
@checked
def merge_contact(path: ContactPath, body: MergeIn) -> Response:
    """Have two contacts be one; the contact that both are then. Again is as once.

    It has the addresses and conversations of both. Where they say something else, what is kept of the one in the path counts.
    Its id is the smaller of the two; the other leads to it. What was said, and who owns which address, stays as it is.
    """
    news = _book().merge(path.contact_id, body.contact_id, caller().user_id, now_ms())
    return _regrouped(path.contact_id, news)


@api.post("/v1/contacts/<contact_id>/unmerge", responses={"200": ContactOut})
@once
@checked
def unmerge_contact(path: ContactPath, body: UnmergeIn) -> Response:
    """Undo a merge: `contact_id` is apart again, or else whoever was merged last. The contact of the path as it then is."""
    news = _book().unmerge(path.contact_id, body.contact_id, caller().user_id, now_ms())
    return _regrouped(path.contact_id, news)


def _regrouped(contact_id: str, news: list[str]) -> Response:
    gateway().people.standing.look_again()
    _tell(news)
    return answer(shape(_book().get(contact_id)))


@api.put("/v1/contacts/<contact_id>/block", responses={"200": ContactOut})
@checked
def block_contact(path: ContactPath) -> Response:
    """Block a contact: nothing is sent to them, and what they write is neither kept nor told to anybody."""
    return _block(path.contact_id, True)


@api.delete("/v1/contacts/<contact_id>/block", responses={"200": ContactOut})
@checked
def unblock_contact(path: ContactPath) -> Response:
    """Block a contact no longer. What they wrote meanwhile is not there."""
    return _block(path.contact_id, False)


def _block(contact_id: str, is_blocked: bool) -> Response:
    contact = _book().block(contact_id, is_blocked, caller().user_id, now_ms())
    gateway().people.standing.look_again()
    return answer(shape(_announced(contact)))


def _place(address: str) -> Address:
    try:
        return gateway().people.parse_address(address)
    except ValueError as error:
        raise Problem(422, "bad_address", str(error), "address") from None


def _announced(contact: Contact) -> Contact:
    """Readers hear of what is untold of it. What cannot be told now is told when the request is made again."""
    _tell([contact.user.user_id])
    return contact


def _tell(contact_ids: list[str]) -> None:
    here = gateway()
    made = here.people.newcomers(contact_ids)
    ContactNews(here.store, here.acceptor.event_partitions).tell(here.log, contact_ids, here.settings.append_timeout_s, made)
    here.people.told_of(contact_ids)


def _book() -> ContactBook:
    return ContactBook(gateway().store)


def shape(contact: Contact) -> dict[str, Any]:
    """A contact as the API gives it."""
    user, profile = contact.user, contact.profile
    said = {
        "display_name": user.display_name,
        "notes": profile.notes,
        "time_zone": profile.time_zone,
        "changed_at": rfc3339(profile.changed_at) if profile.changed_at else "",
        "changed_by": profile.changed_by,
    }
    blocked = {"blocked_at": rfc3339(profile.blocked_at), "blocked_by": profile.blocked_by} if profile.blocked_at else {}
    return without_blanks(said | blocked) | {
        "contact_id": user.user_id,
        "created_at": rfc3339(user.created_at),
        "blocked": bool(profile.blocked_at),
        "addresses": [_shape_address(each, profile) for each in contact.addresses],
        "tags": list(profile.tags),
        "consents": {channel: _shape_consent(each) for channel, each in sorted(profile.consents.items())},
        "opted_out": profile.opted_out,
        "attributes": profile.attributes,
        "version": profile.version,
        "merged": [_shape_merged(contact, each, merge) for each, merge in contact.family.merged],
        "past_merges": [
            _shape_past(each, merge)
            for each in contact.family.members
            for merge in contact.family.profiles[each].merges
            if merge.undone_at
        ],
    }


def _shape_merged(contact: Contact, contact_id: str, merge: Merge) -> dict[str, Any]:
    user = contact.users.get(contact_id)
    shown = {"display_name": user.display_name if user else "", "merged_by": merge.by}
    return {"contact_id": contact_id, "into": merge.into, "merged_at": rfc3339(merge.at)} | without_blanks(shown)


def _shape_past(contact_id: str, merge: Merge) -> dict[str, Any]:
    times = {"merged_at": rfc3339(merge.at), "unmerged_at": rfc3339(merge.undone_at)}
    shown = {"merged_by": merge.by, "unmerged_by": merge.undone_by}
    return {"contact_id": contact_id, "into": merge.into} | times | without_blanks(shown)


def _shape_consent(consent: Consent) -> dict[str, Any]:
    return {"state": consent.state, "at": rfc3339(consent.at), "source": consent.source} | without_blanks({"by": consent.by})


def _shape_address(identity: Identity, profile: Profile) -> dict[str, Any]:
    times = {
        "since": rfc3339(identity.since) if identity.since else "",
        "last_wrote_at": rfc3339(identity.last_wrote_at) if identity.last_wrote_at else "",
    }
    return (
        {"channel": identity.channel, "address": identity.address, "verified": identity.verified}
        | {"reachable": profile.heard_of(identity) or "yes"}
        | without_blanks(times)
    )
