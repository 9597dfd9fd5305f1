"""Blobs in both homes: a folder, and buckets of real S3 servers over 127.0.0.1."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from storage import blobs as blobs_module
from storage.blobs import BlobMissing, Blobs, BlobsUnavailable, S3Blobs, key_for, open_blobs
from tests.stand_ins.s3 import S3Server, s3_client, s3_server, signed_s3_server

OLIVIAS = UUID("01900000-0000-7000-8000-000000000001")
MAXS = UUID("01900000-0000-7000-8000-000000000002")
PICTURE = b"\x89PNG of Olivia on a beach" * 400
LATER = timedelta(hours=1)
ODD_KEYS = [
    *("", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".hidden", "a/.x", "Ä", "A.png", "~/x", "a.", "c:\\x"),
    *("a b", "a\n", "a\x00", "a" * 201, "a/" * 300 + "a"),
]
ODD_ADDRESSES = [
    *("", "blobs", "/var/blobs", "file://blobs/here", "file:relative", "http://bucket/x", "s3://", "s3://Big/x"),
    *("s3://bucket/../x", "s3://key:secret@bucket/x", "s3://bucket/x?y", "s3://bucket/x#y"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def signed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with signed_s3_server(tmp_path_factory.mktemp("signed-s3")) as running:
        yield running


def bucket_of(server: S3Server, **changed: str) -> S3Blobs:
    """A fresh prefix of the server's bucket, with some settings changed."""
    settings = {"endpoint": server.url, "access_key": server.access_key, "secret_key": server.secret_key} | changed
    bucket = settings.pop("bucket", server.bucket)
    opened = open_blobs(f"s3://{bucket}/likeness/{uuid4()}", **settings)
    assert isinstance(opened, S3Blobs)
    return opened


@pytest.fixture
def folder(tmp_path: Path) -> Blobs:
    return open_blobs((tmp_path / "blobs").as_uri())


@pytest.fixture
def bucket(server: S3Server) -> S3Blobs:
    return bucket_of(server)


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest) -> Blobs:
    opened: Blobs = request.getfixturevalue(request.param)
    return opened


def unfinished(home: Blobs) -> int:
    """How many half-written blobs lie around, as the garbage collection would find them an hour from now."""
    return home.clear_unfinished(datetime.now(UTC) + LATER)


class TestBothHomes:
    def test_a_picture_comes_back_as_it_was_put(self, home: Blobs) -> None:
        key = key_for(OLIVIAS, "pictures", PICTURE, ".png")
        assert not home.exists(key)
        home.put(key, PICTURE, content_type="image/png")
        assert home.exists(key)
        assert home.get(key) == PICTURE

    def test_an_empty_blob_is_a_blob(self, home: Blobs) -> None:
        home.put("records/empty", b"", content_type="application/octet-stream")
        assert home.get("records/empty") == b""

    def test_the_first_writer_of_a_key_wins_and_a_second_put_renews_its_date(
        self, home: Blobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blobs_module, "FRESH_FOR", timedelta(0))
        home.put("segments/one.bin", b"first", content_type="application/x-history")
        (before,) = home.list()
        time.sleep(1.1)
        home.put("segments/one.bin", b"another", content_type="application/x-history")
        (after,) = home.list()
        assert home.get("segments/one.bin") == b"first"
        assert after.modified >= before.modified + timedelta(seconds=1)

    def test_a_blob_that_is_not_there_is_missing(self, home: Blobs) -> None:
        home.check()
        with pytest.raises(BlobMissing, match=r"pictures/nobody\.png"):
            home.get("pictures/nobody.png")

    def test_deleting_twice_is_deleting_once(self, home: Blobs) -> None:
        home.put("pictures/a.png", PICTURE, content_type="image/png")
        home.delete("pictures/a.png")
        home.delete("pictures/a.png")
        assert not home.exists("pictures/a.png")
        home.put("pictures/a.png", PICTURE, content_type="image/png")
        assert home.get("pictures/a.png") == PICTURE

    def test_a_listing_has_the_workspace_that_was_asked_for_and_no_other(self, home: Blobs) -> None:
        assert list(home.list()) == []
        ours = {key_for(OLIVIAS, "pictures", bytes([n]), ".png"): n + 1 for n in range(5)}
        for key, size in ours.items():
            home.put(key, b"x" * size, content_type="image/png")
        home.put(key_for(MAXS, "pictures", b"0", ".png"), b"0", content_type="image/png")
        started = datetime.now(UTC)
        found = list(home.list(f"pictures/{OLIVIAS}/"))
        assert {blob.key: blob.size for blob in found} == ours
        assert all(started - timedelta(minutes=1) < blob.modified < started + timedelta(seconds=5) for blob in found)
        assert len(list(home.list("pictures/"))) == 6
        assert [blob.key for blob in home.list(next(iter(ours))[:-10])] == [next(iter(ours))]
        assert list(home.list("pictures/none")) == []

    def test_an_odd_key_never_reaches_the_home(self, home: Blobs) -> None:
        uses: list[Callable[[str], object]] = [
            home.get,
            home.exists,
            home.delete,
            lambda key: home.put(key, b"x", content_type="text/plain"),
        ]
        for key in ODD_KEYS:
            for use in uses:
                with pytest.raises(ValueError, match="not a key"):
                    use(key)
        assert list(home.list()) == []

    def test_a_listing_cannot_leave_the_home(self, home: Blobs) -> None:
        for prefix in ("../", "/", "a/../", ".unfinished/", "a//"):
            with pytest.raises(ValueError, match="not a prefix"):
                list(home.list(prefix))

    def test_eight_writers_of_one_key_leave_one_whole_blob(self, home: Blobs) -> None:
        versions = [bytes([65 + n]) * 300_000 for n in range(8)]
        together = threading.Barrier(8)

        def write(data: bytes) -> None:
            together.wait()
            home.put("segments/shared.bin", data, content_type="application/octet-stream")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, versions))
        first = home.get("segments/shared.bin")
        assert first in versions
        assert len(list(home.list())) == 1
        assert unfinished(home) == 0

    def test_check_leaves_nothing_behind(self, home: Blobs) -> None:
        home.check()
        assert list(home.list()) == []
        assert unfinished(home) == 0

    def test_a_writer_killed_midway_leaves_nothing_visible(
        self, request: pytest.FixtureRequest, home: Blobs, tmp_path: Path, server: S3Server
    ) -> None:
        """The child stops where its bytes are written and their last step is not done; then it is killed."""
        in_folder = not isinstance(home, S3Blobs)
        url = (
            f"s3://{server.bucket}/{home._prefix.rstrip('/')}"
            if isinstance(home, S3Blobs)
            else (tmp_path / "blobs").as_uri()
        )
        script = f"""
import os, sys, time
from storage import blobs
def stop(*args, **kwargs):
    print("written", flush=True)
    time.sleep(60)
home = blobs.open_blobs({url!r}, endpoint={server.url!r}, access_key="test", secret_key="test")
if {in_folder}:
    os.link = stop
else:
    home._client.meta.events.register("before-call.s3.CompleteMultipartUpload", stop)
home.put("pictures/half.png", bytes(17 * 2**20), content_type="image/png")
"""
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=request.config.rootpath)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        writer.stdout.close()

        assert list(home.list()) == []
        assert not home.exists("pictures/half.png")
        assert home.clear_unfinished(datetime.now(UTC) - LATER) == 0, "a young one may still be written"
        assert unfinished(home) == 1
        assert unfinished(home) == 0
        home.put("pictures/half.png", b"whole", content_type="image/png")
        assert home.get("pictures/half.png") == b"whole"


class TestKeys:
    def test_equal_pictures_of_two_workspaces_have_two_keys(self) -> None:
        assert key_for(OLIVIAS, "pictures", PICTURE, ".png") == key_for(OLIVIAS, "pictures", PICTURE, ".png")
        assert key_for(OLIVIAS, "pictures", PICTURE, ".png") != key_for(MAXS, "pictures", PICTURE, ".png")
        assert re.fullmatch(rf"pictures/{OLIVIAS}/[0-9a-f]{{64}}\.png", key_for(OLIVIAS, "pictures", b"", ".png"))

    @pytest.mark.parametrize(("kind", "suffix"), [("../x", ".png"), ("pictures", "/../../x"), ("Pictures", ".png")])
    def test_a_kind_or_suffix_cannot_break_out(self, kind: str, suffix: str) -> None:
        with pytest.raises(ValueError, match="not a key"):
            key_for(OLIVIAS, kind, PICTURE, suffix)

    @pytest.mark.parametrize("url", ODD_ADDRESSES)
    def test_an_address_that_makes_no_sense_is_told(self, url: str) -> None:
        with pytest.raises(BlobsUnavailable, match="address of the blobs"):
            open_blobs(url)


class TestFolder:
    def test_a_blob_appears_after_its_bytes_are_safe_and_its_name_is_safe_before_put_returns(
        self, folder: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder.put("pictures/first.png", b"1", content_type="image/png")
        steps: list[str] = []
        fsync, link = os.fsync, os.link

        def spy_fsync(descriptor: int) -> None:
            fsync(descriptor)
            steps.append("directory" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")

        def spy_link(source: Path, target: Path) -> None:
            link(source, target)
            steps.append("link")

        monkeypatch.setattr(os, "fsync", spy_fsync)
        monkeypatch.setattr(os, "link", spy_link)
        folder.put("pictures/second.png", b"2", content_type="image/png")
        assert steps == ["file", "link", "directory"]
        steps.clear()
        folder.put("pictures/second.png", b"2", content_type="image/png")
        assert steps == ["directory"], "its first writer may have died before this step"

    def test_blobs_are_readable_by_their_owner_only(self, folder: Blobs, tmp_path: Path) -> None:
        folder.put("pictures/a.png", b"1", content_type="image/png")
        assert (tmp_path / "blobs/pictures/a.png").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "blobs/pictures").stat().st_mode & 0o777 == 0o700

    def test_a_folder_has_no_links(self, folder: Blobs) -> None:
        folder.put("pictures/a.png", b"1", content_type="image/png")
        assert folder.url("pictures/a.png", 60) is None

    def test_foreign_files_are_not_collected(self, folder: Blobs, tmp_path: Path) -> None:
        folder.put("pictures/a.png", b"1", content_type="image/png")
        for name in (".DS_Store", "Notes of mine.txt", "pictures/.hidden"):
            (tmp_path / "blobs" / name).write_text("x")
        (tmp_path / "blobs/pictures/link.png").symlink_to("/etc/hostname")
        assert [blob.key for blob in folder.list()] == ["pictures/a.png"]

    def test_a_workspace_removed_by_hand_does_not_stop_the_next_picture(self, folder: Blobs, tmp_path: Path) -> None:
        folder.put("pictures/a.png", b"1", content_type="image/png")
        (tmp_path / "blobs/pictures/a.png").unlink()
        (tmp_path / "blobs/pictures").rmdir()
        folder.put("pictures/a.png", b"1", content_type="image/png")
        assert folder.get("pictures/a.png") == b"1"

    def test_a_full_disk_is_told_and_leaves_nothing(
        self, folder: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder.put("pictures/before.png", b"1", content_type="image/png")
        write, room = os.write, [500_000]

        def write_while_there_is_room(descriptor: int, data: memoryview) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = write(descriptor, data[: room[0]])
            room[0] -= written
            return written

        monkeypatch.setattr(os, "write", write_while_there_is_room)
        with pytest.raises(BlobsUnavailable, match=r"disk .* is full: make room"):
            folder.put("pictures/big.png", bytes(2**20), content_type="image/png")
        with pytest.raises(BlobsUnavailable, match="is full"):
            folder.check()
        monkeypatch.undo()
        assert [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == ["before.png"]
        folder.put("pictures/big.png", bytes(2**20), content_type="image/png")
        assert folder.get("pictures/big.png") == bytes(2**20)

    def test_a_file_size_limit_of_the_system_is_told_and_leaves_nothing(self, folder: Blobs, tmp_path: Path) -> None:
        folder.check()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        try:
            with pytest.raises(BlobsUnavailable, match="is full"):
                folder.put("pictures/big.png", bytes(2**20), content_type="image/png")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []

    def test_a_folder_that_this_user_may_not_write_is_told(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        try:
            if os.geteuid() == 0:  # nothing is closed to root
                os.seteuid(65534)
            with pytest.raises(BlobsUnavailable, match="cannot be read and written by this user"):
                open_blobs(closed.as_uri()).check()
        finally:
            os.seteuid(os.getuid())

    def test_a_file_in_the_place_of_the_folder_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "blobs").write_text("no folder")
        with pytest.raises(BlobsUnavailable, match="is no folder"):
            open_blobs((tmp_path / "blobs").as_uri()).check()

    def test_a_disk_that_is_not_mounted_does_not_look_like_lost_pictures(self, tmp_path: Path) -> None:
        home = open_blobs((tmp_path / "mnt/blobs").as_uri())
        with pytest.raises(BlobsUnavailable, match="is its disk mounted"):
            home.get("pictures/a.png")

    def test_where_there_are_no_hard_links_a_blob_still_appears_whole(
        self, folder: Blobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_links(source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", no_links)
        folder.put("pictures/a.png", PICTURE, content_type="image/png")
        assert folder.get("pictures/a.png") == PICTURE
        assert unfinished(folder) == 0

    def test_a_key_that_is_a_directory_is_refused_and_not_taken_for_kept(self, folder: Blobs) -> None:
        folder.put("pictures/a/b.png", b"1", content_type="image/png")
        with pytest.raises(BlobsUnavailable):
            folder.put("pictures/a", b"2", content_type="image/png")
        with pytest.raises(BlobMissing):
            folder.get("pictures/a")

    def test_opening_a_folder_loads_no_boto3(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        script = (
            f"import sys; from storage.blobs import open_blobs; open_blobs({tmp_path.as_uri()!r}).check();"
            "sys.exit(any(name.startswith('boto') for name in sys.modules))"
        )
        assert subprocess.run([sys.executable, "-c", script], cwd=request.config.rootpath, check=False).returncode == 0


class TestBucket:
    def test_a_link_opens_without_credentials_until_it_expires(self, bucket: S3Blobs) -> None:
        bucket.put("pictures/a.png", PICTURE, content_type="image/png")
        short, link = bucket.url("pictures/a.png", 1), bucket.url("pictures/a.png", 600)
        assert short is not None
        assert link is not None
        with urllib.request.urlopen(link, timeout=5) as response:
            assert response.read() == PICTURE
            assert response.headers["Content-Type"] == "image/png"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(link.replace("a.png", "b.png"), timeout=5)
        time.sleep(2.1)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(short, timeout=5)
        assert refused.value.code == 403
        refused.value.close()

    def test_a_link_that_s3_would_not_honour_is_not_made(self, bucket: S3Blobs) -> None:
        for seconds in (0, -1, 8 * 86_400):
            with pytest.raises(ValueError, match="a second and a week"):
                bucket.url("pictures/a.png", seconds)

    def test_a_large_blob_goes_in_parts_and_comes_back_whole(self, bucket: S3Blobs, server: S3Server) -> None:
        data = os.urandom(blobs_module.MULTIPART_FROM + 3_000_001)
        parts: list[int] = []
        bucket._client.meta.events.register(
            "before-call.s3.UploadPart", lambda params, **_: parts.append(len(params["body"].getvalue()))
        )
        bucket.put("segments/large.bin", data, content_type="application/octet-stream")
        assert sorted(parts) == [
            len(data) - 2 * blobs_module.PART_BYTES,
            blobs_module.PART_BYTES,
            blobs_module.PART_BYTES,
        ]
        assert bucket.get("segments/large.bin") == data
        head = s3_client(server).head_object(Bucket=server.bucket, Key=f"{bucket._prefix}segments/large.bin")
        assert head["ContentType"] == "application/octet-stream"
        parts.clear()
        bucket.put("segments/large.bin", data, content_type="application/octet-stream")
        assert parts == [], "what is there is not sent again"

    def test_two_writers_of_one_large_key_leave_the_first_and_no_parts(self, bucket: S3Blobs) -> None:
        first, second = (bytes([n]) * blobs_module.MULTIPART_FROM for n in (1, 2))

        def overtake(**_: object) -> None:
            bucket._client.meta.events.unregister("before-call.s3.CompleteMultipartUpload", overtake)
            bucket.put("segments/large.bin", first, content_type="application/octet-stream")

        bucket._client.meta.events.register("before-call.s3.CompleteMultipartUpload", overtake)
        bucket.put("segments/large.bin", second, content_type="application/octet-stream")
        assert bucket.get("segments/large.bin") == first
        assert unfinished(bucket) == 0

    def test_a_large_blob_that_fails_midway_leaves_no_parts(self, bucket: S3Blobs) -> None:
        from botocore.exceptions import ConnectionClosedError

        def break_off(params: dict[str, object], **_: object) -> None:
            if params["PartNumber"] == 2:
                raise ConnectionClosedError(endpoint_url="http://127.0.0.1")

        bucket._client.meta.events.register("provide-client-params.s3.UploadPart", break_off)
        with pytest.raises(BlobsUnavailable, match="cannot be reached"):
            bucket.put("segments/large.bin", bytes(blobs_module.MULTIPART_FROM), content_type="x/y")
        assert not bucket.exists("segments/large.bin")
        assert unfinished(bucket) == 0

    def test_objects_survive_kill_9_of_the_server(self, tmp_path: Path) -> None:
        with s3_server(tmp_path / "s3") as server:
            home = bucket_of(server)
            large = os.urandom(blobs_module.MULTIPART_FROM)
            home.put("pictures/a.png", PICTURE, content_type="image/png")
            home.put("segments/large.bin", large, content_type="application/octet-stream")
            server.kill()
            with pytest.raises(BlobsUnavailable, match="cannot be reached"):
                home.get("pictures/a.png")
            server.restart()
            assert home.get("pictures/a.png") == PICTURE
            assert home.get("segments/large.bin") == large
            assert {blob.key for blob in home.list()} == {"pictures/a.png", "segments/large.bin"}

    def test_a_server_that_restarts_during_a_put_loses_nothing(self, tmp_path: Path) -> None:
        with s3_server(tmp_path / "s3") as server:
            home = bucket_of(server)
            home.check()
            server.kill()
            with ThreadPoolExecutor(1) as pool:
                put = pool.submit(home.put, "pictures/a.png", PICTURE, content_type="image/png")
                server.restart()
                try:
                    put.result(30)
                except BlobsUnavailable:
                    home.put("pictures/a.png", PICTURE, content_type="image/png")
            assert home.get("pictures/a.png") == PICTURE

    def test_a_bucket_that_does_not_exist_is_told_and_is_no_missing_blob(self, server: S3Server) -> None:
        home = bucket_of(server, bucket="nobodys-bucket")
        uses: list[Callable[[], object]] = [
            home.check,
            lambda: home.get("pictures/a.png"),
            lambda: home.put("pictures/a.png", b"1", content_type="image/png"),
            lambda: home.put("pictures/a.png", bytes(blobs_module.MULTIPART_FROM), content_type="image/png"),
            lambda: list(home.list()),
            lambda: unfinished(home),
        ]
        for use in uses:
            with pytest.raises(BlobsUnavailable, match=f"nobodys-bucket does not exist on {server.url}: create it"):
                use()

    def test_the_right_secret_is_accepted(self, signed_server: S3Server) -> None:
        home = bucket_of(signed_server)
        home.check()
        home.put("pictures/a.png", PICTURE, content_type="image/png")
        assert home.get("pictures/a.png") == PICTURE
        assert [blob.key for blob in home.list("pictures/")] == ["pictures/a.png"]

    @pytest.mark.parametrize("wrong", [{"secret_key": "not-the-secret"}, {"access_key": "nobody"}])
    def test_wrong_credentials_are_told_without_showing_them(
        self, signed_server: S3Server, wrong: dict[str, str]
    ) -> None:
        home = bucket_of(signed_server, **wrong)
        for use in (home.check, lambda: home.get("pictures/a.png")):
            with pytest.raises(BlobsUnavailable, match="does not accept the credentials: check the access key") as told:
                use()
            assert "secret_key" not in str(told.value)
            assert not any(value in str(told.value) for value in wrong.values())

    def test_no_credentials_at_all_are_told(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        home = open_blobs(f"s3://{server.bucket}/x", endpoint=server.url)
        with pytest.raises(BlobsUnavailable, match=r"no credentials .* set an access key and its secret"):
            home.check()

    def test_half_a_pair_of_credentials_is_told(self, server: S3Server) -> None:
        with pytest.raises(BlobsUnavailable, match="belong together"):
            open_blobs(f"s3://{server.bucket}/x", endpoint=server.url, access_key="only")

    def test_a_server_that_is_down_is_told_soon(self) -> None:
        home = open_blobs("s3://bucket/x", endpoint="http://127.0.0.1:9", access_key="a", secret_key="b")
        started = time.monotonic()
        with pytest.raises(BlobsUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached: is it running"):
            home.check()
        assert time.monotonic() - started < 10

    def test_an_endpoint_that_is_no_address_is_told(self) -> None:
        with pytest.raises(BlobsUnavailable, match="settings make no sense"):
            open_blobs("s3://bucket/x", endpoint="not an address", access_key="a", secret_key="b")

    def test_foreign_objects_are_not_collected(self, server: S3Server) -> None:
        home = bucket_of(server)
        home.put("pictures/a.png", b"1", content_type="image/png")
        s3_client(server).put_object(Bucket=server.bucket, Key=f"{home._prefix}Notes of mine.txt", Body=b"x")
        s3_client(server).put_object(Bucket=server.bucket, Key=f"{home._prefix[:-1]}-other/pictures/b.png", Body=b"x")
        assert [blob.key for blob in home.list()] == ["pictures/a.png"]

    def test_a_long_listing_is_read_to_its_end(self, bucket: S3Blobs) -> None:
        keys = {f"pictures/{n:02}.png" for n in range(10)}
        for key in keys:
            bucket.put(key, b"1", content_type="image/png")
        bucket._client.meta.events.register(
            "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 3}
        )
        assert {blob.key for blob in bucket.list("pictures/")} == keys
