"""Who is logged in on this machine: one file that only its owner can read; it is rewritten when tokens are renewed."""

import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from chat4all.cli.running import beside_running, is_running
from chat4all.client import ApiError, Client, Tokens
from chat4all.settings import Settings

FILE = "session.json"
# Where a stream server is looked for beside a gateway of which nothing else is known.
STREAM = "127.0.0.1:50051"


class Kept(Struct, frozen=True):
    """A login, and the server that it is for. `data`: the folder of a system that runs here, which may move to other ports."""

    user_id: str
    base_url: str
    stream_target: str
    tokens: Tokens
    data: str = ""
    workspace: str = ""

    @property
    def who(self) -> tuple[str, str, str]:
        """Whose login it is."""
        return self.user_id, self.workspace, self.base_url


def folder() -> Path:
    """Where the file is: $CHAT4ALL_CONFIG, else the user's configuration folder."""
    chosen = os.environ.get("CHAT4ALL_CONFIG", "")
    return Path(chosen) if chosen else Path.home() / ".config" / "chat4all"


def kept() -> Kept | None:
    """The login on this machine, if there is one."""
    try:
        return msgspec.json.decode((folder() / FILE).read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def keep(login: Kept) -> None:
    """Keep this login instead of an older one. Another command never reads half of it."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder() / f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(login))
    draft.replace(folder() / FILE)


def forget() -> bool:
    """Remove the login; whether there was one."""
    was_there = (folder() / FILE).exists()
    (folder() / FILE).unlink(missing_ok=True)
    return was_there


class Servers(Struct):
    """Which server to talk to: as asked for, else as at the login, else what runs here. `token` stands in for a login."""

    base_url: str = ""
    stream_target: str = ""
    token: str = ""

    def addresses(self) -> tuple[str, str]:
        """(gateway's URL, stream's target). SettingsError when this machine's settings cannot be used."""
        here, login = beside_running(), kept()
        elsewhere = login.base_url if login and not _is_of(login, here) else ""
        base_url = self.base_url or elsewhere or here.gateway_url
        if base_url == here.gateway_url:
            beside = here.stream_target
        elif login and login.base_url == base_url:
            beside = login.stream_target
        else:
            # Where the gateway has TLS, a proxy stands in front of both.
            beside = base_url if base_url.startswith("https://") else STREAM
        return base_url, self.stream_target or beside

    def stranger(self) -> Client:
        """A client that is not logged in."""
        return Client(*self.addresses())

    def client(self) -> Client:
        """The client of whoever is logged in. ApiError when nobody is."""
        if self.token:
            return Client(*self.addresses(), tokens=Tokens(self.token))
        login = kept()
        if login is None:
            raise ApiError(401, "not_logged_in", "not logged in: chat4all login NAME")
        return Client(
            *self.addresses(),
            tokens=login.tokens,
            keep=lambda tokens: self._renewed(login, tokens),
            newest=lambda: self._newest(login),
        )

    def _newest(self, login: Kept) -> Tokens | None:
        """What another command has renewed meanwhile, if it is the same login."""
        now = kept()
        return now.tokens if now is not None and now.who == login.who else None

    def _renewed(self, login: Kept, tokens: Tokens) -> None:
        now = kept()
        # Somebody may have logged in or out meanwhile: that stands.
        if now is not None and (now.user_id, now.workspace) == (login.user_id, login.workspace):
            keep(msgspec.structs.replace(login, tokens=tokens))

    def log_in(self, user_id: str, secret: str, workspace: str = "") -> None:
        """Log in and keep it."""
        client = self.stranger()
        tokens = client.login(user_id, secret, workspace)
        client.close()
        here, (base_url, stream_target) = beside_running(), self.addresses()
        data = str(here.data.absolute()) if base_url == here.gateway_url else ""
        keep(Kept(user_id, base_url, stream_target, tokens, data, workspace))


def _is_of(login: Kept, here: Settings) -> bool:
    """Whether a login is for the system that runs on this data folder: it follows that one to other ports."""
    return login.data == str(here.data.absolute()) and is_running(here.data)


SERVERS = Servers()
