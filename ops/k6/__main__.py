"""`python -m ops.k6 [SCENARIO …]`: loads the running system through k6; writes build/load-<scenario>.json.

Of a system elsewhere: BASE_URL and TOKEN in the environment. `--own` starts a system of its own for the run.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from chat4all.root import ROOT
from chat4all.settings import SettingsError, load
from ops.harness.guard import RealPeople, refuse_connected, refuse_real
from ops.harness.system import Running, System
from ops.native.k6 import K6
from ops.native.packages import K6_VERSION
from ops.native.stack import default_home

SCRIPT = ROOT / "ops" / "k6" / "messages.js"
LIMIT_S = 4 * 3600


def main() -> int:
    """Run scenarios, one after the other; k6's own status: 99 when a threshold was crossed."""
    # Who is asked to end takes the system under load along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    scenarios = [each for each in sys.argv[1:] if each != "--own"] or ["smoke"]
    if not K6.is_installed(default_home()):
        print("k6 is not installed: python -m ops.native install k6")
        return 1
    try:
        if "--own" in sys.argv:
            return _on_its_own(scenarios)
        refuse_real(load())
        env = _access()
        refuse_connected(load())
        return _run_all(scenarios, env)
    except (SettingsError, RealPeople) as error:
        print(error)
        return 1


def _run_all(scenarios: Sequence[str], env: Mapping[str, str]) -> int:
    return max([run(each, env) for each in scenarios])


def _on_its_own(scenarios: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="chat4all-load-") as folder:
        system = System(Path(folder) / "data")
        refuse_real(system.settings)
        with system:
            return _run_all(scenarios, access(system))


def access(system: Running) -> dict[str, str]:
    """BASE_URL and TOKEN of a system on this machine, in its demo client's name."""
    with system.operator() as operator:
        return {"BASE_URL": system.settings.gateway_url, "TOKEN": operator.token}


def _access() -> dict[str, str]:
    if "TOKEN" in os.environ:
        return {}
    system = Running(load())
    if not system.answers():
        raise SettingsError("nothing runs here: make run first, or give BASE_URL and TOKEN")
    return access(system)


def run(scenario: str, env: Mapping[str, str]) -> int:
    """k6 over a scenario, and its figures beside what it ran on; k6's status."""
    path = ROOT / "build" / f"load-{scenario}.json"
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        summary, load_before = Path(folder) / "summary.json", os.getloadavg()[0]
        command = [K6.tool(default_home()), "run", "--quiet", "--summary-export", str(summary), str(SCRIPT)]
        offline = {"SCENARIO": scenario, "K6_NO_USAGE_REPORT": "true"}
        done = subprocess.run(command, env={**os.environ, **offline, **env}, timeout=LIMIT_S, check=False)
        if summary.exists():
            loads = {"load_before": round(load_before, 2), "load_after": round(os.getloadavg()[0], 2)}
            found = {"scenario": scenario, "passed": done.returncode == 0, **machine(), **loads}
            path.write_text(json.dumps({**found, "k6": _figures(json.loads(summary.read_text()))}, indent=2) + "\n")
            print(path.relative_to(ROOT))
    return done.returncode


def machine() -> dict[str, Any]:
    """What a figure was measured on."""
    model = [line.partition(":")[2].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")]
    return {
        "at": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "cpu": model[0] if model else platform.processor(),
        "memory_gib": psutil.virtual_memory().total >> 30,
        "python": platform.python_version(),
        "k6_version": K6_VERSION,
    }


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def _figures(summary: dict[str, Any]) -> dict[str, Any]:
    """k6's metrics by name. What its summary says of a threshold, true when it was crossed, is said in words."""
    metrics: dict[str, dict[str, Any]] = summary["metrics"]
    for metric in metrics.values():
        if "thresholds" in metric:
            metric["thresholds"] = {demand: "crossed" if broken else "kept" for demand, broken in metric["thresholds"].items()}
    return {name: metrics[name] for name in sorted(metrics)}


if __name__ == "__main__":
    sys.exit(main())
