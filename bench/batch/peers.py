"""What a user would write instead of a batch job: models of `implicit` and RecTools' SASRec, lines in and lines out.

Each reads its lines, asks its model for all users at once, and writes a line of JSON a user; what is told is the
seconds of that, with the model in memory. SASRec has the size that it has in P1 of bench/quality, and is trained for a
few steps only: what an answer costs does not depend on it.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LENGTH, WIDTH, STEPS = 200, 64, 3
"""Of SASRec: the films of a history that it sees, its width, and the batches that it is trained on."""
INPUT, OUTPUT, TAKEN = "users.json", "answers.json", "seconds.json"
Found = tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]
"""(user, place) items and scores."""


def item_knn(matrix: sparse.csr_matrix, count: int) -> Callable[[NDArray[np.int64]], Found]:
    """As `serving.peer` has it, on all cores."""
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=100, num_threads=0)
    model.fit(matrix, show_progress=False)
    return lambda rows: model.recommend(rows, matrix[rows], N=count, filter_already_liked_items=False)


def als(matrix: sparse.csr_matrix, count: int) -> Callable[[NDArray[np.int64]], Found]:
    """Likewise."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=64, random_state=0, num_threads=0)
    model.fit(matrix, show_progress=False)
    return lambda rows: model.recommend(rows, matrix[rows], N=count, filter_already_liked_items=False)


def sasrec(matrix: sparse.csr_matrix, count: int) -> Callable[[NDArray[np.int64]], Found]:
    """The library's own way to recommend to all users; the order of a user's films is that of their numbers."""
    from pytorch_lightning import Trainer
    from rectools.models import SASRecModel

    from quality.peers.rectools_models import dataset

    coo = matrix.tocoo()
    rows = dataset(coo.row, coo.col)

    def trainer() -> Any:
        return Trainer(max_steps=STEPS, logger=False, enable_checkpointing=False, enable_progress_bar=False)

    model = SASRecModel(session_max_len=LENGTH, n_factors=WIDTH, loss="softmax", get_trainer_func=trainer)
    model.fit(rows)

    def answers(users: NDArray[np.int64]) -> Found:
        table = model.recommend(users=users, dataset=rows, k=count, filter_viewed=False)
        shape = len(users), count
        return table["item_id"].to_numpy().reshape(shape), table["score"].to_numpy().reshape(shape)

    return answers


PEERS: dict[str, Callable[[sparse.csr_matrix, int], Callable[[NDArray[np.int64]], Found]]] = {
    "implicit item-kNN": item_knn,
    "implicit ALS": als,
    "SASRec (RecTools)": sasrec,
}


def answer(name: str, place: Path, count: int) -> None:
    """Has a peer answer the lines of a place, whose matrix.npz is that of `serving.peer`."""
    kept = np.load(place / "matrix.npz", allow_pickle=False)
    items: list[str] = kept["items"].tolist()
    number: dict[str, int] = {user: row for row, user in enumerate(kept["users"].tolist())}
    matrix = sparse.csr_matrix((np.ones(len(kept["item"]), np.float32), (kept["user"], kept["item"])))
    warnings.simplefilter("ignore")  # both libraries warn of what they do themselves
    asked = PEERS[name](matrix, count)
    asked(np.arange(2))  # so that what is made at the first question is not counted
    began = time.perf_counter()
    with (place / INPUT).open() as lines:
        users = [json.loads(line)["userId"] for line in lines]
    found, scores = asked(np.array([number[user] for user in users]))
    with (place / OUTPUT).open("w") as out:
        out.writelines(_lines(users, items, found, scores))
    (place / TAKEN).write_text(json.dumps(time.perf_counter() - began))


def _lines(
    users: Sequence[str], items: Sequence[str], found: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]]
) -> list[str]:
    return [
        json.dumps({"input": {"userId": user}, "output": {"recommendedItems": [items[at] for at in row], "scores": of}})
        + "\n"
        for user, row, of in zip(users, found.tolist(), scores.tolist(), strict=True)
    ]
