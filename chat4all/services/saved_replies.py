"""Replies that a team keeps to send again: made, changed, and made ready for a conversation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from chat4all.model.conversations import Membership, User, UserKind
from chat4all.model.files import FileStatus, StoredFile
from chat4all.model.saved_replies import (
    ATTRIBUTE,
    FILES_MOST,
    REPLIES_MOST,
    SHORTCUT,
    TITLE_MOST,
    Missing,
    SavedFile,
    SavedReply,
    fault_of_text,
    first_word,
    rendered,
)
from chat4all.ports import MessageStore
from chat4all.services.contacts.families import families
from chat4all.services.files.file_lifecycle import FileLifecycle
from chat4all.services.refusals import Conflict, NoSuch, Wrong

ROUNDS = 20


class ReplyBook:
    """Lists, keeps and renders replies. Thread-safe. `text_limit`: characters that words may have. `now`: ms UTC."""

    def __init__(self, store: MessageStore, files: FileLifecycle, text_limit: int, now: Callable[[], int]) -> None:
        self._store, self._files, self._text_limit, self._now = store, files, text_limit, now

    def all(self, beginning: str = "") -> list[SavedReply]:
        """Those whose shortcut begins so, by shortcut."""
        found = [each for each in self._store.saved_replies() if each.shortcut.startswith(beginning.lower())]
        return sorted(found, key=lambda each: each.shortcut)

    def get(self, reply_id: str) -> SavedReply:
        """This one. NoSuch: there is none."""
        return _one(self._store.saved_replies(), reply_id)

    def make(self, given: Mapping[str, Any], by: str) -> SavedReply:
        """A new one with what is `given`: title, shortcut, text, files (ids). Wrong, Conflict: it cannot be, and why."""
        now = self._now()
        made = SavedReply(str(uuid4()), "", "", created_at=now, changed_at=now, changed_by=by)
        return self._kept(made.reply_id, lambda _: self._with(made, given))[1]

    def change(self, reply_id: str, given: Mapping[str, Any], by: str) -> SavedReply:
        """Change what is `given`, `version` being the one that it must be at. NoSuch, Wrong, Conflict: it cannot be."""

        def changed(there: SavedReply) -> SavedReply:
            if given.get("version", there.version) != there.version:
                raise Conflict("saved_reply_changed", f"it is at version {there.version} now: look, and say it again")
            wanted = self._with(there, given)
            if wanted == there:
                return there
            return replace(wanted, version=there.version + 1, changed_at=self._now(), changed_by=by)

        before, after = self._kept(reply_id, lambda all_there: changed(_one(all_there, reply_id)))
        if before and before != after:
            self._let_go(before)
        return after

    def remove(self, reply_id: str) -> None:
        """Forget it, and its files with it. NoSuch: there is none."""
        for _ in range(ROUNDS):
            seen = self._store.saved_replies_changed()
            there = self.get(reply_id)
            if self._store.remove_saved_reply(reply_id, seen):
                return self._let_go(there)
        raise _busy()

    def render(self, reply: SavedReply, membership: Membership, agent: User, by: str) -> tuple[str, list[StoredFile]]:
        """Its words for this conversation, and its files as files of that, owned by `by`. Wrong `missing_value`: what to do."""
        try:
            text = rendered(reply.text, self._values(membership, agent))
        except Missing as missing:
            why = f"no value here for {missing}: say what stands in its place, as in {{{{{missing.names[0]}|…}}}}"
            raise Wrong("text", why, "missing_value") from None
        return text, [self._file(each, membership, by) for each in reply.files]

    def _file(self, file: SavedFile, membership: Membership, by: str) -> StoredFile:
        place = (membership.conversation.conversation_id, by, membership.version)
        copied = self._files.copied(file.filename, file.mime_type, file.size, file.checksum, file.object_key, *place)
        if copied is None:
            raise Conflict("saved_reply_changed", "its files were changed at this moment: look, and say it again")
        return copied

    def _kept(self, reply_id: str, change: Callable[[list[SavedReply]], SavedReply]) -> tuple[SavedReply | None, SavedReply]:
        """What there was of it before, and what `change` of all there are made of it."""
        for _ in range(ROUNDS):
            seen = self._store.saved_replies_changed()
            there = self._store.saved_replies()
            wanted = change(there)
            before = next((each for each in there if each.reply_id == reply_id), None)
            if wanted == before:
                return before, wanted
            _check_among(wanted, there)
            self._hold(wanted)
            if self._store.put_saved_reply(wanted, seen):
                return before, wanted
        raise _busy()

    def _with(self, there: SavedReply, given: Mapping[str, Any]) -> SavedReply:
        wanted = replace(
            there,
            title=given.get("title", there.title).strip(),
            shortcut=given.get("shortcut", there.shortcut).lower(),
            text=given.get("text", there.text),
            files=self._found(there, given["files"]) if "files" in given else there.files,
        )
        _check(wanted, self._text_limit)
        return wanted

    def _found(self, there: SavedReply, file_ids: Sequence[str]) -> tuple[SavedFile, ...]:
        """Files by their ids: those that it has already, whatever became of them since, and complete ones of conversations."""
        wanted = list(dict.fromkeys(each.lower() for each in file_ids))
        if len(wanted) > FILES_MOST:
            raise Wrong("files", f"at most {FILES_MOST}")
        own = {each.file_id: each for each in there.files}
        stored = self._store.files([each for each in wanted if each not in own])
        for number, each in enumerate(wanted):
            if each not in own and not (each in stored and stored[each].status is FileStatus.READY and stored[each].object_key):
                raise Wrong(f"files.{number}", "there is no such complete file", "unknown_file")
        return tuple(own.get(each) or _taken(stored[each]) for each in wanted)

    def _hold(self, reply: SavedReply) -> None:
        """Before the row is written: a reference too many does no harm. Each version has its own, so none ends another's."""
        wanted = [(each.checksum, each.holder(reply.reply_id, reply.version)) for each in reply.files]
        if wanted and not all(self._store.hold_objects(wanted, self._now())):
            raise Wrong("files", "one of them is no longer there", "unknown_file")

    def _let_go(self, reply: SavedReply) -> None:
        for each in reply.files:
            self._files.let_go(each.checksum, each.object_key, each.holder(reply.reply_id, reply.version))

    def _values(self, membership: Membership, agent: User) -> dict[str, str]:
        """What each variable is in this conversation; those without a value are absent or empty."""
        customer = self._customer(membership, agent)
        family = families(self._store, [customer.user_id])[customer.user_id] if customer else None
        name = family.called(self._store.users(family.members)).display_name if family else ""
        attributes = family.whole.attributes if family else {}
        people = {"name": name, "agent": agent.display_name}
        people |= {"first_name": first_word(name), "agent_first_name": first_word(agent.display_name)}
        return people | {f"{ATTRIBUTE}{each}": _words(value) for each, value in attributes.items()}

    def _customer(self, membership: Membership, agent: User) -> User | None:
        """The one contact of the conversation, else the one person beside who answers; None where that is not clear."""
        users = self._store.users(membership.now()).values()
        for kind in (UserKind.CONTACT, UserKind.PERSON):
            found = [each for each in users if each.kind is kind and each.user_id != agent.user_id]
            if found:
                return found[0] if len(found) == 1 else None
        return None


def _one(there: Sequence[SavedReply], reply_id: str) -> SavedReply:
    found = next((each for each in there if each.reply_id == reply_id), None)
    if found is None:
        raise NoSuch(reply_id)
    return found


def _check(reply: SavedReply, text_limit: int) -> None:
    if not 0 < len(reply.title) <= TITLE_MOST or not reply.title.isprintable():
        raise Wrong("title", f"one line of 1 to {TITLE_MOST} characters")
    if not SHORTCUT.fullmatch(reply.shortcut):
        raise Wrong("shortcut", "1 to 32 letters a to z, digits, - and _, the first of them a letter or a digit")
    if not reply.text.strip() and not reply.files:
        raise Wrong("text", "words, a file, or both")
    if len(reply.text) > text_limit:
        raise Wrong("text", f"at most {text_limit} characters")
    code, why = fault_of_text(reply.text)
    if code:
        raise Wrong("text", why, code)


def _check_among(reply: SavedReply, there: Sequence[SavedReply]) -> None:
    others = [each for each in there if each.reply_id != reply.reply_id]
    if any(each.shortcut == reply.shortcut for each in others):
        raise Conflict("shortcut_taken", f"another reply has the shortcut {reply.shortcut}")
    if len(others) >= REPLIES_MOST:
        raise Conflict("too_many_saved_replies", f"there are {REPLIES_MOST}: delete some")


def _busy() -> Conflict:
    return Conflict("saved_reply_changed", "others change replies right now: say it again")


def _taken(file: StoredFile) -> SavedFile:
    return SavedFile(file.file_id, file.filename, file.mime_type, file.size, file.checksum, file.object_key)


def _words(value: str | int | float | bool) -> str:
    """An attribute's value as words."""
    return str(value).lower() if isinstance(value, bool) else str(value)
