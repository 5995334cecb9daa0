"""What the items of an answer have in common, as a short theme (spec recipes-and-runtime 6.2, "THEME_GENERATION").

No language model writes here: a theme is made of the items' own key words, such as "Animation, adventure". Those are
the categories and words that are much more frequent among the items than in the catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tailorbird.data.schema import Schema
from tailorbird.filters.evaluate import MetadataTable
from tailorbird.recipes.features import parts
from tailorbird.recipes.recipe import ThematicModel
from tailorbird.recipes.text import terms

KEY_WORDS = 3
"""Most key words of a theme; AWS's example has two (spec recipes-and-runtime 6.2). Not tuned, as `LEAST_SHARE`."""
LEAST_SHARE = 0.3
"""Of the items, that must have a key word; where none is so common the best one is taken all the same."""
RELEVANCE_DIGITS = 4
"""As AWS's example has (spec recipes-and-runtime 6.2)."""


@dataclass(frozen=True)
class ItemKeyWords:
    """What themes can be made of."""

    words: Sequence[frozenset[str]]
    """The key words of each item, by its number in the model; in lower case."""
    spellings: Mapping[str, str]
    """Each key word as the data spell it."""

    @cached_property
    def frequency(self) -> Counter[str]:
        """In how many items each key word is."""
        return Counter(word for words in self.words for word in words)

    def key_words(self, items: Sequence[int]) -> list[str]:
        """The words that tell some items from the others, the most telling first; none where they share nothing."""
        found = Counter(word for item in items for word in self.words[item])
        usual = {word: len(items) * self.frequency[word] / len(self.words) for word in found}
        lift = {word: count * float(np.log(count / usual[word])) for word, count in found.items() if count > 1}
        ranked = sorted((word for word in lift if lift[word] > 0), key=lambda word: (-lift[word], word))
        common = [word for word in ranked if found[word] >= LEAST_SHARE * len(items)]
        chosen: list[str] = []
        for word in common or ranked[:1]:
            if len(chosen) < KEY_WORDS and not any(word in other or other in word for other in chosen):
                chosen.append(word)
        return [self.spellings[word] for word in chosen]


def key_words_of(table: MetadataTable, schema: Schema, name: str) -> ItemKeyWords:
    """Reads the key words of all items from their categories, their text and the column of their names."""
    spellings: dict[str, str] = {}
    rows: list[set[str]] = [set() for _ in range(len(table))]
    for field in schema.fields:
        if not (field.categorical or field.textual or field.item_name or field.name.upper() == name.upper()):
            continue
        cut = parts if field.categorical else _words
        for row, value in zip(rows, table.values(field.name), strict=False):  # no values: a column that came later
            for word in cut(value):
                row.add(word.lower())
                spellings.setdefault(word.lower(), word)
    return ItemKeyWords([frozenset(row) for row in rows], spellings)


def _words(value: object) -> list[str]:
    return [term for term in terms(str(value)) if not term.isdigit()] if value is not None else []


def theme_of(model: ThematicModel, known: ItemKeyWords, items: Sequence[int]) -> tuple[str, list[tuple[int, float]]]:
    """The theme of some items, and the items with their relevance to it (cosines), the most relevant first."""
    words = known.key_words(items)
    relevance = np.round(model.relevance(words, items).astype(np.float64), RELEVANCE_DIGITS)
    order = np.argsort(-relevance, kind="stable").tolist()
    return ", ".join(words).capitalize(), [(items[place], float(relevance[place])) for place in order]
