"""The lock files hold what pyproject.toml asks for, all that goes with it, and no host that they were made from."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = ("run", "dev", "bench")
PYTHONS = [{"python_version": version, "python_full_version": f"{version}.9"} for version in ("3.11", "3.12", "3.13")]
UNLOCKED = "torch"
"""The Makefile names its version, since its builds differ by platform."""


def asked(lock: str) -> list[Requirement]:
    """Returns what pyproject.toml wants of a lock, without what is not locked."""
    told: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, groups = told["project"], told["dependency-groups"]
    texts = [*project["dependencies"]]
    for extra, of_extra in project["optional-dependencies"].items():
        texts += of_extra if lock != "run" or extra != "notebooks" else []
    for group in ("dev", "bench")[: LOCKS.index(lock)]:
        texts += groups[group]
    return [each for each in map(Requirement, texts) if each.name != UNLOCKED]


@cache
def locked(lock: str) -> list[Requirement]:
    """Returns the pins of a lock."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    return [Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"\w", line)]


def pins(lock: str, python: dict[str, str]) -> dict[str, str]:
    """Returns name and version of what a lock installs on that Python on Linux; twice is an error."""
    here = {**python, "sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"}
    fitting = [each for each in locked(lock) if each.marker is None or each.marker.evaluate(here)]
    found = {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in fitting}
    assert len(found) == len(fitting)
    return found


@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: python["python_version"])
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_that_pyproject_asks_for_in_the_range_that_it_allows(lock, python):
    found = pins(lock, python)
    for requirement in asked(lock):
        name = canonicalize_name(requirement.name)
        assert name in found, f"make lock: {lock}.lock lacks {name}"
        assert requirement.specifier.contains(found[name]), f"make lock: {lock}.lock has {name} {found[name]}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_its_packages_need(lock):
    found, looked = pins(lock, {}), 0
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.name)
        if found.get(name) == distribution.version:
            looked += 1
            for needed in map(Requirement, distribution.requires or ()):
                if needed.name != UNLOCKED and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                    pin = found.get(canonicalize_name(needed.name), "none")
                    assert needed.specifier.contains(pin, prereleases=True), f"{name} needs {needed}; locked: {pin}"
    assert looked > len(pins("run", {})) // 2


@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: python["python_version"])
def test_each_lock_holds_the_one_before(python):
    run, dev, bench = (pins(lock, python) for lock in LOCKS)
    assert run.items() <= dev.items() <= bench.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_hashes_every_pin(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    told = "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    pin = r"[\w.-]+==[^\s;@:/]+( ; [^:/@]+)? \\\n"
    assert re.fullmatch(rf"({pin}(    --hash=sha256:[0-9a-f]{{64}}( \\)?\n)+)+\n*", told)
    assert "://" not in text


def test_the_makefile_installs_a_torch_that_pyproject_allows():
    (version,) = re.findall(r"^TORCH := torch==(\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (torch,) = [each for each in map(Requirement, told["project"]["dependencies"]) if each.name == UNLOCKED]
    assert torch.specifier.contains(version)
