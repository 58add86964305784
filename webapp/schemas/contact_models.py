"""What the API takes and gives of contacts."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from chat4all.model.contacts import NOTES_MOST
from webapp.schemas.models import IdentityOut, PagedQuery, RequestBody, RequestParams, ResponseModel, Time

Attributes = dict[str, StrictStr | StrictBool | StrictInt | StrictFloat]


class ContactPath(RequestParams):
    """Names a contact by its user id."""

    contact_id: Annotated[str, Field(max_length=64)]


class ContactsQuery(PagedQuery):
    """Which contacts, and which page of them. A page of a tag may have fewer than `limit`, and a `next`."""

    address: Annotated[str, Field(max_length=600, description="Whose this is alone, such as whatsapp:+5511999990000")] = ""
    tag: Annotated[str, Field(max_length=50, description="Only those that have it")] = ""


class ContactChange(RequestBody):
    """What of it is to be otherwise; what is left out stays."""

    display_name: Annotated[
        str | None, Field(max_length=64, description='What the team calls them, whatever they call themselves; "": as they do')
    ] = None
    tags: Annotated[list[str] | None, Field(description="All of them, in place of those that are there")] = None
    notes: Annotated[str | None, Field(max_length=NOTES_MOST, description="For the team alone")] = None
    attributes: Annotated[
        Attributes | None, Field(description="All of them, in place of those that are there", examples=[{"plan": "pro"}])
    ] = None
    time_zone: Annotated[str | None, Field(max_length=64, examples=["America/Sao_Paulo"])] = None
    version: Annotated[
        int | None, Field(ge=0, le=2**53, description="Change it only if this is still its version; else 409")
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """What was said. null is as if it was left out."""
        return {name: value for name in self.model_fields_set if (value := getattr(self, name)) is not None}


class ConsentPath(ContactPath):
    """Names a contact, and a channel."""

    channel: Annotated[str, Field(max_length=64)]


class ConsentIn(RequestBody):
    """Whether they want what they did not ask for, such as broadcasts."""

    state: Literal["granted", "revoked"]


class NewContact(ContactChange):
    """Somebody to have in the directory: found by the address, or made."""

    address: Annotated[str, Field(max_length=600, description="channel:address", examples=["whatsapp:+5511999990000"])]

    @property
    def given(self) -> dict[str, Any]:
        """What was said of them beside the address."""
        return {name: value for name, value in super().given.items() if name != "address"}


class AddressOut(IdentityOut):
    """An address, when it last wrote to us, and whether providers say that it can be written to."""

    reachable: str = Field(json_schema_extra={"enum": ["yes", "blocked", "gone"]})
    last_wrote_at: Time | None = None


class ConsentOut(ResponseModel):
    """What was said last of a channel.

    `source`: a word such as STOP, a setting in the provider's app, a provider's answer to a send, or the team: `by` says who.
    """

    state: str = Field(json_schema_extra={"enum": ["granted", "revoked"]})
    at: Time
    source: str = Field(json_schema_extra={"enum": ["word", "setting", "answer", "team"]})
    by: str = ""


class MergeIn(RequestBody):
    """The other contact, who is the same person as the one in the path."""

    contact_id: Annotated[str, Field(min_length=1, max_length=64)]


class UnmergeIn(RequestBody):
    """Who is apart again, of those that were merged; left out: the one in the path, or else whoever was merged last."""

    contact_id: Annotated[str, Field(max_length=64)] = ""


class MergedOut(ResponseModel):
    """A contact that was merged, into which one, when and by whom; without `merged_by` by what their provider said."""

    contact_id: str
    into: str
    display_name: str = ""
    merged_at: Time
    merged_by: str = ""


class PastMergeOut(MergedOut):
    """A merge that was undone."""

    unmerged_at: Time
    unmerged_by: str = ""


class ContactOut(ResponseModel):
    """A contact. `version` grows with each change of what is kept about it beside its name.

    `consents`: by channel, whether they want what they did not ask for. `opted_out`: the channels where they do not.
    `merged`: the contacts that were merged into it, the newest last; all that is said here is of all of them together.
    """

    contact_id: str
    display_name: str = ""
    created_at: Time
    addresses: list[AddressOut]
    blocked: bool
    blocked_at: Time | None = None
    blocked_by: str = ""
    tags: list[str]
    notes: str = ""
    attributes: Attributes
    time_zone: str = ""
    consents: dict[str, ConsentOut]
    opted_out: list[str]
    version: int
    changed_at: Time | None = None
    changed_by: str = ""
    merged: list[MergedOut]
    past_merges: list[PastMergeOut]


class ContactsOut(ResponseModel):
    """A page of contacts, in no order that says anything. `next` goes into `after`."""

    contacts: list[ContactOut]
    next: str | None = None


class ContactTable(RequestBody):
    """A table to bring in. The first line names the columns: `address` (channel:address), and as you like `display_name`,
    `tags` (blanks between), `notes`, `time_zone`, `attribute.NAME`, `attributes` (JSON). An empty cell changes nothing.
    """

    csv: Annotated[str, Field(max_length=1_000_000, examples=["address,tags\nwhatsapp:+5511999990000,lead"])]


class RowFault(ResponseModel):
    """A row that was passed over. `line`: of the table, from 1."""

    line: int
    field: str
    detail: str


class ContactsImported(ResponseModel):
    """`contacts`: how many rows are in the directory now. The others are passed over, each with what is wrong in it."""

    contacts: int
    errors: list[RowFault]


class ExportQuery(RequestParams):
    """Which contacts, and which page of them."""

    after: Annotated[str, Field(max_length=64, description="`next` of the page before")] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 200
    tag: Annotated[str, Field(max_length=50, description="Only those that have it")] = ""


class ContactsExported(ResponseModel):
    """A page of the table, a line for each address; the first page begins with the names of the columns."""

    csv: str
    next: str | None = None
