"""The doctor names what is not well and what to do, and says nothing bad of what is."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chat4all.cli.doctor import app, findings
from chat4all.model.records import TOPICS
from chat4all.settings import Settings
from ops.native.processes import free_ports
from storage.open import open_log, open_store


def ports() -> dict[str, int]:
    """Ports at which nobody listens."""
    names = ("gateway_port", "stream_port")
    return dict(zip(names, free_ports(len(names)), strict=True))


@pytest.fixture(autouse=True)
def begun(tmp_path: Path) -> None:
    """A store is there: what looks into an embedded one must not make it."""
    store = open_store(Settings(data=tmp_path))
    store.migrate()
    store.close()


def test_a_look_makes_nothing(tmp_path: Path) -> None:
    """In a folder where nothing was started it says so, and leaves it as it was."""
    settings = Settings.model_validate({"data": tmp_path / "elsewhere", **ports()})
    [ill] = [each for each in findings(settings) if each.remedy]
    assert (ill.what, "make run" in ill.remedy, settings.data.exists()) == ("data folder", True, False)


def test_json_for_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same findings as a list, with status 1 when something is not well."""
    monkeypatch.setenv("CHAT4ALL_DATA", str(tmp_path / "elsewhere"))
    done = CliRunner().invoke(app, ["--json"])
    assert (done.exit_code, [each["well"] for each in json.loads(done.output)]) == (1, [True, False])


def test_what_is_down_is_named_with_a_remedy_and_the_rest_is_well(tmp_path: Path) -> None:
    """Log and store are there, nothing runs: the three that should be started are told, and only they."""
    settings = Settings.model_validate({"data": tmp_path, **ports()})
    log = open_log(settings)
    log.create(dict.fromkeys(TOPICS, settings.partitions))
    log.close()
    ill = {each.what: each.remedy for each in findings(settings) if each.remedy}
    assert set(ill) - {"message store"} >= {"broker", "gateway", "stream server"}
    assert "chat4all gateway" in ill["gateway"]


def test_the_stream_server_is_asked_where_the_settings_say(tmp_path: Path) -> None:
    """With compose it is another machine than ours."""
    settings = Settings.model_validate({"data": tmp_path, "stream_at": f"localhost:{ports()['stream_port']}", **ports()})
    [seen] = [each.seen for each in findings(settings) if each.what == "stream server"]
    assert settings.stream_at in seen


def test_another_partition_count_is_found(tmp_path: Path) -> None:
    """Settings that were changed after the topics were made."""
    settings = Settings.model_validate({"data": tmp_path, **ports()})
    log = open_log(settings)
    log.create(dict.fromkeys(TOPICS, settings.partitions))
    log.close()
    changed = Settings.model_validate({"data": tmp_path, "partitions": 9, **ports()})
    ill = {each.what: each.seen for each in findings(changed) if each.remedy}
    assert "4 partitions, the settings say 9" in ill["topic chat-incoming"]


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    """Outside the embedded default nothing is made up, and the variable is told."""
    settings = Settings.model_validate({"data": tmp_path, "store": "nosuch://x", **ports()})
    seen = next(each for each in findings(settings) if each.what == "secrets")
    assert "CHAT4ALL_SECRET_JWT" in seen.seen
