"""Files by URI: s3://bucket/key in an S3 service, and file:///path below the folders that the operator allows.

No file is ever held in memory as a whole. botocore is imported when the first s3:// location is used.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol
from urllib.parse import unquote

from tailorbird.config import variable
from tailorbird.storage import aws
from tailorbird.storage.durable import full, room

BUFFER = 1 << 20
"""Bytes asked of a store at a time, as an import reads them (`BLOCK` of ingest/csv_records.py)."""
PART = 64 << 20
"""Bytes of a part of a multipart upload, of which S3 takes 10,000: 670 GB, where AWS imports 100 (spec control-plane
2.4)."""

_S3_URI = re.compile(r"s3://(?P<bucket>[^/]+)(?:/(?P<key>.*))?", re.DOTALL)
_FILE_URI = re.compile(r"file://(?:localhost)?(?P<path>/.*)", re.DOTALL)
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_DENIED = frozenset({"401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class ObjectError(Exception):
    """A location that is `missing`, `denied`, or not usable at all (`location`); the message says what to do."""

    def __init__(self, kind: Literal["missing", "denied", "location"], message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True)
class ObjectFile:
    """A file in a store."""

    uri: str
    name: str
    """Relative to the folder that was asked for; the last part of the path where a file was asked for."""
    size: int
    """Bytes."""


class _Store(Protocol):
    def files(self, uri: str) -> list[ObjectFile]: ...

    def open(self, uri: str) -> BinaryIO: ...

    def writer(self, uri: str) -> AbstractContextManager[BinaryIO]: ...


class Objects:
    """The files that an installation can reach.

    `s3_endpoint` is the URL of an S3 service; without one s3:// locations are refused. Every method raises
    ObjectError for a location that cannot be used, and those that write NoSpace.
    """

    def __init__(
        self,
        s3_endpoint: str | None,
        access_key: str,
        secret_key: str,
        region: str,
        file_roots: Sequence[Path],
    ) -> None:
        self._s3 = _S3(s3_endpoint, access_key, secret_key, region)
        self._disk = _Disk(file_roots)

    def files(self, uri: str) -> list[ObjectFile]:
        """The file at `uri`, or where that ends with a slash, all files under it, sorted by name."""
        return sorted(self._store(uri).files(uri), key=lambda file: file.name)

    def open(self, uri: str) -> BinaryIO:
        """The file's bytes as a stream."""
        return self._store(uri).open(uri)

    def write(self, uri: str, source: BinaryIO) -> None:
        """Stores what is left to read in `source`."""
        with self.writer(uri) as target:
            shutil.copyfileobj(source, target, BUFFER)

    def writer(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """A file to write to in a `with`; it appears at `uri` once that ends without an error."""
        if uri.endswith("/"):
            raise ObjectError("location", f"{uri} is a folder. Name a file to write.")
        return self._store(uri).writer(uri)

    def _store(self, uri: str) -> _Store:
        if uri.startswith("s3://"):
            return self._s3
        if uri.startswith("file://"):
            return self._disk
        raise ObjectError("location", f"{uri} is neither s3://bucket/key nor file:///path.")


class _Disk:
    """file:// locations below the roots, after symbolic links and `..` are followed."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [root.resolve() for root in roots]

    def files(self, uri: str) -> list[ObjectFile]:
        """Files whose name begins with a dot are left out: hidden, or still being written."""
        path = self._path(uri)
        if not uri.endswith("/"):
            return [self._file(path, path.name)]
        if not path.is_dir():
            raise ObjectError("missing", f"There is no folder {uri}. Check the path.")
        with _disk_errors(uri):
            return [
                self._file(self._inside(Path(folder, name)), str(Path(folder, name).relative_to(path)))
                for folder, _, names in os.walk(path, onerror=_raise)
                for name in names
                if not name.startswith(".")
            ]

    def open(self, uri: str) -> BinaryIO:
        path = self._path(uri)
        self._file(path, path.name)
        with _disk_errors(uri):
            return path.open("rb")

    @contextmanager
    def writer(self, uri: str) -> Iterator[BinaryIO]:
        path = self._path(uri)
        draft = path.with_name(f".{secrets.token_hex(8)}.part")
        with room(path.parent):
            with _disk_errors(uri):
                _make_folders(path.parent)
                file = draft.open("xb")
                # As open as the folder is: what is exported is for its users, unlike the installation's own files.
                draft.chmod(path.parent.stat().st_mode & 0o666)
            try:
                with file:
                    yield file
                    with _disk_errors(uri):
                        file.flush()
                        os.fsync(file.fileno())
                with _disk_errors(uri):
                    draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def _path(self, uri: str) -> Path:
        match = _FILE_URI.fullmatch(uri)
        if match is None or "\0" in unquote(match["path"]):
            raise ObjectError("location", f"{uri} is not a location. Write file:///folder/file.")
        return self._inside(Path(unquote(match["path"])))

    def _inside(self, path: Path) -> Path:
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:
            raise ObjectError("location", f"file://{path} cannot be followed: {error}.") from error
        if not any(real.is_relative_to(root) for root in self._roots):
            raise ObjectError(
                "denied",
                f"file://{path} is outside the folders allowed for file:// locations. Move it into one of them, "
                f"or have the operator add its folder to {variable('file_roots')}.",
            )
        return real

    def _file(self, path: Path, name: str) -> ObjectFile:
        uri = path.as_uri()
        with _disk_errors(uri):
            # A pipe or device would block for ever, or never end.
            if path.is_file():
                return ObjectFile(uri, name, path.stat().st_size)
        hint = " It is a folder: end the location with a slash." if path.is_dir() else ""
        if not path.parent.is_dir():
            hint = f" Nor is there its folder {path.parent.as_uri()}/."
        raise ObjectError("missing", f"There is no file {uri}.{hint}")


def _make_folders(folder: Path) -> None:
    """Makes what is missing of a path, as open as the folder in which it begins."""
    if not folder.exists():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(folder.parent.stat().st_mode & 0o777)


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _disk_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectError("missing", f"There is no file {uri}. Check the path.") from error
    except PermissionError as error:
        raise ObjectError("denied", f"The server may not use {uri}. Check the file's permissions.") from error
    except OSError as error:
        if full(error):
            raise
        raise ObjectError("location", f"{uri} cannot be used: {error.strerror}.") from error


class _S3:
    """s3:// locations, by one botocore client that is made on first use."""

    def __init__(self, endpoint: str | None, access_key: str, secret_key: str, region: str) -> None:
        self._endpoint = endpoint
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region

    def files(self, uri: str) -> list[ObjectFile]:
        bucket, key = _bucket_and_key(uri)
        if not key and not uri.endswith("/"):
            raise ObjectError("location", f"{uri} is a bucket. Name a file, or end with a slash for all files in it.")
        with self._errors(uri):
            if key and not key.endswith("/"):
                return [ObjectFile(uri, key.rpartition("/")[2], self._size(bucket, key))]
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            return [
                ObjectFile(f"s3://{bucket}/{entry['Key']}", entry["Key"][len(key) :], entry["Size"])
                for page in pages
                for entry in page.get("Contents", [])
                if not entry["Key"].endswith("/")
            ]

    def _size(self, bucket: str, key: str) -> int:
        from botocore.exceptions import ClientError

        try:
            size: int = self._client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if error.response["Error"].get("Code") in _MISSING:
                # An answer without a body does not tell whether the bucket is missing; this one fails where it is.
                self._client.list_objects_v2(Bucket=bucket, MaxKeys=1)
            raise
        return size

    def open(self, uri: str) -> BinaryIO:
        return io.BufferedReader(_Download(self, uri), BUFFER)

    @contextmanager
    def writer(self, uri: str) -> Iterator[BinaryIO]:
        bucket, key = _bucket_and_key(uri)
        with room(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
            yield file
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            with self._errors(uri):
                if size <= PART:
                    self._client.put_object(Bucket=bucket, Key=key, Body=file)
                else:
                    self._put_in_parts(bucket, key, file)

    def get(self, uri: str, start: int, etag: str | None) -> dict[str, Any]:
        """S3's answer for the object from byte `start`, which must still be the one with this etag."""
        bucket, key = _bucket_and_key(uri)
        which = {"IfMatch": etag} if etag else {}
        if start:
            which["Range"] = f"bytes={start}-"
        with self._errors(uri):
            answer: dict[str, Any] = self._client.get_object(Bucket=bucket, Key=key, **which)
        return answer

    def _put_in_parts(self, bucket: str, key: str, file: BinaryIO) -> None:
        place = {"Bucket": bucket, "Key": key}
        place["UploadId"] = self._client.create_multipart_upload(**place)["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            while data := file.read(PART):
                number = len(parts) + 1
                answer = self._client.upload_part(**place, PartNumber=number, Body=data)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except BaseException:
            self._client.abort_multipart_upload(**place)
            raise

    @cached_property
    def _client(self) -> Any:
        assert self._endpoint, "a location without a service is refused before"
        return aws.client(
            "s3",
            self._endpoint,
            self._access_key,
            self._secret_key,
            self._region,
            s3={"addressing_style": "path"},
            # Not every S3-compatible service takes the newer checksums; what it sends of them is compared.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_supported",
        )

    @contextmanager
    def _errors(self, uri: str) -> Iterator[None]:
        if not self._endpoint:
            raise ObjectError(
                "location",
                f"{uri} needs an S3 service, and none is configured. Set {variable('s3_endpoint')} to its URL.",
            )
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise _refused(uri, error.response["Error"]) from error
        except (BotoCoreError, ValueError) as error:
            raise ObjectError(
                "location", f"{uri} cannot be reached in the S3 service {self._endpoint}: {error}"
            ) from error


def _bucket_and_key(uri: str) -> tuple[str, str]:
    match = _S3_URI.fullmatch(uri)
    if match is None:
        raise ObjectError("location", f"{uri} names no bucket. Write s3://bucket/key.")
    return match["bucket"], match["key"] or ""


def _refused(uri: str, error: Mapping[str, Any]) -> ObjectError:
    """The service's error as ours."""
    bucket, key = _bucket_and_key(uri)
    code = error.get("Code", "")
    if code in _MISSING:
        what = f"bucket {bucket}" if code == "NoSuchBucket" else f"object {key} in bucket {bucket}"
        hint = "Check the name; a folder's location ends with a slash."
        return ObjectError("missing", f"There is no {what}. {hint}")
    if code in _DENIED:
        return ObjectError(
            "denied",
            f"The S3 service refused access to {uri} ({code}). Check the bucket's policy and the access key.",
        )
    return ObjectError("location", f"The S3 service failed for {uri}: {code} {error.get('Message', '')}".rstrip())


class _Download(io.RawIOBase):
    """An object's bytes; takes up a broken connection at the byte where it broke."""

    def __init__(self, store: _S3, uri: str) -> None:
        self._store = store
        self._uri = uri
        self._at = 0
        self._body: Any = None  # of one that could not begin, which is closed all the same
        answer = store.get(uri, 0, None)
        self._etag: str = answer["ETag"]
        self._body = answer["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError

        for attempt in range(1, aws.ATTEMPTS + 1):
            try:
                data: bytes = self._body.read(len(buffer))
            except FlexibleChecksumError as error:
                raise ObjectError("location", f"{self._uri} is damaged: put it again. {error}") from error
            except BotoCoreError as error:
                if attempt == aws.ATTEMPTS:
                    raise ObjectError("location", f"{self._uri} broke off at byte {self._at}: {error}") from error
                self._body.close()
                self._body = self._store.get(self._uri, self._at, self._etag)["Body"]
            else:
                break
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()
