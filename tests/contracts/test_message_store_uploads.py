"""Uploads to providers in every message store: what a provider calls a file, until it forgets it."""

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.ports import MessageStore, Uploaded, UploadPlace
from tests.contracts.stores import fresh

NOW = now_ms()


def place(key: str = "", shown_as: str = "image") -> UploadPlace:
    return UploadPlace("whatsapp", "100", key or fresh(), shown_as)


def test_uploads_come_back_as_they_were_noted(store: MessageStore, other: MessageStore) -> None:
    """In another process too, each by what it was shown as; unknown ones are absent."""
    picture = place()
    document = place(picture.object_key, "document bill.pdf")
    known = {picture: Uploaded("1", NOW, NOW + DAY_MS), document: Uploaded("2", NOW, NOW + 2 * DAY_MS)}
    store.note_uploads(known)
    assert other.uploads([picture, document, place()]) == known
    assert store.uploads([]) == {}
    store.note_uploads({})


def test_the_newest_upload_stays_whoever_writes_last(store: MessageStore, other: MessageStore) -> None:
    """Two processes that upload the same file at the same time, and one that is late, leave the newest."""
    where = place()
    newest = Uploaded("new", NOW, NOW + DAY_MS)
    store.note_uploads({where: Uploaded("old", NOW - 5_000, NOW + DAY_MS)})
    other.note_uploads({where: newest})
    store.note_uploads({where: Uploaded("late", NOW - 1_000, NOW + DAY_MS)})
    assert store.uploads([where]) == {where: newest}


def test_an_upload_that_is_over_is_forgotten(store: MessageStore) -> None:
    """After its time it is found no longer."""
    over, kept = place(), place()
    store.note_uploads({over: Uploaded("1", NOW - 2 * DAY_MS, NOW - DAY_MS), kept: Uploaded("2", NOW, NOW + DAY_MS)})
    store.expire(NOW)
    assert set(store.uploads([over, kept])) == {kept}
