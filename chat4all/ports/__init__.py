"""The interfaces to what can be replaced. Their adapters are in `storage` and `chat4all.channels`.

Every method may block unless it says that it does not, ends within the time limits of the settings, and raises
`failures.Temporary` when its server cannot be reached or does not answer in time. What a method returned from is durable: it
outlives every process. With the power of its only machine a store may lose the last that stages and leases wrote, never more
than is made again (docs/decisions/embedded-store.md).
"""

from chat4all.ports.accounts import AccountLimits, Accounts, ConnectedAccount, ProviderApp
from chat4all.ports.changes import Change, Changes
from chat4all.ports.channel import (
    Account,
    Aside,
    Channel,
    ChoiceLimits,
    Consented,
    ErrorLine,
    Examined,
    Fetch,
    Finding,
    Inbound,
    Limits,
    Moved,
    Named,
    Outgoing,
    Reached,
    Renewed,
    Taken,
    Unclaimed,
    Unreadable,
    Update,
)
from chat4all.ports.deferred import Deferrals, Deferred
from chat4all.ports.deliveries import Deliveries, Handle, LaneState, Lease, Waiting, stamps_of
from chat4all.ports.directory import Arrived, Directory, Spoken
from chat4all.ports.event_log import Consumer, EventLog, Topic
from chat4all.ports.files import Files
from chat4all.ports.history import History, Registration, Span
from chat4all.ports.media_source import Body, FileLink, MediaSource
from chat4all.ports.message_store import Expired, MessageStore
from chat4all.ports.object_store import ObjectStore, Part
from chat4all.ports.progress import DeadLetter, Progress, ProgressStore, Trouble
from chat4all.ports.search import Document, Feeding, Hit, Hits, PersonFound, Search, SearchIndex
from chat4all.ports.uploads import Uploaded, UploadPlace, Uploads
from chat4all.ports.waker import NOBODY, Waker
from chat4all.ports.webhooks import WEBHOOKS, Recovery, Webhook, WebhookCall, Webhooks

__all__ = [
    "NOBODY",
    "WEBHOOKS",
    "Account",
    "AccountLimits",
    "Accounts",
    "Arrived",
    "Aside",
    "Body",
    "Change",
    "Changes",
    "Channel",
    "ChoiceLimits",
    "ConnectedAccount",
    "Consented",
    "Consumer",
    "DeadLetter",
    "Deferrals",
    "Deferred",
    "Deliveries",
    "Directory",
    "Document",
    "ErrorLine",
    "EventLog",
    "Examined",
    "Expired",
    "Feeding",
    "Fetch",
    "FileLink",
    "Files",
    "Finding",
    "Handle",
    "History",
    "Hit",
    "Hits",
    "Inbound",
    "LaneState",
    "Lease",
    "Limits",
    "MediaSource",
    "MessageStore",
    "Moved",
    "Named",
    "ObjectStore",
    "Outgoing",
    "Part",
    "PersonFound",
    "Progress",
    "ProgressStore",
    "ProviderApp",
    "Reached",
    "Recovery",
    "Registration",
    "Renewed",
    "Search",
    "SearchIndex",
    "Span",
    "Spoken",
    "Taken",
    "Topic",
    "Trouble",
    "Unclaimed",
    "Unreadable",
    "Update",
    "UploadPlace",
    "Uploaded",
    "Uploads",
    "Waiting",
    "Waker",
    "Webhook",
    "WebhookCall",
    "Webhooks",
    "stamps_of",
]
