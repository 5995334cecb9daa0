"""IAM as it differs from moto: what is refused as AWS does, who asks where no user is named, and users' new names."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
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

_USERS_OWN: tuple[tuple[Callable[[Any], object], str], ...] = (
    (lambda user: user.access_keys, "delete access keys"),
    (lambda user: user.password, "delete login profile"),
    (lambda user: user.mfa_devices, "deactivate MFA devices"),
    (lambda user: user.signing_certificates, "delete signing certificates"),
    (lambda user: user.ssh_public_keys, "delete SSH public keys"),
    (lambda user: user.group_list, "remove users from group"),
)
_GROUPS_OWN: tuple[tuple[Callable[[Any], object], str], ...] = (
    (lambda group: group.users, "remove users from group"),
    (lambda group: group.managed_policies, "detach all policies"),
    (lambda group: group.policies, "delete policies"),
)
"""What keeps a user and a group from being deleted where moto asks for nothing of it, and what must be done first."""


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


def refuse_conflict(backend: Any, form: Mapping[str, str]) -> None:
    """Raises ServiceError for a change that others stand in the way of, though moto would make it.

    backend: moto's. What is not there is left to moto.
    """
    action, name, new = form["Action"], form.get("UserName", ""), form.get("NewUserName", "")
    if action == "DeleteUser" and name in backend.users:
        _refuse_deletion(backend.users[name], _USERS_OWN)
    if action == "DeleteGroup" and form.get("GroupName") in backend.groups:
        _refuse_deletion(backend.groups[form["GroupName"]], _GROUPS_OWN)
    if action == "DeletePolicy" and form.get("PolicyArn") in backend.managed_policies:
        _refuse_deletion(
            backend.managed_policies[form["PolicyArn"]],
            [(lambda policy: policy.attachment_count, "detach all policies")],
        )
    if action == "UpdateUser" and new and new != name and new in backend.users:
        raise ServiceError(409, "EntityAlreadyExists", f"User with name {new} already exists.")


def _refuse_deletion(of: Any, own: Iterable[tuple[Callable[[Any], object], str]]) -> None:
    for has, first in own:
        if has(of):
            raise ServiceError(409, "DeleteConflict", f"Cannot delete entity, must {first} first.")


def renamed(backend: Any, form: Mapping[str, str], before: str) -> None:
    """Has all that is a user's follow UpdateUser; moto keeps the old name, or ARN, in it. before: the user's ARN."""
    user = backend.users.get(form.get("NewUserName") or form.get("UserName"))
    if user is None or form.get("Action") != "UpdateUser":
        return
    for each in (*user.access_keys, *user.ssh_public_keys, *user.signing_certificates.values()):
        each.user_name = user.name
    if before and before != user.arn:
        backend.tagger.copy_tags(before, user.arn)
        backend.tagger.delete_all_tags_for_resource(before)


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
