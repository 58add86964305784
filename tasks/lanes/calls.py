"""The call to the provider: within its time limit, counted, and with an id in the answer that stores can keep."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

from chat4all.model.content import Album, Edit, Media, Text, files_of, said_by
from chat4all.model.deliveries import Delivery, each_id, together
from chat4all.model.failures import Permanent
from chat4all.model.media_forms import most_bytes
from chat4all.ports import Body, Channel, MediaSource, Taken
from chat4all.services.acceptance.adaptation import carried
from chat4all.telemetry import metrics
from tasks.lanes.outgoing_files import CALL_SLACK, beside, linked
from tasks.lanes.pointing import as_spoken, goes_as_it_is, in_words, is_modifier, outgoing
from tasks.lanes.provider_uploads import Forgotten, ProviderUploads, Source
from tasks.resources import Parts

# Providers' ids are some hundred characters long at most. A store would refuse longer ones for good.
ID_MOST = 1000
OUTCOMES = ("sent", "throttled", "temporary", "permanent", "unknown")


class Calls:
    """Calls of one account. `under_way`: how many there are now. `limit_s`: how long each may take that carries no file.

    `uploads`: the files at the provider.
    """

    def __init__(self, channel: Channel, parts: Parts, uploads: ProviderUploads) -> None:
        self.limit_s = parts.settings.provider_timeout_s * CALL_SLACK
        self.under_way = 0
        self._ends = 0.0
        self.uploads = uploads
        self._channel, self._parts = channel, parts
        self._outcomes = {each: metrics.ATTEMPTS.of(channel.name, each) for each in OUTCOMES}
        self._put_seconds = metrics.ATTEMPT_SECONDS.of(channel.name)

    def most_s(self, row: Delivery) -> float:
        """How long a call of this delivery may take, whichever process makes it: the longer where it may carry a file."""
        sizes = self._channel.limits.upload_bytes
        files = files_of(row.payload) if isinstance(row.payload, Media | Album) else ()
        if not (self._channel.carries_bytes and sizes and files):
            return self.limit_s
        return sum(self.uploads.seconds(most_bytes(each) or max(sizes.values())) for each in files) * CALL_SLACK

    def source(self, row: Delivery, content: Media | Album) -> AbstractAsyncContextManager[Source]:
        """How the file of this row goes out, for one attempt; None: as words with a link. Of an album how each does."""
        if isinstance(content, Album):
            return self.uploads.sources(content.items)
        return self.uploads.source(content, beside(row, content, self._channel.limits).text)

    def left_s(self) -> float:
        """How long those that are under way may still take."""
        return max(0.0, self._ends - time.monotonic()) if self.under_way else 0.0

    async def post(self, row: Delivery, source: Source = None) -> str:
        """Send; the provider's id, as it can be kept. `source`: how a file goes out; None: as words with a link; of an album
        how each does.

        Raises what the channel raises, Forgotten, and TimeoutError.
        """
        begun = time.perf_counter()
        self.under_way += 1
        sources = source if isinstance(source, tuple) else (source,)
        limit_s = sum(each.seconds for each in sources if isinstance(each, Body)) * CALL_SLACK or self.limit_s
        self._ends = max(self._ends, time.monotonic() + limit_s)
        try:
            async with asyncio.timeout(limit_s):
                return id_of_provider(await self._post(row, source))
        finally:
            self.under_way -= 1
            self._put_seconds(time.perf_counter() - begun)

    def came_to(self, outcome: str) -> None:
        """Count how a call ended: one of OUTCOMES."""
        self._outcomes[outcome].add()

    async def _post(self, row: Delivery, source: Source) -> str:
        channel, limits, content = self._channel, self._channel.limits.at(row.address), row.payload
        if isinstance(content, Text):
            return await channel.send_text(outgoing(row, said_by(row.sender_name, content.text), limits))
        if isinstance(source, tuple) and isinstance(content, Album):
            return await self._post_album(row, content, source)
        if isinstance(content, Media) and not isinstance(source, tuple):
            return await self._post_file(row, content, source)
        if carried(content, limits) is None or (is_modifier(row) and not goes_as_it_is(row, limits)):
            return await channel.send_text(outgoing(row, in_words(row, limits), limits))
        try:
            return await channel.send_content(outgoing(row, content.as_text(), limits), as_spoken(row))
        except Permanent as failure:
            if failure.reason != "not_supported" or not isinstance(content, Edit):
                raise
        # Nothing was changed, such as the words of a file that went as a link.
        return await channel.send_text(outgoing(row, in_words(row, limits), limits))

    async def _post_file(self, row: Delivery, file: Media, source: MediaSource | None) -> str:
        if source is None:
            return await self._channel.send_text(linked(self._parts, row, file, self._channel.limits))
        message = beside(row, file, self._channel.limits)
        key = self.uploads.place(file, message.text)
        try:
            sent = await self._channel.send_file(message, file, source)
        except Permanent as failure:
            if self.uploads.refused(key, source, failure):
                raise Forgotten(failure.reason, failure.detail) from None
            raise
        if isinstance(sent, Taken) and sent.uploaded:
            # The channel may have learnt that it goes as something else.
            self.uploads.sent(self.uploads.place(file, message.text), sent.uploaded)
        return sent

    async def _post_album(self, row: Delivery, album: Album, sources: tuple[MediaSource, ...]) -> str:
        limits, uploads = self._channel.limits, self.uploads
        places = [uploads.place(each, "") for each in album.items]
        try:
            sent = await self._channel.send_album(
                outgoing(row, album.text, limits, limits.caption_length), album.items, sources
            )
        except Permanent as failure:
            forgotten = [uploads.refused(*each, failure) for each in zip(places, sources, strict=True)]
            if any(forgotten):
                raise Forgotten(failure.reason, failure.detail) from None
            raise
        if isinstance(sent, Taken):
            for place, uploaded in zip(places, sent.each_uploaded, strict=False):
                if uploaded:
                    uploads.sent(place, uploaded)
        return sent


def id_of_provider(answered: object) -> str:
    """A provider's id as stores can keep it, whatever the provider or a library says; as it is, where it can be kept."""
    said = together(each[:ID_MOST] for each in each_id(str(answered or "")))
    clean = said.encode("utf-8", "replace").decode().replace("\0", "")
    return answered if isinstance(answered, str) and answered == clean else clean
