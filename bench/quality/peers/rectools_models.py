"""Sequence peers from the library RecTools: SASRec, BERT4Rec and HSTU, with its defaults but for what is set here.

Sources: Kang and McAuley, ICDM 2018; Sun et al., CIKM 2019; Zhai et al., ICML 2024. Time is given to them as order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality.protocol import ORDER, Contestant
from tailorbird.evaluation.ranking import Ranker
from tailorbird.recipes.recipe import Interactions, Query

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "SASRec": ("SASRecModel", {"loss": "softmax"}),
    "BERT4Rec": ("BERT4RecModel", {"loss": "softmax"}),
    "HSTU": ("HSTUModel", {"loss": "softmax", "relative_time_attention": False}),
}
"""Class and settings; HSTU's attention to times needs times, which the others do not get either."""


@dataclass(frozen=True)
class Sequential:
    """A trained model of the library, asked through the library's own tables."""

    items: NDArray[np.str_]
    model: Any
    known: NDArray[np.bool_]
    """Which items the library kept of the training's; it takes no others."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """Returns (query, item) scores; -inf for items it does not know, and for histories of such only."""
        histories = [query.items[self.known[query.items]] for query in queries]
        user = np.repeat(np.arange(len(queries)), [len(history) for history in histories])
        item = np.concatenate(histories)
        table = self.model.recommend(
            users=np.unique(user), dataset=dataset(user, item), k=len(self.items), filter_viewed=False
        )
        scores = np.full((len(queries), len(self.items)), -np.inf, np.float32)
        scores[table["user_id"].to_numpy(), table["item_id"].to_numpy()] = table["score"].to_numpy()
        return scores


def dataset(user: NDArray[np.integer[Any]], item: NDArray[np.integer[Any]]) -> Any:
    """Returns the library's data set of rows in their order."""
    import pandas as pd
    from rectools.dataset import Dataset

    times = pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(len(user)), unit="s")
    return Dataset.construct(pd.DataFrame({"user_id": user, "item_id": item, "weight": 1.0, "datetime": times}))


def sequential(name: str, length: int, width: int, epochs: int) -> Contestant:
    """Returns one of `MODELS` for histories of `length` items."""
    class_name, settings = MODELS[name]

    def train(data: Interactions, seed: int) -> Ranker:
        import rectools.models
        from pytorch_lightning import Trainer, seed_everything

        def trainer() -> Any:
            return Trainer(
                max_epochs=epochs,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                deterministic=True,
            )

        seed_everything(seed, verbose=False)
        model = getattr(rectools.models, class_name)(
            session_max_len=length, n_factors=width, get_trainer_func=trainer, **settings
        )
        model.fit(dataset(data.user, data.item))
        known = np.zeros(len(data.items), bool)
        known[model.data_preparator.get_known_item_ids().astype(int)] = True
        return Sequential(data.items, model, known)

    return Contestant(f"{name} (RecTools, width {width}, {epochs} epochs)", train, uses=ORDER)
