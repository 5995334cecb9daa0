"""The AWS services beside Personalize in a serving process that does not run them: each question goes to the leader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tailorbird.aws_local.emulator import Answer
from tailorbird.cache import Cache
from tailorbird.workspace import AccessKey

KNOWN_SECONDS = 1.0
"""For which a key of IAM or STS is known without asking: so much later a deleted one is refused everywhere. To ask
takes 0.3 ms."""
KEYS_KNOWN = 1000
"""Clients of one server are few; not tuned."""
_KIND = "secret"


class AwsServices(Protocol):
    """What a serving process needs of the AWS services beside it (`AwsLocal` says what each does)."""

    def answer(
        self, service: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer: ...

    def preflight(self, path: str, headers: Mapping[str, str]) -> Answer: ...

    def secret_of(self, access_key_id: str, token: str) -> str | None: ...


class RemoteAwsLocal:
    """`AwsLocal` of another process."""

    def __init__(self, ask: Callable[..., Any], access_key: AccessKey) -> None:
        """ask: (name of a method, its arguments) → its answer; raises AwsError. access_key: the account's own."""
        self._ask = ask
        self._own = access_key
        self._known = Cache(KEYS_KNOWN)

    def answer(
        self, service: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """As `AwsLocal.answer`."""
        try:
            return _answer(self._ask("answer", service, method, path, query, dict(headers), body))
        finally:
            if service == "iam":  # it may be the deletion of a key
                self._known.forget(_KIND)

    def preflight(self, path: str, headers: Mapping[str, str]) -> Answer:
        """As `AwsLocal.preflight`."""
        return _answer(self._ask("preflight", path, dict(headers)))

    def secret_of(self, access_key_id: str, token: str) -> str | None:
        """As `AwsLocal.secret_of`, as of a second ago at most."""
        if access_key_id == self._own.access_key_id:
            return self._own.secret_access_key

        def ask() -> str | None:
            secret: str | None = self._ask("secret_of", access_key_id, token)
            return secret

        return self._known.get(_KIND, (access_key_id, token), ask, KNOWN_SECONDS)


def _answer(told: Any) -> Answer:
    status, headers, body = told
    return status, [(name, value) for name, value in headers], body
