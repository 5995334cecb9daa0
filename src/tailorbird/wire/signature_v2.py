"""Presigned URLs of S3 in Signature Version 2, which boto3 and the AWS CLI still make by default in us-east-1.

Only these: whoever signs in a header can sign with version 4. After AWS's "Signing and authenticating REST requests
(AWS signature version 2)"; the text to sign is botocore's own. Such a URL names no region, and does not cover the
Host header.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.auth import HmacV1Auth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tailorbird.errors import AccessDeniedException, InvalidSignatureException, UnrecognizedClientException
from tailorbird.wire.signature import REGION, Request, Scope, SecretOf

_OWN = frozenset({"AWSAccessKeyId", "Expires", "Signature", "x-id"})


def is_presigned(request: Request) -> bool:
    """Whether the request is a presigned URL of version 2."""
    return "authorization" not in request.headers and {"AWSAccessKeyId", "Signature"} <= _parameters(request).keys()


def verify(request: Request, secret_of: SecretOf, now: float) -> Scope:
    """Returns the scope of a presigned request whose signature is right.

    Raises:
        AccessDeniedException: its time is over, or says nothing.
        UnrecognizedClientException: nobody has this access key.
        InvalidSignatureException: the signature is not that of this request under the secret key.
    """
    named = _parameters(request)
    expires, access_key = named.get("Expires", ""), named["AWSAccessKeyId"]
    if not (expires.isascii() and expires.isdigit() and now < int(expires[:15])):
        raise AccessDeniedException(f"Request has expired: Expires={expires!r} is not a time to come. Presign again.")
    token = named.get("x-amz-security-token", "")
    secret = secret_of(access_key, token)
    if secret is None:
        raise UnrecognizedClientException(f"This installation has no access key {access_key!r}.")
    _refuse_what_is_not_covered(request, named)
    # A bucket has two names: boto3 signs /bucket/ and asks for /bucket, as if the bucket were the host.
    paths = {request.path, request.path.rstrip("/") + "/" if request.path.count("/") == 1 else request.path}
    expected = [_signature(request, secret, path, expires, token) for path in paths]
    if not any(hmac.compare_digest(each.encode(), named["Signature"].encode()) for each in expected):
        raise InvalidSignatureException(
            "The request signature we calculated does not match the signature you provided. A URL in Signature "
            "Version 2 holds for one method, path, content type and set of x-amz- headers; presign with version 4, "
            "in boto3 by Config(signature_version='s3v4'), to have a URL that says more."
        )
    return Scope(access_key, REGION, "s3")


def sign(secret: str, text: str) -> str:
    """The signature of a text; of a form, that of its policy."""
    return str(HmacV1Auth(Credentials("", secret)).sign_string(text))


def _refuse_what_is_not_covered(request: Request, named: dict[str, str]) -> None:
    """A parameter that the signature does not cover must not turn a write into another one."""
    covered = {*HmacV1Auth.QSAOfInterest, *_OWN, "content-type", "content-md5"}
    added = {name for name in named if name not in covered and not name.startswith("x-amz-")}
    if added and request.method not in ("GET", "HEAD"):
        raise InvalidSignatureException(
            f"Signature Version 2 does not cover the parameter {min(added)!r}: presign with version 4, in boto3 by "
            "Config(signature_version='s3v4')."
        )


def _signature(request: Request, secret: str, path: str, expires: str, token: str) -> str:
    signer: Any = HmacV1Auth(Credentials("", secret))
    signer._get_date = lambda: expires
    headers: Any = HTTPHeaders()
    for name, value in request.headers.items():
        headers[name] = value
    if token and "x-amz-security-token" not in headers:
        headers["x-amz-security-token"] = token
    url = urlsplit(f"http://host{path}?{request.query}")
    return str(signer.sign_string(signer.canonical_string(request.method, url, headers)))


def _parameters(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}
