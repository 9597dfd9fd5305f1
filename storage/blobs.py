"""Where pictures and other large bytes are kept: one small interface with two homes, a folder and an S3 bucket.

It knows keys, durability and what an operator has to mend when a home does not work. It does not know what a blob
means, who may see it, or whether a row refers to it: that is the tables' business. Everything here blocks; code on an
event loop calls it through `asyncio.to_thread`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from storage.settings import Settings

MULTIPART_FROM = 16 * 2**20
"""Bytes from which a blob goes to S3 in parts."""
PART_BYTES = 8 * 2**20
"""Bytes of one part; S3 wants 5 MiB at least and takes 10,000 parts."""
FRESH_FOR = timedelta(minutes=10)
"""An S3 object that is put again keeps its date while it is younger than this; must stay far below the grace time of
the garbage collection."""

_PARTS_AT_ONCE = 4
_ATTEMPTS = 4
_CHECK_BYTES = 2**20
_LONGEST_LINK = 7 * 86_400
# Lower case only, since some file systems do not tell cases apart. A dot needs a neighbour on both sides, so that
# neither "..", nor a hidden file, nor this module's own ".unfinished" can be named.
_SEGMENT = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

_NO_BUCKET = "The bucket {bucket} does not exist on {where}: create it, or correct its name."
_BAD_CREDENTIALS = "{where} does not accept the credentials: check the access key and its secret ({code})."
_FORBIDDEN = "{where} does not let these credentials use the bucket {bucket}: check what they are allowed."
_OTHER_REGION = "The bucket {bucket} is in another region: correct the region."
_SENTENCES = {
    "NoSuchBucket": _NO_BUCKET,
    "404": _NO_BUCKET,
    "InvalidAccessKeyId": _BAD_CREDENTIALS,
    "SignatureDoesNotMatch": _BAD_CREDENTIALS,
    "InvalidToken": _BAD_CREDENTIALS,
    "ExpiredToken": _BAD_CREDENTIALS,
    "AccessDenied": _FORBIDDEN,
    "403": _FORBIDDEN,
    "PermanentRedirect": _OTHER_REGION,
    "301": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "RequestTimeTooSkewed": "The clock of this machine is wrong, so {where} refuses its signatures: set the clock.",
    "NotImplemented": "{where} lacks conditional writes (If-None-Match), which are needed: use another S3 server.",
}


class BlobError(Exception):
    """Something about a blob failed; the message is one plain sentence for an operator and holds no secret."""


class BlobMissing(BlobError):
    """There is no blob of this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"There is no blob {key}.")
        self.key = key


class BlobsUnavailable(BlobError):
    """The home of the blobs cannot be used now; the message says why and what to mend."""


class Stored(NamedTuple):
    """One blob in a listing."""

    key: str
    size: int
    """Bytes."""
    modified: datetime
    """UTC: when it was put last. In S3 it may lag behind a repeated put by `FRESH_FOR`."""


class Blobs(Protocol):
    """A home of blobs. Safe to use from many threads and processes at once.

    Keys are words of lower-case letters, digits, `_`, `-` and inner dots, joined by slashes; another key is a
    `ValueError`. Every method may raise `BlobsUnavailable`.
    """

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Keep `data` under `key`, durably once this returns, or not at all.

        The first writer wins: bytes that are already there stay as they are, and only their date is renewed, so that
        the garbage collection gives them its whole grace time again. The folder keeps no content type.
        """
        ...

    def get(self, key: str) -> bytes:
        """The bytes of `key`. Raises `BlobMissing`."""
        ...

    def exists(self, key: str) -> bool:
        """Whether `key` is kept."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where it is not kept."""
        ...

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Every blob whose key starts with `prefix`, in no promised order. What others put or delete meanwhile may be
        in it or not. Unfinished writes and files that are not ours are never in it."""
        ...

    def clear_unfinished(self, before: datetime) -> int:
        """Remove what writers that died before `before` (UTC) left half written, and return how many."""
        ...

    def url(self, key: str, seconds: int) -> str | None:
        """A link under which anyone can read `key` for `seconds` (a week at most), or None where this home has no
        links. It is a secret: never log it. It does not tell whether the blob exists."""
        ...

    def check(self) -> None:
        """Write, read and delete a small blob. Raises `BlobsUnavailable`."""
        ...


def key_for(workspace_id: UUID, kind: str, data: bytes, suffix: str) -> str:
    """The key of `data`: kind, workspace, SHA-256 and suffix (with its dot), as in `pictures/<uuid>/<hash>.png`.

    Equal bytes of two workspaces have two keys, so that nothing is shared between tenants. Raises `ValueError` for a
    kind or a suffix that makes no valid key.
    """
    return _valid(f"{kind}/{workspace_id}/{hashlib.sha256(data).hexdigest()}{suffix}")


def workspace_of(key: str) -> UUID | None:
    """The workspace of a key that `key_for` made; None for any other key."""
    parts = key.split("/")
    try:
        return UUID(parts[1]) if len(parts) == 3 else None
    except ValueError:
        return None


def open_blobs(
    url: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> Blobs:
    """The home that `url` names: `file:///folder` or `s3://bucket/prefix`. Nothing is read or written yet.

    `endpoint` is the address of an S3 server other than Amazon's. Without `access_key` and `secret_key` boto3 looks for
    credentials in its own way (a role, its files). Raises `BlobsUnavailable` when `url` makes no sense.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username or parts.password:
        raise BlobsUnavailable("The address of the blobs takes no user, password, query or fragment.")
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FolderBlobs(Path(unquote(parts.path)))
    prefix = parts.path.strip("/")
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and (not prefix or _KEY.fullmatch(prefix)):
        if bool(access_key) != bool(secret_key):
            raise BlobsUnavailable("An S3 access key and its secret belong together: set both, or neither.")
        return S3Blobs(
            parts.netloc, prefix, endpoint=endpoint, region=region, access_key=access_key, secret_key=secret_key
        )
    raise BlobsUnavailable(f"The address of the blobs must be file:///folder or s3://bucket/prefix, not {url!r}.")


def blobs_of(settings: Settings) -> Blobs:
    """The home that the settings name. Raises `BlobsUnavailable`."""
    secret = settings.s3_secret_key
    return open_blobs(
        settings.blobs,
        endpoint=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=secret.get_secret_value() if secret else None,
    )


def _valid(key: str) -> str:
    if not _KEY.fullmatch(key) or len(key) > 512 or max(map(len, key.split("/"))) > 200:
        raise ValueError(f"not a key of a blob: {key!r}")
    return key


def _valid_prefix(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not a prefix of keys: {prefix!r}")
    return prefix


class FolderBlobs:
    """Blobs as files below one folder; each appears whole, by a hard link, after it is safe on the disk."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._unfinished = folder / ".unfinished"
        self._durable: set[Path] = set()

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """See `Blobs.put`: one fsync of the file, one of its directory."""
        path = self._path(key)
        with self._explained():
            try:
                self._put(path, data)
            except FileNotFoundError:
                # Somebody removed a directory that this process had made before.
                self._durable.clear()
                self._put(path, data)

    def get(self, key: str) -> bytes:
        """See `Blobs.get`."""
        path = self._path(key)
        with self._explained():
            try:
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                if self._root.is_dir():
                    raise BlobMissing(key) from error
                raise BlobsUnavailable(
                    f"The blobs' folder, {self._root}, is not there: is its disk mounted?"
                ) from error

    def exists(self, key: str) -> bool:
        """See `Blobs.exists`."""
        path = self._path(key)
        with self._explained():
            return path.is_file()

    def delete(self, key: str) -> None:
        """See `Blobs.delete`."""
        path = self._path(key)
        with self._explained(), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            _fsync_directory(path.parent)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """See `Blobs.list`."""
        top = _valid_prefix(prefix).rpartition("/")[0]
        with self._explained():
            for entry in _files_below(self._root / top):
                key = Path(entry.path).relative_to(self._root).as_posix()
                if key.startswith(prefix) and _KEY.fullmatch(key):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        yield Stored(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def clear_unfinished(self, before: datetime) -> int:
        """See `Blobs.clear_unfinished`."""
        cleared = 0
        with self._explained():
            for entry in _files_below(self._unfinished):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < before.timestamp():
                        os.unlink(entry.path)
                        cleared += 1
        return cleared

    def url(self, key: str, seconds: int) -> str | None:
        """A folder has no links."""
        return None

    def check(self) -> None:
        """See `Blobs.check`: makes the folder, and writes as much as a picture has."""
        with self._explained():
            self._make(self._unfinished)
            path = self._unfinished / f"check-{uuid4().hex}"
            try:
                _write(path, bytes(_CHECK_BYTES))
                path.read_bytes()
            finally:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / _valid(key)

    def _put(self, path: Path, data: bytes) -> None:
        self._make(path.parent)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            os.utime(path)
        except FileNotFoundError:
            self._create(path, data)
        # Also for a file that was there: whoever linked it may not have come as far as this yet.
        _fsync_directory(path.parent)

    def _create(self, path: Path, data: bytes) -> None:
        self._make(self._unfinished)
        unfinished = self._unfinished / uuid4().hex
        try:
            _write(unfinished, data)
            try:
                os.link(unfinished, path)
            except FileExistsError:
                pass
            except OSError as error:
                # Some file systems (exFAT, some network shares) have no hard links. There the last writer wins.
                if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
                    raise
                os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _make(self, directory: Path) -> None:
        """Make `directory`, once a process, and see that every name on the way to it is safe on the disk."""
        if directory in self._durable:
            return
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in (directory, *directory.parents):
            with suppress(PermissionError):  # parents of the root that are not ours to read are not ours to make either
                _fsync_directory(parent)
            if parent == self._root.parent:
                break
        self._durable.add(directory)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                sentence = f"The disk of the blobs' folder, {self._root}, is full: make room on it."
            elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
                sentence = (
                    f"The blobs' folder, {self._root}, cannot be read and written by this user: change its owner."
                )
            elif error.errno in {errno.ENOTDIR, errno.EEXIST}:
                sentence = f"The blobs' folder, {self._root}, is no folder: something else has its name."
            else:
                sentence = f"The blobs' folder, {self._root}, failed: {error.strerror or error}."
            raise BlobsUnavailable(sentence) from error


def _write(path: Path, data: bytes) -> None:
    """Write a new file of this user's own, and wait until its bytes are on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_below(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Every file below `directory`, links not followed, hidden directories left out; nothing where it is missing."""
    try:
        entries = os.scandir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from _files_below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield entry


class S3Blobs:
    """Blobs as objects below a prefix of an S3 bucket, through boto3, with conditional writes."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint: str | None,
        region: str | None,
        access_key: str | None,
        secret_key: str | None,
    ) -> None:
        # Imported here because it takes 25 MB and a tenth of a second, which the folder home need not pay.
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        endpoint = endpoint or None
        self._where = endpoint or "Amazon S3"
        config = Config(
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=32,
            s3={"addressing_style": "path" if endpoint else "auto"},
            # Servers other than Amazon's do not all know the newer checksums.
            request_checksum_calculation="when_required" if endpoint else "when_supported",
            response_checksum_validation="when_required" if endpoint else "when_supported",
        )
        try:
            session = Session(aws_access_key_id=access_key or None, aws_secret_access_key=secret_key or None)
            self._client: Any = session.client(  # boto3 makes its clients at run time and brings no types for them
                "s3", region_name=region or session.region_name or "us-east-1", endpoint_url=endpoint, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise BlobsUnavailable(f"The S3 settings make no sense: {error}.") from error

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """See `Blobs.put`: one conditional request, or parts and a conditional completion for a large blob."""
        name = self._name(key)
        large = len(data) >= MULTIPART_FROM
        with self._explained():
            if large and self._renewed(name):  # one question saves sending it all for nothing
                return
            for attempt in range(_ATTEMPTS):
                created = self._put_parts(name, data, content_type) if large else self._put(name, data, content_type)
                if created or self._renewed(name):
                    return
                # Another writer is about to finish, or a deletion came between the two requests.
                time.sleep(0.1 * 2**attempt)
        raise BlobsUnavailable(f"{self._where} kept refusing to write {key}, while others write or delete it.")

    def get(self, key: str) -> bytes:
        """See `Blobs.get`."""
        from botocore.exceptions import BotoCoreError

        name = self._name(key)
        with self._explained(key):
            for _ in range(_ATTEMPTS):
                body = self._client.get_object(Bucket=self._bucket, Key=name)["Body"]
                # boto3 tries a request again, but not the reading of its body.
                with suppress(BotoCoreError), closing(body):
                    data: bytes = body.read()
                    return data
        raise BlobsUnavailable(f"{self._where} breaks off while it sends {key}.")

    def exists(self, key: str) -> bool:
        """See `Blobs.exists`."""
        name = self._name(key)
        with self._explained():
            return self._head(name) is not None

    def delete(self, key: str) -> None:
        """See `Blobs.delete`."""
        name = self._name(key)
        with self._explained():
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """See `Blobs.list`."""
        name = self._prefix + _valid_prefix(prefix)
        with self._explained():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=name):
                for item in page.get("Contents", ()):
                    key = item["Key"].removeprefix(self._prefix)
                    if _KEY.fullmatch(key):
                        yield Stored(key, item["Size"], item["LastModified"].astimezone(UTC))

    def clear_unfinished(self, before: datetime) -> int:
        """See `Blobs.clear_unfinished`: ends uploads in parts that nobody completed."""
        cleared = 0
        with self._explained():
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < before:
                        self._abort(upload["Key"], upload["UploadId"])
                        cleared += 1
        return cleared

    def url(self, key: str, seconds: int) -> str | None:
        """See `Blobs.url`: a presigned link."""
        if not 0 < seconds <= _LONGEST_LINK:
            raise ValueError(f"a link lives between a second and a week, not {seconds} s")
        name = self._name(key)
        with self._explained():
            link: str = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": name}, ExpiresIn=seconds
            )
        return link

    def check(self) -> None:
        """See `Blobs.check`."""
        name = f"{self._prefix}.check-{uuid4().hex}"
        with self._explained():
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
            self._client.put_object(Bucket=self._bucket, Key=name, Body=b"check", IfNoneMatch="*")
            try:
                self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
            finally:
                self._client.delete_object(Bucket=self._bucket, Key=name)

    def _name(self, key: str) -> str:
        return self._prefix + _valid(key)

    def _head(self, name: str) -> Any:  # boto3's answer is a dictionary of mixed values
        from botocore.exceptions import ClientError

        try:
            return self._client.head_object(Bucket=self._bucket, Key=name)
        except ClientError as error:
            if _code(error) in {"404", "NoSuchKey", "NotFound"}:
                return None
            raise

    def _put(self, name: str, data: bytes, content_type: str) -> bool:
        """Whether this call created the object."""
        with _lost_race() as race:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=data, ContentType=content_type, IfNoneMatch="*")
        return not race.lost

    def _put_parts(self, name: str, data: bytes, content_type: str) -> bool:
        """As `_put`, in parts; what does not complete is aborted, so that nothing half written is paid for."""
        made = self._client.create_multipart_upload(Bucket=self._bucket, Key=name, ContentType=content_type)
        place = {"Bucket": self._bucket, "Key": name, "UploadId": made["UploadId"]}

        def send(number: int) -> dict[str, Any]:
            part = data[(number - 1) * PART_BYTES : number * PART_BYTES]
            return {
                "PartNumber": number,
                "ETag": self._client.upload_part(**place, PartNumber=number, Body=part)["ETag"],
            }

        completed = False
        try:
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
                sent = list(pool.map(send, range(1, -(-len(data) // PART_BYTES) + 1)))
            with _lost_race() as race:
                self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": sent}, IfNoneMatch="*")
            completed = not race.lost
        finally:
            if not completed:
                with suppress(Exception):  # the first error is the one to tell; `clear_unfinished` comes by later
                    self._abort(name, made["UploadId"])
        return completed

    def _abort(self, name: str, upload: str) -> None:
        from botocore.exceptions import ClientError

        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=upload)
        except ClientError as error:
            if _code(error) != "NoSuchUpload":
                raise

    def _renewed(self, name: str) -> bool:
        """Whether the object exists; if so its date is recent afterwards. S3 sets a date only by a copy onto itself."""
        from botocore.exceptions import ClientError

        found = self._head(name)
        if found is None:
            return False
        if found["LastModified"] > datetime.now(UTC) - FRESH_FOR:
            return True
        try:
            self._client.copy_object(
                Bucket=self._bucket,
                Key=name,
                CopySource={"Bucket": self._bucket, "Key": name},
                ContentType=found["ContentType"],
                MetadataDirective="REPLACE",
            )
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return False
            raise
        return True

    @contextmanager
    def _explained(self, key: str = "") -> Iterator[None]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        try:
            yield
        except ClientError as error:
            if key and _code(error) == "NoSuchKey":
                raise BlobMissing(key) from error
            raise BlobsUnavailable(self._explain(_code(error))) from error
        except (ConnectionError, HTTPClientError) as error:
            raise BlobsUnavailable(
                f"{self._where} cannot be reached: is it running, and is its address right?"
            ) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise BlobsUnavailable(
                f"There are no credentials for {self._where}: set an access key and its secret."
            ) from error
        except BotoCoreError as error:
            raise BlobsUnavailable(f"{self._where} failed: {error}.") from error

    def _explain(self, code: str) -> str:
        sentence = _SENTENCES.get(code, "{where} failed with {code}.")
        return sentence.format(where=self._where, bucket=self._bucket, code=code)


class _Race:
    lost = False


@contextmanager
def _lost_race() -> Iterator[_Race]:
    """Turns S3's ways to say "somebody else wrote this key" into `lost`."""
    from botocore.exceptions import ClientError

    race = _Race()
    try:
        yield race
    except ClientError as error:
        # NoSuchUpload: the answer to a completion was lost on its way, and boto3 asked again.
        if _code(error) not in {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchUpload"}:
            raise
        race.lost = True


def _code(error: Any) -> str:  # a ClientError, which has no types
    return str(error.response.get("Error", {}).get("Code", "no code"))
