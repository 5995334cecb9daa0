"""Programs that run in processes of their own, line by line, to see what stores that they share make of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running(program: str, *arguments: tuple[str, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Runs a program in a process for each of the arguments, once all have said "open"."""
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", program, *each], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for each in arguments
    ]
    try:
        for each in begun:
            assert line(each) == "open"
        yield begun
    finally:
        for each in begun:
            assert each.stdin is not None
            each.stdin.close()
        ended = [each.wait(120) for each in begun]
        for each in begun:
            assert each.stdout is not None
            each.stdout.close()
    assert ended == [0] * len(begun)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the program writes; empty where it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], text: str) -> None:
    """Gives the program a line to read."""
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
