"""Why a list of values is refused: what is wrong with which value, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailorbird.data.null_words import is_null
from tailorbird.data.unseen import JOINERS
from tailorbird.data.values import written
from tailorbird.filters.compared import EDGES, Comparand

FORM = 'Instead, write each value in double quotes, commas between, such as "Comedy","Drama"; a quote inside one twice'
NUMBERS = "Instead, write numbers alone, such as {}"
_LONGEST = 60
"""Characters of a text that a message shows: enough to find it; not tuned."""
_SIGNS_NAMED = 3
"""Signs that a message names: more are another text; not tuned."""


def of_nothing(name: str, value: str, form: str) -> str:
    """Where a value says nothing."""
    return (
        f'filterValues.{name} has a value that says nothing: "{_short(value)}". {form}; to skip an EXCLUDE expression, '
        f"leave {name} out."
    )


def of_form(name: str, text: str) -> str:
    """Where a text is no list."""
    return f"filterValues.{name} cannot be read: {_short(text)}. {FORM}."


def of_value(name: str, text: str, values: Sequence[str], suspect: str, compared: Comparand) -> str:
    """Where one of the values that a text lists hardly is one."""
    if not text or is_null(suspect):
        return of_nothing(name, suspect, NUMBERS.format(compared.number) if compared.number else FORM)
    begin = f"filterValues.{name} cannot be read: {_short(text)}."
    meant = compared.meant(suspect)
    if compared.number:
        signs = " and ".join(_signs(suspect, meant)) if meant else ""
        why = f'Numbers are compared, and "{_short(suspect)}" is none{f" for {signs} in it" if signs else ""}'
        if not signs and (cause := written("it", suspect)):
            return f"{begin} {why}: {cause}."
        return f"{begin} {why}. {NUMBERS.format(','.join(meant) or compared.number)}."
    why = f'Nothing has the value "{_short(suspect)}"'
    if not meant:
        return f"{begin} {why}. {FORM}."
    why += f": {_cause(text, suspect, meant, compared)}" if len(meant) > 1 else _but(suspect, meant)
    instead = [compared.meant(value) or (value,) if not compared.known(value) else (value,) for value in values]
    # What is refused in quotes, too, is no advice: the nothing behind a last comma, say.
    good = [word for words in instead for word in words if compared.known(word) or not compared.hides(word)]
    listed = whole if len(whole := _listed(good)) <= _LONGEST else _listed(meant)
    # A value that is gone may look so, and in quotes it is named.
    itself = (
        "" if compared.hides(suspect) or set(suspect) & set(EDGES) else f" {_listed([suspect])} is one value as well."
    )
    return f"{begin} {why}. Instead, write {listed}: each value in double quotes, commas between.{itself}"


def _cause(text: str, suspect: str, meant: Sequence[str], compared: Comparand) -> str:
    """Why several values were taken for one."""
    signs = _signs(suspect, meant)
    if compared.categorical and '"|"' in signs:
        return 'a "|" parts categories, so that they are values by themselves'
    where = " inside quotes" if f'"{suspect}"' in text or f"'{suspect}'" in text else ""
    return f"{' and '.join(signs)}{where} {'does' if len(signs) == 1 else 'do'} not part its values from each other"


def _but(suspect: str, meant: Sequence[str]) -> str:
    """Which other value there is."""
    signs = _signs(suspect, meant)
    return f', while "{_short(meant[0])}"' + (f", without {' and '.join(signs)}," if signs else "") + " is one"


def _signs(suspect: str, meant: Sequence[str]) -> list[str]:
    """What a text has beside the values that it means; empty where it spells them otherwise."""
    rest = suspect
    for value in meant:
        before, found, after = rest.partition(value)
        rest = f"{before}\n{after}" if found else ""
    return [_name_of(sign) for sign in list(dict.fromkeys(re.findall(r"[^\n]+", rest)))[:_SIGNS_NAMED]]


def _name_of(sign: str) -> str:
    bare = sign.strip(" ")
    if not bare:
        return "the blank"
    return f'"{_short(bare)}"' if bare.isprintable() else f"what cannot be seen (U+{ord(bare[0]):04X})"


def _listed(values: Sequence[str]) -> str:
    return ",".join('"' + value.replace('"', '""') + '"' for value in values)


def _short(text: str) -> str:
    shown = "".join(
        character if character.isprintable() or character in JOINERS else " " for character in text[:_LONGEST]
    )
    return shown if len(text) <= _LONGEST else shown + "…"
