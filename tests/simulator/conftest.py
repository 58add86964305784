"""The simulator in this process, with a gateway beside it that keeps what its webhooks say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Channel, Inbound, Named, Update
from chat4all.settings import Settings
from ops.simulator.server import Simulator
from tests.channels.conftest import serving

DEADLINE_S = 10.0


async def until(true: Callable[[], bool]) -> None:
    """Wait for a condition, and fail when it does not come true."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.005)


class Gateway:
    """Takes webhooks as ours does: signature first, then what they say. `refusing`: so many are answered with 503 first.

    `heard`: channel, headers and body of each webhook, for those who read them with other eyes.
    """

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.updates: list[Update] = []
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.webhooks = 0
        self.refusing = 0

    async def handle(self, request: BaseRequest) -> web.Response:
        body = await request.read()
        if self.refusing > 0:
            self.refusing -= 1
            return web.Response(status=503)
        name, headers = request.path.split("/")[2], {name.lower(): value for name, value in request.headers.items()}
        channel = self.channels[name]
        assert channel.is_signed(headers, body)
        self.heard.append((name, headers, body))
        self.webhooks += 1
        # Names come beside receipts, not in their place.
        self.updates.extend(each for each in channel.read_webhook(body) if not isinstance(each, Named))
        return web.Response(status=200)

    def receipts(self, provider_id: str) -> list[str]:
        """The kinds told about a message, in order."""
        return [each.kind for each in self.updates if isinstance(each, ProviderReceipt) and each.provider_id == provider_id]

    @property
    def said(self) -> list[Inbound]:
        """What people wrote; what Instagram tells back of our own sends is not among it."""
        return [each for each in self.updates if isinstance(each, Inbound) and not each.is_echo]


class World:
    """A simulator, a gateway, and the channels that talk to the one and read what it tells the other."""

    def __init__(self, settings: Settings, gateway: Gateway, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.gateway = gateway
        self.simulator = simulator
        self.session = session
        self.channels = gateway.channels

    async def control(self, method: str, path: str, status: int = 200, **what: Any) -> Any:
        """A call to the control API."""
        url = f"{self.settings.simulator_url}/control{path}"
        async with self.session.request(method, url, **what) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def says(self, channel: str, sender: str, text: str = "oi", **more: Any) -> str:
        """A person writes; the id of what they wrote."""
        body = {"channel": channel, "from": sender, "text": text, **more}
        return str((await self.control("POST", "/inbound", 202, json=body))["provider_id"])

    def url(self, channel: str) -> str:
        """Where a channel's provider is called."""
        return f"{self.settings.simulator_url}/{channel}"

    def secret(self, name: str) -> str:
        """A secret that the simulator shares with the channels."""
        return self.settings.secret(name)

    async def behave(self, channel: str = "whatsapp", **behaviour: Any) -> None:
        await self.control("PUT", "/behaviour", json={"channel": channel, **behaviour})

    async def sent(self, **query: str) -> list[dict[str, Any]]:
        answer = await self.control("GET", "/sent", params=query)
        found: list[dict[str, Any]] = answer["sent"]
        return found


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[Gateway, str]]:
    kept = Gateway()
    async with serving(kept.handle) as url:
        yield kept, url


@pytest.fixture
async def world(tmp_path: Path, gateway: tuple[Gateway, str], unused_tcp_port: int) -> AsyncIterator[World]:
    settings = Settings(data=tmp_path, simulator_port=unused_tcp_port, provider_timeout_s=2)
    kept, url = gateway
    simulator = Simulator(settings, url)
    await simulator.start()
    kept.channels.update({name: open_channel(name, settings) for name in CHANNELS})
    async with aiohttp.ClientSession() as session:
        yield World(settings, kept, simulator, session)
    for channel in kept.channels.values():
        await channel.close()
    await simulator.close()
