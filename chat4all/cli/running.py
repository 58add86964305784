"""Where the system of a data folder listens. `chat4all run` writes it down; commands on the same data folder read it.

So after `CHAT4ALL_GATEWAY_PORT=9000 make run` in one terminal, commands in another terminal need no port.
"""

import json
import os
import socket
from pathlib import Path
from typing import Any

from chat4all.settings import Settings, load

SUPERVISOR = "supervisor.sock"
NOTE = "running.json"
PROBE_S = 2.0
ADDRESSES = (
    *("host", "gateway_port", "stream_port", "events_port", "objects_port", "flower_port", "simulator_port"),
    *("metrics_host", "metrics_port", "gateway_at", "stream_at", "simulator_at", "public_url"),
)


def is_running(data: Path) -> bool:
    """Whether a supervisor answers on this data folder."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(data.absolute() / SUPERVISOR))
        except OSError:
            return False
    return True


def note(settings: Settings) -> None:
    """Write down where what starts now will listen."""
    wanted = {name: getattr(settings, name) for name in ADDRESSES}
    (settings.data / NOTE).write_text(json.dumps(wanted, indent=2))


def beside_running() -> Settings:
    """The settings of this process; where the environment says nothing, the addresses of the system that runs on its data.

    SettingsError as `load`.
    """
    settings = load()
    path = settings.data / NOTE
    if not path.exists() or not is_running(settings.data):
        return settings
    noted: dict[str, Any] = json.loads(path.read_text())
    unsaid = {name: noted[name] for name in ADDRESSES if name in noted and not os.environ.get(f"CHAT4ALL_{name.upper()}")}
    return settings.model_copy(update=unsaid)
