"""Sessions of labelling: undo over reloads and new starts, blind mode, and spot checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium
from conftest import Command, made_up
from labelling_page import page, served

import deepglass
from deepglass.errors import SourceError, StorageError
from deepglass.prepare.label_corrections import read_corrections
from deepglass.serve.queue import Queue

QUICK: dict[str, Any] = {"training": {"threads": 1}, "network": {"width": 8}, "baselines": False, "steps": 3}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    """A run in which no label looks wrong: it has hardly learned."""
    folder = tmp_path_factory.mktemp("sessions")
    made_up(60).write_csv(folder / "houses.csv")
    return deepglass.train(folder / "houses.csv", "sold", out=folder / "run", **QUICK)


@pytest.fixture
def queue(clean: deepglass.Run, tmp_path: Path) -> Queue:
    return deepglass.label(clean, out=tmp_path / "labels.csv", limit=6)


def stored(queue: Queue) -> dict[int, str]:
    return {c.row: c.new for c in read_corrections(queue.path).corrections}


def test_where_nothing_looks_wrong_uncertain_and_random_rows_are_asked(queue: Queue) -> None:
    assert sorted(q.kind for q in queue.items) == ["random"] * 3 + ["uncertain"] * 3
    assert all(q.label in ("yes", "no") and q.suggestion in ("yes", "no") for q in queue.items)
    uncertain = [q.confidence for q in queue.items if q.kind == "uncertain"]
    assert max(uncertain) <= min(q.confidence for q in queue.items if q.kind == "random") + 1e-6
    assert "spot checks" in queue.note
    assert len({q.row for q in queue.items}) == 6


def test_spot_checks_of_numbers(tmp_path: Path) -> None:
    run = deepglass.train(made_up(60), "price", out=tmp_path / "run", **QUICK)
    asked = deepglass.label(run, made_up(60), out=tmp_path / "labels.csv", limit=4)
    assert [q.kind for q in asked.items] == ["uncertain"] * 2 + ["random"] * 2
    asked.answer(0, asked.items[0].label)
    assert read_corrections(asked.path).corrections[0].why == "confirmed"


def test_undo_takes_back_one_answer_after_another(queue: Queue) -> None:
    queue.answer(2, "yes")
    queue.answer(0, "no")
    queue.answer(2, "no")
    assert queue.undo_last() == 2
    assert queue.answers == {0: "no", 2: "yes"}
    assert queue.undo_last() == 0
    assert queue.undo_last() == 2
    assert (queue.answers, stored(queue), queue.undo_last()) == ({}, {}, None)


def test_undo_goes_on_after_a_new_start(clean: deepglass.Run, queue: Queue) -> None:
    rows = [q.row for q in queue.items]
    for item in (3, 1, 4):
        queue.answer(item, "yes")
    again = deepglass.label(clean, out=queue.path, limit=6)
    assert not {rows[i] for i in (3, 1, 4)} & {q.row for q in again.items}
    again.answer(0, "no")
    first = again.items[0].row
    assert again.num_undoable == 4
    assert again.undo_last() == 0
    count = len(again.items)
    assert again.undo_last() == count
    assert (again.items[count].row, again.items[count].kind) == (rows[4], "reopened")
    assert again.items[count].label == queue.items[4].label
    assert stored(again) == {rows[3]: "yes", rows[1]: "yes"}
    again.answer(count, "no")
    third = deepglass.label(clean, out=queue.path, limit=6)
    third.undo_last()
    assert third.items[-1].row == rows[4], "the last answer, not the last row"
    third.undo_last()
    assert (third.items[-1].row, stored(third)) == (rows[1], {rows[3]: "yes"})
    assert first not in stored(third)


def test_answers_of_others_are_not_taken_back(clean: deepglass.Run, queue: Queue) -> None:
    queue.path.write_text(f"row,column,new\n{queue.items[0].row},sold,yes\n")
    again = deepglass.label(clean, out=queue.path, limit=6)
    assert again.undo_last() is None
    queue.path.write_text(f"row,column,new,order\n{queue.items[0].row},sold,yes,last\n")
    with pytest.raises(SourceError, match="line 2: order: expected a whole number"):
        deepglass.label(clean, out=queue.path, limit=6)


def test_a_full_disk_changes_no_answer(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("disk-full", "no space")

    queue.answer(0, "yes")
    client = page(queue)
    monkeypatch.setattr("deepglass.serve.queue.write_corrections", full)
    assert client.post("/answer", json={"item": 0, "label": "no"}).status_code == 507
    assert client.post("/answer", json={"item": 1, "label": "no"}).status_code == 507
    assert client.post("/undo", json={}).status_code == 507
    state = client.get("/queue").json()
    assert (state["answers"], state["undoable"]) == ({"0": "yes"}, 1)


def test_the_page_undoes_after_a_reload(queue: Queue) -> None:
    client = page(queue)
    for item in (1, 0):
        client.post("/answer", json={"item": item, "label": "no"})
    state = page(queue).get("/queue").json()  # another window, or the same after a reload
    assert (state["undoable"], len(state["answers"])) == (2, 2)
    undone = client.post("/undo", json={}).json()
    assert (list(undone["changed"]), undone["answers"], undone["undoable"]) == (["0"], {"1": "no"}, 1)
    client.post("/undo", json={})
    assert client.post("/undo", json={}).json()["changed"] == {}
    assert client.post("/undo", json={"item": 1}).status_code == 422


def test_what_is_hidden_does_not_leave_the_server(clean: deepglass.Run, tmp_path: Path) -> None:
    asked = deepglass.label(clean, out=tmp_path / "labels.csv", limit=4, blind=True)
    client = page(asked)
    state = client.get("/queue").json()
    assert state["blind"]
    assert all(set(item) == {"row", "kind", "cells", "neighbours"} for item in state["items"])
    assert all((item["kind"], item["neighbours"]) == ("hidden", []) for item in state["items"])
    changed = client.post("/answer", json={"item": 2, "label": "no"}).json()["changed"]["2"]
    assert (changed["label"], changed["suggestion"]) == (asked.items[2].label, asked.items[2].suggestion)
    assert [item["kind"] == "hidden" for item in client.get("/queue").json()["items"]] == [True, True, False, True]
    assert client.post("/undo", json={}).json()["changed"]["2"]["kind"] == "hidden"
    seen = client.post("/blind", json={"blind": False}).json()
    assert seen["items"][0]["suggestion"] == asked.items[0].suggestion
    assert client.post("/blind", json={"blind": "yes"}).status_code == 422


@pytest.mark.parametrize("width", [420, *(pytest.param(w, marks=pytest.mark.slow) for w in (800, 1280))])
def test_keys_counter_undo_and_blind_mode_in_the_browser(queue: Queue, width: int) -> None:
    with served(queue) as (plain, address), Chromium() as browser:
        shown = browser.open(address, width=width, dark=width == 800)
        shown.page.wait_for_url(plain)
        shown.page.wait_for_selector("#main:not([hidden])")

        def post(press: str, count: str) -> None:
            with shown.page.expect_response(lambda reply: reply.request.method == "POST"):
                shown.press(press)
            shown.page.wait_for_selector(f"#count:text-is('{count}')")

        assert "spot checks" in shown.run("document.getElementById('note').textContent")
        post("1", "1 answered, 5 left of 6")
        assert queue.answers == {0: queue.classes[0]}
        shown.press("ArrowLeft")
        assert "answer: " in shown.run("document.getElementById('index').textContent")
        post("2", "1 answered, 5 left of 6")  # the same row again
        post("2", "2 answered, 4 left of 6")
        shown.page.reload()
        shown.page.wait_for_selector("#main:not([hidden])")
        assert shown.run("document.getElementById('count').textContent") == "2 answered, 4 left of 6"
        post("u", "1 answered, 5 left of 6")
        post("u", "1 answered, 5 left of 6")
        assert queue.answers == {0: queue.classes[0]}
        with shown.page.expect_response("**/blind"):
            shown.page.click("#blind")
        shown.press("ArrowRight")  # the row in view has an answer
        shown.page.wait_for_selector("#proposal:text('hidden until you answer')")
        post("1", "2 answered, 4 left of 6")
        shown.page.wait_for_selector("#last:not([hidden])")
        assert "your answer" in shown.run("document.getElementById('last').textContent")
        assert shown.errors == []
        assert shown.barriers() == []
        assert shown.run("document.documentElement.scrollWidth <= innerWidth")


def test_the_command_says_that_rows_are_spot_checks(
    clean: deepglass.Run, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Queue] = []
    monkeypatch.setattr("deepglass.serve.label.serve_label", lambda queue, *_: served.append(queue))
    said = command("label", clean.path, "--out", tmp_path / "labels.csv", "--blind", "--limit", "3")
    assert said.code == 0, said.err
    assert "no label looks wrong and none is missing: these are spot checks" in said.err
    assert served[0].blind
