"""Files in MinIO or any S3. Clients send and fetch bytes by presigned URLs, directly at the server.

The bucket is made when it is first found missing, so that the service starts although the server is away.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.datatypes import Part as S3Part
from minio.error import InvalidResponseError, S3Error, ServerError
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chat4all.model.failures import Permanent, Temporary
from chat4all.model.files import disposition
from chat4all.ports.object_store import NO_OBJECT, NO_UPLOAD, PARTS_CHANGED, ObjectStore, Part
from chat4all.settings import Settings, SettingsError

CONNECT_S = 2.0
READ_S = 30.0
CONNECTIONS = 32
CHUNK = 256 << 10
PUT_PART = 8 << 20
PAGE = 1000
GONE = {
    "NoSuchUpload": NO_UPLOAD,
    "NoSuchKey": NO_OBJECT,
    "NoSuchBucket": NO_OBJECT,
    "InvalidPart": PARTS_CHANGED,
    "InvalidPartOrder": PARTS_CHANGED,
    "EntityTooSmall": PARTS_CHANGED,
}

Result = TypeVar("Result")


class S3Settings(BaseSettings):
    """MINIO_…: who we are at the server."""

    model_config = SettingsConfigDict(env_prefix="MINIO_", frozen=True, extra="ignore")

    access_key: str = Field("", description="Access key.")
    secret_key: str = Field("", description="Secret key.")
    region: str = Field("us-east-1", description="Region of the bucket; given, so that signing asks nobody.")


class S3Store(ObjectStore):
    """The bucket that `settings.objects` names: s3://host:port/bucket, s3s://… over TLS."""

    def __init__(self, settings: Settings) -> None:
        url, own = urlsplit(settings.objects), S3Settings()
        self._bucket = url.path.strip("/")
        if not url.netloc or not self._bucket:
            raise SettingsError("CHAT4ALL_OBJECTS: s3://host:port/bucket")
        if not own.access_key or not own.secret_key:
            raise SettingsError("MINIO_ACCESS_KEY, MINIO_SECRET_KEY: not set, and needed for CHAT4ALL_OBJECTS=s3://…")
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            maxsize=CONNECTIONS,
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._address = url.netloc
        self._region = own.region
        self._client = self._to(url.netloc, url.scheme == "s3s", own)
        public = urlsplit(settings.objects_url)
        self._public = self._to(public.netloc, public.scheme == "https", own) if public.netloc else self._client

    def _to(self, address: str, secure: bool, own: S3Settings) -> Any:
        return Minio(
            address,
            access_key=own.access_key,
            secret_key=own.secret_key,
            secure=secure,
            region=own.region,
            http_client=self._http,
        )

    # Uploads in parts. The library has these calls and uses them itself, under a leading underscore.

    def begin(self, key: str) -> str:
        return self._with_bucket(lambda: str(self._client._create_multipart_upload(self._bucket, key, {})))

    def sign_part(self, key: str, upload: str, number: int, size: int, life_s: int) -> str:
        query = {"uploadId": upload, "partNumber": str(number)}
        return str(
            self._public.get_presigned_url(
                "PUT", self._bucket, key, expires=timedelta(seconds=life_s), extra_query_params=query
            )
        )

    def parts(self, key: str, upload: str) -> list[Part]:
        found: list[Part] = []
        marker: str | None = ""
        with _as_failures():
            while marker is not None:
                page = self._client._list_parts(self._bucket, key, upload, max_parts=PAGE, part_number_marker=marker or None)
                found += [Part(each.part_number, each.size or 0, each.etag) for each in page.parts]
                marker = str(page.next_part_number_marker) if page.is_truncated else None
        return sorted(found, key=lambda each: each.number)

    def join(self, key: str, upload: str, parts: Sequence[Part]) -> None:
        given = [S3Part(each.number, each.etag) for each in parts]
        try:
            with _as_failures():
                self._client._complete_multipart_upload(self._bucket, key, upload, given)
        except Permanent as failure:
            # A repetition, after an answer that was lost.
            if failure.reason != NO_UPLOAD or self.size(key) != sum(each.size for each in parts):
                raise

    def reopen(self, key: str, sizes: Sequence[int]) -> str:
        upload = self.begin(key)
        try:
            self._copy_parts(key, upload, sizes)
        except Exception:
            with _as_failures():
                self._client._abort_multipart_upload(self._bucket, key, upload)
            raise
        self.remove([key])
        return upload

    def _copy_parts(self, key: str, upload: str, sizes: Sequence[int]) -> None:
        first = 0
        for number, size in enumerate(sizes, 1):
            headers = {
                "x-amz-copy-source": f"/{self._bucket}/{key}",
                "x-amz-copy-source-range": f"bytes={first}-{first + size - 1}",
            }
            with _as_failures():
                self._client._upload_part_copy(self._bucket, key, upload, number, headers)
            first += size

    def drop_uploads(self, key: str) -> None:
        with _passing(NO_UPLOAD, NO_OBJECT), _as_failures():
            for each in self._client._list_multipart_uploads(self._bucket, prefix=key).uploads:
                if each.object_name == key:
                    self._client._abort_multipart_upload(self._bucket, key, each.upload_id)

    # Objects.

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        stream = _Stream(chunks)
        upload = self.begin(key)
        try:
            parts: list[Part] = []
            while (data := stream.read(PUT_PART)) or not parts:
                number = len(parts) + 1
                with _as_failures():
                    etag = self._client._upload_part(self._bucket, key, data, None, upload, number)
                parts.append(Part(number, len(data), etag))
            self.join(key, upload, parts)
        except BaseException:
            with _passing(NO_UPLOAD), _as_failures():
                self._client._abort_multipart_upload(self._bucket, key, upload)
            raise
        return sum(each.size for each in parts)

    def size(self, key: str) -> int | None:
        try:
            with _as_failures():
                return int(self._client.stat_object(self._bucket, key).size)
        except Permanent as failure:
            if failure.reason != NO_OBJECT:
                raise
            return None

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        length = 0 if last is None else last - first + 1
        with _as_failures():
            response = self._client.get_object(self._bucket, key, offset=first, length=length)
            try:
                yield from response.stream(CHUNK)
            finally:
                response.close()
                response.release_conn()

    def sign_get(self, key: str, filename: str, mime_type: str, life_s: int) -> str:
        shown = {"response-content-disposition": disposition(filename), "response-content-type": mime_type}
        return str(
            self._public.get_presigned_url("GET", self._bucket, key, expires=timedelta(seconds=life_s), response_headers=shown)
        )

    def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            with _passing(NO_OBJECT), _as_failures():
                self._client.remove_object(self._bucket, key)

    def tidy(self, before_ms: int) -> None:
        return

    def check(self) -> str:
        with _as_failures():
            is_there = self._client.bucket_exists(self._bucket)
        return f"S3 at {self._address}, bucket {self._bucket}{'' if is_there else ' (made when first needed)'}"

    def close(self) -> None:
        self._http.clear()

    def _with_bucket(self, call: Callable[[], Result]) -> Result:
        try:
            with _as_failures():
                return call()
        except Permanent as failure:
            if failure.reason != NO_OBJECT:
                raise
        try:
            with _as_failures():
                self._client.make_bucket(self._bucket, self._region)
        except Temporary as failure:
            if failure.detail not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        with _as_failures():
            return call()


class _Stream:
    """Chunks of any size, read in pieces of a given one."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = bytearray()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes while there are so many."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken


@contextmanager
def _passing(*reasons: str) -> Iterator[None]:
    try:
        yield
    except Permanent as failure:
        if failure.reason not in reasons:
            raise


@contextmanager
def _as_failures() -> Iterator[None]:
    """What the library raises may name hosts and keys, so only codes and kinds are repeated."""
    try:
        yield
    except S3Error as error:
        code = str(error.code)
        if code in GONE:
            raise Permanent(GONE[code]) from None
        raise Temporary("objects", code) from None
    except (InvalidResponseError, ServerError, urllib3.exceptions.HTTPError, OSError) as error:
        raise Temporary("objects", type(error).__name__) from None
