"""What a user would write instead: an ASGI application over a model of `implicit`, with a filter of seen items.

PEER_MATRIX names a file with the (user, item) matrix and the ids, PEER_MODEL the model: item-kNN or ALS.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy import sparse

MODELS: dict[str, Callable[[], Any]] = {
    "item-kNN": lambda: CosineRecommender(K=100, num_threads=1),
    "ALS": lambda: AlternatingLeastSquares(factors=64, random_state=0, num_threads=1),
}
Message = dict[str, Any]

kept = np.load(os.environ["PEER_MATRIX"], allow_pickle=False)
items: list[str] = kept["items"].tolist()
rows: dict[str, int] = {user: row for row, user in enumerate(kept["users"].tolist())}
seen = sparse.csr_matrix((np.ones(len(kept["item"]), np.float32), (kept["user"], kept["item"])))
model = MODELS[os.environ["PEER_MODEL"]]()
model.fit(seen, show_progress=False)


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """Answers POST /recommendations with userId and numResults."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body", False):
            break
    asked: dict[str, Any] = (
        json.loads(body) if body else {"userId": next(iter(rows)), "numResults": 1}
    )  # whether it is there
    row = rows[asked["userId"]]
    found, scores = model.recommend(row, seen[row], N=asked["numResults"], filter_already_liked_items=True)
    listed = [
        {"itemId": items[item], "score": score} for item, score in zip(found.tolist(), scores.tolist(), strict=True)
    ]
    answer = json.dumps({"itemList": listed}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
