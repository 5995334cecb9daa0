"""AWS Signature Version 4: does this request come from the holder of the secret key that it names?

Verifies the Authorization header of every service and the presigned query of S3, after AWS's "Signature
Version 4 signing process"; errors and the 15 minutes of clock skew after spec control-plane 1.3. URLs presigned in
version 2 are in `signature_v2`, forms in `forms`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tailorbird.errors import (
    AccessDeniedException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    RequestExpired,
    UnrecognizedClientException,
)
from tailorbird.wire import canonical, signing

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = 15 * 60
"""Seconds that a request's date may differ from the server's clock (spec control-plane 1.3, RequestExpired)."""
MAX_EXPIRES = 7 * 24 * 60 * 60
"""Seconds that a presigned URL may live at most (AWS's "Authenticating Requests: Using Query Parameters")."""
SIGNED_STREAMS = frozenset({"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
"""What S3 clients send as x-amz-content-sha256 where each chunk of the body has a signature of its own."""
S3_PAYLOAD_WORDS = SIGNED_STREAMS | {"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
"""What they send where the body's hash is not part of the request's signature."""
REGION = "us-east-1"
"""Where a signature says no region."""

SecretOf = Callable[[str, str], str | None]
"""(access key id, session token or "") → its secret key; None where there is no such access key."""
Chain = Callable[[str, str], str]
"""(PAYLOAD or TRAILER, what to sign of it) → the next signature of a streamed body."""


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of an HTTP request that a signature covers, as they came; text is their bytes as Latin-1."""

    method: str
    path: str
    """Still percent-encoded, without the query."""
    query: str
    """Still percent-encoded, without the question mark."""
    headers: Mapping[str, str]
    """By lower-case name; the values of a repeated header joined with a comma."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """Who signed, and for what: the credential scope without its date."""

    access_key: str
    region: str
    service: str


class Signer(NamedTuple):
    """What a client says in each of its requests of a day, if they have the same headers."""

    scope: Scope
    date: str
    """The date of the credential scope, as YYYYMMDD."""
    headers: tuple[str, ...]
    """Names of those that are signed, in the order in which they are."""
    names: frozenset[str]
    """The same."""


@dataclass(slots=True)  # and not frozen, which would take three times as long to make
class Claim:
    """What a request says of its own signature, not yet believed, and the key that would prove it."""

    signer: Signer
    signature: str
    stamp: str
    """When it was signed, as 20250131T235959Z."""
    signed_at: float
    """The same in epoch seconds."""
    expires: int | None
    """Seconds; None for a signature in the header, which lives as long as the skew."""
    secret: str = field(default="", repr=False)
    """The secret key of the access key that the scope names."""

    @property
    def scope(self) -> Scope:
        """Who signed, and for what."""
        return self.signer.scope


def scope_of(headers: Mapping[str, str], query: str) -> Scope | None:
    """The credential scope that a request claims, without verifying it; None where there is none to read."""
    credential = _fields(headers.get("authorization", "")).get("Credential")
    if credential is None:
        credential = _parameters(query).get("X-Amz-Credential", "")
    parts = credential.rsplit("/", 4)
    return Scope(parts[0], parts[2], parts[3]) if len(parts) == 5 else None


def service_of(request: Request) -> str | None:
    """The service that a request names by its signature of any version; None where it is not signed."""
    scope = scope_of(request.headers, request.query)
    if scope is not None:
        return scope.service
    old = request.headers.get("authorization", "").startswith("AWS ") or "AWSAccessKeyId=" in request.query
    return "s3" if old else None


def admit(request: Request, secret_of: SecretOf, now: float) -> Claim:
    """Returns what a request claims, after all checks that need no body.

    Nobody has proved anything by that; but who knows no access key is told so before his body is taken in.

    Args:
        request: The request's head as received; its body is not looked at.
        secret_of: The secret key of an access key; may raise ExpiredTokenException.
        now: The server's clock, epoch seconds.

    Raises:
        MissingAuthenticationTokenException: it is not signed.
        IncompleteSignatureException: the signature's fields cannot be read.
        UnrecognizedClientException: nobody has this access key.
        RequestExpired: its date is too far from the server's clock.
        AccessDeniedException: a presigned URL's time is over.
        InvalidSignatureException: the signature does not cover what it must.
    """
    claim = claim_of(request)
    secret = secret_of(claim.scope.access_key, session_token(request))
    if secret is None:
        raise UnrecognizedClientException(
            "The security token included in the request is invalid: this installation has no access key "
            f"{claim.scope.access_key!r}. Check AWS_ACCESS_KEY_ID."
        )
    _check_time(claim, now)
    _check_coverage(request, claim)
    claim.secret = secret
    return claim


def prove(request: Request, claim: Claim, body_hash: str) -> None:
    """Raises InvalidSignatureException unless the signature is that of this request under the claim's secret key.

    claim: as `admit` returned it for this request. body_hash: the body's SHA-256 in hex; the body is not looked at.
    """
    expected = _signature(request, claim, _payload_hash(request, claim, body_hash))
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise InvalidSignatureException(
            "The request signature we calculated does not match the signature you provided. Check the secret "
            f"key of access key {claim.scope.access_key!r}, and that nothing between client and server "
            "changes method, path, query, body or signed headers (the Host header received is "
            f"{request.headers['host']!r})."
        )


def session_token(request: Request) -> str:
    """The token that comes with a session's access key; empty where there is none."""
    token = request.headers.get("x-amz-security-token")
    return token if token is not None else _parameters(request.query).get("X-Amz-Security-Token", "")


def chain(claim: Claim) -> Chain:
    """Signs the links of the chain of signatures that begins with that of a proved request (see `chunked`)."""
    latest = claim.signature

    def sign(kind: str, content: str) -> str:
        nonlocal latest
        latest = _signed(claim, f"{ALGORITHM}-{kind}", f"{latest}\n{content}")
        return latest

    return sign


# --- Reading the claim --------------------------------------------------------------------------------------


def claim_of(request: Request) -> Claim:
    """What a request says of its own signature, without a secret key; raises as `admit` does."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _header_claim(authorization, request.headers)
    parameters = _parameters(request.query)
    if "X-Amz-Signature" in parameters or "X-Amz-Algorithm" in parameters:
        return _query_claim(parameters)
    if "AWSAccessKeyId=" in request.query:
        raise IncompleteSignatureException(
            "The URL is presigned with Signature Version 2: presign with version 4, in boto3 by "
            "Config(signature_version='s3v4')."
        )
    hint = (
        " If it is STS's AssumeRoleWithWebIdentity or AssumeRoleWithSAML, which come unsigned: there are no identity "
        "providers here. Use AssumeRole."
    )
    raise MissingAuthenticationTokenException(
        "Missing Authentication Token: the request is not signed. Configure an access key and a secret key."
        + (hint if _may_be_sts(request) else "")
    )


def _may_be_sts(request: Request) -> bool:
    """Whether an unsigned request may be one of STS: a form without a target, whatever curl calls a form."""
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return form and request.path == "/" and "x-amz-target" not in request.headers


def _header_claim(authorization: str, headers: Mapping[str, str]) -> Claim:
    before, _, last = authorization.rpartition(",")
    name, _, value = last.partition("=")
    if name.strip() != "Signature":
        before, value = authorization, _fields(authorization).get("Signature", "")
    signer = _signer(before)
    if not value.strip():
        raise IncompleteSignatureException("The Authorization header has no Signature. Sign again.")
    if "x-amz-date" in headers:
        stamp = headers["x-amz-date"]
        signed_at = _basic_time(stamp, "x-amz-date")
    else:
        stamp, signed_at = _http_time(headers.get("date"))
    return Claim(signer, value.strip(), stamp, signed_at, None)


@lru_cache(maxsize=256)  # as many as `credential`
def _signer(authorization: str) -> Signer:
    """From an Authorization header, its signature left out or not; raises IncompleteSignatureException."""
    _check_algorithm(authorization.partition(" ")[0], "The Authorization header")
    fields = _fields(authorization)
    for name in ("Credential", "SignedHeaders"):
        if not fields.get(name):
            raise IncompleteSignatureException(f"The Authorization header has no {name}. Sign again.")
    scope, date = credential(fields["Credential"])
    headers = tuple(fields["SignedHeaders"].split(";"))
    return Signer(scope, date, headers, frozenset(headers))


def _query_claim(parameters: Mapping[str, str]) -> Claim:
    _check_algorithm(parameters.get("X-Amz-Algorithm", ""), "X-Amz-Algorithm")
    for name in ("Credential", "Date", "Expires", "SignedHeaders", "Signature"):
        if not parameters.get(f"X-Amz-{name}"):
            raise IncompleteSignatureException(f"The presigned URL has no X-Amz-{name}. Presign again.")
    scope, date = credential(parameters["X-Amz-Credential"])
    if scope.service != "s3":
        raise IncompleteSignatureException(
            f"Presigned URLs are for s3, not for {scope.service!r}: sign with the Authorization header."
        )
    expires = parameters["X-Amz-Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) < 7 and int(expires) <= MAX_EXPIRES):
        raise IncompleteSignatureException(f"X-Amz-Expires must be 0 to {MAX_EXPIRES} seconds.")
    headers = tuple(parameters["X-Amz-SignedHeaders"].split(";"))
    return Claim(
        Signer(scope, date, headers, frozenset(headers)),
        parameters["X-Amz-Signature"],
        parameters["X-Amz-Date"],
        _basic_time(parameters["X-Amz-Date"], "X-Amz-Date"),
        int(expires),
    )


def _fields(authorization: str) -> dict[str, str]:
    """The Name=value pairs after the algorithm; clients separate them with a comma, with or without space."""
    fields = authorization.partition(" ")[2].split(",")
    return {name.strip(): value.strip() for name, _, value in (field.partition("=") for field in fields)}


def _parameters(query: str) -> dict[str, str]:
    if not query:
        return {}
    pairs = (pair.partition("=") for pair in query.split("&") if pair.startswith("X-Amz-"))
    return {name: unquote_to_bytes(value).decode("utf-8", "replace") for name, _, value in pairs}


def _check_algorithm(algorithm: str, where: str) -> None:
    if algorithm != ALGORITHM:
        raise IncompleteSignatureException(
            f"{where} names the algorithm {algorithm[:40]!r}; only {ALGORITHM} is known: sign with version 4."
        )


@lru_cache(maxsize=256)  # those of a day; a client names the same one each time
def credential(text: str) -> tuple[Scope, str]:
    """The scope that a credential names, and its date; raises IncompleteSignatureException."""
    # From the right: an access key may hold a slash, the four words after it never do.
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not all(parts) or parts[4] != "aws4_request":
        raise IncompleteSignatureException(
            "Credential must read ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request. Sign again."
        )
    access_key, date, region, service, _ = parts
    return Scope(access_key, region, service), date


@lru_cache(maxsize=256)  # many requests are signed in the same second
def _basic_time(text: str, where: str) -> float:
    # fromisoformat knows more forms than the signature's one: 20250131T235959Z.
    if len(text) == 16 and text[8] == "T" and text[15] == "Z" and text.isascii():
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError as error:
            raise IncompleteSignatureException(f"{where} {text!r} is not a date: {error}.") from error
    raise IncompleteSignatureException(f"{where} must have the form 20250131T235959Z.")


def _http_time(text: str | None) -> tuple[str, float]:
    if text is None:
        raise IncompleteSignatureException("A signed request must have an x-amz-date or a Date header.")
    try:
        moment = parsedate_to_datetime(text)
        signed_at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return _stamp(signed_at), signed_at
    except (ValueError, TypeError, OverflowError) as error:
        raise IncompleteSignatureException("The Date header is not an HTTP date.") from error


# --- Checking it --------------------------------------------------------------------------------------------


def _check_time(claim: Claim, now: float) -> None:
    if claim.signer.date != claim.stamp[:8]:
        raise InvalidSignatureException(
            f"The credential scope's date, {claim.signer.date!r}, is not that of the request, {claim.stamp}."
        )
    age = now - claim.signed_at
    lifetime = MAX_SKEW if claim.expires is None else claim.expires
    if -MAX_SKEW <= age <= lifetime:
        return
    told = (
        f"The request was signed at {claim.stamp} and may be {lifetime} seconds old; the server's clock "
        f"says {_stamp(now)}. Set the client's clock, or sign again."
    )
    # S3's word for it; clients that correct their clock by the other one cannot help a URL.
    raise RequestExpired(told) if claim.expires is None else AccessDeniedException(f"Request has expired. {told}")


def _check_coverage(request: Request, claim: Claim) -> None:
    """What changes the meaning of a request must be signed: its host and every x-amz- header."""
    signed, sent = claim.signer.names, request.headers.keys()
    if "host" not in signed or "host" not in sent:
        raise InvalidSignatureException("The Host header must be sent and be one of the SignedHeaders.")
    for name in sent - signed:
        # x-amz-content-sha256 is a line of its own in what is signed.
        if name.startswith("x-amz-") and name != "x-amz-content-sha256":
            raise InvalidSignatureException(f"The header {name!r} is sent but not one of the SignedHeaders.")
    for name in signed - sent:
        raise InvalidSignatureException(f"The signed header {name!r} is missing from the request.")


def _payload_hash(request: Request, claim: Claim, actual: str) -> str:
    default = None if claim.expires is None else "UNSIGNED-PAYLOAD"
    named = request.headers.get("x-amz-content-sha256", default)
    if named in S3_PAYLOAD_WORDS and claim.scope.service == "s3":
        return named
    if named is not None and not hmac.compare_digest(named.encode(), actual.encode()):
        raise InvalidSignatureException(
            "The body's SHA-256 is not the x-amz-content-sha256 that was signed: the body was changed on its "
            "way. Send it again."
        )
    return actual


def _signature(request: Request, claim: Claim, payload: str) -> str:
    scope = claim.scope
    path = canonical.s3_path(request.path) if scope.service == "s3" else canonical.service_path(request.path)
    canonical_request = "\n".join(
        [
            request.method,
            path,
            canonical.query(request.query, presigned=claim.expires is not None),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in claim.signer.headers),
            "",
            ";".join(claim.signer.headers),
            payload,
        ]
    )
    return _signed(claim, ALGORITHM, hashlib.sha256(canonical_request.encode()).hexdigest())


def _signed(claim: Claim, kind: str, content: str) -> str:
    scope = claim.scope
    date = claim.signer.date
    text = f"{kind}\n{claim.stamp}\n{date}/{scope.region}/{scope.service}/aws4_request\n{content}"
    return signing.signature(signing.key(claim.secret, date, scope.region, scope.service), text.encode())


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")
