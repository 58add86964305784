"""What the API takes and gives of accounts at providers."""

from typing import Annotated, Literal

from pydantic import Field

from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time

Credentials = Annotated[
    dict[str, str],
    Field(
        description="By the channel: WhatsApp token, app_secret, verify_token, business_account_id; Instagram and Messenger "
        "token, app_secret, verify_token; Telegram bot_token, webhook_secret. They are sealed, and never told again",
        examples=[{"token": "…", "app_secret": "…", "verify_token": "…"}],
    ),
]
Name = Annotated[str, Field(max_length=128, description="What people call it")]


class NewAccount(RequestBody):
    """An account that is to be connected."""

    channel: Annotated[str, Field(max_length=64, examples=["whatsapp"])]
    provider_account_id: Annotated[
        str,
        Field(
            max_length=64,
            description="The provider's id: the phone number id, page id or account id. Of a bot its token says it",
            examples=["106540352242922"],
        ),
    ] = ""
    name: Name = ""
    credentials: Credentials
    app_id: Annotated[
        str,
        Field(
            max_length=64, description="The app that it is of, which has app_secret and verify_token: they are left out then"
        ),
    ] = ""


class LimitsIn(RequestBody):
    """What it is to keep to. What is left out stays; null: as the channel has it."""

    messages_per_second: Annotated[
        float | None, Field(ge=0.01, le=10_000, description="Of all processes together", examples=[20])
    ] = None
    calls_in_flight: Annotated[
        int | None, Field(ge=1, le=64, description="Calls to the provider under way at a time, in each process")
    ] = None
    people_per_day: Annotated[
        int | None,
        Field(ge=1, le=10_000_000, description="To how many its broadcasts write in a day; null: as many as the provider says"),
    ] = None


class AccountChange(RequestBody):
    """What of it is to be otherwise. What is left out stays."""

    name: Name | None = None
    limits: LimitsIn | None = None
    features: "FeaturesIn | None" = None


class FeaturesIn(RequestBody):
    """What the provider granted the account's app. What is left out stays."""

    human_agent: Annotated[
        bool | None, Field(description="Messenger, Instagram: Meta's feature Human Agent, for what people write after 24 hours")
    ] = None


class FeaturesOut(ResponseModel):
    """What the provider granted the account's app."""

    human_agent: bool


class AccountLimitsOut(ResponseModel):
    """What it keeps to; what is left out is as the channel has it."""

    messages_per_second: float | None = None
    calls_in_flight: int | None = None
    people_per_day: int | None = None


class NewCredentials(RequestBody):
    """Credentials in place of those that it has; what is left out stays.

    `app_id`: the app that it is of from now on, whose secret and verify token it has then; empty: it has its own.
    """

    credentials: Credentials = Field(default_factory=dict)
    app_id: Annotated[str, Field(max_length=64)] | None = None


class AccountPath(RequestParams):
    """Names an account."""

    account_id: Annotated[str, Field(max_length=64)]


class AccountWebhookPath(RequestParams):
    """Names the account that a provider calls about."""

    channel: Annotated[str, Field(max_length=64)]
    account_id: Annotated[str, Field(max_length=64)]


class AccountOut(ResponseModel):
    """An account. One that the environment set up has the channel's name for an id, and cannot be changed here.

    `state` connecting: the provider has not confirmed its credentials yet, and it is not used. failing: it refused them when it
    was asked last, as `reason` says. `in_use`: whether messages go through it. `is_default`: it sends to people who have
    written to no account of the channel. `simulated`: it reaches nobody.
    """

    account_id: str
    channel: str
    provider_account_id: str
    app_id: Annotated[str, Field(description="The app that it is of; left out: it has a secret of its own")] = ""
    name: str = ""
    workspace: str
    state: Literal["connecting", "active", "paused", "failing"]
    reason: str = ""
    managed_by: Literal["api", "environment"]
    in_use: bool
    is_default: bool
    simulated: bool = False
    limits: AccountLimitsOut = AccountLimitsOut()
    features: FeaturesOut
    credential_names: Annotated[list[str], Field(description="Which of them are kept; none: no key opens them")]
    webhook_url: Annotated[str, Field(description="Where the provider finds us; left out without a public address")] = ""
    created_at: Time | None = None
    changed_at: Time | None = None
    checked_at: Annotated[Time | None, Field(description="When the provider was asked last")] = None


class AccountsOut(ResponseModel):
    """Accounts, by id. `next` goes into `after`."""

    accounts: list[AccountOut]
    next: str | None = None


class FindingOut(ResponseModel):
    """Something that is wrong, and how it is mended. `fatal`: the provider does not accept the credentials."""

    code: Annotated[str, Field(examples=["token_refused"])]
    said: str
    mend: str
    fatal: bool


class CheckOut(ResponseModel):
    """What the provider says of it. No findings: messages can come and go."""

    account: AccountOut
    said: str = ""
    findings: list[FindingOut]


class ConnectOut(ResponseModel):
    """What was done at the provider, in a line for people."""

    account: AccountOut
    said: str


class AdviceOut(ResponseModel):
    """Something that is not well, and what to do."""

    code: Annotated[str, Field(examples=["credentials_expire"])]
    said: str
    mend: str


class HealthOut(ResponseModel):
    """How well an account is. What nobody said is left out; codes are the provider's own. Without advice all is well.

    `restriction`: why it may send less, or nothing. `tier`: to how many people it may write first in a day. `noted_at`: when
    the provider said something new last, in a webhook or when it was asked, which is at `checked_at`.
    """

    account_id: str
    state: Literal["connecting", "active", "paused", "failing"]
    reason: str = ""
    checked_at: Time | None = None
    noted_at: Time | None = None
    credentials_until: Annotated[Time | None, Field(description="Left out where they do not end, or nobody says when")] = None
    credentials_renewed_at: Time | None = None
    quality: Annotated[str, Field(examples=["GREEN"])] = ""
    tier: Annotated[str, Field(examples=["TIER_2K"])] = ""
    throughput: Annotated[str, Field(examples=["STANDARD"])] = ""
    restriction: str = ""
    suspended: Annotated[
        str,
        Field(
            description="Why nothing is sent from it until `suspended_until`: its provider refused messages for this",
            examples=["payment"],
        ),
    ] = ""
    suspended_until: Time | None = None
    alert: str = ""
    template_trouble: Annotated[str, Field(examples=["order_shipped pt_BR REJECTED"])] = ""
    advice: list[AdviceOut]
