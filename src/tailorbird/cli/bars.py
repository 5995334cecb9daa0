"""How far jobs are: a bar each on a terminal; elsewhere, as in a pipe, a line each every ten seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID

LINE_SECONDS = 10.0
"""Between two lines about a job: so that whoever reads along sees that it lives; not tuned."""


class Bars:
    """What `show` tells stays in sight as long as the context lasts."""

    def __init__(self, console: Console, *columns: ProgressColumn) -> None:
        """columns: of a bar, over `task.description`, the name of a job, and `task.fields[text]`."""
        self._console = console
        self._drawn = Progress(*columns, console=console, disable=not console.is_interactive)
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, float] = {}
        """When a line was written, by the name of its job."""

    def __enter__(self) -> Bars:
        self._drawn.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._drawn.stop()

    def show(self, name: str, share: float, text: str, *, begun: bool = True) -> None:
        """Tells how far a job is; its clock, if there is one, stands until it has `begun`."""
        if self._drawn.disable:
            self._write(name, text, ended=share >= 1)
            return
        if name not in self._tasks:
            self._tasks[name] = self._drawn.add_task(name, total=1.0, text="", start=False)
        if begun:
            self._drawn.start_task(self._tasks[name])
        self._drawn.update(self._tasks[name], completed=share, text=text)

    def _write(self, name: str, text: str, *, ended: bool) -> None:
        now = time.monotonic()
        if ended or now - self._told.get(name, -LINE_SECONDS) >= LINE_SECONDS:
            self._told[name] = now
            line = f"{name}: {text}" if name else text
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)
