"""One request to a service beside us, whose signature was verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

_NOT_PASSED_ON = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "expect",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-amz-security-token",
        "x-moto-account-id",
    }
)


_OF_PRESIGNED = frozenset({"x-id", "AWSAccessKeyId", "Signature", "Expires"})
"""Beside X-Amz-Signature and the like, and headers that a client put into the query."""


@dataclass(frozen=True)
class ServiceRequest:
    """One request to a service, without what concerns only the connection and the signature."""

    service: str
    region: str
    method: str
    path: str
    """Still percent-encoded."""
    query: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    caller: str = ""
    """The access key of an IAM user, where one signed."""

    @property
    def bucket(self) -> str:
        """The bucket that a path-style S3 request names; empty for none."""
        return unquote(self.path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The key of the object that an S3 request names; empty for a request to a bucket."""
        return unquote(self.path).lstrip("/").partition("/")[2]

    @property
    def form(self) -> dict[str, str]:
        """The parameters of a request in AWS's query protocol; none for others."""
        if self.service == "s3":
            return {}
        form = self.body.decode("utf-8", "replace") if self.method == "POST" else self.query
        return {name: values[0] for name, values in parse_qs(form).items()}

    @property
    def action(self) -> str:
        """What the form asks; empty where there is none."""
        return self.form.get("Action", "")

    @property
    def speaks_json(self) -> bool:
        """Whether the service has operations that X-Amz-Target names; moto takes that header for one anywhere."""
        return self.service == "monitoring"

    @property
    def subresources(self) -> set[str]:
        """The names in the query, such as `policy` or `uploadId`, without those of a presigned URL."""
        names = {pair.partition("=")[0] for pair in self.query.split("&")}
        return {name for name in names - _OF_PRESIGNED if name and not name.lower().startswith("x-amz-")}


def without_connection(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a service may see, and that are kept in the journal."""
    return {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}
