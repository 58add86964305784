"""Settings: one frozen object from the environment. A setting is one field with its default, its description and its check.

Names are CHAT4ALL_<FIELD>; some names that people know from the servers work too (`KNOWN`). The settings of a channel are
in the channel's file.
"""

import difflib
import json
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat4all.model.cors import origins
from chat4all.model.retention import Retention, too_short
from chat4all.model.retry_policy import RetryPolicy
from chat4all.private_files import private_folder
from chat4all.redaction import know

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=0, le=7200)]

EMBEDDED = "sqlite"
RATE = r"^[1-9][0-9]{0,8}/(second|minute|hour)$"


# What we sign and seal with: who guesses one can be anybody. Other secrets are what a provider or a server gave.
SIGNING = frozenset({"jwt", "files", "seal"})
KEY_BYTES = 32


class SettingsError(Exception):
    """A setting is missing or wrong. The text names it and says what to do."""


class Settings(BaseSettings):
    """What a deployment may choose. Times end in _s (seconds), _ms (milliseconds), _h (hours) or _days."""

    model_config = SettingsConfigDict(
        env_prefix="CHAT4ALL_",
        # Left empty is left out: an empty host would be every address of the machine, an empty data folder this one.
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    # Where things are kept; the scheme picks the adapter.
    data: Path = Field(Path("data"), description="Folder of everything embedded: log, store, files, secrets.")
    log: str = Field("sqlite:log", description="Event log: sqlite:<folder in data> or kafka://host:port[,host:port].")
    store: str = Field(
        "sqlite:store.db", description="Message store: sqlite:<file in data> or cassandra:// or scylla://host[,host]/keyspace."
    )
    objects: str = Field(
        "folder:objects", description="Object store: folder:<folder in data> or s3://host:port/bucket, s3s:// with TLS."
    )
    broker: str = Field(
        "embedded",
        description="Celery broker: embedded (a Redis at a socket in data), redis[s]://… or amqp[s]://…[?ca=file].",
    )
    search: str = Field(
        "off",
        description="Search index: off, or sqlite:<file in data>, such as sqlite:search.db, on each machine with a gateway.",
    )

    # Where we listen.
    host: str = Field("127.0.0.1", description="Address that every part listens on.")
    gateway_port: Port = Field(8000, description="REST gateway.")
    stream_port: Port = Field(50051, description="gRPC stream server.")
    events_port: Port = Field(8001, description="Server-Sent Events, served by the stream process.")
    objects_port: Port = Field(8002, description="Bytes of files, where the object store is a folder.")
    flower_port: Port = Field(5555, description="Flower.")
    simulator_port: Port = Field(8090, description="Provider simulator.")
    simulated_windows: bool = Field(
        False,
        description="Whether people on the simulator can only be written to for a day after they wrote, as on real channels.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address that the metrics of all but the gateway are shown on.")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9700, description="First port of metrics; a process that finds its own taken tries the one ten further. 0: any."
    )
    gateway_at: str = Field("", description="URL at which other parts reach the gateway; empty: host and port.")
    stream_at: str = Field("", description="host:port at which other parts reach the stream server; empty: host and port.")
    simulator_at: str = Field("", description="URL at which other parts reach the simulator; empty: host and port.")
    proxies: Annotated[int, Field(ge=0, le=9)] = Field(
        0, description="Proxies in front of the gateway that say in X-Forwarded-For who asked; 0: nobody is believed."
    )
    public_url: str = Field(
        "", description="Where providers reach the gateway, https://…; empty: nowhere (Telegram then polls)."
    )

    objects_url: str = Field(
        "", description="Where clients and providers reach the object store, https://…; empty: public_url or its own address."
    )

    # Where people look further: the console leads there.
    flower_url: str = Field("", description="Flower, as people reach it; empty: its port, for who asks at the gateway's own.")
    grafana_url: str = Field("", description="Grafana, as people reach it; empty: none.")
    traces_url: str = Field("", description="A trace, with {trace_id} in its place: https://jaeger.example/trace/{trace_id}.")
    link_previews: bool = Field(True, description="Whether those who answer may have the page fetched that a link leads to.")
    runbook_url: str = Field("", description="What to do when something is wrong, as a page that people reach; empty: none.")

    prices: str = Field("", description="CSV file of what messages cost, for estimates of broadcasts; empty: nobody says.")

    # Sizes.
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        4, description="Partitions of every topic. Fixed at the first start."
    )
    gateway_processes: Count = Field(2, description="Gunicorn worker processes.")
    gateway_threads: Count = Field(16, description="Threads of each of them.")
    body_limit: Count = Field(1 << 20, description="Bytes of a request body.")
    batch_body_limit: Count = Field(8 << 20, description="Bytes of a /v1/messages:batch body.")
    text_limit: Count = Field(4096, description="Characters of a message's text; channels may allow less.")
    scheduled_limit: Count = Field(10_000, description="Messages of a workspace that wait to be sent later.")
    members_limit: Count = Field(1024, description="Members of a group, and external recipients of a message.")
    batch_records: Count = Field(1000, description="Records in one chain.")
    batch_recipients: Count = Field(5000, description="External recipients in one chain.")
    file_limit: Count = Field(2 << 30, description="Bytes of a file.")
    file_part_size: Annotated[int, Field(ge=5 << 20, le=5 << 30)] = Field(16 << 20, description="Bytes of an upload's parts.")
    inbound_file_limit: Count = Field(128 << 20, description="Bytes of a file that is fetched from a provider.")

    # Times.
    append_timeout_s: Seconds = Field(2.0, description="How long a request waits for the log; then 503.")
    provider_timeout_s: Seconds = Field(5.0, description="One call to a provider.")
    provider_upload_rate: Count = Field(
        128 << 10, description="Bytes per second that a file must make on its way to a provider; its time limit follows."
    )
    lease_s: Seconds = Field(5.0, description="A lane's lease: how long an unchanged one is respected.")
    linger_ms: Count = Field(250, description="How long an idle lane is held before it is released.")
    batch_resend_s: Seconds = Field(5.0, description="Without a beat for so long, a batch is handed out again; doubling to 60.")
    chain_gap_ms: Annotated[int, Field(ge=0)] = Field(25, description="Least time between two chains under load.")
    sweep_s: Seconds = Field(1.0, description="How often lanes with work and no holder are looked for.")
    backoff_first_s: Seconds = Field(1.0, description="Longest wait before the second attempt; doubles, with full jitter.")
    backoff_most_s: Seconds = Field(300.0, description="Longest wait between attempts.")
    give_up_h: Seconds = Field(24.0, description="A delivery that is this old and still refused ends as FAILED expired.")
    unknown_grace_s: Seconds = Field(
        10.0, description="How long an unknown outcome waits for a receipt before it is sent again."
    )
    breaker_failures: Count = Field(10, description="Temporary failures in a row that open an account's breaker.")
    breaker_probe_s: Seconds = Field(30.0, description="An open breaker lets one send through this often.")
    token_s: Count = Field(3600, description="Life of an access token.")
    refresh_days: Count = Field(30, description="Life of a refresh token.")
    presigned_s: Annotated[int, Field(ge=1, le=604_800)] = Field(3600, description="Life of a presigned URL.")
    file_link_s: Annotated[int, Field(ge=1, le=604_800)] = Field(
        604_800, description="Life of a link that stands for a file that is too large for a channel."
    )
    file_expire_h: Seconds = Field(24.0, description="An upload not completed, or a file never sent, goes after so long.")
    file_fetch_s: Seconds = Field(120.0, description="Fetching one file from a provider.")
    conversion_cpu_s: Count = Field(
        60, description="Seconds of a processor for converting one file; by the clock it may take three times as long."
    )
    log_retention_h: Count = Field(168, description="How long the log keeps records that are done.")

    # Outgoing webhooks.
    webhook_timeout_s: Seconds = Field(15.0, description="One call to an endpoint of a webhook.")
    webhook_hosts: str = Field(
        "", description="Hosts that webhooks may go to, with all below them, by commas; empty: every public one."
    )
    webhook_proxy: str = Field(
        "",
        pattern=r"^(https?://[^/@\s]+)?$",
        description="A proxy that all calls to webhooks go through, http://host:port; it must refuse private addresses itself.",
    )
    webhook_schedule_scale: Seconds = Field(
        1.0, description="Stretches the waits between tries of a webhook; for tests below 1."
    )

    # How long each kind of row is kept (model/retention.py checks them against each other; docs/sizing.md reckons them).
    keep_messages_days: Days = Field(0, description="Messages, with what became of each delivery. 0: for ever.")
    keep_deliveries_days: Days = Field(
        28, description="Delivery rows; what became of them is then kept in short beside the message. 0: for ever."
    )
    keep_handles_days: Days = Field(
        26, description="Providers' ids of what was sent: receipts and replies are recognised for so long. 0: for ever."
    )
    keep_ids_days: Days | None = Field(
        None, description="Message ids: repeats are recognised, and messages found by id. Unset: a while longer than messages."
    )
    keep_letters_days: Days = Field(90, description="Dead letters. 0: for ever.")
    keep_files_days: Days = Field(
        0, description="The file of a message; its bytes go when no message keeps them. 0: as long as the message."
    )
    # Not for ever: the log of an endpoint is read day by day.
    keep_webhook_calls_days: Annotated[int, Field(ge=1, le=90)] = Field(7, description="The log of calls to outgoing webhooks.")
    webhook_calls_limit: Count = Field(
        10_000,
        description="Calls in the log of one endpoint; it is cut to this now and then, so about a tenth more may be there.",
    )

    # What is measured.
    metrics: Literal["on", "off"] = Field("on", description="off: no metrics are kept or shown.")

    # Who may come in, and how often.
    rate_limit: str = Field(
        "2000/second",
        pattern=RATE,
        description="Calls of one caller, a batch as its messages; counted in the Redis broker, else per process.",
    )
    stream_limit: str = Field("600/minute", pattern=RATE, description="Streams that one caller opens.")
    login_limit: str = Field("60/minute", pattern=RATE, description="Logins of one client_id from one network address.")
    login_failure_limit: str = Field(
        "30/minute", pattern=RATE, description="Wrong secrets from one network address, whosoever; then it must wait."
    )
    registration_limit: str = Field(
        "100/hour", pattern=RATE, description="People who register themselves from one network address."
    )
    code_limit: str = Field("5/hour", pattern=RATE, description="Verification codes of one user, and to one address.")
    code_network_limit: str = Field("30/hour", pattern=RATE, description="Verification codes from one network address.")
    group_limit: str = Field("300/hour", pattern=RATE, description="Groups that a person founds or brings people into.")
    open_uploads: Count = Field(32, description="Uploads that one user may have begun and not completed.")
    open_upload_bytes: Count = Field(16 << 30, description="Bytes of these together.")
    cors_origins: str = Field(
        "", description="Origins whose pages may call from a browser, with commas: https://app.example.com. Empty: none."
    )
    open_registration: bool | None = Field(None, description="Anybody may register. Unset: only with the embedded store.")
    demo_users: bool | None = Field(
        None, description="Make alice, bob and the client demo, with passwords in data. Unset: only with the embedded store."
    )

    # Being seen.
    otlp: str = Field("", description="Where spans go by OTLP over gRPC, http://host:4317; empty: no tracing.")
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="The part of traces that is recorded, where a caller's traceparent does not say."
    )

    @field_validator("data", mode="after")
    @classmethod
    def _seen_from_anywhere(cls, data: Path) -> Path:
        """Processes run in the folder of the sources or of the installed package, not where the command was typed."""
        return data.absolute()

    @model_validator(mode="after")
    def _kept_long_enough(self) -> "Settings":
        if complaint := too_short(self.retention, self.log_retention_h, self.give_up_h):
            raise ValueError(complaint)
        return self

    @property
    def retention(self) -> Retention:
        """How long each kind of row is kept."""
        asked = Retention(
            messages=self.keep_messages_days,
            deliveries=self.keep_deliveries_days,
            handles=self.keep_handles_days,
            letters=self.keep_letters_days,
            files=self.keep_files_days,
            webhook_calls=self.keep_webhook_calls_days,
        )
        return Retention.of(asked, self.keep_ids_days, self.log_retention_h)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str) -> str:
        origins(given)
        return given

    @property
    def is_embedded(self) -> bool:
        """Whether the store is the embedded one: then secrets are made, otherwise they must be given."""
        return self.store.startswith(EMBEDDED)

    @property
    def has_search(self) -> bool:
        """Whether there is a search index."""
        return self.search != "off"

    @property
    def registration_is_open(self) -> bool:
        """Whether POST /v1/users needs no token."""
        return self.is_embedded if self.open_registration is None else self.open_registration

    @property
    def has_demo_users(self) -> bool:
        """Whether users to look around with are made at the start."""
        return self.is_embedded if self.demo_users is None else self.demo_users

    @property
    def gateway_url(self) -> str:
        """Where this machine reaches the gateway."""
        return self.gateway_at or f"http://{self.host}:{self.gateway_port}"

    @property
    def objects_address(self) -> str:
        """Where this machine reaches the bytes of files, where the object store is a folder."""
        return f"http://{self.host}:{self.objects_port}"

    @property
    def files_url(self) -> str:
        """Where signed URLs of files lead."""
        if self.has_folder:
            return self.objects_url or self.public_url or self.objects_address
        scheme = "https" if self.objects.startswith("s3s:") else "http"
        return self.objects_url or f"{scheme}://{urlsplit(self.objects).netloc}"

    @property
    def has_folder(self) -> bool:
        """Whether the object store is a folder, whose bytes a process of ours serves."""
        return self.objects.startswith("folder:")

    @property
    def stream_target(self) -> str:
        """Where this machine reaches the stream server, host:port."""
        return self.stream_at or f"{self.host}:{self.stream_port}"

    @property
    def simulator_url(self) -> str:
        """Where this machine reaches the provider simulator."""
        return self.simulator_at or f"http://{self.host}:{self.simulator_port}"

    @property
    def broker_url(self) -> str:
        """The broker's URL as Celery takes it."""
        if self.broker.startswith("amqps:"):
            # Celery is told of TLS by `broker_tls`, and knows no such option.
            return self.broker.partition("?")[0]
        return f"redis+socket://{self.broker_socket}" if self.broker == "embedded" else self.broker

    @property
    def broker_tls(self) -> dict[str, str | None] | bool:
        """How Celery checks who an amqps broker is: by its name, and by the CA of the URL (`ca=file`), else the system's."""
        if not self.broker.startswith("amqps:"):
            return False
        ca = dict(parse_qsl(urlsplit(self.broker).query)).get("ca")
        # Without a name given kombu takes that of the URL; without the entry no name would be checked.
        return {"server_hostname": None} | ({"ca_certs": ca} if ca else {})

    @property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens: a file that only its owner may connect to, at no port."""
        return self.data.resolve() / "broker.sock"

    def has_secret(self, name: str) -> bool:
        """Whether a secret of this name is given or kept; makes none."""
        return bool(os.environ.get(f"CHAT4ALL_SECRET_{name.upper()}")) or (self.data / "secrets" / name).exists()

    @property
    def retry_policy(self) -> RetryPolicy:
        """How channels that do not say it themselves try again."""
        return RetryPolicy(
            self.backoff_first_s, self.backoff_most_s, self.unknown_grace_s, self.breaker_failures, self.breaker_probe_s
        )

    def secret(self, name: str) -> str:
        """A secret by name: CHAT4ALL_SECRET_<NAME>, else, embedded only, one made once and kept in the data folder (0600).

        SettingsError when it is neither given nor may be made, or when it is a key to sign with and could be guessed.
        """
        variable = f"CHAT4ALL_SECRET_{name.upper()}"
        given = os.environ.get(variable, "")
        if given:
            know(given)
            if name in SIGNING and len(given.encode()) < KEY_BYTES:
                raise SettingsError(f"{variable}: at least {KEY_BYTES} bytes; make one with `openssl rand -base64 48`.")
            return given
        if not self.is_embedded:
            raise SettingsError(f"{variable} is not set. Outside the embedded default every secret comes from the environment.")
        kept = _kept_secret(self.data / "secrets" / name)
        know(kept)
        return kept


def _kept_secret(path: Path) -> str:
    """The secret in this file, made if it is missing. Processes that start together agree on the first one's."""
    private_folder(path.parent)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            draft.unlink()
            return path.read_text()
        draft.unlink()
    return path.read_text()


# Names that people know from the servers: they say where a part is when our own variable does not.
KNOWN = {
    "log": ("KAFKA_BOOTSTRAP_SERVERS", "kafka://{}"),
    "store": ("CASSANDRA_HOST", "cassandra://{}/chat4all"),
    "objects": ("MINIO_ENDPOINT", "s3://{}/chat4all"),
    "broker": ("CELERY_BROKER_URL", "{}"),
    "otlp": ("OTEL_EXPORTER_OTLP_ENDPOINT", "{}"),
    "trace_ratio": ("OTEL_TRACES_SAMPLER_ARG", "{}"),
}


def _known() -> dict[str, str]:
    """What the known names say, where ours say nothing."""
    return {
        field: form.format(os.environ[name])
        for field, (name, form) in KNOWN.items()
        if os.environ.get(name) and not os.environ.get(f"CHAT4ALL_{field.upper()}")
    }


# Variables of ours that are no settings: the command line's and those of the servers for tests; then one of an older release.
OTHERS = ("CONFIG", "BASE_URL", "STREAM", "TOKEN", "PASSWORD", "NEW_PASSWORD", "SERVERS", "SERVERS_DATA", "BROKER_PORT")


SECRET = "CHAT4ALL_SECRET_"  # noqa: S105 - a prefix of names
SECRETS = (
    *("JWT", "FILES", "SEAL", "LOG", "STORE", "SIMULATOR", "TELEGRAM_TOKEN", "TELEGRAM_WEBHOOK_SECRET"),
    *(f"{each}_{name}" for each in ("WHATSAPP", "INSTAGRAM", "MESSENGER") for name in ("TOKEN", "APP_SECRET", "VERIFY_TOKEN")),
)


def unknown() -> dict[str, str]:
    """Variables that begin like ours and mean nothing to us -> the setting that was probably meant, or "".

    A secret of any name may be a further channel's: of those only the ones that are nearly ours.
    """
    known = [f"CHAT4ALL_{name.upper()}" for name in (*Settings.model_fields, *OTHERS)]
    found = {}
    for each in os.environ:
        if each.startswith(SECRET):
            if meant := nearly(each.removeprefix(SECRET), SECRETS):
                found[each] = SECRET + meant
        elif each.startswith("CHAT4ALL_") and each not in known:
            found[each] = nearly(each, known)
        elif each.startswith("CHAT4") and (meant := nearly(each, known)):
            found[each] = meant
    return found


def nearly(name: str, known: Collection[str]) -> str:
    """The known name that was probably meant; empty where it is one, or is like none."""
    if name in known:
        return ""
    swapped = next((each for each in known if sorted(each) == sorted(name)), "")
    return swapped or next(iter(difflib.get_close_matches(name, known, 1, 0.85)), "")


def sources() -> dict[str, str]:
    """Fields that a known name decides -> that name."""
    return {field: KNOWN[field][0] for field in _known()}


def load() -> Settings:
    """The settings of this process. SettingsError, naming each wrong variable, when they cannot be used.

    A variable that is nearly one of ours is an error too: left alone, the setting that was meant would be missing in silence.
    Others are let pass, since orchestrators set names of their own making (CHAT4ALL_GATEWAY_SERVICE_HOST).
    """
    misspelt = [f"{name} is not a setting; {meant} is" for name, meant in sorted(unknown().items()) if meant]
    if misspelt:
        raise SettingsError("; ".join(misspelt))
    try:
        return Settings(**_known())  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = [f"{_variable(each['loc'])}{each['msg'].removeprefix('Value error, ')}" for each in error.errors()]
        raise SettingsError("; ".join(wrong)) from None


def _variable(place: tuple[int | str, ...]) -> str:
    """The variable of a wrong field; a complaint about several names them itself."""
    return f"CHAT4ALL_{str(place[0]).upper()}: " if place else ""


def describe() -> str:
    """Every setting with its default and help, as JSON for documents and the command line."""
    fields = {
        f"CHAT4ALL_{name.upper()}": (str(field.default), field.description) for name, field in Settings.model_fields.items()
    }
    return json.dumps(fields, indent=2)
