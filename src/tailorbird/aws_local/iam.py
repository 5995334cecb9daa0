"""IAM as it differs from moto: what is refused as AWS does, and who asks where no user is named."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from xml.sax.saxutils import escape

from tailorbird.aws_local.credentials import Principal
from tailorbird.aws_local.emulator import Answer
from tailorbird.errors import ServiceError

_LONGEST = {"RoleName": 64, "UserName": 64, "GroupName": 128, "PolicyName": 128, "InstanceProfileName": 128}
"""Letters of names, after the IAM API reference."""
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_DOCUMENTS = ("AssumeRolePolicyDocument", "PolicyDocument")
_OF_A_USER = frozenset({"CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey", "GetUser"})
"""Actions that mean the user who asks where they name none."""


def refuse(form: Mapping[str, str], caller: str) -> None:
    """Raises ServiceError for what moto would take though AWS does not; `caller` is the access key of a user."""
    for name, longest in _LONGEST.items():
        value = form.get(name)
        if value is not None and (len(value) > longest or not _NAME.fullmatch(value)):
            raise ServiceError(
                400,
                "ValidationError",
                f"{name} must be 1 to {longest} letters, digits or +=,.@_-, not {value[:140]!r}.",
            )
    for name in _DOCUMENTS:
        if name in form and not _is_object(form[name]):
            raise ServiceError(400, "MalformedPolicyDocument", f"{name} must be a policy, which is a JSON object.")
    if form["Action"] in _OF_A_USER and "UserName" not in form and not caller:
        raise ServiceError(400, "ValidationError", "Must specify userName when calling with non-User credentials")


def root_user(form: Mapping[str, str], principal: Principal) -> Answer | None:
    """What GetUser answers the account's own key about itself; None where something else is asked."""
    if form["Action"] != "GetUser" or "UserName" in form or not principal.arn.endswith(":root"):
        return None
    user = (
        f"<Path>/</Path><UserName>root</UserName><UserId>{principal.user_id}</UserId><Arn>{escape(principal.arn)}</Arn>"
        "<CreateDate>2020-01-01T00:00:00Z</CreateDate>"
    )
    body = (
        f'<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User>{user}</User>'
        f"</GetUserResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></GetUserResponse>"
    )
    return 200, [("Content-Type", "text/xml")], body.encode()


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
