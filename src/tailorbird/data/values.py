"""What a value means in a column of the schema: one rule for every door, and one text for each way to be wrong.

Events, records and batch lines, which come one by one, call `read`. A CSV file comes in columns of texts, for which
`csv_columns` says the same in expressions; a test holds the two equal.
"""

from __future__ import annotations

import re

from tailorbird.blanks import bare
from tailorbird.data.null_words import is_null, is_null_name, is_null_text
from tailorbird.data.schema import CATEGORICAL_LENGTH, ID_LENGTH, STRING_LENGTH, TEXT_LENGTH, Field
from tailorbird.numbers import to_number, whole_part

Value = str | int | float | bool | None

LATEST_TIMESTAMP = 100_000_000_000
"""Epoch seconds (the year 5138): from here on a number is taken for milliseconds, which are of 1973 or later."""
LAST_DAY = (253_402_214_400, 253_402_300_800)
"""Epoch seconds of 9999-12-31, which databases write for "never": no milliseconds, though of 1978 they would be."""
TIMES = frozenset({"TIMESTAMP", "CREATION_TIMESTAMP", "EXPIRATION_TIMESTAMP"})
"""Columns that hold epoch seconds."""
SPANS = frozenset({"REPEAT_FREQUENCY"})
"""Columns that hold a number of days, of which a negative one says nothing."""
IDS = ("USER_ID", "ITEM_ID", "ACTION_ID")
LABELS = frozenset({*IDS, "EVENT_TYPE"})
"""Columns of names that rows have in common: never cut."""
NAMES = LABELS | {"RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE"}
"""Columns of texts in which every null word means nothing, not only the reserved one."""
BOOLEANS = {"true": True, "false": False}
"""In any case: pandas writes True, Excel TRUE."""
# What Avro's int and long must be below.
INT = 2**31
LONG = 2**63
FLOAT = (2 - 2**-24) * 2.0**127
"""What rounds to a float of 32 bits, as Avro's is, is below this: 3.4028235e38, as Java prints the largest, is a little
above that. A double goes on to 1.8e308."""
CLOCK_DATE = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d([0-5]\d)?(\.0*)?$"
"""20231114093000 and 202311140930: as milliseconds these are of other millennia, or of the 1970s."""
DAY = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\.0*)?$"
"""20231114: as seconds it is of 1970."""

NO_NUMBER = "{name} is not a number: write it in digits, such as 12"
NO_TIME = "{name} is not a number: write epoch seconds such as 1717243200"
NEGATIVE = "{name} is negative: write a number of days, from 0 on"
NO_FLOAT = "{name} does not fit a float, which ends at 3.4e38: write a smaller number"
NOT_FINITE = "{name} is not a finite number: write it in digits, such as 12.5"
NO_BOOLEAN = "{name} is neither true nor false: write one of these two words"
NO_INT = "{name} does not fit an int: declare it long"
NO_LONG = "{name} does not fit a long: write a smaller number"
INEXACT = (
    "{name} is too large to be written with an exponent, as floats are, which leaves its last digits open: "
    "write all of its digits"
)
EARLY = "{name} is negative: write epoch seconds, from 1970 on"
LATE = "{name} is in milliseconds or finer, not in seconds: divide by 1000 (or more)"
DATE = "{name} is a date and a time written as one number: write epoch seconds such as 1717243200"
FRACTION = "{name} has a fraction: it is rounded down to a whole number"
NUMBER = "{name} is the number {value}: write it as the data have it, in quotes"
"""Of an id: whether a file has 3.0 or 3, which are two ids, no number tells."""
_GROUPS = "[.'’ \u00a0\u202f]"
_UNITS = "[$€£¥￥₩₹%元円원]|EUR|USD|CHF|GBP|RMB|CNY"
WRITTEN = {
    r"^[-+－＋]?[0-9]*[０-９][0-9０-９.,．，]*$": "{name} has digits of another width: write 0 to 9",
    r"^[-+]?[1-9][0-9]{0,2},[0-9]{3}$": "{name} has a comma, which parts thousands or is a decimal comma: write "
    "1234 or 1.234 for 1,234",
    rf"^[-+]?([0-9]+|[0-9]{{1,3}}({_GROUPS}[0-9]{{3}})+),[0-9]+$": "{name} has a decimal comma: write a point, such as "
    "12.5, and no sign between thousands",
    rf"^[-+]?[0-9]{{1,3}}(({_GROUPS}[0-9]{{3}})+|(,[0-9]{{3}})+(\.[0-9]+)?)$": "{name} has signs between thousands: "
    "write the digits alone, such as 1234567",
    rf"^[-+]?({_UNITS}) ?[0-9][0-9., ]*$|^[-+]?[0-9][0-9., \u00a0\u202f]*({_UNITS})$": "{name} has a currency or a "
    "unit beside the number: write the number alone, such as 12.5",
}
"""How numbers are written that are no numbers here, and what to do, likeliest first. For polars and for Python's re."""
LONG_CATEGORY = "Length cannot be more than {most} characters for {name}..."


class UnusableValue(ValueError):
    """A value that its column cannot hold; the message names the column and what to do."""


def written(name: str, text: str) -> str:
    """What is wrong with a number that is written as elsewhere; empty where it hardly is one. name: of its column."""
    text = bare(text)
    return next((words.format(name=name) for pattern, words in WRITTEN.items() if re.match(pattern, text)), "")


def no_number(what: object, text: str) -> str:
    """That a number is due where a text stands, and what is wrong with that."""
    quoted = f'"{text}"'
    return f"{what} is a number; {written(quoted, text) or f'{quoted} is not'}."


def categories(text: str) -> tuple[str, ...]:
    """The categories of a text such as Action|Drama; where nothing stands between two bars there is none."""
    return tuple(part for part in text.split("|") if bare(part))


def longest(field: Field) -> int:
    """Most characters of a string column (spec control-plane 2.4)."""
    if field.name.upper() in LABELS:
        return ID_LENGTH
    if field.textual:
        return TEXT_LENGTH
    return CATEGORICAL_LENGTH if is_strict(field) else STRING_LENGTH


def is_strict(field: Field) -> bool:
    """Whether a text that is too long cannot be used; others are cut."""
    return field.categorical or field.name.upper() in LABELS | {"IMPRESSION"}


def read(field: Field, given: object) -> Value:
    """The value of a column that a client's JSON gives: None where it gives none, a fraction rounded down, texts cut.

    Raises Unusable. Whether a column may be null is the caller's question.
    """
    if isinstance(given, list | dict):
        raise UnusableValue(f"{field.name} must be one value: write several categories as one text, joined with |")
    if given is None or (isinstance(given, str) and _is_nothing(field, given)):
        return None
    if field.type == "string":
        return _text(field, given)
    if field.type == "boolean":
        return _boolean(field, given)
    return _number(field, given)


def _is_nothing(field: Field, text: str) -> bool:
    if field.name.upper() in NAMES:
        return is_null_name(text)
    return is_null_text(text) if field.type == "string" else is_null(text)


def _text(field: Field, given: object) -> str:
    if isinstance(given, bool):
        raise UnusableValue(f"{field.name} must be a text, not {str(given).lower()}")
    if isinstance(given, float) and field.name.upper() in LABELS:
        raise UnusableValue(NUMBER.format(name=field.name, value=given))
    text, most = str(given), longest(field)
    if len(text) > most and is_strict(field):
        raise UnusableValue(LONG_CATEGORY.format(name=field.name, most=most))
    return text[:most]


def _boolean(field: Field, given: object) -> bool:
    value = given if isinstance(given, bool) else BOOLEANS.get(bare(str(given)).lower())
    if value is None:
        raise UnusableValue(NO_BOOLEAN.format(name=field.name))
    return value


def _number(field: Field, given: object) -> int | float:
    number = None if isinstance(given, bool) else to_number(str(given))
    whole = field.type in {"int", "long"}
    if number is None:
        reason = (NO_TIME if field.name.upper() in TIMES else NO_NUMBER) if whole else NOT_FINITE
        raise UnusableValue(written(field.name, str(given)) or reason.format(name=field.name))
    if field.type == "float" and abs(number) >= FLOAT:
        raise UnusableValue(NO_FLOAT.format(name=field.name))
    return _whole(field, str(given), number) if whole else number


def _whole(field: Field, text: str, number: float) -> int:
    if field.name.upper() in TIMES:
        _check_time(field, text, number)
    if field.name.upper() in SPANS and number < 0:
        raise UnusableValue(NEGATIVE.format(name=field.name))
    value = whole_part(text)  # "1995.0" and "1.5e9" are whole numbers, too
    if field.type == "int" and (value is None or not -INT <= value < INT):
        raise UnusableValue(NO_INT.format(name=field.name))
    if (abs(number) >= LONG) if value is None else not -LONG <= value < LONG:
        raise UnusableValue(NO_LONG.format(name=field.name))
    if value is None:
        raise UnusableValue(INEXACT.format(name=field.name))
    return value


def _check_time(field: Field, text: str, number: float) -> None:
    if number < 0:
        raise UnusableValue(EARLY.format(name=field.name))
    if number >= LATEST_TIMESTAMP and not LAST_DAY[0] <= number < LAST_DAY[1]:
        raise UnusableValue((DATE if re.match(CLOCK_DATE, bare(text), re.ASCII) else LATE).format(name=field.name))
