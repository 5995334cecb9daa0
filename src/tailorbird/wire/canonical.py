"""A request's path and query in the one spelling that both sides sign ("Create a canonical request")."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes


def s3_path(path: str) -> str:
    """Encoded once and never normalised: an S3 key may hold any character, empty and dot segments."""
    return quote(unquote_to_bytes(path), safe="/-_.~") or "/"


@lru_cache(maxsize=256)  # a service has few paths
def service_path(path: str) -> str:
    """Without empty and dot segments, and the already encoded path encoded once more."""
    if path == "/":
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return quote("/" + "/".join(kept) + ("/" if kept and path.endswith("/") else ""), safe="/-_.~")


def query(text: str, *, presigned: bool) -> str:
    """The parameters in their order, without a presigned URL's signature itself."""
    if not text:
        return ""
    pairs = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if pair and not (presigned and name == "X-Amz-Signature"):
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    # Some clients send a space as a plus sign and sign it as %20; a plus itself always comes as %2B.
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")
