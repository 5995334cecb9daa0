"""The command line; thin: every command calls what the server calls too.

A command imports its module itself, once it knows that it can run: all of them together take seconds to load.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tailorbird import config as configuration
from tailorbird.config import Config
from tailorbird.errors import DamagedFile, DatabaseUnavailable, NewerFormat, NoSpace
from tailorbird.storage.folder import MASK
from tailorbird.workspace import is_there

LONGEST_HELP = 200
"""Letters of a command's first sentence; longer than any is."""


class _Commands(TyperGroup):
    """Every command tells in a sentence what is damaged, full, too new or away, and prints on any terminal."""

    def main(self, *args: Any, **more: Any) -> Any:
        """Runs the program; where its output cannot be written, it ends with a sentence and 1."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # names of files and values may be in any language
        try:
            try:
                return super().main(*args, **more)
            finally:
                if sys.stdout is not None:  # which is closed
                    sys.stdout.flush()  # later, Python would tell in its own words
        except OSError as error:
            if not _is_output_lost():
                raise
            if error.errno != errno.EPIPE:  # who stopped reading wants to know no more
                typer.echo(f"The output could not be written: {error.strerror}.", err=True)
            sys.exit(1)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (DamagedFile, NewerFormat, NoSpace, DatabaseUnavailable) as error:
            typer.echo(error, err=True)
            raise typer.Exit(1) from error

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, whose first sentence is not cut where all are listed."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and not command.short_help:
            command.short_help = command.get_short_help_str(limit=LONGEST_HELP)
        return command


def _is_output_lost() -> bool:
    """Whether standard output takes nothing any more; what waits to be written is then given up."""
    try:
        output = sys.stdout.fileno()
    except io.UnsupportedOperation:
        return False  # it is kept in memory
    try:
        sys.stdout.flush()
        os.write(output, b"\n")  # nothing waits where Python was told not to buffer
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, output)
        os.close(nowhere)
        return True
    return False


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # Rich writes `--follow <bool>`, as if the flag took a value
    pretty_exceptions_show_locals=False,
)

Job = Annotated[str, typer.Argument(metavar="JOB", help="Its ARN, or a name that no other one has.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds everything the installation owns.")]


def _config(**given: object) -> Config:
    for sentence in configuration.unknown(os.environ):
        typer.echo(f"warning: {sentence}", err=True)
    try:
        return configuration.load(os.environ, **given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _ended(reason: str) -> typer.Exit:
    """Says in one sentence why a command ends, and ends it."""
    typer.echo(reason, err=True)
    return typer.Exit(1)


def _started(*words: object) -> str:
    """A command line that runs `tailorbird` as this process was started: it need not be on the PATH of a shell."""
    program = Path(sys.argv[0]).absolute()
    how = [sys.executable, "-m", "tailorbird"] if program.suffix == ".py" else [program]
    return shlex.join(map(str, [*how, *words]))


def _installation(data_dir: Path | None) -> Config:
    """The configuration of an installation that is there, though its key may be lost: only `serve` makes one."""
    config = _config(data_dir=data_dir)
    os.umask(MASK)
    if not is_there(config):
        place = f"{config.data_dir} or the database" if config.database_url else config.data_dir
        raise _ended(
            f"There is no installation in {place}. Name its folder with --data-dir or TAILORBIRD_DATA_DIR "
            "(`tailorbird env` sets it); `tailorbird serve` makes a new one."
        )
    return config


@app.callback()
def tailorbird() -> None:
    """Tailorbird: a self-hosted personalisation service with the wire protocol of Amazon Personalize."""
    # As it ends, Python looks for cycles among all objects once more: 0.8 s of a server, a quarter of a command.
    atexit.register(gc.freeze)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    processes: Annotated[int | None, typer.Option(help="Serving processes on the port.")] = None,
    data_dir: DataDir = None,
    aws_quotas: Annotated[bool | None, typer.Option("--aws-quotas", help="Enforce AWS's own quotas.")] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Make lost databases, or a lost key, anew.")] = False,
) -> None:
    """Run the server until it is told to stop."""
    from tailorbird.cli import opening, server

    config = _config(host=host, port=port, processes=processes, data_dir=data_dir, aws_quotas=aws_quotas)

    def ready(url: str) -> None:
        typer.echo(f"Tailorbird is ready at {url}")
        variables = _started("env", "--data-dir", config.data_dir)
        typer.echo(f'In another shell: eval "$({variables})", then use any AWS SDK.')

    try:
        server.serve(config, ready, renew=renew)
    except opening.StartRefused as refusal:
        raise _ended(str(refusal)) from refusal
    server.leave()


@app.command()
def env(data_dir: DataDir = None) -> None:
    """Print the variables that point AWS clients at the server, and `tailorbird` commands at its folder."""
    config = _installation(data_dir)
    from tailorbird.cli import variables

    for name, value in (found := variables.environment(config)).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    if not variables.answers(url := found["AWS_ENDPOINT_URL"]):
        start = _started("serve", "--data-dir", config.data_dir)
        typer.echo(f"warning: no server answers at {url}. Start it ({start}), then run this command again.", err=True)


@app.command()
def config(data_dir: DataDir = None) -> None:
    """Print every setting: value, default, and where the value came from."""
    from tailorbird.cli import columns, settings_reference

    rows = settings_reference.in_force(_config(data_dir=data_dir), os.environ)
    for line in columns.aligned([("setting", "value", "default", "from"), *rows]):
        typer.echo(line)


@app.command()
def jobs(data_dir: DataDir = None) -> None:
    """List imports, trainings and batch jobs with their status and progress."""
    config = _installation(data_dir)
    from tailorbird.cli import report

    report.print_jobs(config)


@app.command()
def job(
    job: Job,
    data_dir: DataDir = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show its progress until it ends.")] = False,
) -> None:
    """Show one job: progress, what an import left out and why, metrics beside popularity's."""
    config = _installation(data_dir)
    from tailorbird.cli import report

    if not report.print_job(config, job, follow):
        raise typer.Exit(1)


@app.command()
def metrics(
    job: Job,
    data_dir: DataDir = None,
    cohorts: Annotated[bool, typer.Option("--cohorts", help="Also of new, light and heavy users apart.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, for programs.")] = False,
) -> None:
    """Show what the evaluation of a solution version or recommender told, beyond the metrics of GetSolutionMetrics."""
    config = _installation(data_dir)
    from tailorbird.cli import metrics as evaluation

    if not evaluation.print_metrics(config, job, cohorts=cohorts, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Read every file of the data folder and say which are damaged, what that touches and what to do.

    Exit code 1 where one is. Databases of other kinds than SQLite, named by a URL, have checks of their own.
    """
    config = _installation(data_dir)
    from tailorbird.cli.check import examine

    if not examine(config):
        raise typer.Exit(1)


@app.command(hidden=True)
def reference(
    figures: Annotated[Path | None, typer.Option(help="What `python -m quality recipes` measured.")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="The page of settings.")] = False,
) -> None:
    """Print docs/reference/operations.md, settings.md or, with figures, recipes.md."""
    from tailorbird.cli import recipe_reference, settings_reference
    from tailorbird.cli import reference as operation_reference

    if settings:
        page = settings_reference.page()
    elif figures:
        page = recipe_reference.recipes(figures.read_text(encoding="utf-8"))
    else:
        page = operation_reference.operations()
    typer.echo(page, nl=False)


@app.command()
def doctor(
    file: Annotated[Path, typer.Argument(exists=True, help="CSV file, plain or gzip, or a folder of them.")],
    schema: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Avro schema of the dataset, as JSON.")],
    domain: Annotated[str | None, typer.Option(help="ECOMMERCE or VIDEO_ON_DEMAND, for a domain's schema.")] = None,
) -> None:
    """Check a file before its import: what would be kept, what not and why, and what is odd about the data."""
    from tailorbird.cli.doctor import examine

    if not examine(file, schema, domain):
        raise typer.Exit(1)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder with GroupLens's ratings.csv and movies.csv; else MovieLens is found.")
    ] = None,
) -> None:
    """Walk the six steps on real film data, through boto3, on a server of its own."""
    from tailorbird.cli.demo import run  # boto3 and the data are an optional extra

    run.run(data)
