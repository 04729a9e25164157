"""Human in the loop: the queue, the labels file, the page, and training with corrections."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import uvicorn
from chromium import Chromium
from conftest import Command
from fastapi.testclient import TestClient
from labelling_page import page, served
from sklearn.datasets import load_digits

import deepglass
from deepglass.errors import SourceError, SpecError
from deepglass.prepare.label_corrections import LabelCorrection, Origin, read_corrections, write_corrections
from deepglass.serve.guard import AccessKey
from deepglass.serve.label import label_app, serve_label
from deepglass.serve.queue import Queue
from deepglass.temporary import PREFIX, _remove_abandoned

WRONG = 60  # of the labels of `digits`
OPEN = 120  # rows of it without one
QUICK: dict[str, Any] = {"training": {"threads": 1}, "baselines": False}
DIGIT = {"digit": "category"}
TEXT = {"text": "text"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A parquet file of digits' pixels with some wrong and some missing labels, and the true labels."""
    x, truth = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(truth))
    given = truth.copy()
    given[order[:WRONG]] = (truth[order[:WRONG]] + random.integers(1, 10, WRONG)) % 10
    label = pl.Series("digit", given).cast(pl.String)
    label = label.set(pl.Series(np.isin(np.arange(len(truth)), order[WRONG : WRONG + OPEN])), None)
    path = tmp_path_factory.mktemp("digits") / "digits.parquet"
    pl.DataFrame(x.astype(np.int64), [f"p{i}" for i in range(64)]).with_columns(digit=label).write_parquet(path)
    return path, truth


@pytest.fixture(scope="module")
def run(digits: tuple[Path, np.ndarray]) -> deepglass.Run:
    source, _ = digits
    return deepglass.train(source, "digit", out=source.parent / "before", steps=60, kinds=DIGIT, **QUICK)


@pytest.fixture(scope="module")
def asked(run: deepglass.Run) -> Queue:
    return deepglass.label(run, out=run.path.parent / "nobody-answers.csv", limit=80)


@pytest.fixture
def queue(asked: Queue, tmp_path: Path) -> Queue:
    return dataclasses.replace(asked, path=tmp_path / "labels.csv", answers={})


def test_label_errors_and_unlabelled_rows_are_queued_but_no_test_row(
    run: deepglass.Run, queue: Queue, digits: tuple[Path, np.ndarray]
) -> None:
    _, truth = digits
    wrong = [q for q in queue.items if q.kind == "wrong"]
    assert len(queue.items) == 80
    assert len(wrong) >= 20
    assert np.mean([q.label != str(truth[q.row]) for q in wrong]) > 0.8  # by chance 0.03
    assert np.mean([q.suggestion == str(truth[q.row]) for q in wrong]) > 0.8
    assert all(q.label == "" and q.suggestion in queue.classes for q in queue.items if q.kind == "unlabelled")
    tested = run.folder.split().filter(pl.col("split") == "test")["row"].to_list()
    assert not {q.row for q in queue.items} & set(tested)
    assert all(n.row != q.row for q in queue.items for n in q.neighbours)
    assert {q.suggestion for q in wrong[:5]} & {n.label for q in wrong[:5] for n in q.neighbours}


def test_each_label_is_stored_at_once_and_the_next_session_continues(run: deepglass.Run, queue: Queue) -> None:
    first, second = queue.items[0], queue.items[1]
    queue.answer(0, first.suggestion)
    queue.answer(1, second.label or "3")
    found = {m.row: m for m in read_corrections(queue.path).corrections}
    assert found[first.row].new == first.suggestion
    assert found[first.row].old == first.label
    assert found[second.row].why == ("confirmed" if second.label else "worth labelling")
    queue.undo(1)
    assert [m.row for m in read_corrections(queue.path).corrections] == [first.row]
    again = deepglass.label(run, out=queue.path, limit=80)
    assert first.row not in [q.row for q in again.items]
    again.answer(0, "7")
    assert {m.row for m in read_corrections(queue.path).corrections} == {first.row, again.items[0].row}


def test_a_label_that_does_not_fit_the_output_is_rejected(queue: Queue) -> None:
    with pytest.raises(SpecError, match="there is no item 80"):
        queue.answer(80, "3")
    with pytest.raises(SpecError, match="at most 200 characters"):
        queue.answer(0, "x" * 201)
    assert not queue.path.exists()
    queue.answer(0, "a new class")
    assert queue.classes[-1] == "a new class"


def test_training_applies_corrections_except_on_test_rows(
    run: deepglass.Run, digits: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    source, truth = digits
    split = run.folder.split()
    tested = split.filter(pl.col("split") == "test")["row"].to_numpy()
    given = pl.read_parquet(source)["digit"].to_list()
    mends = [LabelCorrection(i, "digit", given[i] or "", str(t)) for i, t in enumerate(truth)]
    origin = Origin("digits.parquet", len(truth), run.state.source["fingerprint"])
    path = tmp_path / "labels.csv"
    write_corrections(path, origin, mends)
    after = deepglass.train(source, "digit", out=tmp_path / "after", steps=20, labels=path, kinds=DIGIT,
                            **QUICK)  # fmt: skip
    path.unlink()  # the run keeps what it learned from
    prepared = after.context.data
    part = dict(zip(prepared.source_rows.tolist(), prepared.split.tolist(), strict=True))
    before = dict(zip(split["row"].to_list(), split["split"].to_list(), strict=True))
    assert {row: part[row] for row in before} == before  # the same rows are tested
    assert {part[row] for row in part.keys() - before.keys()} == {"train"}  # those that had no label
    assert len(part) == len(truth)
    for place, label in zip(prepared.source_rows.tolist(), prepared.table["digit"].to_list(), strict=True):
        assert label == (given[place] if place in tested else str(truth[place]))
    said = [n.value for n in prepared.table.notes if n.what == "label_corrections"]
    assert said[0].startswith(f"{sum(given[i] != str(t) and i not in tested for i, t in enumerate(truth))} labels")


def test_corrections_with_warm_start_improve_the_metrics(
    run: deepglass.Run, digits: tuple[Path, np.ndarray], tmp_path: Path, command: Command
) -> None:
    source, truth = digits
    queue = deepglass.label(run, source, out=tmp_path / "labels.csv", limit=150)
    for i, item in enumerate(queue.items):
        queue.answer(i, str(truth[item.row]))
    said = command("train", run.path / "spec.yaml", "--labels", queue.path, "--init-from", run.path,
                   "--out", tmp_path / "after", "--steps", "100")  # fmt: skip
    assert said.code == 0, said.err
    assert "label_corrections" in said.err
    after = deepglass.Run(tmp_path / "after")
    assert after.predictor.inputs == run.predictor.inputs
    test = run.folder.split().filter(pl.col("split") == "test")["row"].to_numpy()
    clean = pl.read_parquet(source)[test].with_columns(digit=pl.Series(truth[test]).cast(pl.String))
    assert after.evaluate(clean)["digit"]["log_loss"] < run.evaluate(clean)["digit"]["log_loss"]
    compared = command("compare", run.path, after.path)
    assert "digit.accuracy" in compared.out
    assert "data.label_corrections" in compared.out
    assert "network.init_from" in compared.out


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("row,column,old,new,why\n0,digt,,3,\n", "unknown-column", "'digt'"),
        ("row,column,old,new,why\n9999,digit,,3,\n", "mismatched-files", "9999"),
        ("row,column,old,new,why\n0,digit,cat,3,\n", "mismatched-files", "'cat'"),
        ("row,column,old,new,why\none,digit,,3,\n", "bad-value", "line 2: row: expected a whole number"),
        ("row,column,new\n0,p3,x\n", "bad-value", "'x'"),
        ("row,column,new\n0,digit,3\n0,digit,4\n", "bad-value", "another label"),
        ("place,label\n0,3\n", "unknown-column", "row and column and new"),
        (
            "# deepglass labels of cats, 5 rows, fingerprint abc\nrow,column,new\n0,digit,3\n",
            "mismatched-files",
            "cats",
        ),
    ],
)
def test_a_labels_file_that_does_not_match_is_rejected(
    digits: tuple[Path, np.ndarray], tmp_path: Path, command: Command, content: str, code: str, said: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(content)
    answer = command("train", digits[0], "--target", "digit", "--labels", labels, "--out", tmp_path / "run")
    assert answer.code == 2
    assert f"[{code}]" in answer.err
    assert said in answer.err
    assert not (tmp_path / "run").exists()


def test_labels_of_another_source_are_not_continued(run: deepglass.Run, tmp_path: Path) -> None:
    write_corrections(tmp_path / "labels.csv", Origin("cats", 5, "abc"), [])
    with pytest.raises(SourceError, match="cats"):
        deepglass.label(run, out=tmp_path / "labels.csv")


def test_unlabelled_rows_of_another_file(run: deepglass.Run, digits: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    source, truth = digits
    pl.read_parquet(source).drop("digit")[:300].write_parquet(tmp_path / "new.parquet")
    queue = deepglass.label(run, tmp_path / "new.parquet", out=tmp_path / "labels.csv", limit=10)
    assert {q.kind for q in queue.items} == {"unlabelled"}
    for i, item in enumerate(queue.items):
        queue.answer(i, str(truth[item.row]))
    after = deepglass.train(source, "digit", out=tmp_path / "after", steps=5, labels=queue.path,
                            data={"unlabelled": str(tmp_path / "new.parquet")}, kinds=DIGIT,
                            **QUICK)  # fmt: skip
    assert len(after.folder.split()) == len(run.folder.split()) + 10


def test_missing_numbers_are_queued(table: pl.DataFrame, tmp_path: Path) -> None:
    some = table.with_columns(price=pl.when(pl.int_range(len(table)) < 30).then(None).otherwise("price"))
    run = deepglass.train(some, "price", out=tmp_path / "run", steps=20, **QUICK)
    queue = deepglass.label(run, some, out=tmp_path / "labels.csv", limit=5)
    assert len(queue.items) == 5
    assert queue.classes == ()
    with pytest.raises(SpecError, match="expected a number"):
        queue.answer(0, "dear")
    queue.answer(0, "1250.5")
    after = deepglass.train(some, "price", out=tmp_path / "after", steps=5, labels=queue.path, **QUICK)
    prepared = after.context_of(some).data
    row = int(np.flatnonzero(prepared.source_rows == queue.items[0].row)[0])
    assert prepared.table["price"][row] == 1250.5


# -- a run that starts with another ------------------------------------------------------------------------------


def test_a_warm_started_run_keeps_vocabulary_and_classes(tmp_path: Path) -> None:
    words = ["red", "green", "blue", "dark", "light", "warm"]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, 6)) for _ in range(200)]
    tone = ["warm" if t.split().count("red") > t.split().count("blue") else "cold" for t in texts]
    first = pl.DataFrame({"text": texts, "tone": tone})
    turned = first.with_columns(
        text=pl.col("text").str.replace_all("red", "zebra")
    )  # another word with the same frequency
    before = deepglass.train(first, "tone", out=tmp_path / "a", steps=30, kinds=TEXT, **QUICK)
    after = deepglass.train(turned, "tone", out=tmp_path / "b", steps=1, kinds=TEXT, init_from=before.path, **QUICK)
    assert after.predictor.inputs == before.predictor.inputs
    assert after.predictor.outputs == before.predictor.outputs
    more = first.with_columns(tone=pl.when(pl.int_range(200) < 40).then(pl.lit("grey")).otherwise("tone"))
    grown = deepglass.train(more, "tone", out=tmp_path / "c", steps=1, kinds={"text": "text", "tone": "category"},
                            init_from=before.path, **QUICK)  # fmt: skip
    assert set(grown.predictor.outputs[0].class_names) == {"warm", "cold", "grey"}
    assert grown.predictor.inputs == before.predictor.inputs


def test_an_invalid_warm_start_is_rejected(run: deepglass.Run, tmp_path: Path, command: Command) -> None:
    spec = run.path / "spec.yaml"
    absent = command("train", spec, "--init-from", run.path.parent / "befor", "--out", tmp_path / "x")
    assert absent.code == 2
    assert "before" in absent.err
    over = command("train", spec, "--init-from", run.path, "--out", run.path, "--force")
    assert over.code == 2
    assert "overwritten" in over.err


# -- the page ----------------------------------------------------------------------------------------------------


def test_the_page_shows_rows_and_stores_labels(queue: Queue) -> None:
    client = page(queue)
    assert "label.js" in client.get("/").text
    assert client.get("/page/label.js").status_code == 200
    assert client.get("/page/page.html").status_code == client.get("/page/absent.js").status_code == 404
    state = client.get("/queue").json()
    assert len(state["items"]) == 80
    assert len(state["items"][0]["cells"]) == len(queue.inputs)
    said = client.post("/answer", json={"item": 2, "label": "4"})
    assert said.json()["answers"] == {"2": "4"}
    assert read_corrections(queue.path).corrections[0].new == "4"
    assert client.post("/answer", json={"item": 2, "label": None}).json()["answers"] == {}
    wrong = client.post("/answer", json={"item": 900, "label": "4"})
    assert wrong.status_code == 422
    assert "900" in wrong.json()["error"]
    assert client.post("/answer", json={"item": 2, "label": "4", "more": 1}).status_code == 422


def test_the_page_loads_nothing_from_other_hosts(queue: Queue) -> None:
    client = page(queue)
    for name in ("/", "/page/style.css", "/page/theme.js", "/page/label.css", "/page/label.js", "/page/label_draw.js"):
        answer = client.get(name)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "https://" not in answer.text
        assert "//cdn" not in answer.text


@pytest.fixture
def addresses(queue: Queue) -> Iterator[tuple[str, str]]:
    with served(queue) as both:
        yield both


def test_the_page_is_accessible(queue: Queue, addresses: tuple[str, str]) -> None:
    plain, address = addresses
    shown = "new Promise((done) => { const wait = () => main.hidden ? setTimeout(wait, 50) : done(true); wait(); })"
    with Chromium() as browser:
        page = browser.open(address, width=390)
        page.page.wait_for_url(plain)
        assert page.run(shown)
        assert page.errors == []
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert all(url.startswith((plain, "data:")) for url in page.requested)
        assert page.barriers() == []
        page.page.locator("#blind").hover()
        assert "until it has an answer" in page.run("document.querySelector('#tip:not([hidden])').textContent")
        row = int(re.sub(r"\D", "", page.run("document.querySelector('#neighbours .row-card .dim').textContent")))
        assert any(row == n.row for q in queue.items for n in q.neighbours)
        proposed = page.run("document.querySelector('#accept span').textContent")
        with page.page.expect_response("**/answer"):
            page.press("Enter")
        assert page.run("document.querySelector('#progress').getAttribute('aria-valuenow')") == "1"
        assert read_corrections(queue.path).corrections[0].new == proposed
        dark = browser.open(address, dark=True)
        dark.page.wait_for_url(plain)
        assert dark.run(shown)
        assert dark.barriers(["color-contrast"]) == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_foreign_host_headers_are_rejected(queue: Queue, host: str) -> None:
    assert page(queue).get("/queue", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_own_host_headers_are_accepted(queue: Queue, host: str) -> None:
    assert page(queue).get("/queue", headers={"host": host}).status_code == 200


def test_foreign_origins_and_large_bodies_are_rejected(queue: Queue) -> None:
    client, body = page(queue), json.dumps({"item": 0, "label": "4"})
    kind = {"content-type": "application/json"}
    assert client.post("/answer", content=body, headers={**kind, "origin": "http://evil.example"}).status_code == 403
    assert client.post("/answer", content=body, headers={**kind, "sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/answer", content=body, headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/answer", content=b"x" * 100_000, headers=kind).status_code == 413
    chunks = (b"x" * 1000 for _ in range(100))
    assert client.post("/answer", content=chunks, headers=kind).status_code == 413
    assert not queue.path.exists()
    own = {**kind, "origin": "http://127.0.0.1:8000"}
    assert client.post("/answer", content=body, headers=own).status_code == 200


def test_media_of_queued_rows_only_are_served(tmp_path: Path) -> None:
    x = load_digits()
    random = np.random.default_rng(0)
    waves = random.normal(0, 0.1, (120, 1000)).astype(np.float32)
    pictures = x.images[:120].astype(np.uint8)
    rows = {"image": pictures, "sound": waves, "digit": [None, *(x.target[1:120] % 2).tolist()]}
    run = deepglass.train(rows, "digit", out=tmp_path / "run", steps=2, kinds={"sound": "audio"}, **QUICK)
    queue = deepglass.label(run, rows, out=tmp_path / "labels.csv", limit=3)
    client = page(queue)
    place = queue.items[0].row
    assert client.get(f"/media/{place}/image").content.startswith(b"\x89PNG")
    assert client.get(f"/media/{place}/sound").content.startswith(b"RIFF")
    shown = {q.row for q in queue.items} | {n.row for q in queue.items for n in q.neighbours}
    other = next(i for i in range(120) if i not in shown)
    assert client.get(f"/media/{other}/image").status_code == 404
    assert client.get(f"/media/{place}/digit").status_code == 404


def test_the_command_lists_the_queue(run: deepglass.Run, tmp_path: Path, command: Command) -> None:
    said = command("label", run.path, "--out", tmp_path / "labels.csv", "--limit", "5", "--json")
    assert said.code == 0
    assert len(json.loads(said.out)) == 5
    taken = command("label", run.path, "--out", tmp_path / "labels.csv", "--target", "price")
    assert taken.code == 2
    assert "[unknown-name]" in taken.err


@pytest.mark.parametrize("label", ["\\ud800", "a\\u0000b", "\\u001b[2J", "\\u0007"])
def test_a_label_that_no_file_can_hold_is_refused(asked: Queue, label: str) -> None:
    client = page(asked, "localhost")
    headers = {"content-type": "application/json"}
    for body in (f'{{"item": 0, "label": "{label}"}}', '{"item": NaN, "label": "3"}', '{"item": 0, "label": NaN}'):
        reply = client.post("/answer", content=body, headers=headers)
        assert reply.status_code == 422, body
        assert reply.json()["error"].startswith("label: ")
    assert client.get("/queue").json()["answers"] == {}


def test_a_body_that_does_not_arrive_is_not_waited_for(asked: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepglass.serve.guard.MAX_BODY_SECONDS", 0.05)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    key = AccessKey(8000)
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"30"),
               (b"cookie", f"{key.cookie}={key.session}".encode())]  # fmt: skip
    scope: Any = {"type": "http", "method": "POST", "path": "/answer", "query_string": b"", "headers": headers}
    asyncio.run(label_app(asked, key)(scope, receive, send))
    assert sent[0]["status"] == 408


# -- access ------------------------------------------------------------------------------------------------------


def test_the_url_that_is_printed_sets_a_cookie(queue: Queue) -> None:
    key = AccessKey(8000)
    client = TestClient(label_app(queue, key), base_url="http://127.0.0.1:8000")
    reply = client.get("/", params={"token": key.token})
    assert reply.headers["set-cookie"] == f"deepglass-8000={key.session}; HttpOnly; SameSite=Strict; Path=/"
    assert reply.headers["cache-control"] == "no-store"
    assert key.session != key.token != AccessKey(8000).token
    assert client.get("/queue").status_code == 200


@pytest.mark.parametrize("cookie", ["", "deepglass-8000=", "deepglass-8000=\xe9", "deepglass-8001={session}",
                                    "deepglass-8000={token}", "deepglass-8000={other}"])  # fmt: skip
@pytest.mark.parametrize("query", ["", "?token=", "?token=%C3%A9", "?token={session}", "?token={other}", "?a={token}"])
def test_requests_without_token_or_cookie_are_refused(queue: Queue, cookie: str, query: str) -> None:
    key, other = AccessKey(8000), AccessKey(8000)
    client = TestClient(label_app(queue, key), base_url="http://127.0.0.1:8000")
    values = {"session": key.session, "token": key.token, "other": other.session}
    headers = {"cookie": cookie.format(**values).encode("latin-1")} if cookie else {}
    row = queue.items[0].row
    for address in ("/", "/queue", "/page/label.js", f"/media/{row}/p0", "/absent"):
        reply = client.get(address + query.format(**values), headers=headers)
        assert reply.status_code == 403
        assert "open the URL" in reply.json()["error"]
        assert not reply.headers.get("set-cookie")
    assert client.post("/answer" + query, json={"item": 0, "label": "4"}, headers=headers).status_code == 403
    assert client.get("/page/label.js", params={"token": key.token}).status_code == 403  # only the page itself
    assert not queue.path.exists()


def test_a_page_says_how_to_get_access(addresses: tuple[str, str], tmp_path: Path) -> None:
    plain, address = addresses
    link = tmp_path / "link.html"
    link.write_text(f'<a id="link" href="{address}">label</a>')
    with Chromium() as browser:
        refused = browser.open(plain)
        assert refused.run("document.title") == "no access – deepglass"
        assert "Open that URL" in refused.run("document.body.innerText")
        assert refused.barriers() == []
        for start in (address, link):  # typed, or followed from another page
            page = browser.open(start)
            if start == link:
                page.page.click("#link")
            page.page.wait_for_selector("#main:not([hidden])")
            assert page.page.url == plain
            assert page.run("document.cookie") == ""
            page.go(plain)  # as when the page is loaded again
            page.page.wait_for_selector("#main:not([hidden])")


def test_the_url_is_printed_and_opened_by_a_private_file(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A browser gets a file as its argument: the words of a command are visible to all users of the machine."""
    opened = threading.Event()
    pages: list[Path] = []

    def start(address: str) -> None:
        page = Path(address.removeprefix("file://"))
        printed = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{40,}", capsys.readouterr().err)
        if printed and f"url={printed[0]}" in page.read_text() and stat.S_IMODE(page.stat().st_mode) == 0o600:
            pages.append(page)
        opened.set()

    monkeypatch.setattr("webbrowser.open", start)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: opened.wait(60))
    serve_label(queue, port=0)
    assert len(pages) == 1
    assert pages[0].parent.name.startswith(PREFIX)  # which the next program removes, if this one is killed
    assert not pages[0].parent.exists()


@pytest.mark.slow
def test_a_killed_page_leaves_nothing_beside_the_labels(
    run: deepglass.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work := tmp_path / "work").mkdir()
    (temporary := tmp_path / "temporary").mkdir()
    words = [sys.executable, "-m", "deepglass", "label", run.path, "--port", "0", "--limit", "5"]
    environment = {**os.environ, "TMPDIR": str(temporary), "BROWSER": "true", "OMP_NUM_THREADS": "1"}
    served = subprocess.Popen(words, cwd=work, env=environment, stderr=subprocess.PIPE, text=True)
    assert served.stderr is not None
    assert any("rows to label" in line for line in served.stderr)
    served.kill()
    served.wait()
    served.stderr.close()
    assert [*work.iterdir()] == []
    monkeypatch.setattr("deepglass.temporary.MIN_AGE", 0)
    _remove_abandoned(temporary)
    assert [*temporary.glob("deepglass-*")] == []


# -- paths -------------------------------------------------------------------------------------------------------

STEPS = ("..", "%2e%2e", "..%2f", "%2e%2e%2f", "..%5c", "....//", "%252e%252e", ".%00.", "//")
TARGETS = ("etc/passwd", "label.py", "spec.yaml", "labels.csv", "__init__.py", "palette.py", "~/.ssh/id_rsa")


@pytest.mark.parametrize("step", STEPS)
def test_no_path_leads_out_of_the_page(queue: Queue, step: str) -> None:
    client, row = page(queue), queue.items[0].row
    for target in TARGETS:
        for address in (f"/page/{step}/{target}", f"/page/{step}{step}{step}{target}", f"/{step}/{target}",
                        f"/media/{row}/{step}/{target}", f"/media/{step}/{target}"):  # fmt: skip
            reply = client.get(f"http://127.0.0.1:8000{address}")
            assert reply.status_code in (404, 422), address
            assert "root:" not in reply.text
            assert "import " not in reply.text
