"""Starts a server of its own in a temporary folder, walks the six steps, and says how to go on."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tailorbird.cli.demo import films
from tailorbird.cli.demo.walk import Walk, clients_of
from tailorbird.cli.variables import environment
from tailorbird.config import Config, load


def run(folder: Path | None) -> None:
    """The whole demo; `folder` holds GroupLens's ratings.csv and movies.csv, or is None."""
    console = Console()
    began = time.monotonic()
    data = films.find(folder)
    console.print(f"{data.source}: {len(data.ratings):,} ratings of {len(data.films):,} films\n")
    with tempfile.TemporaryDirectory(prefix="tailorbird-demo-") as place:
        config = load({}, data_dir=Path(place) / "data")
        with _server(config, Path(place) / "server.log"):
            values = environment(config)
            console.print(f"a server answers at {values['AWS_ENDPOINT_URL']}; all that follows is boto3\n")
            Walk(data, clients_of(values), console).run()
    console.print(f"[bold]All six steps took {time.monotonic() - began:.0f} s.[/bold]\n")
    console.print("Go on with your own data:")
    console.print("  make serve                                            a server on ./data")
    console.print('  eval "$(.venv/bin/tailorbird env --data-dir data)"    then any AWS SDK, or the notebooks/')


@contextmanager
def _server(config: Config, log: Path) -> Iterator[None]:
    """`tailorbird serve` in a process of its own, as an operator would run it."""
    command = [sys.executable, "-m", "tailorbird", "serve", "--port", "0", "--data-dir", str(config.data_dir)]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as server,  # noqa: S603 - our own command
    ):
        assert server.stdout is not None
        try:
            if not server.stdout.readline():
                raise RuntimeError(f"the server did not start:\n{log.read_text()}")
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)
