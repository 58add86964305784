"""A system of its own: other ports, other data, everything else as `chat4all run` starts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from chat4all.cli.banner import wait
from chat4all.cli.parts import parts_of
from chat4all.root import ROOT
from chat4all.settings import Settings
from ops.harness.api import Api
from ops.harness.phones import Phones
from ops.harness.supervisor import Supervised
from ops.native.processes import free_ports

PORTS = ("gateway_port", "stream_port", "events_port", "objects_port", "flower_port", "simulator_port")


class Running(Supervised):
    """A running system, and what a test or a demo needs to talk to it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.data)
        self.settings = settings
        self.phones = Phones(settings.simulator_url)

    @property
    def stream_target(self) -> str:
        """Where gRPC clients connect."""
        return self.settings.stream_target

    def api(self, token: str = "") -> Api:
        """A new connection to the gateway."""
        return Api(self.settings.host, self.settings.gateway_port, token)

    def demo_password(self, who: str) -> str:
        """The password of a demo user or of the service client `demo`."""
        kept: dict[str, str] = json.loads((self.settings.data / "demo.json").read_text())
        return kept[who]

    def operator(self) -> Api:
        """A connection that may send in anybody's name and manage everything."""
        return self.login("demo", self.demo_password("demo"))

    def login(self, who: str, password: str) -> Api:
        """A connection in the name of a user or service client."""
        api = self.api()
        try:
            api.login(who, password)
        except BaseException:
            api.close()
            raise
        return api

    def register(self, who: str, password: str = "correct horse battery") -> Api:  # noqa: S107
        """Make a user, or find it made; a connection in its name."""
        with self.api() as stranger:
            stranger.call("POST", "/v1/users", {"user_id": who, "password": password}, expect=(201, 409))
        return self.login(who, password)


class System(Running):
    """A system of our own on free ports. A context manager: it is running inside, and all of it is gone after."""

    def __init__(self, data: Path, env: Mapping[str, str] | None = None) -> None:
        ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        chosen = {"CHAT4ALL_DATA": str(data.resolve())} | {f"CHAT4ALL_{name.upper()}": port for name, port in ports.items()}
        self.env = {**os.environ, **chosen, "CHAT4ALL_METRICS_PORT": "0", **(env or {})}
        named = {name: self.env.get(f"CHAT4ALL_{name.upper()}") for name in Settings.model_fields}
        super().__init__(Settings.model_validate({name: value for name, value in named.items() if value is not None}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything; returns at once. What it prints goes to start.log in the data folder."""
        self.settings.data.mkdir(parents=True, exist_ok=True)
        with (self.settings.data / "start.log").open("ab") as log:
            command = [sys.executable, "-m", "chat4all", "run"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Wait until every part answers. RuntimeError with the parts that do not, and what was printed."""
        process = self._process
        if process is None:
            raise RuntimeError("not started")
        silent = wait(self.settings, parts_of(self.settings), lambda: process.poll() is None)
        if silent:
            said = (self.settings.data / "start.log").read_text()[-2000:]
            raise RuntimeError(f"no answer from {', '.join(silent)}; it said:\n{said}")

    def stop(self, patience_s: float = 40.0) -> None:
        """End it as Ctrl-C does, and wait until nothing is left. Safe to call twice."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(patience_s)
        finally:
            self._process = None
            self.phones.close()

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
