"""The file calls: uploads in parts and in one request, downloads, who may do what, and every bad input."""

import json
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Media
from chat4all.model.files import FileStatus, StoredFile
from tests.webapp.uploading import PART, Uploads, digest, random_bytes

DATA = random_bytes(2 * PART + 1000)


def test_a_file_goes_up_in_parts_and_down_again(uploads: Uploads) -> None:
    """Parts in any order; complete answers 200 with the size and the checksum; the download is byte for byte the same."""
    begun = uploads.begin(len(DATA), filename="chá.pdf")
    assert (begun["part_size"], [each["number"] for each in begun["parts"]]) == (PART, [1, 2, 3])
    assert begun["upload_url"] == begun["parts"][0]["url"]
    begun["parts"].reverse()
    uploads.bring(begun, DATA)
    done = uploads.complete(begun["file_id"], f"sha256:{digest(DATA).upper()}")
    assert (done["status"], done["size"], done["checksum"], done["mime_type"]) == (
        "ready", len(DATA), digest(DATA), "application/pdf",
    )  # fmt: skip
    answer = uploads.get(uploads.url(begun["file_id"], "bob"))
    assert answer.data == DATA
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "ch%C3%A1.pdf" in answer.headers["Content-Disposition"]


def test_an_upload_goes_on_where_it_stopped(uploads: Uploads) -> None:
    """After any interruption the parts call says what is there and signs the rest."""
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, DATA, [2])
    there = uploads.driver.ask("ana", "GET", f"/v1/files/{begun['file_id']}/parts")
    assert [(each["number"], each["size"]) for each in there["uploaded"]] == [(2, PART)]
    assert [each["number"] for each in there["parts"]] == [1, 3]
    uploads.bring(there, DATA)
    assert uploads.complete(begun["file_id"], digest(DATA))["status"] == "ready"


def test_a_wrong_checksum_leaves_the_upload_resumable(uploads: Uploads) -> None:
    """422; all parts are still there, the bad one is brought again, and the file is complete."""
    bad = bytearray(DATA)
    bad[PART + 5] ^= 1
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, bytes(bad))
    assert uploads.complete(begun["file_id"], digest(DATA), expect=422)["code"] == "checksum_mismatch"
    assert uploads.status(begun["file_id"])["status"] == "failed"
    there = uploads.driver.ask("ana", "GET", f"/v1/files/{begun['file_id']}/parts")
    assert (len(there["uploaded"]), [each["number"] for each in there["parts"]]) == (3, [1, 2, 3])
    uploads.bring(there, DATA, [2])
    assert uploads.complete(begun["file_id"], digest(DATA))["status"] == "ready"


def test_two_completes_at_once_are_one(uploads: Uploads) -> None:
    """Whoever comes second, and whatever the worker has done meanwhile, gets the same answer; another checksum does not."""
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, DATA)
    faults = uploads.driver.object_faults

    def parts(*given: Any) -> Any:
        faults.mend()
        assert uploads.complete(begun["file_id"], digest(DATA))["status"] == "ready"
        return faults.real.parts(*given)

    faults.answer("parts", parts)
    assert uploads.complete(begun["file_id"], digest(DATA))["status"] == "ready"
    other = uploads.begin(len(DATA))
    uploads.bring(other, DATA)
    uploads.sleep()

    def lost(wanted: StoredFile) -> bool:
        """The answer of a store that took a change and was not heard."""
        uploads.driver.faults.mend()
        uploads.driver.faults.real.swap_file(wanted)
        return False

    uploads.driver.faults.answer("swap_file", lost)
    assert uploads.complete(other["file_id"], digest(DATA), expect=202)["status"] == "verifying"
    assert uploads.complete(other["file_id"], digest(b"x"), expect=409)["code"] == "already_completing"


def test_a_few_wait_for_a_worker_and_others_are_told_to_ask_again(uploads: Uploads) -> None:
    """Threads that wait for verification are a quarter of all; beyond them 202 comes at once."""
    waits = uploads.driver.parts.file_waits
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, DATA)
    uploads.sleep()
    waits.most_s = 60.0
    with ExitStack() as taken:
        assert [taken.enter_context(waits.turn()) for _ in range(5)] == [60.0] * 4 + [0.0]
        assert uploads.complete(begun["file_id"], digest(DATA), expect=202)["status"] == "verifying"


def test_no_url_names_a_file(uploads: Uploads) -> None:
    """Whoever brings bytes that somebody brought before does not learn which file that was."""
    first = uploads.whole(DATA)
    eves = uploads.driver.private("eve", "bob")
    begun = uploads.begin(len(DATA), "eve", conversation_id=eves)
    uploads.bring(begun, DATA)
    shown = json.dumps(
        [begun["parts"], uploads.complete(begun["file_id"], digest(DATA), "eve"), uploads.url(begun["file_id"], "eve")]
    )
    assert first not in shown
    assert begun["file_id"] not in begun["upload_url"]


def test_who_came_later_has_what_came_later(uploads: Uploads) -> None:
    """An older file is not theirs by its id, not by sending it either; with a message that they may read it is."""
    group = uploads.driver.group("ana", "bob")
    older = uploads.whole(b"older", conversation_id=group)
    message = {"conversation_id": group, "payload": {"type": "file", "file_id": older, "text": "look"}}
    uploads.driver.ask("ana", "POST", "/v1/messages", message, 202)
    uploads.driver.process()
    uploads.driver.ask("ana", "POST", f"/v1/conversations/{group}/members", {"members": ["eve"]})
    newer = uploads.whole(b"newer", conversation_id=group)
    assert uploads.get(uploads.url(newer, "eve")).data == b"newer"
    for call in ("", "/presigned"):
        assert uploads.driver.refused("eve", "GET", f"/v1/files/{older}{call}", None, 404)[0] == "unknown_file"
        assert uploads.driver.ask("bob", "GET", f"/v1/files/{older}{call}")
    assert uploads.driver.ask("eve", "POST", "/v1/messages", message, 422)["code"] == "unknown_file"
    uploads.driver.ask("ana", "POST", "/v1/messages", message, 202)
    uploads.driver.process()
    assert uploads.get(uploads.url(older, "eve")).data == b"older"


def test_complete_answers_202_while_a_worker_reads(uploads: Uploads) -> None:
    """The status is verifying until then; asked again with the same checksum it is the same; ready afterwards."""
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, DATA)
    uploads.sleep()
    assert uploads.complete(begun["file_id"], digest(DATA), expect=202)["status"] == "verifying"
    assert uploads.complete(begun["file_id"], digest(DATA), expect=202)["status"] == "verifying"
    assert uploads.complete(begun["file_id"], digest(b""), expect=409)["code"] == "already_completing"
    uploads.work("verify_file", begun["file_id"])
    assert uploads.status(begun["file_id"])["status"] == "ready"


def test_completing_twice_is_completing_once(uploads: Uploads) -> None:
    """200 again with the same checksum, 422 with another."""
    file_id = uploads.whole(DATA)
    assert uploads.complete(file_id, digest(DATA))["status"] == "ready"
    assert uploads.complete(file_id, digest(b"other"), expect=422)["code"] == "checksum_mismatch"
    assert uploads.driver.refused("ana", "GET", f"/v1/files/{file_id}/parts", None, 409)[0] == "upload_over"


def test_completing_too_early_names_what_is_missing(uploads: Uploads) -> None:
    """409 with the numbers; the upload goes on."""
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, DATA, [1])
    refused = uploads.complete(begun["file_id"], digest(DATA), expect=409)
    assert (refused["code"], refused["missing"]) == ("incomplete", [2, 3])


def test_one_request_uploads_a_file(uploads: Uploads) -> None:
    """201 with a ready file, whose type follows its name where the form says nothing."""
    answer = uploads.form(DATA, filename="notes.txt")
    assert answer.status_code == 201, answer.data
    made = json.loads(answer.data)
    assert (made["status"], made["size"], made["checksum"], made["mime_type"]) == (
        "ready", len(DATA), digest(DATA), "text/plain",
    )  # fmt: skip
    assert uploads.get(uploads.url(made["file_id"])).data == DATA


def test_equal_files_are_stored_once(uploads: Uploads) -> None:
    """Two users, two ways: one object; each reads their own, and neither can read the other's."""
    eves = uploads.driver.private("eve", "bob")
    mine = uploads.whole(DATA)
    theirs = json.loads(uploads.form(DATA, "eve", conversation_id=eves).data)["file_id"]
    assert uploads.stored() == [uploads.key(mine)] == [uploads.key(theirs)]
    assert uploads.get(uploads.url(mine, "ana")).data == uploads.get(uploads.url(theirs, "eve")).data == DATA
    for who, file_id in (("eve", mine), ("ana", theirs)):
        for call in ("", "/presigned", "/parts"):
            assert uploads.driver.refused(who, "GET", f"/v1/files/{file_id}{call}", None, 404)[0] == "unknown_file"


def test_a_checksum_alone_opens_nothing(uploads: Uploads) -> None:
    """Who knows somebody else's checksum and brings other bytes gets a refusal, not the file."""
    eves = uploads.driver.private("eve", "bob")
    uploads.whole(DATA)
    begun = uploads.begin(len(DATA), "eve", conversation_id=eves)
    uploads.bring(begun, bytes(len(DATA)))
    assert uploads.complete(begun["file_id"], digest(DATA), "eve", 422)["code"] == "checksum_mismatch"
    assert uploads.driver.refused("eve", "GET", f"/v1/files/{begun['file_id']}/presigned", None, 409)[0] == "not_ready"


@pytest.mark.parametrize("call", ["parts", "complete"])
def test_another_member_cannot_take_part_in_an_upload(uploads: Uploads, call: str) -> None:
    """403 for a member, 404 for a stranger."""
    begun = uploads.begin(10)
    body = {"file_id": begun["file_id"], "checksum": digest(b"")}
    for who, expected in (("bob", (403, "not_your_file")), ("eve", (404, "unknown_file"))):
        if call == "parts":
            refused = uploads.driver.refused(who, "GET", f"/v1/files/{begun['file_id']}/parts", None, expected[0])
        else:
            refused = uploads.driver.refused(who, "POST", "/v1/files/complete", body, expected[0])
        assert refused[0] == expected[1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"size": 0}, (422, "invalid")),
        ({"size": -1}, (422, "invalid")),
        ({"size": 3 * PART + 1}, (413, "file_too_large")),
        ({"size": 2**40}, (413, "file_too_large")),
        ({"filename": ""}, (422, "bad_filename")),
        ({"filename": "../../etc/passwd"}, (422, "bad_filename")),
        ({"filename": "..\\boot.ini"}, (422, "bad_filename")),
        ({"filename": ".."}, (422, "bad_filename")),
        ({"filename": "a\x00b"}, (422, "bad_filename")),
        ({"filename": "a\r\nSet-Cookie: x"}, (422, "bad_filename")),
        ({"filename": "fdp.\u202eexe"}, (422, "bad_filename")),
        ({"filename": "ü" * 128}, (422, "bad_filename")),
        ({"mime_type": "text/html\r\nX: y"}, (422, "bad_mime_type")),
        ({"mime_type": "nonsense"}, (422, "bad_mime_type")),
        ({"conversation_id": str(uuid4())}, (404, "unknown_conversation")),
        ({"conversation_id": "x"}, (422, "malformed_uuid")),
    ],
)
def test_what_cannot_be_a_file_is_refused(uploads: Uploads, change: dict[str, Any], expected: tuple[int, str]) -> None:
    """Sizes, names with path tricks or control characters, types, conversations: each with its own code."""
    body = {"conversation_id": uploads.conversation, "filename": "tea.bin", "size": 10, **change}
    assert uploads.driver.refused("ana", "POST", "/v1/files/initiate", body, expected[0])[0] == expected[1]


def test_a_stranger_uploads_nothing_into_a_conversation(uploads: Uploads) -> None:
    """It does not exist for them, in both ways of uploading."""
    assert uploads.begin(10, "eve", 404)["code"] == "unknown_conversation"
    assert uploads.form(b"tea", "eve").status_code == 404


def test_the_limit_is_the_last_byte_that_is_taken(uploads: Uploads) -> None:
    """Exactly the limit goes in one request and in parts; one byte more goes in neither."""
    most = bytes(3 * PART)
    assert uploads.begin(len(most))["parts"][2]["number"] == 3
    assert uploads.form(most).status_code == 201
    refused = uploads.form(most + b"x")
    assert (refused.status_code, json.loads(refused.data)["code"]) == (413, "file_too_large")
    assert len(uploads.stored()) == 1


@pytest.mark.parametrize("length", [PART - 1, PART + 1, 0])
def test_a_part_of_another_size_is_refused(uploads: Uploads, length: int) -> None:
    """Too small and too large both say how large it should be, and nothing of it is kept."""
    begun = uploads.begin(len(DATA))
    answer = uploads.put(begun["parts"][0]["url"], bytes(length))
    problem = json.loads(answer.data)
    assert (answer.status_code, problem["code"], problem["part_size"]) == (
        413 if length > PART else 422, "wrong_part_size", PART,
    )  # fmt: skip
    assert uploads.driver.ask("ana", "GET", f"/v1/files/{begun['file_id']}/parts")["uploaded"] == []


def test_a_url_is_for_its_part_only(uploads: Uploads) -> None:
    """Another number, another file or a later end in the URL: 403, whoever asks."""
    begun, other = uploads.begin(10), uploads.begin(10)
    url = begun["upload_url"]
    expires = url.partition("expires=")[2].partition("&")[0]
    for changed in (
        url.replace("part=1", "part=2"),
        url.replace(urlsplit(url).path, urlsplit(other["upload_url"]).path),
        url.replace(f"expires={expires}", f"expires={int(expires) + 1}"),
        url.replace("size=10", "size=11"),
        url.partition("?")[0],
        url.replace("signature=", "signature=x"),
    ):
        answer = uploads.put(changed, b"0123456789")
        assert (answer.status_code, json.loads(answer.data)["code"]) == (403, "url_invalid")


def test_an_expired_url_says_so(uploads: Uploads) -> None:
    """403 with a code of its own: the client asks for a new one."""
    file_id = uploads.whole(b"tea")
    url = uploads.url(file_id)
    later = time.time() + 3601
    uploads.driver.parts.objects.signer.clock = lambda: later  # type: ignore[attr-defined]
    answer = uploads.get(url)
    assert (answer.status_code, json.loads(answer.data)["code"]) == (403, "url_expired")


@pytest.mark.parametrize("path", ["../../secrets/jwt", "..%2f..%2fsecrets%2fjwt", "%2e%2e", "x"])
def test_no_path_leads_out_of_the_store(uploads: Uploads, path: str) -> None:
    """Whatever stands where a key should: no bytes come."""
    answer = uploads.driver.client.get(f"/objects/{path}?expires=9999999999&name=a&type=b&signature=c")
    assert answer.status_code in (403, 404)
    with pytest.raises(Exception, match="no_object"):
        uploads.driver.parts.objects.size("../../secrets/jwt")


def test_forms_of_another_shape_are_refused(uploads: Uploads) -> None:
    """No form, the file first, no file, an empty one: 422, and nothing stays in the store."""
    headers = {"Authorization": f"Bearer {uploads.driver.tokens['ana']}"}
    client = uploads.driver.client
    for answer in (
        client.post("/v1/files", data=b"{}", headers=headers | {"Content-Type": "application/json"}),
        client.post("/v1/files", data={"conversation_id": uploads.conversation}, headers=headers,
                    content_type="multipart/form-data"),
        client.post("/v1/files", data=b"--x\r\nnonsense", headers=headers,
                    content_type="multipart/form-data; boundary=x"),
        uploads.form(b""),
        uploads.form(b"tea", filename="../tea"),
        uploads.form(b"tea", extra="field"),
    ):  # fmt: skip
        assert answer.status_code == 422, answer.data
    assert uploads.stored() == []


def test_unknown_files_are_404_and_bad_ids_422(uploads: Uploads) -> None:
    """For every call that names a file."""
    for call in ("", "/parts", "/presigned"):
        assert uploads.driver.refused("ana", "GET", f"/v1/files/{uuid4()}{call}", None, 404)[0] == "unknown_file"
        assert uploads.driver.refused("ana", "GET", f"/v1/files/x{call}")[0] == "malformed_uuid"
    assert uploads.complete(str(uuid4()), "nothex", expect=404)["code"] == "unknown_file"
    begun = uploads.begin(1)
    assert uploads.complete(begun["file_id"], "nothex", expect=422)["code"] == "bad_checksum"


def test_a_former_member_gets_no_url(uploads: Uploads) -> None:
    """Whoever left the conversation can no longer fetch its files."""
    group = uploads.driver.group("ana", "bob", "eve")
    file_id = uploads.whole(b"tea", conversation_id=group)
    assert uploads.get(uploads.url(file_id, "eve")).data == b"tea"
    uploads.driver.ask("eve", "DELETE", f"/v1/conversations/{group}/members/eve", None, 204)
    assert uploads.driver.refused("eve", "GET", f"/v1/files/{file_id}/presigned", None, 404)[0] == "unknown_file"


def _send(uploads: Uploads, file_id: str, expect: int = 202, **more: Any) -> Any:
    payload = {"type": "file", "file_id": file_id, "text": "look"}
    body = {"conversation_id": uploads.conversation, "payload": payload, **more}
    return uploads.driver.ask("ana", "POST", "/v1/messages", body, expect)


def test_a_message_carries_a_complete_file(uploads: Uploads) -> None:
    """All that a channel needs is frozen in the record, and readers see the file without the store's key."""
    file_id = uploads.whole(b"tea", filename="tea.pdf")
    sent = _send(uploads, file_id)
    [message] = uploads.driver.process()
    assert message.payload == Media(file_id, "look", "tea.pdf", "application/pdf", 3, uploads.key(file_id))
    shown = uploads.driver.ask("bob", "GET", f"/v1/messages/{sent['message_id']}")["payload"]
    assert shown == {
        "type": "media", "file_id": file_id, "caption": "look", "filename": "tea.pdf", "mime_type": "application/pdf",
        "size": 3, "kind": "document",
    }  # fmt: skip


def test_the_same_file_message_again_is_the_same_message(uploads: Uploads) -> None:
    """202 for a repetition, 409 for another file under the same id."""
    file_id, other = uploads.whole(b"tea"), uploads.whole(b"coffee")
    message_id = _send(uploads, file_id)["message_id"]
    uploads.driver.process()
    assert _send(uploads, file_id, message_id=message_id)["message_id"] == message_id
    assert _send(uploads, other, 409, message_id=message_id)["code"] == "message_id_conflict"


def test_only_a_complete_file_of_the_conversation_can_be_sent(uploads: Uploads) -> None:
    """Unfinished, somebody else's, unknown: 422 at payload.file_id."""
    eves = uploads.driver.private("eve", "bob")
    for file_id in (uploads.begin(10)["file_id"], uploads.whole(b"tea", "eve", conversation_id=eves), str(uuid4())):
        refused = _send(uploads, file_id, 422)
        assert (refused["code"], refused["errors"][0]["field"]) == ("unknown_file", "payload.file_id")


def _look(uploads: Uploads, file_id: str) -> FileStatus:
    """What the sweep does when the file's time is over; the status afterwards."""
    store = uploads.driver.parts.store
    file = store.files([file_id])[file_id]
    over = replace(file, version=file.version + 1, expires_at=min(file.expires_at, 1), due_at=now_ms())
    assert store.swap_file(over)
    uploads.filing.look(over)
    return store.files([file_id])[file_id].status


def test_an_abandoned_upload_goes_with_its_parts(uploads: Uploads) -> None:
    """After its time nothing of it is on the disk, and it does not exist any more."""
    begun = uploads.begin(len(DATA))
    uploads.bring(begun, DATA, [1])
    assert _look(uploads, begun["file_id"]) is FileStatus.EXPIRED
    assert not list((uploads.driver.parts.settings.data / "objects").rglob("0000*"))
    assert uploads.driver.refused("ana", "GET", f"/v1/files/{begun['file_id']}", None, 404)[0] == "unknown_file"
    assert uploads.put(begun["parts"][1]["url"], DATA[PART : 2 * PART]).status_code == 404


def test_an_object_goes_with_its_last_reference(uploads: Uploads) -> None:
    """A sent file stays; an equal one that was never sent goes alone; the object goes when nobody refers to it."""
    sent, never = uploads.whole(DATA), uploads.whole(DATA)
    message_id = _send(uploads, sent)["message_id"]
    uploads.driver.process()
    assert _look(uploads, sent) is FileStatus.READY
    assert _look(uploads, never) is FileStatus.EXPIRED
    assert uploads.stored() == [uploads.key(sent)]
    store = uploads.driver.parts.store
    file = store.files([sent])[sent]
    uploads.filing.release(file, [(uploads.conversation, message_id)])
    assert (uploads.stored(), store.files([sent])[sent].status) == ([], FileStatus.EXPIRED)
    assert _send(uploads, sent, 422)["code"] == "unknown_file"


def test_a_file_that_is_sent_while_it_expires_is_either_kept_or_refused(uploads: Uploads) -> None:
    """A reference that is taken after the mark does not hold."""
    file_id = uploads.whole(b"tea")
    store = uploads.driver.parts.store
    faults = uploads.driver.faults

    def late(wanted: Any, at: int) -> list[bool]:
        file = store.files([file_id])[file_id]
        store.swap_file(replace(file, version=file.version + 1, status=FileStatus.EXPIRING))
        held: list[bool] = faults.real.hold_objects(wanted, at)
        return held

    faults.answer("hold_objects", late)
    assert _send(uploads, file_id, 422)["code"] == "unknown_file"
    assert uploads.driver.records() == []
