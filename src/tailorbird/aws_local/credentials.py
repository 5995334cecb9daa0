"""Who may sign beside the installation's own key: the access keys of IAM users, and sessions of STS.

A session is nowhere stored. Its token says whose it is and until when, and its secret key is a MAC of the token
under a key that only the installation has: who changes a token does not know the secret that belongs to it. So
sessions survive a restart. One ends with its time, or with the access key that asked for it; no policy is evaluated,
whoever has a key may do everything.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from tailorbird.errors import ExpiredTokenException, UnrecognizedClientException
from tailorbird.workspace import AccessKey

SESSION_PREFIX = "ASIA"
_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Principal:
    """Who an access key acts for."""

    arn: str
    user_id: str


@dataclass(frozen=True)
class UserKey:
    """An access key of an IAM user."""

    key: AccessKey
    principal: Principal
    active: bool


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a session token says."""

    access_key_id: str
    expires: float
    """Epoch seconds."""
    asked_by: str
    """The lasting access key whose request, or whose session's request, began the session."""
    arn: str
    user_id: str


@dataclass(frozen=True)
class Session:
    """A session's key and token."""

    key: AccessKey
    token: str
    claims: Claims

    def __repr__(self) -> str:
        """Leaves the token out, as `AccessKey` does the secret."""
        return f"Session({self.claims!r})"


class Credentials:
    """The access keys of an installation."""

    def __init__(self, own: AccessKey, account_id: str, user_keys: Callable[[], Mapping[str, UserKey]]) -> None:
        """`own` is that of the account itself; `user_keys` answers those of IAM's users by id."""
        self._own = own
        self._root = Principal(f"arn:aws:iam::{account_id}:root", account_id)
        self._user_keys = user_keys

    def secret_of(self, access_key_id: str, token: str, now: float) -> str | None:
        """The secret key of an access key; None where there is no such key.

        Args:
            access_key_id: As the request names it.
            token: The session token of the request; says nothing beside a lasting key.
            now: Epoch seconds.

        Raises:
            ExpiredTokenException: the session is over.
            UnrecognizedClientException: the session cannot be, or the key is inactive.
        """
        if access_key_id == self._own.access_key_id:
            return self._own.secret_access_key
        if access_key_id.startswith(SESSION_PREFIX):
            return self._session_secret(access_key_id, token, now)
        found = self._user_keys().get(access_key_id)
        if found is not None and not found.active:
            raise UnrecognizedClientException(f"The access key {access_key_id!r} is inactive.")
        return None if found is None else found.key.secret_access_key

    def principal_of(self, access_key_id: str, token: str) -> Principal:
        """Who a verified request acts for."""
        claims = _claims(token) if access_key_id.startswith(SESSION_PREFIX) else None
        if claims is not None:
            return Principal(claims.arn, claims.user_id)
        found = None if access_key_id == self._own.access_key_id else self._user_keys().get(access_key_id)
        return self._root if found is None else found.principal

    def begin(self, access_key_id: str, token: str, principal: Principal, expires: float) -> Session:
        """A new session, asked for by a verified request with these credentials."""
        parent = _claims(token) if access_key_id.startswith(SESSION_PREFIX) else None
        asked_by = access_key_id if parent is None else parent.asked_by
        fresh = SESSION_PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(16))
        claims = Claims(fresh, expires, asked_by, principal.arn, principal.user_id)
        made = urlsafe_b64encode(msgspec.json.encode(claims)).decode()
        return Session(AccessKey(fresh, self._secret(made)), made, claims)

    def _session_secret(self, access_key_id: str, token: str, now: float) -> str | None:
        claims = _claims(token)
        if claims is None or claims.access_key_id != access_key_id:
            raise UnrecognizedClientException(
                "The security token included in the request is invalid: it is not that of the access key "
                f"{access_key_id!r}. Set AWS_SESSION_TOKEN, or ask STS again."
            )
        if claims.expires <= now:
            raise ExpiredTokenException("The security token included in the request is expired: ask STS for another.")
        if claims.asked_by.startswith(SESSION_PREFIX) or self.secret_of(claims.asked_by, "", now) is None:
            raise UnrecognizedClientException(
                "The security token included in the request is invalid: the access key that asked for it is gone."
            )
        return self._secret(token)

    def _secret(self, token: str) -> str:
        root = hmac.digest(self._own.secret_access_key.encode(), b"tailorbird sessions", "sha256")
        return urlsafe_b64encode(hmac.digest(root, token.encode("utf-8", "replace"), "sha256")).decode()[:40]


def _claims(token: str) -> Claims | None:
    """What a token says, whether or not it is true."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(token.encode()), type=Claims)
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError):
        return None
