"""Hyperparameters: declared once, as the fields of a frozen dataclass; read here from AWS's maps of strings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tailorbird.blanks import bare
from tailorbird.errors import InvalidInputException
from tailorbird.numbers import to_number, whole_value

Value = bool | int | float | str


@dataclass(frozen=True)
class Domain:
    """Which values one hyperparameter takes, and which of AWS's maps carries it (spec recipes-and-runtime 1.3)."""

    kind: Literal["A", "F"]
    """A travels in algorithmHyperParameters, F in featureTransformationParameters."""
    type: type
    low: float = -math.inf
    high: float = math.inf
    tunable: bool = False
    choices: tuple[tuple[str, ...], ...] = ()
    """Of text: each value, followed by its other spellings in lower case. Of truth values: those that HPO may try,
    where not both."""
    only_tuned: bool = False
    """Whether AWS takes it as a range of HPO only, never as a value."""
    spellings: tuple[str, ...] = ()
    """Older names that are still accepted."""

    def __str__(self) -> str:
        if self.type is str:
            return f"one of {', '.join(value for value, *_ in self.choices)}"
        if self.type is bool:
            return "true or false"
        noun = "a whole number" if self.type is int else "a number"
        return f"{noun} from {self.low:g} " + ("up" if self.high == math.inf else f"to {self.high:g}")


def hyperparameter(
    default: Value,
    *,
    kind: Literal["A", "F"] = "A",
    low: float = -math.inf,
    high: float = math.inf,
    tunable: bool = False,
    choices: tuple[tuple[str, ...], ...] = (),
    only_tuned: bool = False,
    spellings: tuple[str, ...] = (),
) -> Any:
    """A field of a settings dataclass; the type is the default's."""
    domain = Domain(kind, type(default), low, high, tunable, choices, only_tuned, spellings)
    return dataclasses.field(default=default, metadata={"domain": domain})


def domains(settings: type) -> dict[str, tuple[Value, Domain]]:
    """Returns each hyperparameter's default and domain by name; fields that AWS does not know are left out."""
    fields: list[Any] = [field for field in dataclasses.fields(settings) if "domain" in field.metadata]
    return {field.name: (field.default, field.metadata["domain"]) for field in fields}


def text(value: Value) -> str:
    """A value as AWS's maps of strings carry it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def tunable(settings: type) -> dict[str, Domain]:
    """Returns the hyperparameters that HPO may search, with all that it may try."""
    return {name: domain for name, (_, domain) in domains(settings).items() if domain.tunable}


def renamed(known: Mapping[str, Domain], name: str) -> str:
    """Returns the name that a hyperparameter has now, where this is an older spelling of it."""
    return next((new for new, domain in known.items() if name in domain.spellings), name)


def between(name: str, domain: Domain, low: float, high: float) -> Domain:
    """Returns the part of a numeric domain from `low` to `high`.

    Raises:
        InvalidInputException: ends that lie outside the domain or the wrong way round; `name` is what it calls them.
    """
    if not domain.low <= low <= high <= domain.high:
        raise InvalidInputException(
            f"{name}: minValue {low:g} and maxValue {high:g} must lie from {domain.low:g} to {domain.high:g}, in order."
        )
    return dataclasses.replace(domain, low=low, high=high)


def among(name: str, domain: Domain, values: Sequence[str]) -> Domain:
    """Returns the part of a categorical domain that holds these values.

    Raises:
        InvalidInputException: no value, or one that is not in the domain; `name` is what it calls it.
    """
    if not values:
        raise InvalidInputException(f"{name}: values is empty; name what to try, or leave values out to try all.")
    found = dict.fromkeys(text(_parse(name, domain, value)) for value in values)
    return dataclasses.replace(domain, choices=tuple((value,) for value in found))


def values(domain: Domain) -> tuple[Value, ...]:
    """Returns all values of a categorical domain."""
    if domain.type is bool:
        return tuple(choice[0] == "true" for choice in domain.choices) or (True, False)
    return tuple(choice[0] for choice in domain.choices)


def read(
    settings: type,
    algorithm_hyper_parameters: Mapping[str, str],
    feature_transformation_parameters: Mapping[str, str],
) -> Any:
    """Returns `settings` made from AWS's two maps of strings; what is not given keeps its default.

    A name may carry DescribeSolution's prefix, such as training.bptt (spec recipes-and-runtime 8, number 4).

    Raises:
        InvalidInputException: a name the recipe does not have, a value of the wrong type or out of range, or a least
            value above the greatest.
    """
    known = domains(settings)
    values: dict[str, Value] = {}
    maps = (
        ("A", "algorithmHyperParameters", algorithm_hyper_parameters),
        ("F", "featureTransformationParameters", feature_transformation_parameters),
    )
    for kind, field_name, given in maps:
        allowed = {name: domain for name, (_, domain) in known.items() if domain.kind == kind and not domain.only_tuned}
        for full_name, text in given.items():
            name = full_name.rpartition(".")[2]
            if name not in allowed:
                choice = ", ".join(sorted(allowed)) or "none"
                raise InvalidInputException(
                    f"{field_name}: the recipe has no parameter {full_name!r}. It has: {choice}."
                )
            value = _parse(f"{field_name}.{full_name}", allowed[name], text)
            if values.setdefault(name, value) != value:
                raise InvalidInputException(
                    f"{field_name}: {name} is there twice, as {values[name]} and as {value}; name it once."
                )
    made = settings(**values)
    for least in (name for name in known if name.startswith("min_")):
        greatest = least.replace("min_", "max_", 1)
        if greatest in known and getattr(made, least) > getattr(made, greatest):
            raise InvalidInputException(
                f"{least} {getattr(made, least):g} is above {greatest} {getattr(made, greatest):g}: "
                "lower the one or raise the other."
            )
    return made


def _parse(name: str, domain: Domain, text: str) -> Value:
    if domain.type is str:
        found = [spellings[0] for spellings in domain.choices if bare(text).lower() in spellings]
        if not found:
            raise InvalidInputException(f"{name} must be {domain}; given: {text!r}.")
        return found[0]
    value = _converted(domain.type, text)
    if value is None or (domain.type is not bool and not domain.low <= value <= domain.high):
        raise InvalidInputException(f"{name} must be {domain}; given: {text!r}.")
    return value


def _converted(kind: type, text: str) -> bool | int | float | None:
    """The value that `text` spells; None where it spells none of this kind."""
    if kind is bool:
        return {"true": True, "false": False}.get(bare(text).lower())
    return to_number(text) if kind is float else whole_value(text)
