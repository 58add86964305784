"""What is known of uploads to a provider: what this process remembers, and beyond that the store."""

import asyncio
from concurrent.futures import Executor
from typing import TypeVar

from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent, Temporary, Unknown
from chat4all.ports import MediaSource, MessageStore, Uploaded, UploadPlace
from chat4all.telemetry import logs

log = logs.logger(__name__)

Value = TypeVar("Value")

# Uploads that this process remembers; the store knows of more. Some MB.
KNOWN_MOST = 10_000
# What was uploaded so shortly before is what the provider has: if it refuses the send, that is not the reason.
BELIEVED_MS = 60_000
# How long a file that the provider did not take goes in another way before it is offered again.
REFUSED_MS = 600_000
# Why a provider refuses a send whose file it does not know any more: as a parameter, or as media.
FORGOTTEN = frozenset({"invalid", "media"})


class UploadMemory:
    """Uploads by place. The store is asked in threads."""

    def __init__(self, store: MessageStore, executor: Executor) -> None:
        self._store, self._executor = store, executor
        self._known: dict[UploadPlace, Uploaded] = {}
        # Not believed: what was uploaded at this time or before.
        self._forgotten: dict[UploadPlace, int] = {}
        self._refused: dict[UploadPlace, int] = {}

    async def find(self, place: UploadPlace) -> Uploaded | None:
        """What the provider calls it, if it was uploaded and is still there."""
        found = self._known.get(place)
        if found is None:
            loop = asyncio.get_running_loop()
            found = (await loop.run_in_executor(self._executor, self._store.uploads, [place])).get(place)
        if found is None or found.until <= now_ms() or found.at <= self._forgotten.get(place, 0):
            return None
        _keep(self._known, place, found)
        return found

    def remember(self, place: UploadPlace, uploaded: Uploaded) -> None:
        """It is there from now on, for this process."""
        _keep(self._known, place, uploaded)

    async def note(self, place: UploadPlace, uploaded: Uploaded) -> None:
        """The same, and for others when the store has it."""
        self.remember(place, uploaded)
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._store.note_uploads, {place: uploaded})
        except (Temporary, Unknown) as outage:
            # Others will upload it again.
            log.warning("upload_not_noted", channel=place.channel, reason=outage.reason)

    def forget(self, place: UploadPlace, source: MediaSource, failure: Permanent) -> bool:
        """Whether a send may have failed because the provider no longer has the file. Then it is not named again."""
        if not isinstance(source, Uploaded) or failure.reason not in FORGOTTEN or source.at > now_ms() - BELIEVED_MS:
            return False
        self._known.pop(place, None)
        _keep(self._forgotten, place, source.at)
        return True

    def refuse(self, place: UploadPlace) -> None:
        """The provider did not take it."""
        _keep(self._refused, place, now_ms())

    def was_refused(self, place: UploadPlace) -> bool:
        """Whether it did not take it a short time ago."""
        return self._refused.get(place, 0) > now_ms() - REFUSED_MS


def _keep(kept: dict[UploadPlace, Value], place: UploadPlace, value: Value) -> None:
    """Remember it, and forget all others where they have become too many."""
    if len(kept) >= KNOWN_MOST and place not in kept:
        kept.clear()
    kept[place] = value
