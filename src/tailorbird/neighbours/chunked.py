"""The aws-chunked encoding of S3 uploads: chunks with hexadecimal sizes, then trailers (spec clients, S3).

moto decodes it as well, but copies the body once a chunk and fails on a malformed one.
"""

from __future__ import annotations

from collections.abc import Mapping


class MalformedChunks(ValueError):
    """A body that is not aws-chunked as announced."""


def decode(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    """Returns the headers and the body of the same upload sent plainly; trailers become headers.

    Chunk signatures are not verified.

    Raises:
        MalformedChunks: the encoding is broken, or the body has not the length that was announced.
    """
    if not headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return dict(headers), body
    content, trailers = _split(body)
    announced = headers.get("x-amz-decoded-content-length")
    if announced is not None and announced != str(len(content)):
        raise MalformedChunks(f"x-amz-decoded-content-length is {announced}, but the chunks hold {len(content)} bytes.")
    encodings = [encoding.strip() for encoding in headers.get("content-encoding", "").split(",")]
    plain = dict(headers) | trailers | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    plain["content-encoding"] = ",".join(name for name in encodings if name not in ("", "aws-chunked"))
    if not plain["content-encoding"]:
        del plain["content-encoding"]
    return plain, content


def _split(body: bytes) -> tuple[bytes, dict[str, str]]:
    chunks: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        size = _size(body[at:end] if end >= 0 else body[at : at + 100])
        at = end + 2
        if end < 0 or size > len(body) - at:
            raise MalformedChunks("the body ends within a chunk")
        if size == 0:
            return b"".join(chunks), _trailers(body[at:])
        chunks.append(body[at : at + size])
        at += size + 2
        if body[at - 2 : at] != b"\r\n":
            raise MalformedChunks("a chunk is longer than its size says")


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not 0 < len(digits) <= 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise MalformedChunks(f"{line[:40]!r} is not the size of a chunk")
    return int(digits, 16)


def _trailers(text: bytes) -> dict[str, str]:
    pairs = (line.partition(b":") for line in text.split(b"\r\n") if line.startswith(b"x-amz-checksum-"))
    return {name.decode("latin-1").strip(): value.decode("latin-1").strip() for name, _, value in pairs}
