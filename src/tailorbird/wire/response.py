"""HTTP responses, and errors in the shape that the client's protocol has for them.

AWS's services speak six protocols, and a client reads an error only in its own (the Smithy specifications of
awsJson, restJson1, restXml, awsQuery, ec2Query and rpcv2Cbor; spec control-plane 1.3). A request shows which one it
is in, so that a client of a service which is not here is answered intelligibly too.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

import msgspec

from tailorbird.errors import AwsError, ServiceError
from tailorbird.numbers import uuid_text
from tailorbird.wire import model, signature
from tailorbird.wire.signature import Request

log = logging.getLogger(__name__)

XML_SERVICES = frozenset({"s3", "cloudfront", "route53"})
"""The signing names of the services that speak restXml; of all that botocore knows, there are no others."""
RETRY_SECONDS = "1"
"""What a client is told to wait that is refused only for now: a database that is started again takes seconds. Not
tuned."""
FORM = "application/x-www-form-urlencoded"

CODES = {
    "AccessDeniedException": ("AccessDenied", "AccessDenied"),
    "ExpiredTokenException": ("ExpiredToken", "ExpiredToken"),
    "IncompleteSignatureException": ("IncompleteSignature", "AuthorizationHeaderMalformed"),
    "InternalFailure": ("InternalFailure", "InternalError"),
    "InvalidSignatureException": ("SignatureDoesNotMatch", "SignatureDoesNotMatch"),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", "AccessDenied"),
    "RequestExpired": ("RequestExpired", "RequestTimeTooSkewed"),
    "RequestTooLargeException": ("RequestEntityTooLarge", "EntityTooLarge"),
    "UnknownOperationException": ("InvalidAction", "NotImplemented"),
    "UnrecognizedClientException": ("InvalidClientTokenId", "InvalidAccessKeyId"),
}
"""By our code (that of the JSON protocols): the code in awsQuery, and that of S3, where they differ."""


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def request_id() -> str:
    """A fresh one, under which the log tells of a request; it is no secret."""
    return uuid_text(random.getrandbits(128), version=4)


def standard_headers(protocol: str) -> list[tuple[str, str]]:
    """Content type and a fresh request id."""
    kind = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
    return [("content-type", kind), ("x-amzn-requestid", request_id())]


def protocol_of(request: Request) -> str:
    """The protocol a request is in: cbor, json, rest-json, query, ec2 or s3; rest-xml for others of S3's protocol."""
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    if "x-amz-target" in request.headers:
        return "json"
    if request.method == "POST" and model.is_ours(request.headers, request.path):
        return "rest-json"
    service = signature.service_of(request)
    kind = request.headers.get("content-type", "").lower()
    if service is None and _is_for_s3(request, kind):
        service = "s3"
    elif service is None and request.method == "POST" and model.find(None, request.path) is not None:
        return "rest-json"  # not signed, and of any content type: a curious one with a plain client
    if service in XML_SERVICES:
        return "s3" if service == "s3" else "rest-xml"
    if kind.startswith(FORM) or "Action=" in request.query:
        return "ec2" if service == "ec2" else "query"
    return "rest-json"


def _is_for_s3(request: Request, kind: str) -> bool:
    """Whether a request that names no service may be for S3, which alone has anonymous requests and forms."""
    form = kind.startswith("multipart/form-data")
    return form or (request.method != "POST" and model.find(None, request.path) is None)


def failure(request: Request, error: AwsError) -> Response:
    """The error in the shape of the request's protocol."""
    protocol = protocol_of(request)
    identity = request_id()
    # A message may quote what no UTF-8 can hold; telling an error must not be one.
    message, reason = (text.encode(errors="backslashreplace").decode() for text in (error.message, str(error)))
    log.info("refused", extra={"code": error.code, "reason": reason, "request_id": identity})
    code = code_in(protocol, error)
    kind, write = _SHAPES[protocol]
    headers = [("content-type", kind), ("x-amzn-requestid", identity)]
    if protocol == "rest-json":
        headers.append(("x-amzn-errortype", code))
    elif protocol == "s3":
        headers.append(("x-amz-request-id", identity))
    elif protocol == "cbor":
        headers.append(("smithy-protocol", "rpc-v2-cbor"))
    status = error.control_status if protocol in ("json", "cbor") else error.rest_status
    if status == 503:
        headers.append(("retry-after", RETRY_SECONDS))
    return Response(status, headers, write(code, message, identity))


def code_in(protocol: str, error: AwsError) -> str:
    """The error's code in a protocol."""
    if isinstance(error, ServiceError) or protocol in ("json", "rest-json", "cbor"):
        return error.code
    return CODES.get(error.code, (error.code, error.code))[protocol == "s3"]


def _json(code: str, message: str, identity: str) -> bytes:
    return msgspec.json.encode({"__type": code, "message": message})


def _cbor(code: str, message: str, identity: str) -> bytes:
    return b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))


def _cbor_text(text: str) -> bytes:
    """RFC 8949, major type 3, with a length of four bytes."""
    content = text.encode()
    return b"\x7a" + len(content).to_bytes(4, "big") + content


def _s3(code: str, message: str, identity: str) -> bytes:
    return _xml(f"<Error>{_about(code, message)}<RequestId>{identity}</RequestId></Error>")


def _query(code: str, message: str, identity: str) -> bytes:
    about = f"<Error><Type>Sender</Type>{_about(code, message)}</Error>"
    return _xml(f"<ErrorResponse>{about}<RequestId>{identity}</RequestId></ErrorResponse>")


def _ec2(code: str, message: str, identity: str) -> bytes:
    errors = f"<Errors><Error>{_about(code, message)}</Error></Errors>"
    return _xml(f"<Response>{errors}<RequestID>{identity}</RequestID></Response>")


def _about(code: str, message: str) -> str:
    # XML 1.0 has no way to write most control characters.
    shown = re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", lambda found: repr(found[0])[1:-1], message)
    return f"<Code>{escape(code)}</Code><Message>{escape(shown)}</Message>"


def _xml(content: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{content}'.encode()


_SHAPES: dict[str, tuple[str, Callable[[str, str, str], bytes]]] = {
    "json": ("application/x-amz-json-1.1", _json),
    "rest-json": ("application/json", _json),
    "cbor": ("application/cbor", _cbor),
    "s3": ("application/xml", _s3),
    "rest-xml": ("text/xml", _query),
    "query": ("text/xml", _query),
    "ec2": ("text/xml", _ec2),
}
