"""A change or nothing: moto changes what it holds first and may refuse the request later, which then is put back.

What may be changed is remembered in place: the contents of each dictionary, list, set and object of moto's that the
request can reach, one level each, so that what is put back is the same objects as before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from tailorbird.aws_local.emulator import Answer, Emulator
from tailorbird.aws_local.service_request import ServiceRequest

_ABSENT = object()


class Memory:
    """What some of moto's objects held."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Any, Any]] = {}
        """Each of them and a copy of its contents, by the identity of it, which the copies keep alive."""
        self._entries: list[tuple[dict[Any, Any], object, Any]] = []

    def keep_flat(self, *containers: Any) -> None:
        """Remembers which objects containers hold, and nothing of these."""
        for each in containers:
            self._held[id(each)] = each, _contents(each)

    def keep(self, *roots: Any) -> None:
        """Remembers objects and all that they lead to, but through nothing that is remembered already."""
        rest = list(roots)
        while rest:
            each = rest.pop()
            if id(each) not in self._held and (contents := _contents(each)) is not None:
                self._held[id(each)] = each, contents
                rest += contents.values() if isinstance(contents, dict) else contents

    def keep_entry(self, table: dict[Any, Any], name: object) -> None:
        """Remembers one entry of a table that may be large, and all that it leads to."""
        value = dict.get(table, name, _ABSENT)
        self._entries.append((table, name, value))
        self.keep(value)

    def put_back(self) -> None:
        """Makes everything what it was."""
        made = [each for table, name, _ in self._entries for each in dict.get(table, name, ())]
        for each, contents in self._held.values():
            _fill(each, contents)
        for table, name, value in self._entries:
            if value is not _ABSENT:
                dict.__setitem__(table, name, value)
            elif name in table:
                dict.__delitem__(table, name)
        for each in made:
            if hasattr(each, "dispose") and id(each) not in self._held:  # an object that is not to be
                each.multipart = None  # whose parts would go along, though the upload can still be completed
                each.dispose()


def attempt(emulator: Emulator, call: ServiceRequest, work: Callable[[], Answer]) -> Answer:
    """What `work` answers to a request that may change moto; where it is refused or fails, moto is as before."""
    before = _MEMORIES[call.service](emulator, call)
    try:
        answer = work()
    except BaseException:
        before.put_back()
        raise
    if answer[0] >= 400:
        before.put_back()
    return answer


def _contents(of: Any) -> Any:
    """A flat copy of what an object holds; None for values, and for what is not moto's."""
    if isinstance(of, dict):
        return dict(dict.items(of))
    if isinstance(of, list | set):
        return of.copy()
    return dict(vars(of)) if type(of).__module__.startswith("moto.") and hasattr(of, "__dict__") else None


def _fill(each: Any, contents: Any) -> None:
    if isinstance(each, dict):
        kind = OrderedDict if isinstance(each, OrderedDict) else dict  # a subclass may do more at each step
        kind.clear(each)
        kind.update(each, contents)
    elif isinstance(each, list):
        each[:] = contents
    elif isinstance(each, set):
        each.clear()
        each |= contents
    else:
        vars(each).clear()
        vars(each).update(contents)


# --- What a request may change ------------------------------------------------------------------------------


def _of_s3(emulator: Emulator, call: ServiceRequest) -> Memory:
    memory = Memory()
    memory.keep_flat(*emulator.buckets())
    bucket = emulator.bucket(call.bucket)
    if bucket is None:
        return memory
    tags = emulator.s3(call.bucket).tagger.tags
    memory.keep_flat(bucket.multiparts)
    upload = bucket.multiparts.get(parse_qs(call.query).get("uploadId", [""])[0])
    if upload is not None:
        memory.keep_flat(upload.parts)
    if call.key:
        key = bucket.keys.get(call.key)
        if key is not None and key.multipart is not None:
            memory.keep_flat(key.multipart.parts)  # there may be 10,000
        memory.keep_entry(bucket.keys, call.key)
        memory.keep_entry(tags, f"{bucket.arn}/{call.key}/null")  # under what moto keeps those of an object
        memory.keep(upload)
    else:
        memory.keep_entry(tags, bucket.arn)
        memory.keep_flat(bucket.keys)
        contents = vars(bucket)
        memory.keep_flat(bucket)
        memory.keep(*(value for name, value in contents.items() if name not in ("keys", "multiparts")))
    return memory


def _of_iam(emulator: Emulator, call: ServiceRequest) -> Memory:
    """Without the policies of AWS, 1500 in number, that neither the request names nor anybody has."""
    memory, backend = Memory(), emulator.iam
    memory.keep_flat(backend.managed_policies, backend.aws_managed_policies)
    memory.keep(backend)
    named = set(call.form.values())
    of_aws = {id(policy) for policy in backend.aws_managed_policies}
    policies: Iterable[tuple[str, Any]] = backend.managed_policies.items()
    memory.keep(*(policy for arn, policy in policies if arn in named or id(policy) not in of_aws))
    return memory


def _of_cloudwatch(emulator: Emulator, call: ServiceRequest) -> Memory:
    memory, backend = Memory(), emulator.cloudwatch(call.region)
    memory.keep_flat(backend.metric_data, backend.paged_metric_data)
    memory.keep(backend)
    return memory


def _of_nothing(emulator: Emulator, call: ServiceRequest) -> Memory:
    return Memory()


_MEMORIES: dict[str, Callable[[Emulator, ServiceRequest], Memory]] = {
    "s3": _of_s3,
    "iam": _of_iam,
    "sts": _of_nothing,  # sessions are our own
    "monitoring": _of_cloudwatch,
}
