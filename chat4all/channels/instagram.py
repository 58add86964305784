"""Instagram Direct through Meta's Instagram API. Addresses are Instagram-scoped ids. It reports READ and never DELIVERED."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chat4all.channels import messaging_inbound, meta, meta_checks
from chat4all.channels.account_settings import UNPACED_BURST, UNPACED_INTERVAL_S
from chat4all.channels.json_fields import ident, words
from chat4all.channels.messaging import MB, Event, MessagingChannel, MessagingSettings
from chat4all.channels.messaging_outbound import BUTTONS, FILES_PER_SECOND, SIGNALS, quick_replies
from chat4all.channels.meta import Verdict
from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent, Temporary, Throttled
from chat4all.model.windows import WindowRule
from chat4all.ports import Limits, Renewed, Update

TEXT_MOST = 1000
# The one reaction that an account can give; people have all of them.
LOVE = "❤"
# Voice notes of other networks (ogg) and mp3 are refused: they go as a link.
AUDIO = ("audio/aac", "audio/mp4", "audio/x-m4a", "audio/m4a", "audio/wav", "audio/x-wav")
FILMS = ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm")
PICTURES_SHOWN = dict.fromkeys(("image/jpeg", "image/png"), 8 * MB)
FILMS_SHOWN, SOUNDS_SHOWN = dict.fromkeys(FILMS, 25 * MB), dict.fromkeys(AUDIO, 25 * MB)
SHOWN_AS = {
    "image": PICTURES_SHOWN,
    "sticker": PICTURES_SHOWN,
    "video": FILMS_SHOWN,
    "animation": FILMS_SHOWN,
    "audio": SOUNDS_SHOWN,
    "voice": SOUNDS_SHOWN,
}


class InstagramSettings(MessagingSettings):
    """INSTAGRAM_…: a professional account. Without INSTAGRAM_TOKEN the channel talks to the simulator."""

    model_config = SettingsConfigDict(env_prefix="INSTAGRAM_", frozen=True, extra="ignore")

    token: str = Field("", description="Access token of the account.")
    account_id: str = Field("", description="Id of the professional account, as webhooks name it.")
    app_secret: str = Field("", description="The app's secret; signs webhooks.")
    verify_token: str = Field("", description="What Meta's console asks back when the webhook's address is set.")
    api_url: str = Field("", description="Where the API is; empty: Meta, or the simulator without a token.")
    api_version: str = Field(meta.GRAPH_VERSION, pattern=r"^v\d+\.\d+$", description="Version of the API.")
    human_agent: bool = Field(False, description="Whether Meta granted the app the feature Human Agent.")


class Instagram(MessagingChannel):
    """One professional account."""

    name = "instagram"
    # No limit between sends to one person is known. An account that logs in through a page has 300 a second.
    limits = Limits(
        text_length=TEXT_MOST,
        text_unit="bytes",
        account_per_second=100,
        recipient_interval_s=UNPACED_INTERVAL_S,
        recipient_burst=UNPACED_BURST,
        echoes_reference=False,
        receipts=frozenset({"read"}),
        file_bytes={
            "image/jpeg": 8 * MB,
            "image/png": 8 * MB,
            **dict.fromkeys(AUDIO, 25 * MB),
            **dict.fromkeys(FILMS, 25 * MB),
            "application/pdf": 25 * MB,
        },
        shown=SHOWN_AS,
        # Its API with the account's own login has no uploads: a file goes by its link.
        caption_length=0,
        contents=frozenset({"reaction"}),
        choices={"buttons": BUTTONS, "quick_replies": quick_replies(TEXT_MOST)},
        quotes=True,
        files_per_second=FILES_PER_SECOND,
        signals=SIGNALS,
        window=WindowRule(meta.DAY_S, human_s=7 * meta.DAY_S),
        reactions=frozenset({LOVE}),
    )
    verdicts = meta.MESSAGING | {
        (10, 2534022): Verdict(Permanent, "outside_window"),
        (100, 2534014): Verdict(Permanent, "unknown_address"),
        (100, 2018001): Verdict(Permanent, "unknown_address"),
        551: Verdict(Permanent, "undeliverable"),
        1200: Verdict(Temporary, "provider_error"),
        80002: Verdict(Throttled, "rate_limit", 60.0),
        80006: Verdict(Throttled, "rate_limit", 60.0),
    }
    errors = meta.error_lines(verdicts)
    fields = "messages,messaging_seen,message_reactions,messaging_postbacks,message_edit,messaging_referral,standby"
    real_url = "https://graph.instagram.com"
    simulated_account = "17841400000000001"
    own_settings = InstagramSettings
    documents = False

    async def renew(self) -> Renewed | None:
        """Its token is good for 60 days, and is renewed for 60 more once it is a day old."""
        place = self._account_url.parent.parent / "refresh_access_token"
        answer = await self._http.get(place.with_query(grant_type="ig_refresh_token", access_token=self._token))
        if answer.status != 200:
            raise meta.refusal(answer, self.verdicts)
        given = meta_checks.said(answer)
        token, good_s = words(given.get("access_token")), given.get("expires_in")
        if not token or not isinstance(good_s, int):
            raise Temporary("unreadable_answer")
        return Renewed({"token": token}, now_ms() + good_s * 1000)

    def reaction_name(self, emoji: str) -> str:
        """The heart's name."""
        return "love"

    def echoed(self, event: Event, message: dict[str, Any]) -> Iterable[Update]:
        """As said by the account: whether we sent it, its id says, or what is on its way to the person."""
        return messaging_inbound.said(event, message, self._inbound)

    def receipts(self, event: Event) -> Sequence[Update]:
        """messaging_seen names one message."""
        mid = ident(event.part("read").get("mid"))
        return [self.receipt(mid, "read", event.at)] if mid else ()
