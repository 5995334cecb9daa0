"""The aws-chunked encoding of S3 uploads: chunks with hexadecimal sizes, each perhaps signed, then trailers.

After AWS's "Signature calculations for the Authorization header: transferring payload in multiple chunks" and
"... including trailing headers": each signature covers the one before, so that nobody on the way can change, drop or
reorder a chunk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from tailorbird.errors import InvalidSignatureException, ServiceError
from tailorbird.wire.signature import SIGNED_STREAMS, Chain, Request

_EMPTY = hashlib.sha256(b"").hexdigest()
_SIGNATURE = "x-amz-trailer-signature"
SIZE_DIGITS = 16
"""Hexadecimal ones of a chunk's size: those of 64 bits."""
LONGEST_HEAD = 100
"""Bytes of a chunk's first line that are read where it has no end: a size and a signature take 97."""


@dataclass(frozen=True)
class Chunk:
    """A chunk of a body; the last is empty."""

    start: int
    end: int
    signature: str


def plain(request: Request, chain: Chain | None) -> Request:
    """The same upload sent plainly: the body without its chunks, and trailers as headers.

    Args:
        request: The request, whose own signature was verified.
        chain: Signs the next link, of a kind and with a text (`signature.chain`); None where nothing is verified.

    Raises:
        ServiceError: IncompleteBody, where the encoding is broken or has not the length that was announced.
        InvalidSignatureException: the signature of a chunk or of the trailers is wrong or missing.
    """
    word = request.headers.get("x-amz-content-sha256", "")
    if not word.startswith("STREAMING-"):
        return request
    chunks = list(_chunks(request.body))
    trailers = _trailers(request.body[chunks[-1].end :])
    announced = request.headers.get("x-amz-trailer", "")
    _check_trailers(announced, trailers)
    if chain is not None and word in SIGNED_STREAMS:
        _verify(request.body, chunks, trailers, chain, signed_trailers=word.endswith("-TRAILER"))
    return _without_chunks(request, b"".join(request.body[chunk.start : chunk.end] for chunk in chunks), trailers)


def _without_chunks(request: Request, content: bytes, trailers: dict[str, str]) -> Request:
    length = request.headers.get("x-amz-decoded-content-length")
    if length is not None and length != str(len(content)):
        raise _incomplete(f"x-amz-decoded-content-length is {length}, but the chunks hold {len(content)} bytes")
    kept = {name: value for name, value in trailers.items() if name != _SIGNATURE}
    encodings = [encoding.strip() for encoding in request.headers.get("content-encoding", "").split(",")]
    headers = dict(request.headers) | kept | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    headers["content-encoding"] = ",".join(name for name in encodings if name not in ("", "aws-chunked"))
    if not headers["content-encoding"]:
        del headers["content-encoding"]
    return dataclasses.replace(request, headers=headers, body=content)


def _verify(body: bytes, chunks: list[Chunk], trailers: dict[str, str], chain: Chain, *, signed_trailers: bool) -> None:
    for number, chunk in enumerate(chunks, start=1):
        content = hashlib.sha256(memoryview(body)[chunk.start : chunk.end]).hexdigest()
        _compare(chain("PAYLOAD", f"{_EMPTY}\n{content}"), chunk.signature, f"chunk {number}")
    if signed_trailers:
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items() if name != _SIGNATURE)
        content = hashlib.sha256(text.encode("latin-1")).hexdigest()
        _compare(chain("TRAILER", content), trailers.get(_SIGNATURE, ""), "the trailers")


def _compare(expected: str, given: str, what: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise InvalidSignatureException(
            f"The signature of {what} does not match: the body was changed on its way, or is not signed as its "
            "x-amz-content-sha256 says. Send it again."
        )


def _check_trailers(announced: str, trailers: dict[str, str]) -> None:
    """Only what was announced, and thereby signed, may become a header, and only a checksum."""
    names = {name.strip().lower() for name in announced.split(",") if name.strip()}
    found = trailers.keys() - {_SIGNATURE}
    if odd := {name for name in names | found if not name.startswith("x-amz-checksum-")}:
        raise ServiceError(400, "InvalidRequest", f"The trailer {min(odd)!r} is none that S3 knows.")
    if found != names:
        raise ServiceError(
            400,
            "MalformedTrailerError",
            f"x-amz-trailer announces {sorted(names)}, but {sorted(found)} came.",
        )


def _chunks(body: bytes) -> Iterator[Chunk]:
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        size, signature = _head(body[at:end] if end >= 0 else body[at : at + LONGEST_HEAD])
        at = end + 2
        if end < 0 or size > len(body) - at:
            raise _incomplete("the body ends within a chunk")
        yield Chunk(at, at + size, signature)
        if size == 0:
            return
        at += size + 2
        if body[at - 2 : at] != b"\r\n":
            raise _incomplete("a chunk is longer than its size says")


def _head(line: bytes) -> tuple[int, str]:
    digits, _, extension = line.partition(b";")
    digits = digits.strip()
    if not 0 < len(digits) <= SIZE_DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
        raise _incomplete(f"{line[:40]!r} is not the size of a chunk")
    name, _, value = extension.partition(b"=")
    return int(digits, 16), value.strip().decode("latin-1") if name.strip() == b"chunk-signature" else ""


def _trailers(text: bytes) -> dict[str, str]:
    lines = (line.decode("latin-1").partition(":") for line in text.split(b"\n") if line.strip())
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _incomplete(problem: str) -> ServiceError:
    return ServiceError(400, "IncompleteBody", f"The aws-chunked body cannot be read: {problem}.")
