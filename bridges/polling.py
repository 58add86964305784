"""Fetches updates of channels that send no webhooks: `python -m bridges.polling`. One loop per channel that polls.

A fetch acknowledges what the one before it returned, so it is made only when that is durable: after a kill in between, the
same updates come again, under the same message ids. For the same reason two of these processes on one account do no harm. They
are of no use either: the provider lets only the newest fetch go on (Telegram answers the other with 409), so both log
`another_receiver` and take turns. Run one.
"""

import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence

import uvloop

from chat4all.channels import polled
from chat4all.model.backoff import Backoff
from chat4all.model.failures import Failure, Temporary, Throttled, Unknown
from chat4all.ports import Channel, Waker
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.inbound.arrivals_by_workspace import ArrivalsByWorkspace
from chat4all.services.inbound.webhooks import Webhooks
from chat4all.services.wake import CeleryWaker, sender
from chat4all.services.webhooks.forwarding import Forwarding
from chat4all.settings import Settings, SettingsError, load
from chat4all.telemetry import exporter, tracing
from chat4all.telemetry.logs import configure, logger
from storage.open import open_log, open_store

log_to = logger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
# The log and the store are ours and near: they are asked again sooner than a provider.
LONGEST_OUTAGE_S = 5.0
# How often to look whether another account is in force.
LOOK_S = 0.5


class Poller:
    """One channel's loop: fetch, make durable, fetch again. `run` ends by being cancelled, and takes nothing with it.

    `waker`: told of files that a worker is to fetch, and of buttons that wait for an answer.
    """

    def __init__(
        self,
        channel: Channel,
        webhooks: Webhooks,
        waker: Waker,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._channel = channel
        self._webhooks = webhooks
        self._waker = waker
        self._first_pause_s = first_pause_s

    async def run(self) -> None:
        """Until cancelled. A provider that refuses us or does not answer is asked again, ever less often."""
        pauses = Backoff(self._first_pause_s, LONGEST_PAUSE_S)
        while True:
            try:
                said = await self._channel.connect("")
                log_to.info("polling", channel=self._channel.name, account=said)
                while True:
                    bodies = await self._channel.poll()
                    pauses.succeeded()
                    await self._keep(bodies)
            except Failure as failure:
                pause = pauses.failed()
                wait = max(pause, failure.retry_after) if isinstance(failure, Throttled) else pause
                log_to.warning("polling_waits", channel=self._channel.name, reason=failure.reason, wait_s=wait)
                await asyncio.sleep(wait)

    async def _keep(self, bodies: Sequence[bytes]) -> None:
        """Make them durable, however long that takes: until then nothing else may be fetched.

        What cannot be accepted is set aside on the way, in a dead letter, and keeps no other away.
        """
        pauses = Backoff(self._first_pause_s, LONGEST_OUTAGE_S)
        while bodies:
            try:
                with tracing.entry("poll"):
                    headers = tracing.request_headers("")
                    handled = await asyncio.to_thread(self._webhooks.take, self._channel, bodies, headers)
            except (Temporary, Unknown) as failure:
                log_to.warning("updates_wait", channel=self._channel.name, updates=len(bodies), reason=failure.reason)
            except Exception:
                log_to.exception("updates_wait", channel=self._channel.name, updates=len(bodies))
            else:
                await asyncio.to_thread(self._waker.signal, handled.presses)
                for file_id in handled.files:
                    await asyncio.to_thread(self._waker.wake_file, "fetch_media", file_id)
                return
            await asyncio.sleep(pauses.failed())


async def _follow(name: str, live: LiveChannels, webhooks: Webhooks, waker: Waker) -> None:
    """Poll with each account that the channel has, and begin anew with one that has other credentials. Until cancelled."""
    loops: dict[Channel, asyncio.Future[None]] = {}
    try:
        while True:
            wanted = {each.channel for each in live.used(name) if each.channel.polls}
            for channel in loops.keys() - wanted:
                await _ended(channel, loops.pop(channel))
            for channel in wanted - loops.keys():
                loops[channel] = asyncio.ensure_future(Poller(channel, webhooks, waker).run())
            await _news(loops.values())
            for each in loops.values():
                if each.done():
                    each.result()
    finally:
        for channel, polling in loops.items():
            await _ended(channel, polling)


async def _news(loops: Iterable["asyncio.Future[None]"]) -> None:
    """A moment, or until one of these ends."""
    moment = asyncio.ensure_future(asyncio.sleep(LOOK_S))
    try:
        await asyncio.wait([moment, *loops], return_when=asyncio.FIRST_COMPLETED)
    finally:
        moment.cancel()


async def _ended(channel: Channel, polling: "asyncio.Future[None]") -> None:
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    await channel.close()


async def serve(settings: Settings) -> None:
    """Poll until SIGTERM or SIGINT. SettingsError when no channel polls; raises what ended a loop, if that ends first."""
    names = polled(settings)
    if not names:
        raise SettingsError("No channel fetches its updates. TELEGRAM_POLLING=1 makes Telegram do so.")
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    exporter.serve("polling", settings)
    log, store = open_log(settings), open_store(settings)
    live = LiveChannels(settings, store).open()
    arrivals = ArrivalsByWorkspace(Acceptors(store, log, settings, live))
    webhooks = Webhooks(store, arrivals, Forwarding(settings, store, log))
    waker = CeleryWaker(sender(settings))
    loops = [asyncio.ensure_future(_follow(name, live, webhooks, waker)) for name in names]
    waiting = asyncio.ensure_future(stopping.wait())
    ended, _ = await asyncio.wait([waiting, *loops], return_when=asyncio.FIRST_COMPLETED)
    for each in (waiting, *loops):
        each.cancel()
    await asyncio.gather(waiting, *loops, return_exceptions=True)
    # What a thread is appending at this moment is finished first.
    await asyncio.get_running_loop().shutdown_default_executor()
    live.close()
    log.close()
    store.close()
    for each in ended - {waiting}:
        each.result()


def main() -> None:
    """The process. Ends with status 1 and one line when it cannot work."""
    configure("polling")
    try:
        settings = load()
        tracing.begin("polling", settings)
        uvloop.run(serve(settings))
        tracing.end()
    except (SettingsError, Failure, OSError) as error:
        log_to.error("polling_ended", why=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
