"""Which Avro schemas are accepted, and what the refusals say."""

from __future__ import annotations

import json

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tailorbird.data.schema import Field, check_dataset_type, dataset_type, parse
from tailorbird.errors import InvalidInputException

CATEGORICAL = {"categorical": True}
TEXTUAL = {"textual": True}
IDS = {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"}
ITEM = {"ITEM_ID": "string", "GENRE": ("string", CATEGORICAL)}


def avro(name, fields, **more):
    entries = []
    for field, declared in fields.items():
        kind, attributes = declared if isinstance(declared, tuple) else (declared, {})
        entries.append({"name": field, "type": kind, **attributes})
    return json.dumps({"type": "record", "name": name, "fields": entries, "version": "1.0", **more})


def test_a_schema_with_names_of_its_own_is_told_what_to_rename():
    own = {"CustomerID": "string", "StockCode": "string", "InvoiceDate": "string", "Country": "string"}
    with pytest.raises(InvalidInputException) as refused:
        parse(avro("Interactions", own))
    assert refused.value.message.endswith(
        "Rename CustomerID to USER_ID, StockCode to ITEM_ID, InvoiceDate to TIMESTAMP."
    )


def test_a_byte_order_mark_is_no_part_of_a_schema():
    assert parse("\ufeff" + avro("Interactions", IDS)) == parse(avro("Interactions", IDS))


@pytest.mark.parametrize(
    ("name", "fields", "domain"),
    [
        ("Interactions", IDS, None),
        ("interactions", {"user_id": ["string"], "item_id": "string", "timestamp": ["long"]}, None),
        ("Interactions", IDS | {"EVENT_TYPE": ["null", "string"], "EVENT_VALUE": ["float", "null"]}, None),
        ("Interactions", IDS | {"IMPRESSION": ["string", "null"], "DSTCity": "string"}, None),
        ("Interactions", IDS | {"EVENT_TYPE": "string"}, "ECOMMERCE"),
        ("Users", {"USER_ID": "string", "memberClass": ("string", CATEGORICAL)}, None),
        ("Users", {"USER_ID": "string", "AGE": ["int", "null"]}, "VIDEO_ON_DEMAND"),
        ("Items", ITEM | {"TITLE": "string", "TEXT": (["null", "string"], TEXTUAL), "OK": "boolean"}, None),
        ("Items", ITEM | {"PRICE": "double"}, None),
        (
            "Items",
            {"ITEM_ID": "string", "PRICE": ["null", "float"], "CATEGORY_L1": (["string"], CATEGORICAL)},
            "ECOMMERCE",
        ),
        (
            "Items",
            {"ITEM_ID": "string", "CREATION_TIMESTAMP": "long", "GENRES": ("string", CATEGORICAL)},
            "VIDEO_ON_DEMAND",
        ),
        (
            "Items",
            {"ITEM_ID": "string", "CREATION_TIMESTAMP": "long", "GENRES_L1": ("string", CATEGORICAL)},
            "VIDEO_ON_DEMAND",
        ),
        ("Actions", {"ACTION_ID": "string", "VALUE": ["long", "null"]}, None),
        (
            "ActionInteractions",
            {"USER_ID": "string", "ACTION_ID": "string", "EVENT_TYPE": "string", "TIMESTAMP": "long"},
            None,
        ),
        (
            "Action_Interactions",
            {"USER_ID": "string", "ACTION_ID": "string", "EVENT_TYPE": "string", "TIMESTAMP": "long"},
            None,
        ),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1", 1])
def test_accepted(name, fields, domain, version):
    schema = parse(avro(name, fields, version=version), domain)
    assert [field.name for field in schema.fields] == list(fields)
    assert schema.dataset_type == dataset_type(name)


def test_fields():
    schema = parse(avro("Interactions", IDS | {"Device": (["null", "string"], CATEGORICAL), "EVENT_TYPE": "string"}))
    assert schema.field("DEVICE") == Field("Device", "string", nullable=True, categorical=True, textual=False)
    assert schema.field("price") is None
    assert [field.name for field in schema.fields if schema.is_key(field)] == [
        "USER_ID",
        "ITEM_ID",
        "TIMESTAMP",
        "EVENT_TYPE",
    ]


def test_an_event_type_that_may_be_null_is_no_key():
    schema = parse(avro("Interactions", IDS | {"EVENT_TYPE": ["null", "string"]}))
    assert not schema.is_key(schema.fields[-1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        (avro("\ud800", IDS), "not valid JSON"),
        (avro("Items", ITEM | {"A\udfff": "string"}), "not valid JSON"),
        (avro("Items", ITEM | {"A": "\ud800"}), "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "record"),
        ("3", "record"),
        ('{"type": "array"}', "record"),
        ('{"type": "record"}', '"name"'),
        ('{"type": "record", "name": "Items"}', '"fields"'),
        ('{"type": "record", "name": "Items", "fields": []}', '"fields"'),
        ('{"type": "record", "name": "Items", "fields": [3]}', "Field 1"),
        (avro("Ratings", IDS), '"Ratings"'),
        (avro("Items", ITEM | {"A": {"type": "array", "items": "string"}}), "Field A.*nested"),
        (avro("Items", ITEM | {"A": [["string"]]}), "Field A.*nested"),
        (avro("Items", ITEM | {"A": None}), "Field A"),
        (avro("Items", ITEM | {"A": "bytes"}), 'Field A.*"bytes"'),
        (avro("Items", ITEM | {"A": "null"}), "Field A.*has 0"),
        (avro("Items", ITEM | {"A": ["int", "string"]}), "Field A.*has 2"),
        (avro("Items", ITEM | {"1A": "string"}), "no digit first"),
        (avro("Items", ITEM | {"A" * 151: "string"}), "150"),
        (avro("Items", ITEM | {"GEN_RE": "string"}), "GENRE and GEN_RE"),
        (avro("Items", ITEM | {"A": ("int", CATEGORICAL)}), "A is categorical but of type int"),
        (avro("Items", ITEM | {"A": ("long", TEXTUAL)}), "A is textual but of type long"),
        (avro("Items", ITEM | {"A": ("string", CATEGORICAL | TEXTUAL)}), "A is categorical and textual"),
        (avro("Items", ITEM | {"A": ("string", {"categorical": "true"})}), "without quotes"),
        (avro("Items", ITEM | {"A": ("string", TEXTUAL), "B": ("string", TEXTUAL)}), "A, B"),
        (avro("Users", {"USER_ID": "string", "A": ("string", TEXTUAL)}), "only Items"),
        (avro("Items", {"ITEM_ID": "string", "TITLE": "string"}), "at least one metadata field"),
        (avro("Users", {"USER_ID": "string"}), "at least one metadata field"),
        (avro("Items", {"GENRE": ("string", CATEGORICAL)}), r"lacks the required field ITEM_ID \(string\)"),
        (avro("Interactions", {"USER_ID": "string"}), r"fields ITEM_ID \(string\), TIMESTAMP \(long\)"),
        (avro("Interactions", IDS | {"TIMESTAMP": "int"}), "TIMESTAMP is reserved and must be of type long"),
        (avro("Interactions", IDS | {"USER_ID": ["null", "string"]}), "USER_ID is required and must not allow null"),
        (avro("Interactions", IDS | {"EVENT_TYPE": ("string", CATEGORICAL)}), "must not be categorical"),
        (avro("Items", ITEM | {"ITEM_ID": ("string", TEXTUAL)}), "ITEM_ID is reserved and must not be textual"),
        (avro("Items", ITEM | {"ITEM_ID": ("string", {"itemName": True})}), "ITEM_ID is reserved and must not be item"),
        (avro("Interactions", IDS | {f"M{n}": "string" for n in range(6)}), "6 metadata fields.*may have 5"),
        (avro("Users", {"USER_ID": "string"} | {f"M{n}": "int" for n in range(26)}), "may have 25"),
        (avro("ActionInteractions", IDS), "ACTION_ID"),
    ],
)  # fmt: skip
def test_refused(text, words):
    with pytest.raises(InvalidInputException, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("name", "fields", "domain", "words"),
    [
        ("Interactions", IDS, "ECOMMERCE", "EVENT_TYPE .*ECOMMERCE"),
        ("Items", ITEM, "ECOMMERCE", "PRICE .*CATEGORY_L1"),
        ("Items", ITEM | {"PRICE": "float", "CATEGORY_L1": "string"}, "ECOMMERCE", 'CATEGORY_L1.*"categorical": true'),
        ("Items", ITEM, "VIDEO_ON_DEMAND", "CREATION_TIMESTAMP .*GENRES"),
        (
            "Users",
            {"USER_ID": "string", "AGE": "int", "SUBSCRIPTION_MODEL": "string"},
            "VIDEO_ON_DEMAND",
            "SUBSCRIPTION_MODEL",
        ),
        ("Actions", {"ACTION_ID": "string", "VALUE": "long"}, "ECOMMERCE", "cannot be for ACTIONS"),
    ],
)
def test_refused_in_a_domain(name, fields, domain, words):
    parse(avro(name, fields | {"TIMESTAMP": "long"} if name == "Interactions" else fields))
    with pytest.raises(InvalidInputException, match=words):
        parse(avro(name, fields), domain)


def test_dataset_type_is_checked():
    schema = parse(avro("Items", ITEM))
    check_dataset_type(schema, "Items")
    check_dataset_type(schema, "ITEMS")
    for wrong in ("USERS", "Interactions", "nonsense"):
        with pytest.raises(InvalidInputException):
            check_dataset_type(schema, wrong)


json_leaves = st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["string", "null", "USER_ID"])
field_members = st.sampled_from(["name", "type", "categorical", "x"])
json_values = st.recursive(
    json_leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(field_members, inner)
)


@given(st.lists(json_values, max_size=4))
def test_any_fields_are_accepted_or_refused_cleanly(fields):
    text = json.dumps({"type": "record", "name": "Users", "fields": fields})
    try:
        schema = parse(text)
    except InvalidInputException:
        event("refused")
    else:
        assert schema.field("USER_ID") is not None


def test_an_items_name_is_flagged_once_and_is_text():
    fields = {"ITEM_ID": "string", "TITLE": ("string", {"itemName": True, "categorical": True}), "PRICE": "double"}
    title = parse(avro("Items", fields)).field("title")
    assert title.item_name
    assert title.kind == "textual"
    for extra, message in (
        ({"OTHER": ("string", {"itemName": True})}, "The fields TITLE, OTHER are all itemName; one may be"),
        ({"YEAR": ("int", {"itemName": True})}, "Field YEAR is itemName but of type int"),
        ({"OTHER": ("string", {"itemName": "yes"})}, 'Field OTHER: "itemName" must be true or false'),
    ):
        with pytest.raises(InvalidInputException, match=message):
            parse(avro("Items", fields | extra))
    with pytest.raises(InvalidInputException, match="which only Items schemas may have"):
        parse(avro("Interactions", IDS | {"PAGE": ("string", {"itemName": True})}))
