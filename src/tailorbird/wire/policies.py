"""The policy of a form: its signature, its time, and its conditions on the form's fields (see `forms`)."""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tailorbird.errors import (
    AccessDeniedException,
    IncompleteSignatureException,
    InvalidSignatureException,
    ServiceError,
    UnrecognizedClientException,
)
from tailorbird.wire import signature, signature_v2, signing
from tailorbird.wire.signature import REGION, Scope, SecretOf

LARGEST = 5 << 30
"""Bytes that one upload may have in S3 (the S3 user guide's limits), where a policy names no other number."""
_UNCOVERED = frozenset(
    {"awsaccesskeyid", "policy", "signature", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}
)
"""The fields that need no condition: those which sign. The bucket needs one, though it stands in the path."""


def verify(fields: Mapping[str, str], secret_of: SecretOf, now: float) -> tuple[Scope, dict[str, Any]]:
    """Who signed a form, and its policy.

    Raises:
        AccessDeniedException: it has no policy, or the policy's time is over.
        UnrecognizedClientException: nobody has this access key.
        InvalidSignatureException: the signature is not that of the policy under the secret key.
        IncompleteSignatureException: a field of the signature cannot be read.
        ServiceError: InvalidPolicyDocument, where the policy cannot be read.
    """
    text = fields.get("policy")
    if not text:
        raise AccessDeniedException("Access Denied: the form has no policy, which says what may be uploaded.")
    scope, date = _scope(fields)
    secret = secret_of(scope.access_key, fields.get("x-amz-security-token", ""))
    if secret is None:
        raise UnrecognizedClientException(f"This installation has no access key {scope.access_key!r}.")
    if date:
        key = signing.key(secret, date, scope.region, scope.service)
        expected, given = signing.signature(key, text.encode()), fields.get("x-amz-signature", "")
    else:
        expected, given = signature_v2.sign(secret, text), fields.get("signature", "")
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise InvalidSignatureException(
            "The request signature we calculated does not match the signature you provided. Check the secret key of "
            f"access key {scope.access_key!r}, and that the field 'policy' is the one that was signed."
        )
    policy = _read(text)
    _check_time(policy, now)
    return scope, policy


def check(policy: Mapping[str, Any], values: Mapping[str, str]) -> tuple[int, int]:
    """Checks all conditions of a policy but that on the length of the file, whose bounds are returned.

    Raises:
        AccessDeniedException: a condition does not hold, or a field has none.
        ServiceError: InvalidPolicyDocument, where a condition cannot be read.
    """
    least, most, covered = 0, LARGEST, set(_UNCOVERED)
    for condition in _conditions(policy):
        operator, name, value = condition
        if operator == "content-length-range":
            least, most = max(least, name), min(most, value)
            continue
        covered.add(name)
        if not _is_as_wanted(operator, value, values.get(name, ""), each=name == "content-type"):
            raise AccessDeniedException(
                f"Invalid according to Policy: Policy Condition failed: [{operator!r}, '${name}', {value!r}]"
            )
    extra = {name for name in values if name not in covered and not name.startswith("x-ignore-")}
    if extra:
        raise AccessDeniedException(f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}")
    return least, most


def _scope(fields: Mapping[str, str]) -> tuple[Scope, str]:
    """(who signed, the date of the credential scope); the date is empty in Signature Version 2."""
    if "awsaccesskeyid" in fields:
        return Scope(fields["awsaccesskeyid"], REGION, "s3"), ""
    if fields.get("x-amz-algorithm") != signature.ALGORITHM:
        raise IncompleteSignatureException(f"The field x-amz-algorithm must be {signature.ALGORITHM}.")
    scope, date = signature.credential(fields.get("x-amz-credential", ""))
    if scope.service != "s3":
        raise InvalidSignatureException(f"Credential should be scoped to correct service: 's3', not {scope.service!r}.")
    return scope, date


def _read(text: str) -> dict[str, Any]:
    try:
        policy = msgspec.json.decode(b64decode(text, validate=True), type=dict[str, Any])
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise _invalid(f"it is not JSON in base 64: {error}") from error
    if not isinstance(policy.get("conditions"), list) or not isinstance(policy.get("expiration"), str):
        raise _invalid("it needs an expiration and a list of conditions")
    return policy


def _check_time(policy: Mapping[str, Any], now: float) -> None:
    try:
        end = datetime.fromisoformat(policy["expiration"])
    except ValueError as error:
        raise _invalid(f"its expiration is no time: {error}") from error
    if (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() <= now:
        raise AccessDeniedException("Invalid according to Policy: Policy expired.")


def _conditions(policy: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(operator, name of a field in lower case, value); of content-length-range, the two bounds."""
    found: list[tuple[str, Any, Any]] = []
    for condition in policy["conditions"]:
        match condition:
            case dict() if all(isinstance(value, str) for value in condition.values()):
                found += [("eq", name.lower(), value) for name, value in condition.items()]
            case [str() as operator, least, most] if operator.lower() == "content-length-range":
                found.append(("content-length-range", _bytes(least), _bytes(most)))
            case [str() as operator, str() as name, str() as value] if operator.lower() in ("eq", "starts-with"):
                found.append((operator.lower(), name.removeprefix("$").lower(), value))
            case _:
                raise _invalid(f"the condition {condition!r} is none that S3 knows")
    return found


def _bytes(bound: Any) -> int:
    if isinstance(bound, bool) or not re.fullmatch("[0-9]{1,19}", str(bound)):
        raise _invalid(f"{bound!r} is no number of bytes")
    return int(bound)


def _is_as_wanted(operator: str, wanted: str, found: str, *, each: bool) -> bool:
    """Whether a field is as a condition wants it; of content types that commas divide, each."""
    if operator == "eq":
        return found == wanted
    return all(part.strip().startswith(wanted) for part in (found.split(",") if each else [found]))


def _invalid(problem: str) -> ServiceError:
    return ServiceError(400, "InvalidPolicyDocument", f"Invalid Policy: {problem}.")
