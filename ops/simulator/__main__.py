"""python -m ops.simulator: the providers, on CHAT4ALL_HOST:CHAT4ALL_SIMULATOR_PORT."""

import asyncio
import contextlib
import signal
import sys

import uvloop

from chat4all.settings import SettingsError, load
from chat4all.telemetry import logs
from ops.simulator.server import serve


async def _main() -> None:
    task = asyncio.ensure_future(serve(load()))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> int:
    """Run until it is asked to stop. 1, with a line that says why, when it cannot start."""
    logs.configure("simulator")
    try:
        uvloop.run(_main())
    except (SettingsError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
