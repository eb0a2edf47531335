"""One sentence about the first thing that a document has wrong by its schema."""

import json

import pytest

from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rate"],
    "properties": {
        "rate": {"type": "number", "minimum": 0, "description": "must be a number of at least 0"},
        "tunes": {"type": "integer", "minimum": 0, "description": "tunes that were kept"},
        "table": {"type": "object", "additionalProperties": {"type": "number"}, "description": "of anything"},
    },
}


@pytest.fixture(autouse=True)
def schemas(tmp_path, monkeypatch):
    (tmp_path / "small.schema.json").write_text(json.dumps(SCHEMA))
    monkeypatch.setattr(schema, "SCHEMAS", tmp_path)


@pytest.mark.parametrize("document", [{"rate": 0}, {"rate": 10**400}, {"rate": 0.5, "tunes": 3.0, "table": {"": -1}}])
def test_what_is_right_passes(document):
    schema.check(document, "small.schema.json", "x.json")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "x.json: [] is not of type 'object'"),
        ({}, "x.json: 'rate' is a required property"),
        ({"rate": -1}, "x.json: rate is -1: must be a number of at least 0"),
        ({"rate": "a\nb"}, "x.json: rate is 'a\\nb': must be a number of at least 0"),
        ({"rate": float("nan")}, "x.json: rate is nan: must be a number of at least 0"),
        ({"rate": float("inf")}, "x.json: rate is inf: must be a number of at least 0"),
        ({"rate": True}, "x.json: rate is True: must be a number of at least 0"),
        ({"rate": 1, "tunes": -1}, "x.json: tunes: -1 is less than the minimum of 0"),
        ({"rate": 1, "tunes": 1.5}, "x.json: tunes: 1.5 is not of type 'integer'"),
        ({"rate": 1, "table": {"D dor": None}}, "x.json: table.D dor: None is not of type 'number'"),
        ({"rate": 1, "table": {"a\nb": None}}, "x.json: table.'a\\nb': None is not of type 'number'"),
        ({"rate": 1, "table": {"": float("nan")}}, "x.json: table.'': nan is not of type 'number'"),
        ({"rate": 1, "tunse": 2}, "x.json: unknown key 'tunse' (did you mean 'tunes'?)"),
        ({"rate": 1, "xyz": 2}, "x.json: unknown key 'xyz' (known: rate, tunes, table)"),
    ],
)
def test_the_sentence_names_the_document_the_place_and_what_is_wrong(document, sentence):
    with pytest.raises(InputError) as caught:
        schema.check(document, "small.schema.json", "x.json")
    assert str(caught.value) == sentence


def test_the_first_place_is_named_whatever_the_order_of_the_keys():
    with pytest.raises(InputError, match=r"^x\.json: rate "):
        schema.check({"tunes": -1, "table": 3, "rate": None}, "small.schema.json", "x.json")


def test_a_long_value_is_cut():
    with pytest.raises(InputError) as caught:
        schema.check({"rate": 1, "tunes": ["x" * 1000]}, "small.schema.json", "x.json")
    assert str(caught.value) == f"x.json: tunes: ['{'x' * 117}… is not of type 'integer'"
