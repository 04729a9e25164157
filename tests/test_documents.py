"""JSON and YAML from strangers: plain values, or an error that names the place."""

import ast
import json
import tracemalloc
from pathlib import Path

import pytest

import deepglass
from deepglass.documents import _parsed_size, parse_json, parse_yaml, read_json, read_yaml
from deepglass.errors import DeepglassError, SourceError, SpecError
from deepglass.limits import limits_changed

BAD_JSON = {
    "deep": ("[" * 100_000, "too-large"),
    "deep objects": ('{"a":' * 200 + "1" + "}" * 200, "too-large"),
    "digits": ("1" * 5_000, "unreadable-file"),
    "half a character": ('["\\ud800"]', "unreadable-file"),
    "half a character in a key": ('{"\\udc00": 1}', "unreadable-file"),
    "cut": ('{"a": 1', "unreadable-file"),
    "empty": ("", "unreadable-file"),
    "bytes": (b"\xff\xfe[1]", "unreadable-file"),
}
BAD_YAML = {
    "aliases": ("a: &a [1]\nb: *a", "unreadable-file"),
    "many aliases": ("a: &a [x, x]\n" + "".join(f"k{i}: &k{i} [*a, *a]\n" for i in range(20)), "unreadable-file"),
    "deep": ("[" * 5_000, "too-large"),
    "tag": ("a: !!python/name:os.system", "unreadable-file"),
    "twice": ("a: 1\na: 2", "bad-value"),
    "no date": ("a: 2001-99-99", "unreadable-file"),
    "digits": ("a: " + "1" * 5_000, "unreadable-file"),
    "half a character": ('a: "\\ud800"', "unreadable-file"),
    "list as a key": ("{[1]: 2}", "unreadable-file"),
    "zero byte": ("a: \x00", "unreadable-file"),
    "cut": ("a: [1, 2", "unreadable-file"),
    "value tag": ("a: =", "unreadable-file"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json_is_refused_with_its_place(case: str) -> None:
    text, code = BAD_JSON[case]
    with pytest.raises(SourceError, match=r"rows\.json") as error:
        parse_json(text, "rows.json")
    assert error.value.code == code


@pytest.mark.parametrize("case", BAD_YAML)
def test_bad_yaml_is_refused_with_its_place(case: str) -> None:
    text, code = BAD_YAML[case]
    with pytest.raises(DeepglassError, match=r"spec\.yaml") as error:
        parse_yaml(text, "spec.yaml")
    assert error.value.code == code


def test_good_documents_are_read(tmp_path: Path) -> None:
    content = {"a": [1, -(10**300), 0.1, None, True, "é", "\U0001f600", "[" * 500], "b": {"c": {}}}
    assert parse_json(json.dumps(content), "f") == content
    assert parse_json('["\\ud83d\\ude00"]', "f") == ["\U0001f600"]
    (tmp_path / "f.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())
    assert read_json(tmp_path / "f.json") == content
    (tmp_path / "f.yaml").write_text("a: [1, 2.5, x]\nb: {c: 1e-3}\n")
    assert read_yaml(tmp_path / "f.yaml") == {"a": [1, 2.5, "x"], "b": {"c": "1e-3"}}
    with limits_changed({"document_depth": 1_000}):
        assert parse_json("[" * 200 + "]" * 200, "f")


def test_positions_are_named() -> None:
    with pytest.raises(SourceError, match=r"rows\.jsonl, line 7, column 6"):
        parse_json('{"a" 1}', "rows.jsonl", line=7)
    with pytest.raises(SourceError, match="line 2, column 4"):
        parse_yaml("a: 1\nb: *x", "f")
    with pytest.raises(SpecError, match="line 1 and in line 2"):
        parse_yaml("a: 1\na: 2", "f")


# json and yaml parse here and nowhere else, so that no text can reach them unbounded
PARSERS = {
    ("json", "load"), ("json", "loads"), ("json", "JSONDecoder"), ("yaml", "load"), ("yaml", "safe_load"),
    ("yaml", "full_load"), ("yaml", "unsafe_load"), ("yaml", "load_all"), ("yaml", "safe_load_all"),
    ("yaml", "compose"), ("yaml", "parse"), ("yaml", "scan"),
}  # fmt: skip
PARSING = {
    "documents.py": "the one place",
    "data/transforms/base.py": "reads what json.dumps has just written, to test that fields are plain values",
}


def test_json_and_yaml_are_parsed_in_one_place() -> None:
    root = Path(deepglass.__file__).parent
    parsing = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: set[tuple[str | None, str]] = set()
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = {(node.value.id, node.attr)}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module, alias.name) for alias in node.names}
            if names & PARSERS:
                parsing.add(path.relative_to(root).as_posix())
    assert parsing == set(PARSING)


def test_json_that_would_fill_the_memory_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[" + ",".join(["[1]"] * 5_000_000) + "]"  # 20 MB, 600 MB as objects
    monkeypatch.setattr("deepglass.documents.free_memory", lambda: 500_000_000)
    monkeypatch.setattr("json.loads", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(SourceError, match=r"a\.json: 20,000,001 characters .* free;") as error:
        parse_json(text, "a.json")
    assert error.value.code == "too-large"


@pytest.mark.parametrize("row", ["[1]", "[[], {}]", '{"a": 1.5}', '"some words"', "[1.25, 2.5, 3.75]"])
def test_the_estimate_of_json_in_memory_is_near_the_truth(row: str) -> None:
    text = "[" + ", ".join([row] * 20_000) + "]"
    tracemalloc.start()
    content = json.loads(text)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert content
    assert 0.4 < _parsed_size(text) / size < 2.5
