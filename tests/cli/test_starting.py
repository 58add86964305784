"""Starting refuses what cannot work, before anything runs, and makes what is missing, once."""

import json
import os
import socket
import stat
from configparser import RawConfigParser
from pathlib import Path

import pytest

from chat4all.cli import starting
from chat4all.cli.parts import PARTS, parts_of
from chat4all.model.conversations import UserKind
from chat4all.model.failures import Mismatch
from chat4all.services.access.credentials import check_secret
from chat4all.settings import Settings, SettingsError
from ops.native.processes import free_ports
from storage.open import open_store


def _settings(tmp_path: Path, **more: object) -> Settings:
    return Settings.model_validate({"data": tmp_path / "data", **more})


def test_a_taken_port_is_named_with_its_setting_and_holder(tmp_path: Path) -> None:
    """Who starts is told which port, which setting changes it, and which process has it."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        settings = _settings(tmp_path, flower_port=port)
        flower = [part for part in PARTS if part.name == "flower"]
        with pytest.raises(SettingsError, match=rf"port {port} for flower .*pid {os.getpid()}.* CHAT4ALL_FLOWER_PORT"):
            starting.check_ports(settings, flower)


def test_free_ports_pass(tmp_path: Path) -> None:
    """Nothing is refused when nothing is taken."""
    names = [name for part in PARTS for name in part.ports]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    starting.check_ports(_settings(tmp_path, **ports), list(PARTS))


def test_a_second_start_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """One supervisor per data folder; a socket that a dead one left is no hindrance."""
    settings = _settings(tmp_path)
    settings.data.mkdir()
    path = starting.socket_path(settings)
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        with pytest.raises(SettingsError, match="already running"):
            starting.check_alone(settings)
    starting.check_alone(settings)


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    """The error names the setting, instead of a supervisor that cannot listen."""
    with pytest.raises(SettingsError, match="CHAT4ALL_DATA"):
        starting.socket_path(_settings(tmp_path, data=tmp_path / ("x" * 120)))


def test_preparing_twice_keeps_the_first_users_and_secrets(tmp_path: Path) -> None:
    """The first start makes users, passwords and secrets for nobody else's eyes; the second finds them."""
    settings = _settings(tmp_path)
    starting.prepare(settings)
    kept = settings.data / "demo.json"
    first, secret = kept.read_text(), settings.secret("jwt")
    starting.prepare(settings)
    assert (kept.read_text(), settings.secret("jwt")) == (first, secret)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    store = open_store(settings)
    users = store.users(["alice", "bob", "demo"])
    store.close()
    assert {who: user.kind for who, user in users.items()} == {
        "alice": UserKind.PERSON,
        "bob": UserKind.PERSON,
        "demo": UserKind.CLIENT,
    }
    assert all(check_secret(user, json.loads(first)[who]) for who, user in users.items())


def test_a_store_of_another_log_is_refused(tmp_path: Path) -> None:
    """A log that was deleted and made again has other records at the same offsets."""
    starting.prepare(_settings(tmp_path))
    with pytest.raises(Mismatch, match="another log"):
        starting.prepare(_settings(tmp_path, log="sqlite:other"))


def test_the_supervisor_gets_every_part_with_its_command(tmp_path: Path) -> None:
    """What is written can be read back: each part, its command line, restarted when it ends."""
    settings = _settings(tmp_path)
    settings.data.mkdir()
    config = RawConfigParser()
    config.read(starting.write_config(settings))
    for part in parts_of(settings):
        program = config[f"program:{part.name}"]
        assert program["autorestart"] == "true"
        assert program["command"].replace("%%", "%").split()[0] == part.command(settings)[0]


def test_a_broker_of_ones_own_replaces_the_embedded_one(tmp_path: Path) -> None:
    """With CHAT4ALL_BROKER given, no Redis is started."""
    assert "redis" in [part.name for part in parts_of(_settings(tmp_path))]
    assert "redis" not in [part.name for part in parts_of(_settings(tmp_path, broker="amqp://localhost"))]


def test_polling_runs_only_where_a_channel_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated Telegram sends webhooks unless it is told not to."""
    assert "polling" not in [part.name for part in parts_of(_settings(tmp_path))]
    monkeypatch.setenv("TELEGRAM_POLLING", "1")
    assert "polling" in [part.name for part in parts_of(_settings(tmp_path))]
