"""The CORS rules of a bucket: which pages may use it (S3 user guide, "Using cross-origin resource sharing")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tailorbird.errors import ServiceError


def preflight(rules: Iterable[Any], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers that answer a browser's question whether a page may send a request.

    Raises ServiceError where no rule allows it.
    """
    wanted = [name.strip() for name in headers.get("access-control-request-headers", "").lower().split(",")]
    found = allowed(rules, headers["access-control-request-method"], headers, [name for name in wanted if name])
    if not found:
        raise ServiceError(
            403,
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed: no CORS rule of the bucket has this origin, method and "
            "these headers. See PutBucketCors.",
        )
    return found


def allowed(
    rules: Iterable[Any], method: str, headers: Mapping[str, str], wanted: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """The headers by which the first rule that fits lets a page see an answer; none where no rule fits.

    Args:
        rules: As moto keeps them.
        method: The method of the page's request; a form's is another than that of the upload which it means.
        headers: By lower-case name; `origin` is the page's.
        wanted: Headers that the page wants to send, in lower case.
    """
    origin, method = headers.get("origin", ""), headers.get("access-control-request-method", method)
    for rule in rules:
        fits = _fits(rule.allowed_origins, origin) and method in (rule.allowed_methods or ())
        if fits and all(_fits(rule.allowed_headers, name) for name in wanted):
            return _answer(rule, origin, wanted)
    return []


def _fits(patterns: Iterable[str] | None, text: str) -> bool:
    """Whether one of the patterns, in which a star stands for anything, is the text; names have no case."""
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.IGNORECASE | re.DOTALL)
        for pattern in patterns or ()
    )


def _answer(rule: Any, origin: str, wanted: Iterable[str]) -> list[tuple[str, str]]:
    anyone = "*" in rule.allowed_origins
    answer = {
        "access-control-allow-origin": "*" if anyone else origin,
        "access-control-allow-methods": ", ".join(rule.allowed_methods),
        "access-control-allow-headers": ", ".join(wanted),
        "access-control-expose-headers": ", ".join(rule.exposed_headers or ()),
        "access-control-max-age": str(rule.max_age_seconds or ""),
        "access-control-allow-credentials": "" if anyone else "true",
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    return [(name, value) for name, value in answer.items() if value]
