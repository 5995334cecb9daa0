"""What a process keeps in memory: what is slow to make anew, models and prepared metadata, and what it has remarked."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

REMARKS = 1000
"""So many are told apart: no client can fill the log, or the memory, by sending ever other ones. Not tuned."""


@dataclass
class _Slot:
    making: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    expires: float | None = None
    """On the monotonic clock; None while there is no value."""
    version: Hashable = None


class Cache:
    """The last few values of each kind; a value that several threads ask for at once is made by one of them."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._kinds: dict[str, OrderedDict[Hashable, _Slot]] = {}
        self._lock = threading.Lock()
        self._remarks: set[Hashable] = set()

    def is_first(self, remark: Hashable) -> bool:
        """Whether a remark is to be made: it was not yet, in this process, and fewer than `REMARKS` others were."""
        with self._lock:
            new = remark not in self._remarks and len(self._remarks) < REMARKS
            if new:
                self._remarks.add(remark)
            return new

    def get(
        self,
        kind: str,
        key: Hashable,
        make: Callable[[], T],
        seconds: float = float("inf"),
        *,
        version: Hashable = None,
        kept: int | None = None,
    ) -> T:
        """The value of `key` among those of `kind`, made by `make` when it is not there or too old.

        version: of what the value is made of, as it was before; one of another version is made anew. kept: how many
        values of the kind there may be, where they are small.
        """
        with self._lock:
            slots = self._kinds.setdefault(kind, OrderedDict())
            slot = slots.setdefault(key, _Slot())
            slots.move_to_end(key)
            while len(slots) > (kept or self._kept):
                slots.popitem(last=False)
        with slot.making:
            if slot.expires is None or slot.expires < time.monotonic() or slot.version != version:
                slot.value = make()
                slot.version = version
                slot.expires = time.monotonic() + seconds
            value: T = slot.value
            return value

    def peek(self, kind: str, key: Hashable, version: Hashable = None) -> Any:
        """The value of `key` if `get` would not make it; None otherwise, and while it is being made."""
        with self._lock:
            slots = self._kinds.get(kind)
            slot = None if slots is None else slots.get(key)
            if slots is None or slot is None:
                return None
            slots.move_to_end(key)
        if slot.expires is None or slot.expires < time.monotonic() or slot.version != version:
            return None
        return slot.value

    def forget(self, kind: str) -> None:
        """Has all values of a kind made anew."""
        with self._lock:
            self._kinds.pop(kind, None)
