"""What the pages point to is there."""

import json
import re
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests import forked
from tests.conftest import ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "data/README.md", ROOT / "results/README.md"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_recorded_study_is_the_default_one():
    """The figure in the README is of the suite, rates and budget that config.yaml has."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    runs = pd.read_csv(ROOT / "docs/default-study/runs.csv")
    assert set(runs["model"]) == set(config["suite"])
    assert set(runs["seed"]) == set(config["seeds"])
    assert set(runs["tokens"]) == set(config["tokens"])
    for arch, rows in runs.groupby("arch"):
        assert set(rows["learning_rate"]) == {config["learning_rates"][arch]}


def test_the_modern_study_compares_with_the_recorded_transformers():
    """Both pages tell of the same Transformers, to the last digit, and of the suite that the study's file names."""
    study = yaml.safe_load((ROOT / "studies/modern.yaml").read_text())
    default, modern = (pd.read_csv(ROOT / f"docs/{name}-study/runs.csv") for name in ("default", "modern"))
    assert set(modern["model"]) == set(study["suite"])
    keys = ["model", "tokens", "seed"]
    both = modern.merge(default, on=keys, suffixes=("", "_default"))
    assert len(both) == (modern["arch"] == "gpt").sum() > 0
    assert (both["test_loss"] == both["test_loss_default"]).all()


def test_the_learning_rates_are_those_of_the_recorded_trials():
    """The rate in use is within a factor of 2 of the optimum at every width, and costs at most 0.02 nats there."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    transfer = json.loads((ROOT / "docs/default-study/lr_transfer.json").read_text())
    models = {model["model"]: model for model in transfer["models"]}
    assert set(models) == set(config["lr_transfer_models"])
    assert transfer["archs"]["gpt"]["trials"] == transfer["archs"]["lstm"]["trials"]
    for arch, moves in transfer["archs"].items():
        assert moves["rate_in_use"] == config["learning_rates"][arch]
        assert len(moves["width"]["models"]) >= 3
        assert moves["width"]["all_bracketed"]  # a best rate at the end of the range would be no optimum
        for name in moves["width"]["models"]:
            assert 1 / 2 <= models[name]["optimum"] / moves["rate_in_use"] <= 2
            assert models[name]["lost_at_rate_in_use"] < 0.02


def test_the_graph_of_the_workflow_is_the_one_on_its_page():
    said = forked.run("-m", "snakemake", "--rulegraph", "mermaid-js", cwd=ROOT).stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", said, re.MULTILINE))
    edges = {(names[a], names[b]) for a, b in re.findall(r"^\s*(id\d+) --> (id\d+)", said, re.MULTILINE)}
    page = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE)) == edges
    assert len(names) == 16


# A surname begins with a capital and a small letter: unlike GELU, or RFC before its number.
NAME = r"[^\W\d_a-z][^\W\d_A-Z][\w’'-]*"
CITATION = re.compile(rf"\b({NAME}(?:(?:, {NAME})* and {NAME}| et al\.)?)(?:'s \w+)?,? \(?((?:19|20)\d\d)\b(?!-)")
REFERENCES = ROOT / "docs/references.md"
CITING = ("workflow/**/*.py", "workflow/**/*.json", "workflow/**/*.rst", "docs/**/*.md", "benchmarks/*.py",
          "tests/**/*.py", "*.md", "*.yaml")  # fmt: skip

Citation = tuple[tuple[str, ...], str]  # names and year


def plain(text: str) -> str:
    """Without accents and capitals: Hägele and Hagele are one."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


def citations(text: str) -> set[Citation]:
    """The works that a page, or the comments and docstrings of a program, cites by name and year."""
    found = set()
    for names, year in CITATION.findall(re.sub(r"\s*\n[\s#]*", " ", text)):
        surnames = re.findall(NAME, names.removesuffix(" et al."))
        found.add((tuple(plain(name).removesuffix("'s") for name in surnames), year))
    return found


def references() -> list[dict[str, str]]:
    """Entries of the list of references: what each is called, who wrote it, and what follows its title."""
    text = re.sub(r"\n +", " ", REFERENCES.read_text(encoding="utf-8"))
    pattern = r"^- \*\*(?P<head>[^*]+)\.\*\* (?P<authors>[^*]+)\. \*[^*]+\*, (?P<rest>.+)$"
    found = [match.groupdict() for match in re.finditer(pattern, text, re.MULTILINE)]
    assert len(found) == text.count("\n- ") > 0
    return found


def missing(cited: set[Citation]) -> set[Citation]:
    """Those without an entry of their year, first author and co-authors; other words may come before these."""
    known = []
    for entry in references():
        authors = set(re.findall(r"[\w’'-]+", plain(entry["authors"])))
        known += [(names[0], year, authors) for names, year in citations(entry["head"])]

    def is_known(names: tuple[str, ...], year: str) -> bool:
        ends = [names[i:] for i in range(len(names))]
        return any((end[0], year) == entry[:2] and set(end) <= entry[2] for entry in known for end in ends)

    return {(names, year) for names, year in cited if not is_known(names, year)}


def test_a_citation_is_found_however_it_is_written():
    text = """as the F bound (Bates and Watts 1988, section 6.1), Hägele et al. (2024) and Shannon's book (1948) have it
    # after Karp, Miller and
    # Rosenberg 1972; RFC 1951, 2026-11-28, GELU 2016 and 2000 draws of Wilson's are none."""
    authors = {("bates", "watts"), ("hagele",), ("shannon",), ("karp", "miller", "rosenberg")}
    assert {names for names, _ in citations(text)} == authors


def test_a_citation_that_has_no_entry_is_noticed():
    assert missing(citations("Hoffmann 2022, Yang and Lerch (2020); by MinHash, Li and König 2010")) == set()
    for text in ("Hoffmann 2021", "Nobody et al. 2022", "Yang and Nobody 2020", "Lerch 2020"):
        assert missing(citations(text)) == citations(text) != set()


def test_every_work_that_is_cited_is_in_the_list_of_references():
    pages = {path for pattern in CITING for path in ROOT.glob(pattern)} - {REFERENCES, Path(__file__)}
    cited = {str(path.relative_to(ROOT)): citations(path.read_text(encoding="utf-8")) for path in sorted(pages)}
    assert (("cuthbert", "ariza"), "2010") in cited["README.md"]
    assert {path: names for path in cited if (names := missing(cited[path]))} == {}


def test_every_reference_is_listed_once_with_a_number_or_an_address():
    heads = [plain(entry["head"]) for entry in references()]
    assert heads == sorted(set(heads))
    links = [link for entry in references() for link in re.findall(r"(?<=[(<])https?://[^\s>]+(?=[)>])", entry["rest"])]
    assert len(links) == len(set(links)) >= len(heads)
    forms = {"https://doi.org/": r"doi:10\.\d{4,}/\S+", "https://arxiv.org/abs/": r"arXiv:\d{4}\.\d{5}"}
    for entry in references():
        assert re.search(r"[(<]https?://", entry["rest"]), entry["head"]
        for text, link in re.findall(r"\[([^]]+)\]\((\S+)\)", entry["rest"]):
            assert any(re.fullmatch(form, text) and link == at + text.split(":", 1)[1] for at, form in forms.items())


def test_every_reference_is_named_where_its_entry_says():
    for entry in references():
        head = re.fullmatch(r"(?P<name>[\w-]+).*?(?: \((?P<also>.+)\))?", plain(entry["head"]))
        paths = re.findall(r"`([\w./-]+\.(?:py|md|json|yaml|rst))`", entry["rest"])
        assert paths, entry["head"]
        for path in paths:
            file = next((at for at in (ROOT / path, ROOT / "workflow/scripts" / path) if at.exists()), None)
            assert file, f"{path} of {entry['head']} is not there"
            text = re.sub(r"\s*\n[\s#]*", " ", plain(file.read_text(encoding="utf-8")))
            names = [head["name"], *(head["also"] or "").split(", ")]
            assert any(name and re.search(rf"\b{re.escape(name)}", text) for name in names), (path, entry["head"])
