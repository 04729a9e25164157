"""One row has one prediction: in a batch, alone, shuffled, from Python, the command line and stdin, by any threads."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command, made_up

import deepglass

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    folder = tmp_path_factory.mktemp("same")
    made_up(120).write_csv(folder / "rows.csv")
    settings: dict[str, Any] = {"training": {"threads": 1}, "baselines": False, "steps": 20}
    return deepglass.train(folder / "rows.csv", ["price", "sold"], out=folder / "run", **settings)


def values(predictions: list[dict[str, Any]]) -> np.ndarray:
    """Price and confidence of each row, with the class in the sign."""
    signs = {"yes": 1, "no": -1}
    return np.array([[p["price"]["value"], p["sold"]["confidence"] * signs[p["sold"]["value"]]] for p in predictions])


def test_many_rows_are_predicted_by_all_threads_at_once(run: deepglass.Run) -> None:
    rows = pl.concat([made_up(120).drop("price", "sold")] * 10)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = values(run.predict(rows.to_dicts()))
        torch.set_num_threads(3)
        predicted = values(run.predict(rows.to_dicts()))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(predicted, expected, rtol=TOLERANCE)
    np.testing.assert_array_equal(predicted[:120], predicted[120:240])


def test_predictions_do_not_depend_on_the_way(
    run: deepglass.Run, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.read_csv(run.path.parent / "rows.csv").drop("price", "sold")
    expected = values(run.predict(rows.to_dicts()))
    order = np.random.default_rng(0).permutation(len(rows))
    dicts = rows.to_dicts()
    lines = "".join(json.dumps(row) + "\n" for row in dicts)
    table = command("predict", run.path, run.path.parent / "rows.csv", "--json")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    piped = command("predict", run.path, "-", "--json")
    ways = {
        "one by one": [run.predict(row)[0] for row in dicts],
        "dicts": run.predict(dicts),
        "shuffled": np.array(run.predict(rows[order.tolist()].to_dicts()))[np.argsort(order)].tolist(),
        "command line": json.loads(table.out),
        "stdin": json.loads(piped.out),
        "again": deepglass.predict(run.path, rows.to_dicts()),
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ways["two threads"] = run.predict(rows.to_dicts())
    finally:
        torch.set_num_threads(threads)
    assert run.predict(rows)["price"].to_list() == pytest.approx(expected[:, 0].tolist(), rel=TOLERANCE)
    scale = np.abs(expected).max(0)
    for way, predictions in ways.items():
        assert np.abs(values(predictions) - expected).max() <= TOLERANCE * scale.max(), way
        assert (np.abs(values(predictions) - expected) / scale).max() <= TOLERANCE, way


def test_training_and_its_report_open_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*address: object) -> None:
        raise AssertionError(f"a socket to {address}")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    frame = made_up(60).with_columns(text=pl.Series([f"see http://example.com/word{i % 7}" for i in range(60)]))
    run = deepglass.train(frame, "sold", out=tmp_path / "run", steps=4, kinds={"text": "text"}, training={"threads": 1})
    assert len(run.predict(frame[:3])) == 3
    assert (run.path / "report.html").is_file()
