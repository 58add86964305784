"""What became of the files of a page of messages that had to be converted for some channel."""

from collections.abc import Iterable, Iterator
from typing import Any

from chat4all.model.clock import day_of
from chat4all.model.content import Album, Content, Media, files_of
from chat4all.model.deliveries import Delivery
from chat4all.model.files import FileStatus, StoredFile
from chat4all.model.ids import conversion_file_id
from chat4all.model.slots import Slot
from chat4all.ports import MessageStore
from webapp.requests.validation import without_blanks

PENDING, MADE, FAILED = "pending", "made", "failed"


class Conversions:
    """The conversions of these deliveries, each with when its message was accepted (ms UTC). One read, none without any."""

    def __init__(self, store: MessageStore, deliveries: Iterable[tuple[Slot, Delivery | None, int]]) -> None:
        wanted = {each for delivery in deliveries for each in _ids(*delivery)}
        self._kept = store.files(list(wanted)) if wanted else {}

    def of(self, slot: Slot, row: Delivery | None, accepted_at: int) -> dict[str, Any]:
        """What the API tells of it; nothing where nothing is to be converted, or where it is not known any more."""
        files = _converted(slot.payload)
        found = [self._kept[each] for each in _ids(slot, row, accepted_at) if each in self._kept]
        if not files or (not found and row and row.facts.ended):
            return {}
        whole = _worst(found)
        shown = {"form": files[0].form, "status": whole}
        reasons = [each.reason for each in found if each.reason]
        return {"conversion": without_blanks(shown | {"reason": reasons[0] if whole == FAILED and reasons else ""})}


def goes_converted(slot: Slot, shown: dict[str, Any]) -> bool:
    """Whether its file goes converted, or will: unless it is known that nothing came of that."""
    return bool(_converted(slot.payload)) and (not shown or shown["conversion"]["status"] != FAILED)


def _worst(found: Iterable[StoredFile]) -> str:
    states = [_status(each) for each in found]
    return next((each for each in (FAILED, PENDING) if each in states), MADE if states else PENDING)


def _status(row: StoredFile) -> str:
    """Of a row that has had its time, what it came to: one that failed keeps its reason."""
    if row.reason:
        return FAILED
    return PENDING if row.status is FileStatus.UPLOADING else MADE


def _converted(payload: Content) -> list[Media]:
    files = files_of(payload) if isinstance(payload, Media | Album) else ()
    return [each for each in files if each.form and each.object_key]


def _ids(slot: Slot, row: Delivery | None, accepted_at: int) -> Iterator[str]:
    """The rows that may be it: of the day when it was last tried, or else of that when it was accepted."""
    at = row.facts.attempted_at if row and row.facts.attempted_at else accepted_at
    for each in _converted(slot.payload):
        yield conversion_file_id(each.object_key, each.form, day_of(at))
