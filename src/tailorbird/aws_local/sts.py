"""STS: sessions that hold here, and who one is. Needs no moto, whose sessions are made up."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from tailorbird.aws_local.credentials import Credentials, Principal, Session
from tailorbird.aws_local.emulator import Answer
from tailorbird.errors import AccessDeniedException, ServiceError

_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ROLE = re.compile(r"arn:[a-z-]+:iam::(\d{12}):role/(?:[!-~]*/)?([\w+=,.@-]{1,64})", re.ASCII)
# Seconds that sessions may last, last by default, or must last, after the STS API reference.
_DAY_AND_HALF = 36 * 3600
_HALF_DAY = 12 * 3600
_HOUR = 3600
_SHORTEST = 900


class Sts:
    """Answers the actions of `ACTIONS`."""

    def __init__(self, credentials: Credentials, account_id: str, now: Callable[[], float]) -> None:
        """`now` is epoch seconds."""
        self._credentials = credentials
        self._account_id = account_id
        self._now = now

    def answer(self, action: str, form: Mapping[str, str], access_key_id: str, token: str) -> Answer:
        """Answers a verified request that was signed with these credentials.

        Raises:
            ServiceError: ValidationError, where a parameter is missing or wrong.
            AccessDeniedException: a web identity or a SAML assertion, of which there are no providers here.
        """
        result = ACTIONS[action](self, form, access_key_id, token)
        body = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{result}'
            f"</{action}Result><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
            f"</{action}Response>"
        )
        return 200, [("Content-Type", "text/xml")], body.encode()

    def _caller_identity(self, form: Mapping[str, str], access_key_id: str, token: str) -> str:
        principal = self._credentials.principal_of(access_key_id, token)
        return (
            f"<Arn>{escape(principal.arn)}</Arn><UserId>{escape(principal.user_id)}</UserId>"
            f"<Account>{principal.arn.split(':')[4]}</Account>"
        )

    def _assume_role(self, form: Mapping[str, str], access_key_id: str, token: str) -> str:
        """The role need not exist: roles are kept and shown, and nothing here needs them."""
        role = _ROLE.fullmatch(form.get("RoleArn", ""))
        if role is None:
            raise _invalid("RoleArn", form, "the ARN of a role, arn:aws:iam::123456789012:role/NAME")
        name = _name(form, "RoleSessionName")
        # AWS's ids of roles are of this form; a role of the same name has the same id each time.
        identity = f"AROA{uuid.uuid5(uuid.NAMESPACE_URL, role[0]).hex[:17].upper()}:{name}"
        principal = Principal(f"arn:aws:sts::{role[1]}:assumed-role/{role[2]}/{name}", identity)
        session = self._credentials.begin(
            access_key_id, token, principal, self._expires(form, default=_HOUR, most=_HALF_DAY)
        )
        user = f"<AssumedRoleId>{identity}</AssumedRoleId><Arn>{escape(principal.arn)}</Arn>"
        return f"<AssumedRoleUser>{user}</AssumedRoleUser>{_written(session)}"

    def _session_token(self, form: Mapping[str, str], access_key_id: str, token: str) -> str:
        principal = self._credentials.principal_of(access_key_id, token)
        expires = self._expires(form, default=_HALF_DAY, most=_DAY_AND_HALF)
        return _written(self._credentials.begin(access_key_id, token, principal, expires))

    def _federation_token(self, form: Mapping[str, str], access_key_id: str, token: str) -> str:
        name = _name(form, "Name")
        principal = Principal(f"arn:aws:sts::{self._account_id}:federated-user/{name}", f"{self._account_id}:{name}")
        expires = self._expires(form, default=_HALF_DAY, most=_DAY_AND_HALF)
        user = f"<FederatedUserId>{principal.user_id}</FederatedUserId><Arn>{escape(principal.arn)}</Arn>"
        session = self._credentials.begin(access_key_id, token, principal, expires)
        return f"<FederatedUser>{user}</FederatedUser>{_written(session)}"

    def _without_provider(self, form: Mapping[str, str], access_key_id: str, token: str) -> str:
        raise AccessDeniedException(
            "There are no identity providers here whose word could be checked: use AssumeRole, with an access key."
        )

    def _expires(self, form: Mapping[str, str], *, default: int, most: int) -> float:
        text = form.get("DurationSeconds", str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and _SHORTEST <= int(text) <= most):
            raise _invalid("DurationSeconds", form, f"{_SHORTEST} to {most} seconds")
        return float(int(self._now()) + int(text))


ACTIONS: Mapping[str, Callable[[Sts, Mapping[str, str], str, str], str]] = {
    "GetCallerIdentity": Sts._caller_identity,
    "AssumeRole": Sts._assume_role,
    "AssumeRoleWithSAML": Sts._without_provider,
    "AssumeRoleWithWebIdentity": Sts._without_provider,
    "GetSessionToken": Sts._session_token,
    "GetFederationToken": Sts._federation_token,
}


def _written(session: Session) -> str:
    expiration = datetime.fromtimestamp(session.claims.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"<Credentials><AccessKeyId>{session.key.access_key_id}</AccessKeyId>"
        f"<SecretAccessKey>{session.key.secret_access_key}</SecretAccessKey>"
        f"<SessionToken>{session.token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
    )


def _name(form: Mapping[str, str], parameter: str) -> str:
    if not _NAME.fullmatch(form.get(parameter, "")):
        raise _invalid(parameter, form, "2 to 64 letters, digits or +=,.@_-")
    return form[parameter]


def _invalid(parameter: str, form: Mapping[str, str], wanted: str) -> ServiceError:
    return ServiceError(400, "ValidationError", f"{parameter} must be {wanted}, not {form.get(parameter, '')[:100]!r}.")
