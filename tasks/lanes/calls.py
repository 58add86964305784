"""The call to the provider: within its time limit, counted, and with an id in the answer that stores can keep."""

import asyncio
import time

from chat4all.model.content import Media, Text
from chat4all.model.deliveries import Delivery
from chat4all.ports import Channel
from chat4all.telemetry import metrics
from tasks.lanes.outgoing_files import post_file
from tasks.lanes.pointing import goes_as_it_is, in_words, is_modifier, outgoing
from tasks.resources import Parts

# What a channel may take beyond the limit that it keeps itself before it is cut off.
CALL_SLACK = 1.2
# Providers' ids are some hundred characters long at most. A store would refuse longer ones for good.
ID_MOST = 1000
OUTCOMES = ("sent", "throttled", "temporary", "permanent", "unknown")


class Calls:
    """Calls of one account. `under_way`: how many there are now. `limit_s`: how long each may take."""

    def __init__(self, channel: Channel, parts: Parts) -> None:
        self.limit_s = parts.settings.provider_timeout_s * CALL_SLACK
        self.under_way = 0
        self._channel, self._parts = channel, parts
        self._outcomes = {each: metrics.ATTEMPTS.of(channel.name, each) for each in OUTCOMES}
        self._put_seconds = metrics.ATTEMPT_SECONDS.of(channel.name)

    async def post(self, row: Delivery) -> str:
        """Send; the provider's id, as it can be kept. Raises what the channel raises, and TimeoutError."""
        begun = time.perf_counter()
        self.under_way += 1
        try:
            async with asyncio.timeout(self.limit_s):
                return id_of_provider(await self._post(row))
        finally:
            self.under_way -= 1
            self._put_seconds(time.perf_counter() - begun)

    def came_to(self, outcome: str) -> None:
        """Count how a call ended: one of OUTCOMES."""
        self._outcomes[outcome].add()

    async def _post(self, row: Delivery) -> str:
        channel, limits, content = self._channel, self._channel.limits, row.payload
        if isinstance(content, Text):
            return await channel.send_text(outgoing(row, text_of(row, content), limits))
        if isinstance(content, Media):
            return await post_file(channel, self._parts, row, content)
        if is_modifier(row) and not goes_as_it_is(row, limits):
            return await channel.send_text(outgoing(row, in_words(row, limits), limits))
        return await channel.send_content(outgoing(row, content.as_text(), limits), content)


def text_of(row: Delivery, content: Text) -> str:
    """What the person reads: in groups the sender's name stands before it."""
    return f"{row.sender_name}: {content.text}" if row.sender_name else content.text


def id_of_provider(answered: object) -> str:
    """A provider's id as stores can keep it, whatever the provider or a library says; as it is, where it can be kept."""
    clean = str(answered or "")[:ID_MOST].encode("utf-8", "replace").decode().replace("\0", "")
    return answered if isinstance(answered, str) and answered == clean else clean
