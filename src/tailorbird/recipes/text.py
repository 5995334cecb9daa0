"""Text as numbers: words and pairs of neighbouring words, weighted by TF-IDF.

Letters and digits in a row are a word, in lower case. Scripts that put no spaces between words (Chinese,
Japanese) are cut into pairs of characters instead. No stop words: IDF takes care of them in every language.

Source: Salton & Buckley, Term-weighting approaches in automatic text retrieval, 1988.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

MOST_TERMS = 50_000
"""Of a vocabulary: the most frequent; rarer ones hardly move the main directions. Bounds memory; not tuned."""
LEAST_TEXTS = 2
"""A term of fewer texts is left out: it could relate a text to itself only."""

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")


@dataclass(frozen=True)
class Vocabulary:
    """The terms that count, and how much; made by `fit`."""

    terms: Mapping[str, int]
    """The column of each term."""
    weights: NDArray[np.float32]
    """Inverse document frequency of each term."""

    def encode(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Returns (text, term) float32 rows of length 1; a text without any known term gives an empty row."""
        counts = [Counter(term for term in terms(text) if term in self.terms) for text in texts]
        indptr = np.concatenate([[0], np.cumsum([len(each) for each in counts], dtype=np.int64)])
        indices = np.array([self.terms[term] for each in counts for term in each], np.int32)
        often = np.array([count for each in counts for count in each.values()], np.float32)
        data = (1 + np.log(often)) * self.weights[indices]
        return unit_rows(sparse.csr_matrix((data, indices, indptr), shape=(len(texts), len(self.terms))))

    def save(self, path: Path) -> None:
        """Writes a JSON file."""
        path.write_text(json.dumps({"terms": list(self.terms), "weights": self.weights.tolist()}))


def fit(texts: Sequence[str]) -> Vocabulary:
    """Learns the terms of the texts."""
    counts = Counter(term for text in texts for term in set(terms(text)))
    frequent = [term for term, found in counts.most_common(MOST_TERMS) if found >= LEAST_TEXTS]
    weights = np.array([np.log((1 + len(texts)) / (1 + counts[term])) + 1 for term in sorted(frequent)], np.float32)
    return Vocabulary({term: column for column, term in enumerate(sorted(frequent))}, weights)


def load(path: Path) -> Vocabulary:
    """Reads what `Vocabulary.save` wrote."""
    read = json.loads(path.read_text())
    return Vocabulary(
        {term: column for column, term in enumerate(read["terms"])}, np.array(read["weights"], np.float32)
    )


def terms(text: str) -> list[str]:
    """Returns the words of a text in their order, then its pairs of neighbouring words."""
    words: list[str] = []
    for word in _WORD.findall(text.lower()):
        unspaced = len(word) > 1 and re.match(f"[{_UNSPACED}]", word)
        words += ["".join(pair) for pair in pairwise(word)] if unspaced else [word]
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def unit_rows(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """Returns the rows at length 1; empty ones stay empty."""
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = sparse.diags_array((1 / np.maximum(lengths, 1e-12)).astype(np.float32))
    return sparse.csr_matrix(scale @ rows, dtype=np.float32)
