"""Public data sets with their metadata, as a training would see them. The folder is that of the data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailorbird.data.interactions import Column, Interactions
from tailorbird.recipes.matrices import keep_users

Kinds = Mapping[str, Literal["numeric", "categorical", "textual"]]


def ml_100k(folder: Path) -> Interactions:
    """MovieLens 100K: every rating is an interaction; genres and year of films, and who the users are."""
    rows = pl.read_parquet(folder / "ml-100k" / "interactions.parquet")
    films = pl.read_parquet(folder / "ml-100k" / "items.parquet").with_columns(
        pl.col("class").str.replace_all(" ", "|").alias("GENRES"),
        YEAR=pl.col("release_year").cast(pl.Float64, strict=False),
    )
    users = pl.read_parquet(folder / "ml-100k" / "users.parquet")
    return encode(
        rows,
        films.rename({"movie_title": "TITLE"}),
        {"GENRES": "categorical", "YEAR": "numeric", "TITLE": "textual"},
        users.rename({"age": "AGE", "gender": "GENDER", "occupation": "OCCUPATION"}),
        {"AGE": "numeric", "GENDER": "categorical", "OCCUPATION": "categorical"},
    )


def online_retail(folder: Path) -> Interactions:
    """UCI Online Retail: the purchases of known customers; names of the products, countries of the customers."""
    rows = pl.read_parquet(folder / "online-retail" / "interactions.parquet").filter(
        (pl.col("event_type") == "purchase") & pl.col("user_id").is_not_null()
    )
    products = rows.group_by("item_id").agg(
        pl.col("description").drop_nulls().first().alias("NAME"), pl.col("unit_price").median().alias("PRICE")
    )
    customers = rows.group_by("user_id").agg(pl.col("country").first().alias("COUNTRY"))
    return encode(rows, products, {"NAME": "textual", "PRICE": "numeric"}, customers, {"COUNTRY": "categorical"})


def complete_journey(folder: Path) -> Interactions:
    """The Complete Journey: a year of groceries; department, brand and category of the products."""
    rows = pl.read_parquet(folder / "complete-journey" / "interactions.parquet")
    products = pl.read_parquet(folder / "complete-journey" / "items.parquet")
    kept = {"department": "DEPARTMENT", "brand": "BRAND", "product_category": "CATEGORY"}
    return encode(rows, products.rename(kept), dict.fromkeys(kept.values(), "categorical"))


DATASETS = {"ml-100k": ml_100k, "online-retail": online_retail, "complete-journey": complete_journey}


def encode(
    rows: pl.DataFrame,
    items: pl.DataFrame,
    item_kinds: Kinds,
    users: pl.DataFrame | None = None,
    user_kinds: Kinds | None = None,
) -> Interactions:
    """Returns the rows as numbers, in the order that they have for a user's equal timestamps.

    All frames have item_id or user_id; the columns are those whose kinds are given.
    """
    ids = {name: pl.col(name).cast(pl.String) for name in ("user_id", "item_id")}
    rows = rows.with_columns(**ids).sort("user_id", "timestamp", maintain_order=True)
    user_ids, user = np.unique(rows["user_id"].to_numpy().astype(np.str_), return_inverse=True)
    item_ids, item = np.unique(rows["item_id"].to_numpy().astype(np.str_), return_inverse=True)
    seconds = rows["timestamp"].dt.epoch("s") if rows["timestamp"].dtype == pl.Datetime else rows["timestamp"]
    return Interactions(
        users=user_ids,
        items=item_ids,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        timestamp=seconds.cast(pl.Int64).to_numpy(),
        event_type=np.zeros(len(rows), np.int16),
        item_columns=_columns(items.with_columns(ids["item_id"]), "item_id", item_ids, item_kinds),
        user_columns={}
        if users is None
        else _columns(users.with_columns(ids["user_id"]), "user_id", user_ids, user_kinds or {}),
    )


def _columns(records: pl.DataFrame, key: str, ids: NDArray[np.str_], kinds: Kinds) -> dict[str, Column]:
    wanted = pl.DataFrame({key: ids.tolist()})
    found = wanted.join(records.unique(key, maintain_order=True), on=key, how="left", maintain_order="left")
    return {name: Column(kind, np.array(found[name].to_list(), object)) for name, kind in kinds.items()}


def some_users(data: Interactions, count: int, seed: int) -> Interactions:
    """Returns the rows of `count` users that are drawn from the seed, all of them where there are no more."""
    keep = np.zeros(len(data.users), bool)
    keep[np.random.default_rng(seed).permutation(len(data.users))[:count]] = True
    return keep_users(data, keep)
