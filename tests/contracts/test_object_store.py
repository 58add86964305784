"""What every object store must do. Bytes come and go by signed URLs, as clients and providers bring and fetch them."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from chat4all.model.failures import Permanent
from chat4all.ports import ObjectStore, Part
from chat4all.ports.object_store import NO_OBJECT, NO_UPLOAD, PARTS_CHANGED
from chat4all.settings import Settings
from storage.open import open_objects
from tests.contracts.objects import PART, TIMEOUT_S, Adapter, bring, content, new_key, uploaded

ONE, TWO, LAST = os.urandom(PART), os.urandom(PART), os.urandom(1000)


def test_parts_come_in_any_order_and_make_the_object(objects: ObjectStore) -> None:
    """Joined by number, whatever came first; byte by byte what was brought."""
    key = new_key()
    upload = objects.begin(key)
    for number, data in ((3, LAST), (1, ONE), (2, TWO)):
        assert bring(objects, key, upload, number, data) == 200
    there = objects.parts(key, upload)
    assert [(each.number, each.size) for each in there] == [(1, PART), (2, PART), (3, 1000)]
    assert objects.size(key) is None
    objects.join(key, upload, there)
    assert objects.size(key) == 2 * PART + 1000
    assert content(objects, key) == ONE + TWO + LAST


def test_a_part_that_is_brought_again_replaces_the_first(objects: ObjectStore) -> None:
    """With another etag, so that a list of before does not join by mistake."""
    key = new_key()
    upload = objects.begin(key)
    bring(objects, key, upload, 1, ONE)
    before = objects.parts(key, upload)
    bring(objects, key, upload, 1, TWO)
    with pytest.raises(Permanent, match=PARTS_CHANGED):
        objects.join(key, upload, before)
    objects.join(key, upload, objects.parts(key, upload))
    assert content(objects, key) == TWO


def test_joining_again_changes_nothing(objects: ObjectStore) -> None:
    """An answer that was lost may be asked for again; the upload itself is gone."""
    key = new_key()
    upload = objects.begin(key)
    bring(objects, key, upload, 1, ONE)
    there = objects.parts(key, upload)
    objects.join(key, upload, there)
    objects.join(key, upload, there)
    assert content(objects, key) == ONE
    with pytest.raises(Permanent, match=NO_UPLOAD):
        objects.parts(key, upload)


def test_an_object_can_become_an_upload_again(objects: ObjectStore) -> None:
    """All parts are there, one is brought anew, and the object is what they are now."""
    key = new_key()
    uploaded(objects, key, ONE, TWO, LAST)
    upload = objects.reopen(key, [PART, PART, 1000])
    assert objects.size(key) is None
    assert [each.size for each in objects.parts(key, upload)] == [PART, PART, 1000]
    assert bring(objects, key, upload, 2, ONE) == 200
    objects.join(key, upload, objects.parts(key, upload))
    assert content(objects, key) == ONE + ONE + LAST


def test_dropped_uploads_are_gone(objects: ObjectStore) -> None:
    """With their parts; what is signed already brings nothing more. Safe to repeat."""
    key = new_key()
    upload, second = objects.begin(key), objects.begin(key)
    bring(objects, key, upload, 1, LAST)
    for _ in range(2):
        objects.drop_uploads(key)
    for each in (upload, second):
        with pytest.raises(Permanent, match=NO_UPLOAD):
            objects.parts(key, each)
    assert bring(objects, key, upload, 2, LAST) == 404


def test_a_stream_becomes_an_object(objects: ObjectStore) -> None:
    """Chunks of any size; of a stream that breaks nothing is left."""
    key, broken = new_key(), new_key()

    def chunks(fails: bool = False) -> Iterator[bytes]:
        yield from (ONE, LAST, ONE, ONE)
        if fails:
            raise ValueError("the client went away")

    assert objects.put(key, chunks()) == 3 * PART + 1000
    assert content(objects, key) == ONE + LAST + ONE + ONE
    with pytest.raises(ValueError, match="went away"):
        objects.put(broken, chunks(True))
    assert objects.size(broken) is None
    assert objects.put(new_key(), iter([b"x"])) == 1


def test_ranges_are_read_across_parts(objects: ObjectStore) -> None:
    """The first and the last byte are both included."""
    key, whole = new_key(), ONE + TWO + LAST
    uploaded(objects, key, ONE, TWO, LAST)
    for first, last in ((0, 0), (PART - 2, PART + 1), (PART, 2 * PART - 1), (2 * PART + 999, 2 * PART + 999)):
        assert content(objects, key, first, last) == whole[first : last + 1]
    assert content(objects, key, 2 * PART) == LAST


def test_what_is_not_there_says_so(objects: ObjectStore) -> None:
    """No size, and Permanent for whoever reads, reopens or joins."""
    key = new_key()
    upload = objects.begin(key)
    objects.drop_uploads(key)
    assert objects.size(key) is None
    with pytest.raises(Permanent, match=NO_OBJECT):
        content(objects, key)
    with pytest.raises(Permanent, match=NO_OBJECT):
        objects.reopen(key, [1])
    with pytest.raises(Permanent, match=NO_UPLOAD):
        objects.join(key, upload, [Part(1, 1, "0" * 32)])


def test_removed_objects_are_gone(objects: ObjectStore) -> None:
    """Those that never were are passed over."""
    key = new_key()
    objects.put(key, [b"tea"])
    objects.remove([key, new_key(), key])
    assert objects.size(key) is None
    assert requests.get(objects.sign_get(key, "a.txt", "text/plain", 60), timeout=TIMEOUT_S).status_code == 404


def test_a_download_has_its_name_and_type_and_is_never_shown_in_place(objects: ObjectStore) -> None:
    """Names beyond ASCII survive; the type is the one given; the disposition is attachment."""
    key = new_key()
    objects.put(key, [b"<script>alert(1)</script>"])
    answer = requests.get(objects.sign_get(key, "chá da tarde.html", "text/html", 60), timeout=TIMEOUT_S)
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    assert answer.headers["Content-Type"].partition(";")[0] == "text/html"
    shown = answer.headers["Content-Disposition"]
    assert shown.startswith("attachment;")
    assert "filename*=UTF-8''ch%C3%A1%20da%20tarde.html" in shown


@pytest.mark.parametrize(
    ("asked", "given"),
    [("bytes=0-0", (0, 0)), ("bytes=5-", (5, 99)), ("bytes=-7", (93, 99)), ("bytes=90-500", (90, 99))],
)
def test_a_download_honours_ranges(objects: ObjectStore, asked: str, given: tuple[int, int]) -> None:
    """206 with exactly the bytes asked for, and where they stand in the whole."""
    key, data = new_key(), bytes(range(100))
    objects.put(key, [data])
    url = objects.sign_get(key, "a.bin", "application/octet-stream", 60)
    answer = requests.get(url, headers={"Range": asked}, timeout=TIMEOUT_S)
    assert answer.status_code == 206
    assert answer.content == data[given[0] : given[1] + 1]
    assert answer.headers["Content-Range"] == f"bytes {given[0]}-{given[1]}/100"


def test_a_range_beyond_the_end_is_refused(objects: ObjectStore) -> None:
    """416, as for every file on the web."""
    key = new_key()
    objects.put(key, [b"tea"])
    url = objects.sign_get(key, "a.bin", "application/octet-stream", 60)
    assert requests.get(url, headers={"Range": "bytes=3-"}, timeout=TIMEOUT_S).status_code == 416


@pytest.mark.parametrize("change", ["signature", "key", "field", "method"])
def test_a_tampered_url_opens_nothing(objects: ObjectStore, change: str) -> None:
    """Whatever is changed in a URL, it is refused with 403."""
    key, other = new_key(), new_key()
    for each in (key, other):
        objects.put(each, [b"tea"])
    url = objects.sign_get(key, "a.txt", "text/plain", 60)
    changed = {
        "signature": url[:-1] + ("A" if url[-1] != "A" else "B"),
        "key": url.replace(key, other),
        "field": url.replace("a.txt", "b.txt"),
        "method": url,
    }[change]
    method = "PUT" if change == "method" else "GET"
    data = b"coffee" if change == "method" else None
    assert requests.request(method, changed, data=data, timeout=TIMEOUT_S).status_code == 403
    assert content(objects, key) == b"tea"


def test_a_tampered_part_url_brings_nothing(objects: ObjectStore) -> None:
    """A URL for one part is none for another."""
    key = new_key()
    upload = objects.begin(key)
    url = objects.sign_part(key, upload, 1, 3, 60)
    changed = url.replace("partNumber=1", "partNumber=2").replace("part=1", "part=2")
    assert changed != url
    assert requests.put(changed, data=b"tea", timeout=TIMEOUT_S).status_code == 403
    assert objects.parts(key, upload) == []


def test_an_expired_url_opens_nothing(objects: ObjectStore) -> None:
    """It is refused with 403 once its time is over."""
    key = new_key()
    objects.put(key, [b"tea"])
    url = objects.sign_get(key, "a.txt", "text/plain", 1)
    statuses = {200}
    while statuses == {200}:
        statuses = {requests.get(url, timeout=TIMEOUT_S).status_code}
    assert statuses == {403}


def test_an_expired_part_url_brings_nothing(objects: ObjectStore) -> None:
    """403 once its time is over; what it brought before stays."""
    key = new_key()
    upload = objects.begin(key)
    url = objects.sign_part(key, upload, 1, 3, 1)
    statuses = {200}
    while statuses == {200}:
        statuses = {requests.put(url, data=b"tea", timeout=TIMEOUT_S).status_code}
    assert statuses == {403}
    assert [each.size for each in objects.parts(key, upload)] in ([], [3])


def test_urls_name_the_public_address(objects: ObjectStore, objects_settings: Settings) -> None:
    """What is signed for a public address begins with it, whatever address this process uses itself."""
    public = objects_settings.model_copy(update={"objects_url": "https://files.example.org"})
    opened = open_objects(public)
    key = new_key()
    for url in (opened.sign_get(key, "a", "text/plain", 60), opened.sign_part(key, objects.begin(key), 1, 1, 60)):
        assert urlsplit(url)[:2] == ("https", "files.example.org")
    opened.close()


def test_acknowledged_parts_outlive_a_killed_store(objects: ObjectStore, objects_adapter: Adapter) -> None:
    """Every part that was answered with 200 is there after kill -9 of the store, and the rest can follow."""
    key = new_key()
    upload = objects.begin(key)
    for number in (1, 2):
        assert bring(objects, key, upload, number, ONE) == 200
    objects_adapter.kill_and_restart()
    assert [each.number for each in objects.parts(key, upload)] == [1, 2]
    assert bring(objects, key, upload, 3, LAST) == 200
    objects.join(key, upload, objects.parts(key, upload))
    assert content(objects, key) == ONE + ONE + LAST


def test_it_says_where_it_is(objects: ObjectStore) -> None:
    """One line for people; closing twice is fine."""
    assert "\n" not in objects.check()
    objects.tidy(0)
    objects.close()
    objects.close()
