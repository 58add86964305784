"""What the API takes and gives of apps at providers."""

from typing import Annotated, Literal

from pydantic import Field

from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time

AppCredentials = Annotated[
    dict[str, str],
    Field(
        description="app_secret, which signs webhooks, and verify_token, which the provider asks back. They are sealed, and "
        "never told again",
        examples=[{"app_secret": "…", "verify_token": "…"}],
    ),
]
AppName = Annotated[str, Field(max_length=128, description="What people call it")]


class NewApp(RequestBody):
    """An app that is to be made known."""

    channel: Annotated[str, Field(max_length=64, examples=["whatsapp"])]
    name: AppName = ""
    credentials: AppCredentials


class AppChange(RequestBody):
    """What of it is to be otherwise. What is left out stays, in `credentials` too."""

    name: AppName | None = None
    credentials: AppCredentials = Field(default_factory=dict)


class AppPath(RequestParams):
    """Names an app."""

    app_id: Annotated[str, Field(max_length=64)]


class AppWebhookPath(RequestParams):
    """Names the app that a provider calls about."""

    channel: Annotated[str, Field(max_length=64)]
    app_id: Annotated[str, Field(max_length=64)]


class AppOut(ResponseModel):
    """An app. That of the environment's account has the channel's name for an id, and cannot be changed here.

    `simulated`: it is the simulator's, and reaches nobody.
    """

    app_id: str
    channel: str
    name: str = ""
    workspace: str
    managed_by: Literal["api", "environment"]
    simulated: bool = False
    account_count: Annotated[int, Field(description="How many accounts are of it")]
    credential_names: Annotated[list[str], Field(description="Which of them are kept; none: no key opens them")]
    webhook_url: Annotated[
        str,
        Field(description="What to set as the webhook in the provider's console; left out without a public address"),
    ] = ""
    created_at: Time | None = None
    changed_at: Time | None = None


class AppsOut(ResponseModel):
    """Apps, by id. `next` goes into `after`."""

    apps: list[AppOut]
    next: str | None = None
