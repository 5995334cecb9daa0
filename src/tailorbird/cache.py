"""What a process keeps in memory: what is slow to make anew, models and prepared metadata, and what it has remarked."""

from __future__ import annotations

import mmap
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

REMARKS = 1000
"""So many are told apart: no client can fill the log, or the memory, by sending ever other ones. Not tuned."""
_PLACES = 4 * REMARKS
"""Where remarks are noted: three of four stay empty, so that one is found, or missed, within a step or two."""
_NOTE = struct.Struct("=qd")
"""A remark's hash, and until when it is not to be made again, on the monotonic clock; 0 where none is noted."""
_COUNT = struct.Struct("=q")
"""How many are noted, before them."""


class Remarks:
    """What has been remarked, by this process or by those forked from it: they have memory in common for that.

    Two processes that make the same remark at the same moment may both find it new.
    """

    def __init__(self) -> None:
        self._notes = mmap.mmap(-1, _COUNT.size + _PLACES * _NOTE.size)
        self._lock = threading.Lock()

    def is_first(self, remark: Hashable, seconds: float) -> bool:
        """Whether a remark is to be made: it was not for so many seconds, and fewer than `REMARKS` others were."""
        name, now = hash(remark), time.monotonic()  # the hash of a text is the same in processes that were forked
        with self._lock:
            (count,) = _COUNT.unpack_from(self._notes)
            for step in range(_PLACES):
                place = _COUNT.size + (name + step) % _PLACES * _NOTE.size
                noted, until = _NOTE.unpack_from(self._notes, place)
                if until and noted != name:
                    continue
                if now < until or (not until and count >= REMARKS):
                    return False
                _COUNT.pack_into(self._notes, 0, count if until else count + 1)
                _NOTE.pack_into(self._notes, place, name, now + seconds)
                return True
        return False


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
        self.remarks = Remarks()

    def is_first(self, remark: Hashable, seconds: float = float("inf")) -> bool:
        """Whether a remark is to be made (`Remarks`)."""
        return self.remarks.is_first(remark, seconds)

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
