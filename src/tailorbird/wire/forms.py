"""Uploads to S3 by a form of a web page, or `generate_presigned_post`: who may upload what says a signed policy.

After AWS's "Browser-based uploads using POST" (fields, policy, conditions). The policy stands before the file, so
it is verified before more than `HEAD` bytes are taken in. What becomes of the form is a PutObject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tailorbird.errors import ServiceError
from tailorbird.wire import policies
from tailorbird.wire.response import Response
from tailorbird.wire.signature import Request, Scope, SecretOf

HEAD = 64 << 10
"""Bytes in which the fields before the file must lie; AWS allows 20 kB, without what multipart adds to each of them."""

_HEADERS = re.compile(
    r"cache-control|content-(disposition|encoding|language|type)|expires|x-amz-(meta-.+|storage-class|tagging"
    r"|server-side-encryption.*|website-redirect-location|checksum-.+|sdk-checksum-algorithm)",
    re.ASCII,
)
"""The fields that become headers of the object's upload; `x-amz-copy-source`, say, must not."""


@dataclass(frozen=True)
class Form:
    """A form whose policy was verified; the file is yet to come."""

    scope: Scope
    bucket: str
    fields: Mapping[str, str]
    """By lower-case name; `key` with the file's name filled in."""
    boundary: bytes
    start: int
    """Where the file begins in the body."""
    least: int
    most: int
    """Bytes that the file may have."""


def is_form(request: Request) -> bool:
    """Whether a request is a form, by its head."""
    kind = request.headers.get("content-type", "").lower()
    signed = "authorization" in request.headers or "X-Amz-Signature=" in request.query
    return request.method == "POST" and kind.startswith("multipart/form-data") and not signed


def begin(request: Request, first: bytes, secret_of: SecretOf, now: float) -> Form:
    """Reads the fields before the file and verifies their policy.

    Args:
        request: The head of the request.
        first: The body, or `HEAD` bytes of it and more.
        secret_of: As for `signature.verify`.
        now: Epoch seconds.

    Raises:
        ServiceError: MalformedPOSTRequest, InvalidPolicyDocument and the like.
        AwsError: the policy's signature, time or one of its conditions does not hold.
    """
    boundary = _boundary(request)
    fields, start, filename = _fields(first[:HEAD], boundary)
    bucket = request.path.strip("/")
    if "key" not in fields or "/" in bucket or not bucket:
        raise _malformed("it needs the field 'key' and goes to the path of a bucket")
    fields["key"] = fields["key"].replace("${filename}", filename)
    if not fields["key"]:  # a PUT without one would make a bucket
        raise ServiceError(400, "InvalidArgument", "User key must have a length greater than 0.")
    scope, policy = policies.verify(fields, secret_of, now)
    least, most = policies.check(policy, fields | {"bucket": bucket})
    return Form(scope, bucket, fields, boundary, start, least, most)


def upload(form: Form, head: Request, body: bytes) -> Request:
    """The PutObject that a form means; raises ServiceError where its file is not as long as it may be."""
    end = body.find(form.boundary, form.start)
    if end < 0:
        raise _malformed("its file does not end")
    content = body[form.start : end]
    if len(content) > form.most:
        raise ServiceError(400, "EntityTooLarge", f"The file has {len(content)} bytes, and {form.most} at most may be.")
    if len(content) < form.least:
        raise ServiceError(400, "EntityTooSmall", f"The file has {len(content)} bytes, and {form.least} have to be.")
    headers = {name: _header(name, value) for name, value in form.fields.items() if _HEADERS.fullmatch(name)}
    headers["content-length"] = str(len(content))
    if "tagging" in form.fields:
        headers["x-amz-tagging"] = _tags(form.fields["tagging"])
    if "origin" in head.headers:
        headers |= {"origin": head.headers["origin"], "access-control-request-method": head.method}
    return Request("PUT", f"/{form.bucket}/{quote(form.fields['key'], safe='/-_.~')}", "", headers, content)


def answer(form: Form, stored: Response, url: str) -> Response:
    """What the form asked to be answered: 204, or as success_action_status or _redirect say.

    `stored` is the answer of the PutObject, `url` where the server is reached.
    """
    if stored.status >= 300:
        return stored
    etag = next((value for name, value in stored.headers if name.lower() == "etag"), "")
    key = form.fields["key"]
    target = _redirect(form, etag)
    if target is not None:
        return Response(303, [("location", target), ("etag", etag)], b"")
    location = f"{url}/{form.bucket}/{quote(key, safe='/-_.~')}"
    status = form.fields.get("success_action_status", "204")
    headers = [*stored.headers, ("location", location)]
    if status != "201":
        return Response(200 if status == "200" else 204, headers, b"")
    body = "".join(
        f"<{name}>{escape(value)}</{name}>"
        for name, value in {"Location": location, "Bucket": form.bucket, "Key": key, "ETag": etag}.items()
    )
    headers = [*(pair for pair in headers if pair[0].lower() != "content-type"), ("content-type", "application/xml")]
    return Response(
        201, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{body}</PostResponse>'.encode()
    )


def _redirect(form: Form, etag: str) -> str | None:
    """Where the browser is sent; None where the form does not say, or no address of the web."""
    url = urlsplit(form.fields.get("success_action_redirect") or form.fields.get("redirect", ""))
    if url.scheme not in ("http", "https") or not url.netloc:
        return None
    told = [*parse_qsl(url.query), ("bucket", form.bucket), ("key", form.fields["key"]), ("etag", etag)]
    target = urlunsplit(url._replace(query=urlencode(told)))
    return quote(target, safe=":/?#[]@!$&'()*+,;=%-._~")


# --- Reading it ---------------------------------------------------------------------------------------------


def _boundary(request: Request) -> bytes:
    message = Message()
    message["content-type"] = request.headers["content-type"]
    try:
        boundary = message.get_boundary()
    except ValueError:  # RFC 2231 has numbered parts and character sets, either of which may make no sense
        boundary = None
    if not boundary or not boundary.isascii():
        raise _malformed("its Content-Type has no boundary")
    return b"\r\n--" + boundary.encode()


def _fields(first: bytes, boundary: bytes) -> tuple[dict[str, str], int, str]:
    """(fields by lower-case name, where the file begins, the file's name)."""
    text = b"\r\n" + first
    fields: dict[str, str] = {}
    at = text.find(boundary)
    while at >= 0:
        begins = text.find(b"\r\n", at + len(boundary))
        ends = text.find(b"\r\n\r\n", begins)
        if begins < 0 or ends < 0:
            break
        about = _part(text[begins + 2 : ends])
        name = _parameter(about, "name")
        if not name:
            raise _malformed("a part has no name")
        if name.lower() == "file":
            # Some browsers send the whole path.
            return fields, ends + 4 - len(b"\r\n"), re.split(r"[/\\]", _parameter(about, "filename"))[-1]
        at = text.find(boundary, ends + 2)
        fields[name.lower()] = text[ends + 4 : max(at, ends + 4)].decode("utf-8", "replace")
    raise _malformed(f"the field 'file' must come last, and within the first {HEAD} bytes")


def _part(head: bytes) -> Message:
    message = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        message[name.strip()] = value.strip()
    return message


def _parameter(about: Message, name: str) -> str:
    """A parameter of a part's Content-Disposition; empty where there is none that can be read."""
    try:
        value = about.get_param(name, header="content-disposition")
    except ValueError:  # as in `_boundary`
        return ""
    return value if isinstance(value, str) else ""


def _header(name: str, value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ServiceError(400, "InvalidArgument", f"The field {name!r} holds a control character.")
    return value.encode().decode("latin-1")


def _tags(text: str) -> str:
    try:
        found = ElementTree.fromstring(text)  # noqa: S314 - expat bounds the expansion of entities itself
    except ElementTree.ParseError as error:
        raise ServiceError(400, "MalformedXML", f"The field 'tagging' is not well-formed XML: {error}.") from error
    texts = [(each.tag.rpartition("}")[2], each.text or "") for each in found.iter()]
    keys, values = ([text for tag, text in texts if tag == name] for name in ("Key", "Value"))
    return urlencode(list(zip(keys, values, strict=False)))


def _malformed(problem: str) -> ServiceError:
    return ServiceError(
        400, "MalformedPOSTRequest", f"The body of your POST request is not well-formed multipart/form-data: {problem}."
    )


def limit(form: Form, configured: int) -> int:
    """Bytes that the body may have."""
    return min(configured, form.most + form.start + HEAD)
