"""Facebook Messenger through Meta's Send API. Addresses are page-scoped ids. It reports DELIVERED; READ only as a watermark."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chat4all.channels import messaging_inbound, messaging_media, meta
from chat4all.channels.account_settings import UNPACED_BURST, UNPACED_INTERVAL_S
from chat4all.channels.json_fields import ident, items, words
from chat4all.channels.messaging import HUMAN_AGENT, MB, Event, MessagingChannel, MessagingSettings
from chat4all.channels.messaging_outbound import BUTTONS, FILES_PER_SECOND, SIGNALS, quick_replies
from chat4all.channels.meta import Verdict
from chat4all.model.content import Media
from chat4all.model.deliveries import DeliveryKey
from chat4all.model.failures import Permanent, Temporary
from chat4all.model.windows import WindowRule
from chat4all.ports import Body, Limits, Outgoing, Update, Uploaded

FILES = {"image/": 8 * MB, "": 25 * MB}
PICTURES_SHOWN = dict.fromkeys(("image/jpeg", "image/png", "image/gif"), 8 * MB)
FILMS_SHOWN = dict.fromkeys(("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"), 25 * MB)
SOUNDS_SHOWN = dict.fromkeys(("audio/mpeg", "audio/mp4", "audio/aac", "audio/wav"), 25 * MB)
SHOWN_AS = {
    "image": PICTURES_SHOWN,
    "sticker": PICTURES_SHOWN,
    "animation": {"image/gif": 8 * MB} | FILMS_SHOWN,
    "video": FILMS_SHOWN,
    "audio": SOUNDS_SHOWN,
    "voice": SOUNDS_SHOWN,
}

TEXT_MOST = 2000


class MessengerSettings(MessagingSettings):
    """MESSENGER_…: a Facebook page. Without MESSENGER_TOKEN the channel talks to the simulator."""

    model_config = SettingsConfigDict(env_prefix="MESSENGER_", frozen=True, extra="ignore")

    token: str = Field("", description="Access token of the page.")
    account_id: str = Field("", description="Id of the page, as webhooks name it.")
    app_secret: str = Field("", description="The app's secret; signs webhooks.")
    verify_token: str = Field("", description="What Meta's console asks back when the webhook's address is set.")
    api_url: str = Field("", description="Where the API is; empty: Meta, or the simulator without a token.")
    api_version: str = Field(meta.GRAPH_VERSION, pattern=r"^v\d+\.\d+$", description="Version of the API.")
    human_agent: bool = Field(False, description="Whether Meta granted the app the feature Human Agent.")


class Messenger(MessagingChannel):
    """One page."""

    name = "messenger"
    # No limit between sends to one person is known.
    limits = Limits(
        text_length=TEXT_MOST,
        account_per_second=300,
        recipient_interval_s=UNPACED_INTERVAL_S,
        recipient_burst=UNPACED_BURST,
        echoes_reference=True,
        receipts=frozenset({"sent", "delivered"}),
        file_bytes=FILES,
        upload_bytes=FILES,
        shown=SHOWN_AS,
        caption_length=0,
        bare_receipts=True,
        contents=frozenset({"reaction"}),
        choices={"buttons": BUTTONS, "quick_replies": quick_replies(TEXT_MOST)},
        quotes=True,
        files_per_second=FILES_PER_SECOND,
        signals=SIGNALS,
        window=WindowRule(meta.DAY_S, human_s=7 * meta.DAY_S),
    )
    verdicts = meta.MESSAGING | {
        (10, 2018278): Verdict(Permanent, "outside_window"),
        (10, 1893063): Verdict(Temporary, "account_blocked"),
        (100, 2018001): Verdict(Permanent, "unknown_address"),
        (200, 1545041): Verdict(Permanent, "undeliverable"),
        551: Verdict(Permanent, "undeliverable"),
        1200: Verdict(Temporary, "provider_error"),
    }
    errors = meta.error_lines(verdicts)
    fields = ",".join((
        "messages", "messaging_postbacks", "message_deliveries", "message_echoes", "message_reactions", "message_edits",
        "messaging_referrals", "standby",
    ))  # fmt: skip
    real_url = meta.GRAPH_URL
    scopes = ("pages_messaging", "pages_manage_metadata")
    simulated_account = "100000000000002"
    own_settings = MessengerSettings

    def envelope(self, message: Outgoing, content: dict[str, Any]) -> dict[str, Any]:
        """A response within the window, or what a person writes after it; `metadata` comes back in the echo."""
        kind = {"messaging_type": "MESSAGE_TAG", "tag": HUMAN_AGENT} if message.as_human else {"messaging_type": "RESPONSE"}
        return {
            "recipient": {"id": message.address},
            **kind,
            "message": {**content, "metadata": message.reference},
        }

    def shown_as(self, file: Media) -> str:
        """What kind it is, and the name that came with it, which people see."""
        return f"{messaging_media.kind_of(file)} {file.filename}"

    async def upload(self, file: Media, body: Body) -> Uploaded:
        """To the page's attachments."""
        return await messaging_media.upload(self._http, self._account_url, file, body, self.verdicts)

    def echoed(self, event: Event, message: dict[str, Any]) -> Iterable[Update]:
        """Our reference says which send it was; an echo without one was sent by somebody else for the page."""
        reference, mid = words(message.get("metadata")), ident(message.get("mid"))
        if mid and _is_ours(reference):
            return [self.receipt(mid, "sent", event.at, reference)]
        return messaging_inbound.said(event, message, self._inbound)

    def receipts(self, event: Event) -> Sequence[Update]:
        """message_deliveries names messages; reads are a time up to which all was read, which names none."""
        mids = map(ident, items(event.part("delivery").get("mids")))
        return [self.receipt(mid, "delivered", event.at) for mid in mids if mid]


def _is_ours(reference: str) -> bool:
    try:
        return DeliveryKey.parse(reference).lane.channel == Messenger.name
    except ValueError:
        return False
