"""Every setting of an installation, once: name, default, and a sentence with unit and reason.

A setting is read from the environment variable TAILORBIRD_<NAME>; the command line overrides it. The whole
`Config` is plain data, so it can cross to a worker process.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

TEST_VARIABLES = frozenset({"TAILORBIRD_DATA", "TAILORBIRD_LONG"})
"""Variables of the tests and benchmarks, which are no settings."""


def setting(default: Any, description: str) -> Any:
    """A field of `Config` with the sentence that the documentation prints."""
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True)
class Config:
    """What one installation was told. Build it with `load`."""

    data_dir: Path = setting(Path("data"), "Folder that holds everything the installation owns.")
    host: str = setting("127.0.0.1", "Address to listen on; loopback by default, so nothing is exposed unasked.")
    port: int = setting(8000, "TCP port to listen on; 0 lets the system choose a free one.")
    public_url: str = setting(
        "",
        "URL that `tailorbird env` hands to clients; empty means host and port, loopback where host is all addresses.",
    )
    # Not tuned: an idle one costs a descriptor, and half of those that the system allows are kept for files.
    connections: int = setting(
        1000, "Connections open at a time; for one more, the one that has been idle longest goes, or it gets a 503."
    )
    # Not tuned: a third of the 60 s after which boto3 itself gives up.
    silence_seconds: float = setting(
        20.0, "Seconds that a client may take over a request's head, be idle, or neither send nor take what is due."
    )
    region: str = setting(
        "us-east-1", "AWS region that `tailorbird env` hands to clients and the built-in S3, IAM and STS use."
    )
    account_id: str = setting("123456789012", "Account number in ARNs: 12 digits, any will do.")
    database_url: str = setting("", "SQLAlchemy URL of documents and events; empty means SQLite in data_dir.")
    executor: str = setting("processes", "Where jobs run: `processes` (a pool beside the server) or `inline`.")
    workers: int = setting(0, "Worker processes for jobs; 0 means one a core, so that trainings run side by side.")
    # Its worker renews it every 2 s (`RENEWALS` in jobs/lease.py). Not tuned: one that was killed costs as much time,
    # and one on a busy machine must not be taken for dead.
    lease_seconds: float = setting(6.0, "Seconds after which a job whose worker fell silent is started again.")
    # Not tuned: one death may be a neighbour's fault, three are the job's.
    job_attempts: int = setting(3, "Times a job is started before it fails because its worker keeps dying.")
    # To read so many takes 0.4 s and 33 MB, and each training does.
    compaction_events: int = setting(
        50_000, "Recorded events of a dataset at which they move from the live store into its table."
    )
    # Clean-up code describes a resource right after its deletion and must see it, then its end (spec clients,
    # "Asynchrony").
    deletion_seconds: float = setting(0.5, "Seconds a deleted resource stays visible with status DELETE ....")
    aws_quotas: bool = setting(
        False, "Whether AWS's own quotas and request rates hold (5 campaigns a group, say), to rehearse for AWS."
    )
    hide_retired_recipes: bool = setting(False, "Whether ListRecipes leaves out the aws-hrnn recipes, as AWS now does.")
    # As `deletion_seconds`.
    update_seconds: float = setting(0.5, "Seconds an update, a stop or a start of a resource takes to be seen.")
    s3_endpoint: str = setting("", "URL of the S3 service for s3:// locations; empty means the built-in one.")
    s3_access_key: str = setting(
        "", "Access key id for s3_endpoint and cloudwatch_endpoint; empty means the installation's own."
    )
    s3_secret_key: str = setting("", "Secret access key for both; empty means the installation's own.")
    cloudwatch_endpoint: str = setting(
        "", "URL of a CloudWatch service that metrics are sent to; empty means that the built-in one shows them."
    )
    cloudwatch_namespace: str = setting(
        "AWS/Personalize", "Namespace of metrics at cloudwatch_endpoint; AWS itself takes none that begins with AWS/."
    )
    file_roots: tuple[Path, ...] = setting((), "Folders in which file:// locations may lie; none by default.")
    verify_signatures: bool = setting(True, "Whether requests must carry a valid AWS signature; leave it on.")
    cors_origins: tuple[str, ...] = setting((), "Web origins whose pages may call the events and runtime paths.")
    # Five times ten records of PutItems whose 32,000 characters are all escapes (spec control-plane 6).
    body_limit: int = setting(10 << 20, "Largest request body in bytes for Personalize's own operations.")
    # Not tuned: S3 takes 5 GiB, and clients send large objects in parts of 8 MiB (spec clients, "S3").
    s3_body_limit: int = setting(
        1 << 30, "Largest request body in bytes for the built-in S3; held in memory once its signature is verified."
    )
    # Two of the largest.
    bodies_limit: int = setting(
        2 << 30, "Bytes of all request bodies that are taken in or worked on at a time; what is over it gets a 503."
    )
    # Not tuned: room for what is being written, and time to act.
    disk_reserve: int = setting(
        256 << 20, "Free bytes on the disk of data_dir below which `/readyz` says that there is no space left."
    )
    # Not tuned: AWS allows five campaigns a group (spec control-plane 2.4).
    models_kept: int = setting(8, "Models that a serving process keeps open at a time.")
    # Those of 1,500 users at MovieLens 1M's 3,416 items, of 80 at 100,000 (`Scores.size`).
    scores_kept: int = setting(
        64 << 20, "Bytes, for each model in use, of the scores of users who asked lately; an answer from them is cheap."
    )
    seed: int = setting(0, "Seed of every random choice in training and evaluation.")
    log_level: str = setting("INFO", "Least level of the log lines written to standard error.")

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


def _convert(text: str, default: Any) -> Any:
    """The value that `text` stands for, by the type of the setting's default."""
    if isinstance(default, bool):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return words[text.strip().lower()]
    if isinstance(default, tuple):
        return tuple(part for part in text.split(os.pathsep if "://" not in text else ",") if part)
    return type(default)(text)


def load(environment: Mapping[str, str], **given: Any) -> Config:
    """The configuration from `environment`, overridden by what was `given` and is not None.

    Raises ValueError, naming the variable, for a value of the wrong type.
    """
    values: dict[str, Any] = {}
    for option in fields(Config):
        if (name := variable(option.name)) in environment:
            try:
                values[option.name] = _convert(environment[name], option.default)
            except (KeyError, ValueError) as error:
                wanted = type(option.default).__name__
                raise ValueError(f"{name}={environment[name]!r} is not a valid {wanted}") from error
    values |= {name: value for name, value in given.items() if value is not None}
    config = Config(**values)
    if config.public_url and not re.fullmatch(r"https?://[^/?#\s]+", config.public_url):
        raise ValueError(f"TAILORBIRD_PUBLIC_URL={config.public_url!r} is not like https://recommend.example.com")
    roots = tuple(Path(root).resolve() for root in config.file_roots)
    return Config(**{**vars(config), "data_dir": Path(config.data_dir).resolve(), "file_roots": roots})
