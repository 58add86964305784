"""The heartbeat of this process's group members: one thread, one connection, a small write a second."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

from storage.event_log.sqlite_consumer import Member
from storage.event_log.sqlite_files import Connection
from storage.event_log.sqlite_groups import open_groups


class Heartbeat:
    """Beats for members until they are closed. Its thread starts with the first of them."""

    def __init__(self, folder: Path, beat_s: float) -> None:
        self._folder, self._beat_s = folder, beat_s
        self._members: list[Member] = []
        self._lock = Lock()
        self._ending = Event()
        self._thread: Thread | None = None

    def add(self, member: Member) -> None:
        """Beat for this one too."""
        with self._lock:
            self._members.append(member)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="log-heart", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Close every member and end the thread. Their own threads must have ended. Safe to call twice."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(2 * self._beat_s)
        with self._lock:
            members, self._members = self._members, []
        for each in members:
            each.close()

    def _run(self) -> None:
        connection: Connection | None = None
        while not self._ending.wait(self._beat_s):
            # A beat that fails is missed, like a late one: the next tries again, on a new connection.
            try:
                connection = connection or open_groups(self._folder)
                self._beat(connection)
            except (sqlite3.Error, OSError):
                _close(connection)
                connection = None
        _close(connection)

    def _beat(self, connection: Connection) -> None:
        with self._lock:
            self._members = [each for each in self._members if not each.closed]
            members = list(self._members)
        for each in members:
            each.beat(connection)


def _close(connection: Connection | None) -> None:
    with suppress(sqlite3.Error):
        if connection is not None:
            connection.close()
