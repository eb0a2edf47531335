"""What the benchmark of judging tunes counts and shows; it times nothing here."""

import json

from benchmarks import validity, write_readme

HEAD = "X:1\nM:4/4\nL:1/8\nK:C\n"


def test_faults_found_are_counted_by_class(tmp_path):
    cases = [
        ("good", "plain", None, True, "CDEF GABc|"),
        ("good", "unsure", None, False, "CDE]F|"),
        ("bad", "stray", "hard", True, "CDE]F GABc|"),
        ("bad", "stray", "hard", True, "CDEF GABc|"),
        ("bad", "cut", None, False, "CDEF"),
        ("noise", "swap", None, False, "]]]"),
    ]
    files = []
    for i, (kind, cls, tier, certain, music) in enumerate(cases):
        (tmp_path / f"{i}.abc").write_text(f"{HEAD}{music}\n")
        files.append({"kind": kind, "cls": cls, "expect": {"tier": tier}, "certain": certain, "path": f"{i}.abc"})
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files}))
    rows = validity.detection(tmp_path)
    assert rows == [
        {"kind": "bad", "cls": "stray", "n": 2, "expected": "hard", "found": 1, "abc2midi": 1},
        {"kind": "good", "cls": "plain", "n": 1, "expected": "none", "found": 0, "abc2midi": 0},
    ]
    head = {"machine": "M", "threads": 1, "torch": "t", "date": "d", "rows": []}
    assert write_readme.table(head | {"faults": rows}).endswith(
        "| bad: stray | 2 | hard | 1 | 1 |\n| good: plain | 1 | none | 0 | 0 |"
    )
    assert "expected" not in write_readme.table(head)
