"""A channel against a provider of the test's own, and against the simulator."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest

from chat4all.channels import open_channel
from chat4all.ports import Channel
from chat4all.settings import Settings

Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]
Open = Callable[[str, str], Channel]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with secrets of their own and short time limits."""
    return Settings(data=tmp_path, provider_timeout_s=1)


@pytest.fixture
async def opened(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Opens a channel that talks to a given URL; all are closed afterwards."""
    channels: list[Channel] = []

    def open_at(name: str, url: str) -> Channel:
        monkeypatch.setenv(f"{name.upper()}_API_URL", url)
        channels.append(open_channel(name, settings))
        return channels[-1]

    yield open_at
    for channel in channels:
        await channel.close()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback that answers everything with `handler`; its URL."""
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
