"""Whether an upload arrived as it was sent: Content-MD5 and the x-amz-checksum- headers and trailers of S3."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from botocore import httpchecksum

from tailorbird.errors import ServiceError

# botocore has those that need no further package, and the rest where awscrt is installed.
_KINDS: Mapping[str, Any] = vars(httpchecksum)["_CHECKSUM_CLS"]
_PREFIX = "x-amz-checksum-"
_NO_CHECKSUMS = frozenset({"algorithm", "mode", "type"})


def check(headers: Mapping[str, str], body: bytes) -> None:
    """Raises ServiceError where a body has not the checksum that was sent with it: BadDigest."""
    sent = headers.get("content-md5")
    if sent is not None:
        _compare("Content-MD5", sent, b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode())
    for name, value in headers.items():
        algorithm = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and algorithm not in _NO_CHECKSUMS:
            _compare(name, value, _checksum(algorithm, body))


def _checksum(algorithm: str, body: bytes) -> str:
    kind = _KINDS.get(algorithm)
    if kind is None:
        raise ServiceError(
            501,
            "NotImplemented",
            f"The checksum {algorithm!r} cannot be verified here, only {', '.join(sorted(_KINDS))}; "
            "for more, the server's operator runs pip install 'tailorbird[aws-local]'.",
        )
    return str(kind().handle(body))


def _compare(name: str, sent: str, found: str) -> None:
    if not hmac.compare_digest(sent.strip().encode(), found.encode()):
        raise ServiceError(
            400, "BadDigest", f"The {name} you specified did not match what we received: {sent!r}, but found {found!r}."
        )
