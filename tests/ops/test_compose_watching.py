"""What watches in compose: it asks where something answers, every part is asked, and images do not change by themselves."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat4all.cli.parts import PARTS
from ops.native.prometheus import Prometheus
from tests.ops.real import home_with

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
SCRAPED = ROOT / "ops/prometheus/prometheus.yml"
JOBS: dict[str, Any] = {each["job_name"]: each for each in yaml.safe_load(SCRAPED.read_text())["scrape_configs"]}
COLLECTORS = ("collector.yml", "collector-logs.yml")
# They show no figures in compose: a server, the outside world, what only runs where nobody can call, or its own page.
WITHOUT = {"redis", "objects", "simulator", "polling", "flower"}


def hosts(job: dict[str, Any]) -> set[str]:
    """The services that a job asks."""
    named = {name for found in job.get("dns_sd_configs", ()) for name in found["names"]}
    given = {target.partition(":")[0] for found in job.get("static_configs", ()) for target in found["targets"]}
    return named | given


def test_every_image_has_a_version() -> None:
    """The same compose.yml starts the same servers tomorrow."""
    images = {each["image"] for each in SERVICES.values()} - {"chat4all:latest"}
    assert [image for image in images if not re.search(r":\D*\d+\.\d+|RELEASE\.", image)] == []


def test_every_part_is_scraped() -> None:
    """A part that nobody asks could die unseen."""
    assert {part.name for part in PARTS} - WITHOUT <= JOBS.keys()


def test_who_is_asked_exists() -> None:
    """Every host that Prometheus asks is a service, and every worker is among them."""
    asked = {host for job in JOBS.values() for host in hosts(job)}
    assert asked <= SERVICES.keys()
    assert {name for name in SERVICES if name.startswith("worker-")} <= asked


def test_what_is_mounted_exists() -> None:
    """Every file that a container gets is in the repository."""
    volumes = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", each) for service in SERVICES.values() for each in service.get("volumes", ())]
    files = [each.partition(":")[0] for each in volumes if each.startswith(".")]
    assert [path for path in files if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", COLLECTORS)
def test_a_collector_uses_what_it_defines(name: str) -> None:
    """Its pipelines name receivers, processors and exporters that exist, and where they send to is a service."""
    settings = yaml.safe_load((ROOT / "ops/compose" / name).read_text())
    for pipeline in settings["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= settings[kind].keys()
    for exporter in settings["exporters"].values():
        assert re.sub(r"^http://", "", exporter["endpoint"]).partition(":")[0] in SERVICES


def test_grafanas_sources_exist() -> None:
    """Every data source is a service; the dashboards' source is among them."""
    sources = yaml.safe_load((ROOT / "ops/grafana/provisioning/datasources/sources.yml").read_text())["datasources"]
    assert {each["url"].removeprefix("http://").partition(":")[0] for each in sources} <= SERVICES.keys()
    assert "prometheus" in {each["uid"] for each in sources}


def test_prometheus_reads_its_settings(tmp_path: Path) -> None:
    """promtool reads what compose's Prometheus is given, rules included."""
    path = tmp_path / "prometheus.yml"
    path.write_text(SCRAPED.read_text().replace("/etc/prometheus/", f"{SCRAPED.parent}/"))
    command = [Prometheus.tool(home_with(Prometheus)), "check", "config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
