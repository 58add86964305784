"""How each server's programs are got: the table. A new server is a line here, and what it says of itself in its own file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from ops.native.debian import unpack
from ops.native.golang import go_build, go_install
from ops.native.install import install_once, is_installed, run
from ops.native.maven import fetch_jars

DOWNLOAD_LIMIT_S = 3600


class Package(Struct, frozen=True):
    """What fills a server's folder. `stamp`: what it holds then, so that another version replaces it. `steps`: fill it."""

    stamp: str
    steps: Callable[[Path], None]

    def install(self, folder: Path) -> bool:
        """Once; False when it was there. InstallFailed when it cannot be had."""
        return install_once(folder, self.stamp, self.steps)

    def is_in(self, folder: Path) -> bool:
        """Whether it is there, in this version."""
        return is_installed(folder, self.stamp)


def jars(version: str, *coordinates: str) -> Package:
    """From Maven's repository, with all that these coordinates need; about a minute."""
    return Package(version, lambda folder: fetch_jars(coordinates, folder / "lib"))


def built(version: str, *programs: str) -> Package:
    """With Go, from released sources; minutes the first time, seconds when Go's cache has it."""
    return Package(version, lambda folder: go_install(folder, *(f"{each}@{version}" for each in programs)))


def debian(package: str) -> Package:
    """Out of Debian's archive, unpacked; seconds."""
    return Package(f"debian:{package}", lambda folder: unpack(package, folder))


def copied(version: str, module: str, program: str) -> Package:
    """With Go in a copy of the module: it replaces another module, which `go install` refuses. Ten minutes and more."""

    def steps(folder: Path) -> None:
        where = json.loads(run(["go", "mod", "download", "-json", f"{module}@{version}"], DOWNLOAD_LIMIT_S))["Dir"]
        sources = folder / "sources"
        shutil.copytree(where, sources)
        for each in (sources, *sources.rglob("*")):
            each.chmod(each.stat().st_mode | 0o200)
        go_build(sources, f"./cmd/{program}", folder / program)
        shutil.rmtree(sources)

    return Package(version, steps)


KAFKA, CASSANDRA, ALERTMANAGER = "4.3.1", "5.0.9", "github.com/prometheus/alertmanager/cmd"
K6_VERSION = "v1.8.1"

# By the server's name. RabbitMQ needs root and Redis comes with the requirements: both say so themselves.
PACKAGES = {
    "kafka": jars(KAFKA, f"org.apache.kafka:kafka_2.13:{KAFKA}", "org.slf4j:slf4j-simple:1.7.36"),
    "cassandra": jars(CASSANDRA, f"org.apache.cassandra:cassandra-all:{CASSANDRA}"),
    "minio": built("v0.0.0-20260212201848-7aac2a2c5b7c", "github.com/minio/minio"),
    # Debian's Alertmanager wants its templates at a place where only root may put them.
    "alertmanager": built("v0.28.1", f"{ALERTMANAGER}/alertmanager", f"{ALERTMANAGER}/amtool"),
    "jaeger": copied("v1.76.0", "github.com/jaegertracing/jaeger", "jaeger"),
    "k6": built(K6_VERSION, "go.k6.io/k6"),
    "prometheus": debian("prometheus"),
    "node-exporter": debian("prometheus-node-exporter"),
}
