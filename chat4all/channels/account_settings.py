"""What the settings of all channels have in common: real credentials or none, and pacing that load tests may override."""

import os
import re
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import msgspec
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings

from chat4all.model.retry_policy import RetryPolicy
from chat4all.model.url_guard import Allowed
from chat4all.model.windows import ALWAYS
from chat4all.ports import Limits
from chat4all.settings import SettingsError, nearly

# Beyond what one machine can reach, and never zero, so that the arithmetic of pacing needs no special case.
UNPACED_PER_SECOND = 100_000.0
UNPACED_INTERVAL_S = 1e-6
UNPACED_BURST = 100_000
# Longer than any provider's.
CREDENTIAL_MOST = 1024
# It becomes a part of URLs.
ID = re.compile(r"[0-9]{1,32}")

Values = TypeVar("Values", Limits, RetryPolicy)


class AccountSettings(BaseSettings):
    """Fields that every channel's settings have: pacing in place of the provider's (unset on the simulator: none), and
    retries in place of the deployment's.

    `credentials`: those fields that make an account. `needed`: those of them that a real one has. `names_account`: the one
    that is the provider's id of it; "": the credentials themselves say it. `of_app`: those of an
    app, which all its accounts have. `verifies`: those that its webhooks are verified with, where these still tell what became
    of messages once the account is removed.
    """

    credentials: ClassVar[tuple[str, ...]]
    needed: ClassVar[tuple[str, ...]]
    names_account: ClassVar[str] = ""
    of_app: ClassVar[tuple[str, ...]] = ()
    verifies: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def account_of(cls, given: Mapping[str, str]) -> str:
        """The provider's id of the account of these credentials."""
        return given.get(cls.names_account, "")

    @classmethod
    def of_nobody(cls, account: str) -> dict[str, str]:
        """Credentials of this account that no provider accepts and that nobody knows."""
        return {each: secrets.token_hex(32) for each in cls.needed} | {cls.names_account: account}

    account_per_second: float | None = Field(None, gt=0, description="Sends of the account per second.")
    recipient_interval_s: float | None = Field(None, gt=0, description="Seconds between sends to one address.")
    recipient_burst: int | None = Field(None, ge=1, description="Sends to one address that may go at once before that.")
    people_per_day: int | None = Field(None, ge=1, description="People that the account's broadcasts write to within a day.")
    backoff_first_s: float | None = Field(None, gt=0, description="In place of CHAT4ALL_BACKOFF_FIRST_S.")
    backoff_most_s: float | None = Field(None, gt=0, description="In place of CHAT4ALL_BACKOFF_MOST_S.")
    unknown_grace_s: float | None = Field(None, gt=0, description="In place of CHAT4ALL_UNKNOWN_GRACE_S.")
    breaker_failures: int | None = Field(None, ge=1, description="In place of CHAT4ALL_BREAKER_FAILURES.")
    breaker_probe_s: float | None = Field(None, gt=0, description="In place of CHAT4ALL_BREAKER_PROBE_S.")
    uploads: bool = Field(True, description="Whether the provider is given the bytes of files; false: links, and nothing else.")
    converts: bool = Field(True, description="Whether files are converted that the channel does not show as they are.")

    def limits(self, provider: Limits, real: bool, has_windows: bool = False) -> Limits:
        """The provider's limits for a real account, hardly any for the simulator, and what the environment says instead.

        has_windows: the simulator keeps to windows, as providers do.
        """
        paced = provider if real else _unpaced(provider)
        if not (real or has_windows):
            paced = msgspec.structs.replace(paced, window=ALWAYS)
        given = paced if self.uploads else msgspec.structs.replace(paced, upload_bytes={})
        return self._over(given if self.converts else msgspec.structs.replace(given, shown={}))

    def retries(self, deployment: RetryPolicy) -> RetryPolicy:
        """The deployment's policy, and what the environment says of this channel instead."""
        return self._over(deployment)

    def _over(self, otherwise: Values) -> Values:
        """These values, and in their place those that are set here."""
        here = self.model_dump(include=set(otherwise.__struct_fields__), exclude_none=True)
        return msgspec.structs.replace(otherwise, **here)


Own = TypeVar("Own", bound=AccountSettings)


class WrongCredentials(ValueError):
    """What makes no account. `field` names what is wrong; neither holds a value."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


def load(settings: type[Own], given: Mapping[str, str] | None = None) -> Own:
    """A channel's own settings from the environment. SettingsError that names each wrong variable and holds no value.

    One that is nearly a setting is wrong too: without it the account would stay simulated in silence.
    `given`: the credentials of an account in place of the environment's; WrongCredentials when they cannot be.
    """
    own = _from_environment(settings)
    if given is None:
        return own
    for name in given.keys() - set(settings.credentials):
        raise WrongCredentials(name, f"is none; known: {', '.join(settings.credentials)}")
    for name in settings.needed:
        if not given.get(name):
            raise WrongCredentials(name, "is needed")
    for name, value in given.items():
        if len(value) > CREDENTIAL_MOST or not value.isascii() or not value.isprintable() or value != value.strip():
            raise WrongCredentials(name, f"at most {CREDENTIAL_MOST} printable ASCII characters, no blanks around them")
        if value and name.endswith("_id") and not ID.fullmatch(value):
            raise WrongCredentials(name, "is digits, as the provider's console shows them")
    values: dict[str, Any] = own.model_dump() | dict.fromkeys(settings.credentials, "") | dict(given)
    try:
        return settings(**values)
    except ValidationError as error:
        raise WrongCredentials(str(error.errors()[0]["loc"][0]), "does not look like one") from None


def _from_environment(settings: type[Own]) -> Own:
    prefix = settings.model_config["env_prefix"]
    known = [f"{prefix}{name.upper()}" for name in settings.model_fields]
    meant = {each: nearly(each, known) for each in os.environ if each.startswith(prefix)}
    misspelt = [f"{each} is not a setting; {right} is" for each, right in sorted(meant.items()) if right]
    if misspelt:
        raise SettingsError("; ".join(misspelt))
    try:
        return settings()
    except ValidationError as error:
        wrong = [f"{prefix}{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()]
        raise SettingsError("; ".join(wrong)) from None


def require(settings: AccountSettings, *names: str) -> None:
    """SettingsError that names what is missing beside the token of a real account."""
    prefix = settings.model_config["env_prefix"]
    missing = [f"{prefix}{name.upper()}" for name in names if not getattr(settings, name)]
    if missing:
        raise SettingsError(f"{', '.join(missing)}: not set, and needed beside the account's token.")


def reached(real: bool, api_url: str, base: str, hosts: tuple[str, ...]) -> Allowed:
    """Where an account's files may be fetched: the provider's own hosts for a real one, and wherever the operator put its API.

    Without credentials that is the simulator alone.
    """
    return Allowed(hosts if real else (), "" if real and not api_url else base)


def _unpaced(limits: Limits) -> Limits:
    return msgspec.structs.replace(
        limits,
        account_per_second=UNPACED_PER_SECOND,
        recipient_interval_s=UNPACED_INTERVAL_S,
        recipient_burst=UNPACED_BURST,
        recipient_paces={},
        files_per_second={},
    )
