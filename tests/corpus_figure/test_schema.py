"""corpus.json is what its schema says, however it was made; and the schema leaves out nothing."""

import copy
import json
import re
from collections.abc import Iterator

import jsonschema
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.schema import SCHEMAS
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.options import Options, Rules, Source
from workflow.scripts.corpus_figure.draw import check

SCHEMA = json.loads((SCHEMAS / "corpus.schema.json").read_text(encoding="utf-8"))
NEAR_ALL = {"val_fraction": 0.2, "test_fraction": 0.2}


def resolved(schema: dict) -> dict:
    """A part of the schema with what it refers to; its own description goes first."""
    if "$ref" not in schema:
        return schema
    return SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")] | schema


def required(value: object, schema: dict, *way: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where in a document each key is that the schema requires; of rows that are alike, in the first."""
    schema = resolved(schema)
    if isinstance(value, list):
        if value:
            yield from required(value[0], schema["items"], *way, 0)
        return
    if not isinstance(value, dict):
        return
    yield from ((*way, key) for key in schema.get("required", ()))
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key in value:
        if key in known:
            yield from required(value[key], known[key], *way, key)
        elif others:
            yield from required(value[key], others, *way, key)


def objects(schema: dict, *way: str) -> Iterator[tuple[tuple[str, ...], dict]]:
    """Each part of the schema that describes an object with keys of its own, and where it is."""
    schema = resolved(schema)
    if "properties" in schema:
        yield way, schema
    parts = schema.get("properties", {}) | {
        key: schema[key] for key in ("items", "additionalProperties") if key in schema
    }
    for key, part in parts.items():
        if isinstance(part, dict):
            yield from objects(part, *way, key)


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_key_is_described_required_and_alone():
    """But for those of leakage and conversion, which are empty if nothing was measured, or nothing converted."""
    found = dict(objects(SCHEMA))
    assert ("options", "rules", "cleaning") in found
    assert ("audit", "most_and_least_compressible", "items") in found
    for way, schema in found.items():
        undescribed = [key for key, part in schema["properties"].items() if not resolved(part).get("description")]
        assert undescribed == [], way
        if way == ("conversion",):
            assert ["files", *schema["dependentRequired"]["files"]] == list(schema["properties"])
        elif way != ("leakage",):
            assert schema["required"] == list(schema["properties"]), way
        assert way == ("leakage",) or schema["additionalProperties"] is False, way


def test_the_recorded_corpus_passes():
    check(read_json(ROOT / "docs" / "default-study" / "corpus.json"), "corpus.json")


def test_the_corpus_that_prepare_makes_passes(corpus_dir):
    check(read_json(corpus_dir / "corpus.json"), "corpus.json")


def test_a_mixture_in_byte_pairs_without_a_look_for_versions_passes(book, tmp_path):
    sources = [
        Source("one", str(book), weight=1.0, licence="free"),
        Source("two", str(book.parent / "book2.abc"), weight=2.0, cap=30_000),
    ]
    options = Options(
        rules=Rules(near_duplicates=False), tokenizer="bpe", vocab_size=300, min_char_count=50, **NEAR_ALL
    )
    build(sources, str(tmp_path / "out"), options, workers=1)
    corpus = read_json(tmp_path / "out" / "corpus.json")
    assert corpus["leakage"] == {}
    assert corpus["mapped_chars"]
    assert corpus["sources"][1]["cap"] == 30_000
    check(corpus, "corpus.json")


def test_a_split_by_md5_passes(book, tmp_path):
    (tmp_path / "in").mkdir()
    for i, tune in enumerate(re.findall("^X:.*?(?=^X:|\\Z)", book.read_text(), re.M | re.S)):
        (tmp_path / "in" / f"{i}.abc").write_text(tune)
    build([Source("", str(tmp_path / "in"))], str(tmp_path / "out"), Options(split_by="md5"), workers=1)
    corpus = read_json(tmp_path / "out" / "corpus.json")
    assert len(corpus["leakage"]) == 3
    check(corpus, "corpus.json")


def test_without_any_key_that_it_requires_it_is_refused(corpus_dir):
    corpus = read_json(corpus_dir / "corpus.json")
    places = list(required(corpus, SCHEMA))
    assert len(places) == len(set(places)) > 120
    for *way, key in places:
        broken = copy.deepcopy(corpus)
        at = broken
        for step in way:
            at = at[step]
        del at[key]
        where = "".join(f": {'.'.join(map(str, way))}" if way else "")
        with pytest.raises(InputError) as caught:
            check(broken, "corpus.json")
        wanted = f"corpus.json is not a corpus.json as prepare writes it{where}: {key!r} is a required property"
        assert str(caught.value) == wanted


@pytest.mark.parametrize("way", [(), ("options", "rules"), ("audit",), ("splits", "test"), ("leakage", "random")])
def test_a_key_that_nobody_knows_is_refused(corpus_dir, way):
    corpus = read_json(corpus_dir / "corpus.json")
    at = corpus
    for step in way:
        at = at[step]
    at["new"] = 1
    with pytest.raises(InputError, match=rf"{'.'.join(way)}: unknown key 'new'"):
        check(corpus, "corpus.json")
