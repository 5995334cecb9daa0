"""A dataset's schema: Avro text to fields, checked against the rules of spec control-plane 4.

Accepted beyond the letter of the rules, because clients send it (spec clients, "Imports"): any `version`,
null unions in any order and on any field that is not a key, field names in mixed case, metadata strings
that are neither categorical nor textual.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec

from tailorbird.data import namesakes
from tailorbird.data.reserved_fields import NOT_FEATURES, RESERVED, Rule
from tailorbird.errors import InvalidInputException

TYPES = ("string", "int", "long", "float", "double", "boolean")
NUMERIC = frozenset({"int", "long", "float", "double"})

NAME_LENGTH = 150
"""Characters of a column's name (spec control-plane 2.1)."""
# Characters of values (spec control-plane 2.4).
ID_LENGTH = 256
CATEGORICAL_LENGTH = 1000
STRING_LENGTH = 1000
TEXT_LENGTH = 20_000
METADATA_FIELDS = {"INTERACTIONS": 5, "USERS": 25, "ITEMS": 100, "ACTIONS": 10, "ACTION_INTERACTIONS": 5}
"""Most metadata fields by dataset type (spec control-plane 2.4); reserved fields of (action) interactions do not
count."""

DATASET_TYPES = tuple(METADATA_FIELDS)

FLAGS = {"categorical": "categorical", "textual": "textual", "itemName": "item_name"}
"""What a schema may say of a string beside its type, and the field's member for it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """One column of a dataset."""

    name: str
    """As the schema spells it."""
    type: str
    """One of `TYPES`."""
    nullable: bool
    categorical: bool
    textual: bool
    item_name: bool = False
    """Whether the schema flags it as what an item is called (spec recipes-and-runtime 1.4, "Semantic-Similarity")."""

    @property
    def kind(self) -> Literal["numeric", "categorical", "textual"] | None:
        """How recipes learn from the column; None where they never do (spec recipes-and-runtime 2.1).

        A name counts as text even where it is a category too: hardly two items share it.
        """
        if self.textual or self.item_name:
            return "textual"
        if self.categorical:
            return "categorical"
        return "numeric" if self.type in NUMERIC else None


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset, in the order of the Avro text."""

    name: str
    """The Avro record's name, such as Interactions."""
    fields: tuple[Field, ...]

    @cached_property
    def dataset_type(self) -> str:
        """INTERACTIONS, ITEMS, USERS, ACTIONS or ACTION_INTERACTIONS."""
        return dataset_type(self.name)

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name.upper(): field for field in self.fields}

    def field(self, name: str) -> Field | None:
        """The field of this name, whatever the case; None where there is none."""
        return self._by_name.get(name.upper())

    @cached_property
    def categories(self) -> frozenset[str]:
        """Upper-case names of the categorical columns, whose values may be several, joined by `|`."""
        return frozenset(field.name.upper() for field in self.fields if field.categorical)

    @cached_property
    def features(self) -> tuple[Field, ...]:
        """The columns that recipes may learn from: metadata, and of interactions the context."""
        reserved = NOT_FEATURES.get(self.dataset_type, ())
        return tuple(field for field in self.fields if field.kind and field.name.upper() not in reserved)

    def is_key(self, field: Field) -> bool:
        """Whether a record is worthless without this field: ids, TIMESTAMP and an EVENT_TYPE without null."""
        rule = RESERVED[self.dataset_type, None].get(field.name.upper())
        return rule is not None and rule.key and not field.nullable


# AWS's published default VIDEO_ON_DEMAND schema spells GENRES so (spec control-plane 4.2).
_SPELLINGS: dict[tuple[str, str | None], dict[str, str]] = {("ITEMS", "VIDEO_ON_DEMAND"): {"GENRES_L1": "GENRES"}}

_NEEDS_METADATA = frozenset({"USERS", "ITEMS", "ACTIONS"})


def dataset_type(name: str) -> str:
    """The dataset type that a record name or a request's `datasetType` means, whatever its case.

    Raises InvalidInputException when it is none of `DATASET_TYPES`.
    """
    plain = _plain(name)
    for known in DATASET_TYPES:
        if _plain(known) == plain:
            return known
    raise InvalidInputException(
        f"There is no dataset type {_excerpt(name)}. Use one of Interactions, Items, Users, Actions, "
        "ActionInteractions: as the name of the Avro record, and as datasetType."
    )


def parse(text: str, domain: str | None = None) -> Schema:
    """Reads an Avro schema for a custom group, or for a group of `domain`.

    Raises InvalidInputException naming the field and the remedy (spec control-plane 4.1, 4.2).
    """
    record = _record(text)
    schema = Schema(record["name"], tuple(_field(entry, n) for n, entry in enumerate(record["fields"], 1)))
    if (schema.dataset_type, domain) not in RESERVED:
        raise InvalidInputException(
            f"A schema of domain {domain} cannot be for {schema.dataset_type}: "
            "the domains ECOMMERCE and VIDEO_ON_DEMAND have Interactions, Items and Users. "
            "Leave domain out for a custom dataset group."
        )
    _check_names(schema)
    _check_text(schema)
    _check_reserved(schema, domain)
    _check_metadata(schema, domain)
    return schema


def check_dataset_type(schema: Schema, wanted: str) -> None:
    """Checks at CreateDataset that the schema is for datasets of type `wanted` (any case).

    Raises InvalidInputException when it is for another type.
    """
    if schema.dataset_type != dataset_type(wanted):
        raise InvalidInputException(
            f"The schema describes {schema.dataset_type} (its record is named {schema.name}) and cannot be "
            f"used for a dataset of type {dataset_type(wanted)}. Use a schema whose record is named for it."
        )


def check_replacement(old: Schema, new: Schema) -> None:
    """Checks that `new` can take the place of `old` (spec control-plane 4.3).

    Raises InvalidInputException naming a field that is missing or changed, or new and without null.
    """
    for field in old.fields:
        if new.field(field.name) != field:
            raise InvalidInputException(
                f"The new schema must keep every field as it is, and field {field.name} is missing or different."
            )
    for field in new.fields:
        if old.field(field.name) is None and not field.nullable:
            raise InvalidInputException(
                f'Field {field.name} is new and must allow null: give it a type such as ["null", "{field.type}"].'
            )


def _record(text: str) -> dict[str, Any]:
    try:
        record = msgspec.json.decode(text.removeprefix("\ufeff"))  # editors on Windows begin a file so
    except (ValueError, RecursionError) as error:
        where = f" ({error})" if isinstance(error, msgspec.DecodeError) else ""
        raise InvalidInputException(f"The schema is not valid JSON{where}.") from error
    if not isinstance(record, dict) or record.get("type") != "record":
        raise InvalidInputException('The schema must be a JSON object with "type": "record" at the top.')
    if not isinstance(record.get("name"), str):
        raise InvalidInputException('The schema\'s record needs a "name", such as "Interactions".')
    fields = record.get("fields")
    if not isinstance(fields, list) or not fields:
        raise InvalidInputException('The schema needs "fields": a list with at least one field.')
    return record


def _field(entry: object, number: int) -> Field:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InvalidInputException(f'Field {number} of the schema must be an object with a "name" (a text).')
    name = entry["name"]
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        raise InvalidInputException(
            f"Field {number} of the schema has the name {_excerpt(name)}. Use letters, digits and underscores, "
            f"no digit first, at most {NAME_LENGTH} characters."
        )
    type_, nullable = _type(name, entry.get("type"))
    flags = {member: _flag(entry, flag) for flag, member in FLAGS.items()}
    field = Field(name, type_, nullable, **flags)
    for flag, member in FLAGS.items():
        if flags[member] and type_ != "string":
            raise InvalidInputException(
                f"Field {name} is {flag} but of type {type_}: only strings can be {flag}. "
                f'Make it a string, or leave "{flag}" out.'
            )
    if field.categorical and field.textual:
        raise InvalidInputException(f"Field {name} is categorical and textual. Choose one.")
    return field


def _type(name: str, declared: Any) -> tuple[str, bool]:
    """The one type of a field besides null, and whether null is allowed."""
    declared = declared if isinstance(declared, list) else [declared]
    members = [member for member in declared if isinstance(member, str)]
    if len(members) < len(declared):
        raise InvalidInputException(
            f'Field {name} has no usable "type". Write one of {", ".join(TYPES)}, or a union with null '
            'such as ["null", "string"]; nested records, arrays and maps are not supported.'
        )
    for member in members:
        if member != "null" and member not in TYPES:
            raise InvalidInputException(
                f"Field {name} has the unknown type {_excerpt(member)}. Use one of {', '.join(TYPES)}."
            )
    types = set(members) - {"null"}
    if len(types) != 1:
        raise InvalidInputException(
            f"Field {name} needs exactly one type besides null, and has {len(types)}. Use one of {', '.join(TYPES)}."
        )
    return types.pop(), "null" in members


def _flag(entry: Mapping[str, object], attribute: str) -> bool:
    value = entry.get(attribute, False)
    if not isinstance(value, bool):
        raise InvalidInputException(f'Field {entry["name"]}: "{attribute}" must be true or false, without quotes.')
    return value


def _check_names(schema: Schema) -> None:
    seen: dict[str, str] = {}
    for field in schema.fields:
        other = seen.get(_plain(field.name))
        if other is not None:
            raise InvalidInputException(
                f"The fields {other} and {field.name} have the same name once underscores and case are "
                "ignored. Rename one."
            )
        seen[_plain(field.name)] = field.name


def _check_text(schema: Schema) -> None:
    for flag in ("textual", "itemName"):
        flagged = [field.name for field in schema.fields if getattr(field, FLAGS[flag])]
        if flagged and schema.dataset_type != "ITEMS":
            raise InvalidInputException(
                f'Field {flagged[0]} is {flag}, which only Items schemas may have. Leave "{flag}" out.'
            )
        if len(flagged) > 1:
            raise InvalidInputException(
                f'The fields {", ".join(flagged)} are all {flag}; one may be. Leave "{flag}" out of the others.'
            )


def _check_reserved(schema: Schema, domain: str | None) -> None:
    rules = RESERVED[schema.dataset_type, domain]
    spellings = _SPELLINGS.get((schema.dataset_type, domain), {})
    present = set()
    for field in schema.fields:
        name = spellings.get(field.name.upper(), field.name.upper())
        if name in rules:
            present.add(name)
            _check_rule(field, rules[name])
    missing = [name for name, rule in rules.items() if rule.required and name not in present]
    if missing:
        kind = schema.dataset_type + (f" in the domain {domain}" if domain else "")
        raise InvalidInputException(
            f"The schema lacks the required field{'s' * (len(missing) > 1)} "
            + ", ".join(f"{name} ({rules[name].type})" for name in missing)
            + f" of {kind}. Add {'them' if len(missing) > 1 else 'it'}."
            + namesakes.rename_hint(missing, (field.name for field in schema.fields if field.name.upper() not in rules))
        )


def _check_rule(field: Field, rule: Rule) -> None:
    if field.type != rule.type:
        raise InvalidInputException(
            f"Field {field.name} is reserved and must be of type {rule.type}, not {field.type}."
        )
    if field.nullable and rule.key and rule.required:
        raise InvalidInputException(f"Field {field.name} is required and must not allow null.")
    for flag in ("textual", "itemName"):
        if rule.key and getattr(field, FLAGS[flag]):
            raise InvalidInputException(f"Field {field.name} is reserved and must not be {flag}.")
    if field.categorical != rule.categorical:
        remedy = 'needs "categorical": true' if rule.categorical else "must not be categorical"
        raise InvalidInputException(f"Field {field.name} is reserved and {remedy}.")


def _check_metadata(schema: Schema, domain: str | None) -> None:
    rules = RESERVED[schema.dataset_type, domain]
    events = schema.dataset_type.endswith("INTERACTIONS")
    metadata = [
        field for field in schema.fields if (name := field.name.upper()) not in rules or not (events or rules[name].key)
    ]
    most = METADATA_FIELDS[schema.dataset_type]
    if len(metadata) > most:
        raise InvalidInputException(
            f"The schema has {len(metadata)} metadata fields; {schema.dataset_type} may have {most}. "
            f"Leave {len(metadata) - most} out."
        )
    useful = [field for field in metadata if field.categorical or field.textual or field.type in NUMERIC]
    if schema.dataset_type in _NEEDS_METADATA and not useful:
        raise InvalidInputException(
            f"A schema of {schema.dataset_type} needs at least one metadata field that is numeric or "
            'a string with "categorical": true (in Items also "textual": true). Add one.'
        )


def _plain(name: str) -> str:
    return name.replace("_", "").upper()


def _excerpt(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else text[:60] + "…", ensure_ascii=False)
