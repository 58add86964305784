"""What is done before the first process runs: check ports and settings; make data folder, schema, topics and demo users."""

import json
import os
import secrets
import shlex
import socket
from pathlib import Path
from string import Template
from typing import Any

from chat4all.channels import CHANNELS, open_channel
from chat4all.cli.parts import Part, checked_socket, parts_of
from chat4all.cli.running import SUPERVISOR, is_running
from chat4all.model.clock import now_ms
from chat4all.model.conversations import User, UserKind
from chat4all.model.failures import Mismatch
from chat4all.model.records import TOPICS
from chat4all.ports import MessageStore
from chat4all.private_files import private_folder, tighten
from chat4all.root import ROOT
from chat4all.services.access.credentials import hash_secret
from chat4all.settings import Settings, SettingsError
from storage.open import open_log, open_store

DEMO_PEOPLE = {"alice": "Alice", "bob": "Bob"}
DEMO_CLIENT = "demo"


def check_ports(settings: Settings, parts: list[Part]) -> None:
    """SettingsError, naming port, setting and holder, for every port that another process has."""
    wanted = [(part, name, int(getattr(settings, name))) for part in parts for name in part.ports]
    taken = [_taken(part, name, port) for part, name, port in wanted if not _is_free(settings.host, port)]
    if taken:
        raise SettingsError("\n".join(taken))


def _is_free(host: str, port: int) -> bool:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _taken(part: Part, name: str, port: int) -> str:
    return f"port {port} for {part.name} is taken{_holder(port)}: end that, or set CHAT4ALL_{name.upper()} to another port."


def _holder(port: int) -> str:
    """Who listens on a port, as far as the system tells us."""
    import psutil  # noqa: PLC0415  (only when something is wrong)

    try:
        for each in psutil.net_connections(kind="tcp"):
            if each.laddr and each.laddr.port == port and each.status == psutil.CONN_LISTEN and each.pid:
                return f" by {psutil.Process(each.pid).name()} (pid {each.pid})"
    except psutil.Error:
        return ""
    return ""


def socket_path(settings: Settings) -> Path:
    """Where the supervisor of this data folder listens. SettingsError when the system cannot take such a long path."""
    return checked_socket(settings.data.resolve() / SUPERVISOR)


def check_alone(settings: Settings) -> None:
    """SettingsError when a supervisor already runs on this data folder."""
    folder = socket_path(settings).parent
    if is_running(folder):
        raise SettingsError(f"already running on {folder}: end it first, or set CHAT4ALL_DATA to another folder.")


def prepare(settings: Settings) -> None:
    """Make what is missing: folders, secrets, topics, schema, demo users. Running it again changes nothing.

    SettingsError or Mismatch when what is there does not fit.
    """
    tighten(settings.data)
    private_folder(settings.data / "logs")
    settings.secret("jwt")
    for name in CHANNELS:
        open_channel(name, settings)
    log, store = open_log(settings), open_store(settings)
    try:
        log.create(dict.fromkeys(TOPICS, settings.partitions))
        store.migrate()
        for name in TOPICS:
            topic = log.topic(name)
            if store.keep_topic(topic) != topic:
                raise Mismatch("other_log", f"the store belongs to another log than this one: topic {name} differs")
        if settings.has_demo_users:
            _demo_users(store, settings.data / "demo.json")
    finally:
        log.close()
        store.close()


def _demo_users(store: MessageStore, path: Path) -> None:
    """Alice, Bob and a service client. Their passwords are written before they exist: a crash between loses nobody."""
    kept = _kept_demo(path)
    missing = kept.keys() - store.users(list(kept)).keys()
    store.add_users([_demo_user(who, kept[who]) for who in sorted(missing)])


def _demo_user(who: str, password: str) -> User:
    now = now_ms()
    if who == DEMO_CLIENT:
        return User(who, UserKind.CLIENT, now, password_hash=hash_secret(password), scopes=("send", "manage", "admin"))
    return User(who, UserKind.PERSON, now, DEMO_PEOPLE[who], hash_secret(password))


def _kept_demo(path: Path) -> dict[str, str]:
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({who: secrets.token_urlsafe(9) for who in (*DEMO_PEOPLE, DEMO_CLIENT)}, indent=2))
        draft.replace(path)
    kept: Any = json.loads(path.read_text())
    return {str(who): str(password) for who, password in kept.items()}


def write_config(settings: Settings) -> Path:
    """Write the supervisor's configuration into the data folder; its path."""
    data = settings.data.resolve()
    common = {"data": _quoted(data), "root": _quoted(ROOT), "socket": _quoted(socket_path(settings))}
    folder = ROOT / "ops" / "supervisor"
    program = Template((folder / "program.conf").read_text())
    text = Template((folder / "supervisord.conf").read_text()).substitute(common)
    parts = parts_of(settings)
    for part in parts:
        command = _quoted(shlex.join(part.command(settings)))
        text += program.substitute(common, name=part.name, command=command, metrics_port=part.metrics_port(settings))
    group = Template((folder / "group.conf").read_text())
    for name, priority, first in (("first", 10, True), ("rest", 20, False)):
        programs = ",".join(part.name for part in parts if part.first == first)
        text += group.substitute(name=name, programs=programs, priority=priority) if programs else ""
    path = data / "supervisord.conf"
    path.write_text(text)
    return path


def _quoted(value: Path | str) -> str:
    """The supervisor expands %(...)s in values; a plain % is written twice."""
    return str(value).replace("%", "%%")
