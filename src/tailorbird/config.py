"""Every setting of an installation, once: name, default, and a sentence with unit and reason.

A setting is read from the environment variable TAILORBIRD_<NAME>; the command line overrides it. The whole
`Config` is plain data, so it can cross to a worker process.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

TEST_VARIABLES = frozenset({"TAILORBIRD_DATA", "TAILORBIRD_LONG", "TAILORBIRD_REQUIRE_ENGINES"})
"""Variables of the tests and benchmarks, which are no settings."""


DATABASES = frozenset({"sqlite", "postgresql"})
"""Kinds for which the stores have statements."""
POSTGRESQL, DRIVER = frozenset({"postgresql", "postgres"}), "postgresql+psycopg"
"""How URLs of PostgreSQL begin that name no driver, and the one that is used then."""
URL = r"https?://[^\s/?#]+"
"""A scheme and a host, perhaps with a port."""
MOST_PROCESSES = MOST_WORKERS = 1024
"""More than any machine has cores for; not tuned."""
LEAST_BODY = 1024
"""Bytes: with less, no operation's request gets in. Not tuned."""
MOST_SEED = 2**32 - 2
"""numpy's RandomState, of which optuna makes use, takes seeds below 2**32, and the second hold-out of an HPO one more
than this."""
MOST_SECONDS = 86_400.0
"""Of a wait that a setting names: a day is longer than anybody means. Not tuned."""


@dataclass(frozen=True)
class Bounds:
    """Which values a setting takes; of a list, its every part."""

    low: float = -math.inf
    high: float = math.inf
    words: tuple[str, ...] = ()
    """All that a text may be, in any case."""
    pattern: str = ".*"
    """Of a text, as a whole; the empty one is good where it is the default."""
    like: str = ""
    """Words for such a text."""

    def admits(self, value: Any) -> bool:
        """Whether a value of the setting's type is one of them."""
        if isinstance(value, tuple):
            return all(self.admits(part) for part in value)
        if isinstance(value, int | float):
            return self.low <= value <= self.high
        return value in self.words if self.words else bool(re.fullmatch(self.pattern, str(value), re.ASCII))


def setting(default: Any, description: str, *, secret: bool = False, **bounds: Any) -> Any:
    """A field of `Config` with the sentence that the documentation prints, and the members of its `Bounds`.

    secret: whether its value is never printed.
    """
    return field(default=default, metadata={"description": description, "secret": secret, "bounds": Bounds(**bounds)})


@dataclass(frozen=True)
class Config:
    """What one installation was told. Build it with `load`."""

    data_dir: Path = setting(Path("data"), "Folder that holds everything the installation owns.", like="a folder")
    host: str = setting(
        "127.0.0.1",
        "Address to listen on; loopback by default, so nothing is exposed unasked.",
        pattern=r"[\w.:%-]*",
        like="an address or the name of a host, such as 127.0.0.1",
    )
    port: int = setting(8000, "TCP port to listen on; 0 lets the system choose a free one.", low=0, high=65_535)
    public_url: str = setting(
        "",
        "URL that `tailorbird env` hands to clients; empty means host and port, loopback where host is all addresses.",
        pattern=URL,
        like="a URL without a path, such as https://recommend.example.com",
    )
    processes: int = setting(
        1,
        "Serving processes on the port; each has a core's worth of answers, and bounds and rates of its own.",
        low=1,
        high=MOST_PROCESSES,
    )
    # Not tuned: an idle one costs a descriptor, and half of those that the system allows are kept for files.
    connections: int = setting(
        1000,
        "Connections open at a time; for one more, the one that has been idle longest goes, or it gets a 503.",
        low=1,
    )
    # Not tuned: a third of the 60 s after which boto3 itself gives up.
    silence_seconds: float = setting(
        20.0,
        "Seconds that a client may take over a request's head, be idle, or neither send nor take what is due.",
        low=0.1,
        high=MOST_SECONDS,
    )
    region: str = setting(
        "us-east-1",
        "AWS region that `tailorbird env` hands to clients and the built-in S3, IAM and STS use.",
        pattern=r"[a-z]+(-[a-z0-9]+)*",
        like="a region such as eu-west-1",
    )
    account_id: str = setting(
        "123456789012",
        "Account number in ARNs: 12 digits, any will do. A folder of another account's resources is refused.",
        pattern=r"[0-9]{12}",
        like="12 digits, such as 123456789012",
    )
    database_url: str = setting(
        "",
        "URL of the database of documents, events, answers, metrics and access key; empty means SQLite in data_dir.",
        secret=True,  # it may hold a password
        like="a URL such as postgresql://user:password@db.example.com/tailorbird (extra `postgresql`)",
    )
    executor: str = setting(
        "processes",
        "Where jobs run: `processes` (a pool beside the server) or `inline`.",
        words=("processes", "inline"),
    )
    workers: int = setting(
        0,
        "Trainings at a time, each in a process; 0 means one a core. One process more does what is short meanwhile.",
        low=0,
        high=MOST_WORKERS,
    )
    # Its worker renews it every 2 s (`RENEWALS` in jobs/lease.py). Not tuned: one that was killed costs as much time,
    # and one on a busy machine must not be taken for dead.
    lease_seconds: float = setting(
        6.0, "Seconds after which a job whose worker fell silent is started again.", low=1, high=MOST_SECONDS
    )
    # Not tuned: one death may be a neighbour's fault, three are the job's.
    job_attempts: int = setting(3, "Times a job is started before it fails because its worker keeps dying.", low=1)
    # To read so many takes 0.4 s and 33 MB, and each training does.
    compaction_events: int = setting(
        50_000, "Recorded events of a dataset at which they move from the live store into its table.", low=1
    )
    # Clean-up code describes a resource right after its deletion and must see it, then its end (spec clients,
    # "Asynchrony").
    deletion_seconds: float = setting(
        0.5, "Seconds a deleted resource stays visible with status DELETE ....", low=0, high=MOST_SECONDS
    )
    aws_quotas: bool = setting(
        False, "Whether AWS's own quotas and request rates hold (5 campaigns a group, say), to rehearse for AWS."
    )
    hide_retired_recipes: bool = setting(False, "Whether ListRecipes leaves out the aws-hrnn recipes, as AWS now does.")
    # As `deletion_seconds`.
    update_seconds: float = setting(
        0.5, "Seconds an update, a stop or a start of a resource takes to be seen.", low=0, high=MOST_SECONDS
    )
    s3_endpoint: str = setting(
        "",
        "URL of the S3 service for s3:// locations; empty means the built-in one.",
        pattern=URL + r"\S*",
        like="a URL such as https://s3.example.com",
    )
    s3_access_key: str = setting(
        "", "Access key id for s3_endpoint and cloudwatch_endpoint; empty means the installation's own."
    )
    s3_secret_key: str = setting("", "Secret access key for both; empty means the installation's own.", secret=True)
    cloudwatch_endpoint: str = setting(
        "",
        "URL of a CloudWatch service that metrics are sent to; empty means that the built-in one shows them.",
        pattern=URL + r"\S*",
        like="a URL such as https://monitoring.example.com",
    )
    cloudwatch_namespace: str = setting(
        "AWS/Personalize",
        "Namespace of metrics at cloudwatch_endpoint; AWS itself takes none that begins with AWS/.",
        pattern=r"[\w.\-/#][\w.\-/#: ]{0,254}",
        like="a name such as Shop/Personalize",
    )
    file_roots: tuple[Path, ...] = setting(
        (), "Folders in which file:// locations may lie; none by default.", like="folders"
    )
    verify_signatures: bool = setting(True, "Whether requests must carry a valid AWS signature; leave it on.")
    cors_origins: tuple[str, ...] = setting(
        (),
        "Web origins whose pages may call the events and runtime paths.",
        pattern=URL,
        like="scheme and host, as in https://shop.example.com",
    )
    # Five times ten records of PutItems whose 32,000 characters are all escapes (spec control-plane 6).
    body_limit: int = setting(
        10 << 20, "Largest request body in bytes for Personalize's own operations.", low=LEAST_BODY
    )
    # Not tuned: S3 takes 5 GiB, and clients send large objects in parts of 8 MiB (spec clients, "S3").
    s3_body_limit: int = setting(
        1 << 30,
        "Largest request body in bytes for the built-in S3; held in memory once its signature is verified.",
        low=LEAST_BODY,
    )
    # Two of the largest.
    bodies_limit: int = setting(
        2 << 30,
        "Bytes of all request bodies that are taken in or worked on at a time; what is over it gets a 503.",
        low=LEAST_BODY,
    )
    # Not tuned: room for what is being written, and time to act.
    disk_reserve: int = setting(
        256 << 20, "Free bytes on the disk of data_dir below which `/readyz` says that there is no space left.", low=0
    )
    # Not tuned: AWS allows five campaigns a group (spec control-plane 2.4).
    models_kept: int = setting(8, "Models that a serving process keeps open at a time.", low=1)
    # Those of 1,000 users at MovieLens 1M's 3,416 items, of 80 at 100,000 (`Scores.size`).
    scores_kept: int = setting(
        64 << 20,
        "Bytes, for each model in use, of the scores of users who asked lately; an answer from them is cheap.",
        low=0,
    )
    seed: int = setting(0, "Seed of every random choice in training and evaluation.", low=0, high=MOST_SEED)
    log_level: str = setting(
        "INFO",
        "Least level of the log lines written to standard error.",
        words=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    )

    @property
    def catalogue_url(self) -> str:
        """Where the documents are."""
        return self.database_url or f"sqlite:///{self.data_dir / 'catalogue.db'}"

    @property
    def live_url(self) -> str:
        """Where the recent events are."""
        return self.database_url or f"sqlite:///{self.data_dir / 'live.db'}"

    @property
    def tallies_url(self) -> str:
        """Where the metrics of attributions are."""
        return self.database_url or f"sqlite:///{self.data_dir / 'tallies.db'}"

    @property
    def shown_url(self) -> str:
        """Where the answers of the last days are."""
        return self.database_url or f"sqlite:///{self.data_dir / 'shown.db'}"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"TAILORBIRD_{name.upper()}"


def unknown(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable TAILORBIRD_... that is no setting: a slip would else go unnoticed."""
    known = {variable(option.name) for option in fields(Config)}
    for name in sorted(environment):
        if name.startswith("TAILORBIRD_") and name not in known | TEST_VARIABLES:
            nearest = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {nearest[0]}?" if nearest else "; `tailorbird config` lists them all."
            yield f"{name} is no setting{meant}"


def wanted(option: Field[Any]) -> str:
    """Which values a setting takes, as in: give <wanted>."""
    bounds, default = option.metadata["bounds"], option.default
    if bounds.words:
        return f"one of {', '.join(bounds.words)}"
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int | float):
        noun = "a whole number" if isinstance(default, int) else "a number"
        return f"{noun} from {bounds.low:.10g} " + ("up" if bounds.high == math.inf else f"to {bounds.high:.10g}")
    return bounds.like or ("texts" if isinstance(default, tuple) else "a text")


def _value(option: Field[Any], given: Any) -> Any:
    """The value that a variable's text stands for, by the type of the setting's default; others are values already.

    Raises KeyError or ValueError where it is none that the setting takes.
    """
    default, bounds = option.default, option.metadata["bounds"]
    value = _convert(given, default) if isinstance(given, str) else given
    if bounds.words:
        value = next((word for word in bounds.words if word.lower() == value.strip().lower()), value)
    if value != default and not bounds.admits(value):
        raise ValueError(value)
    return _database(value) if option.name == "database_url" and value else value


def _convert(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return words[text.strip().lower()]
    if isinstance(default, tuple):
        parts = text.split(os.pathsep if "://" not in text else ",")
        return tuple(part.strip() for part in parts if part.strip())
    return type(default)(text)


def _database(url: str) -> str:
    """The URL with its driver; raises ValueError for one of a database that this installation cannot speak to."""
    import sqlalchemy as sa  # half a second, which those who give no URL need not wait

    try:
        parsed = sa.make_url(url)
        if parsed.drivername in POSTGRESQL:
            parsed = parsed.set(drivername=DRIVER)
        parsed.get_dialect().import_dbapi()
    except (sa.exc.ArgumentError, ImportError) as error:
        raise ValueError(url) from error
    memory = parsed.database in {None, "", ":memory:"}
    if parsed.get_backend_name() not in DATABASES or (parsed.get_backend_name() == "sqlite" and memory):
        raise ValueError(url)
    return parsed.render_as_string(hide_password=False)


def load(environment: Mapping[str, str], **given: Any) -> Config:
    """The configuration from `environment`, overridden by what was `given` and is not None.

    A variable without a text counts as not set, as compose files and unit files leave them.

    Raises ValueError for values that their settings do not take, with a sentence, on a line of its own, for each.
    """
    values: dict[str, Any] = {}
    problems = []
    for option in fields(Config):
        name, told = variable(option.name), given.get(option.name)
        if told is not None:
            name = f"--{option.name.replace('_', '-')}"
        elif not (told := environment.get(name, "").strip()):
            continue
        try:
            values[option.name] = _value(option, told)
        except (KeyError, ValueError):
            shown = "" if option.metadata["secret"] else f"={str(told)!r}"
            problems.append(f"{name}{shown} cannot be used: give {wanted(option)}.")
    if problems:
        raise ValueError("\n".join(problems))
    config = Config(**values)
    roots = tuple(Path(root).resolve() for root in config.file_roots)
    return Config(**{**vars(config), "data_dir": Path(config.data_dir).resolve(), "file_roots": roots})
