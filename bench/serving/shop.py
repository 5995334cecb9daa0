"""MovieLens as files to import, and requests to the server as they go over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FILTER = "EXCLUDE ItemID WHERE Items.GENRES IN ($GENRES)"


@dataclass(frozen=True)
class Films:
    """A data set, its ids as text."""

    interactions: pl.DataFrame
    """USER_ID, ITEM_ID, TIMESTAMP."""
    items: pl.DataFrame
    """ITEM_ID, GENRES, YEAR."""

    @property
    def users(self) -> list[str]:
        """All users, in the order of their ids."""
        return self.interactions["USER_ID"].unique().sort().to_list()

    def save_matrix(self, file: Path) -> None:
        """Saves who has what, once: `users` and `items` by number, and the numbers `user` and `item` of each pair."""
        rows = self.interactions.unique(["USER_ID", "ITEM_ID"])
        users, user = np.unique(rows["USER_ID"].to_numpy().astype(str), return_inverse=True)
        items, item = np.unique(rows["ITEM_ID"].to_numpy().astype(str), return_inverse=True)
        np.savez(file, users=users, items=items, user=user, item=item)

    def write(self, folder: Path) -> dict[str, Path]:
        """Writes a CSV file for each dataset type."""
        found = {}
        for kind, rows in {"INTERACTIONS": self.interactions, "ITEMS": self.items}.items():
            found[kind] = folder / f"films-{kind}.csv"
            rows.write_csv(found[kind])
        return found


def read(folder: Path, name: str) -> Films:
    """Reads ml-1m or ml-latest-small."""
    rows = pl.read_parquet(folder / name / "interactions.parquet")
    items = pl.read_parquet(folder / name / "items.parquet")
    return Films(
        rows.select(
            pl.col("user_id").cast(pl.String).alias("USER_ID"),
            pl.col("item_id").cast(pl.String).alias("ITEM_ID"),
            pl.col("timestamp").alias("TIMESTAMP"),
        ).drop_nulls(),
        items.select(
            pl.col("item_id").cast(pl.String).alias("ITEM_ID"),
            pl.col("genres").alias("GENRES"),
            pl.col("year").alias("YEAR"),
        ),
    )


def cut(films: Films, users: int) -> Films:
    """The first users only."""
    kept = films.users[:users]
    return Films(films.interactions.filter(pl.col("USER_ID").is_in(kept)), films.items)


def signed(values: Mapping[str, str], path: str, bodies: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Requests as they go over the wire; their signatures hold for 15 minutes.

    values: the variables that `tailorbird env` prints.
    """
    return list(_signed(values, path, bodies))


def _signed(values: Mapping[str, str], path: str, bodies: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    key = Credentials(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
    host = values["AWS_ENDPOINT_URL"].removeprefix("http://")
    for body in bodies:
        content = json.dumps(body).encode()
        request = AWSRequest(
            "POST", f"http://{host}{path}", {"Content-Type": "application/json", "User-Agent": "Boto3"}, content
        )
        SigV4Auth(key, "personalize", values["AWS_DEFAULT_REGION"]).add_auth(request)
        heads = {"Host": host, **dict(request.headers.items()), "Content-Length": str(len(content))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in heads.items())
        yield f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content
