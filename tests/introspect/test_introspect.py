"""Diagnostics of trainings that fail and of their suggested fixes, decision boundaries, feature maps, filters."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from report_values import report_of, section_html

import deepglass as dg
from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.introspect.example import example_of, record_layers
from deepglass.introspect.layers import Layer
from deepglass.metrics.summaries import Histogram
from deepglass.prepare.prepare import prepare
from deepglass.run.build import build
from deepglass.run.callbacks import layer_diagnostics
from deepglass.run.callbacks.boundary_recorder import read_boundaries
from deepglass.run.callbacks.diagnostics_recorder import layer_names
from deepglass.run.callbacks.layer_diagnostics import LayerStatistics, diagnose
from deepglass.run.callbacks.planes import SIDE, Plane, informative_planes
from deepglass.run.callbacks.unit_activity import UnitActivity
from deepglass.spec.overrides import build_spec
from deepglass.training.callbacks import Callback
from deepglass.training.plan import Plan

SMALL = {"trunk": "mlp", "width": 24, "ensemble_size": 1, "dropout": 0.0}


def _rings(rows: int = 300) -> pl.DataFrame:
    """Inside or outside a circle; not linearly separable."""
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (2, rows))
    colour = random.choice(["red", "green", "blue"], rows)
    return pl.DataFrame({"x": x, "y": y, "colour": colour, "where": np.where(x**2 + y**2 < 0.5, "inside", "outside")})


def _waves(rows: int = 120, length: int = 100) -> pl.DataFrame:
    """Series whose target is in the first values, so that it must be remembered to the end."""
    x = np.random.default_rng(0).normal(size=(rows, length)) * 0.3
    return pl.DataFrame({"wave": pl.Series(x.tolist()), "where": 2 * x[:, :20].sum(1) + 10 * np.sign(x[:, 0])})


def _train(
    path: Path,
    network: dict,
    training: dict | None = None,
    steps: int = 40,
    source: object = None,
    callbacks: tuple[Callback, ...] = (),
) -> dg.Run:
    return dg.train(
        _rings().drop("colour") if source is None else source,
        "where",
        out=path,
        baselines=False,
        steps=steps,
        network=network if "trunk" in network else {**SMALL, **network},
        training=training or {},
        seed=1,
        callbacks=list(callbacks),
    )


def _said(run: dg.Run, kind: str) -> list[str]:
    return [s for s in run.metrics["diagnostics"] if f"({kind}" in s]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dg.Run:
    path = tmp_path_factory.mktemp("healthy") / "run"
    return _train(path, {"depth": 2, "activation": "relu"}, steps=200, source=_rings())


def test_a_healthy_network_has_no_diagnostic(healthy: dg.Run) -> None:
    assert healthy.metrics["diagnostics"] == []
    assert healthy.metrics["test"]["where"]["accuracy"] > 0.8  # it is healthy indeed


# -- illnesses and their cures ---------------------------------------------------------------------------------------


def test_a_huge_learning_rate_kills_relus_and_the_suggested_one_does_not(tmp_path: Path) -> None:
    network = {"depth": 3, "activation": "relu"}
    said = " ".join(_said(_train(tmp_path / "ill", network, {"learning_rate": 2.0}), "dead"))
    assert "layer 2 (trunk.body.4)" in said
    assert "training.learning_rate=0.004 (it is 2)" in said
    assert "activation" not in said  # at this learning rate another activation would not help
    assert _train(tmp_path / "cured", network, {"learning_rate": 0.004}).metrics["diagnostics"] == []


def test_a_huge_learning_rate_saturates_tanh_and_the_suggested_one_does_not(tmp_path: Path) -> None:
    network = {"depth": 2, "activation": "tanh"}
    said = _said(_train(tmp_path / "ill", network, {"learning_rate": 2.0}), "saturated")
    assert said[0].startswith("layer 1 (trunk.body.0)")
    rate = float(re.search(r"learning_rate=([\d.]+)", said[0])[1])  # type: ignore[index]
    assert _train(tmp_path / "cured", network, {"learning_rate": rate}).metrics["diagnostics"] == []


def test_gradients_vanish_in_a_deep_sigmoid_network_and_not_with_relu(tmp_path: Path) -> None:
    (said,) = _said(_train(tmp_path / "ill", {"depth": 10, "activation": "sigmoid"}), "vanishing")
    assert said.startswith("layer 1 (trunk.body.0)")
    assert "network.activation=relu" in said
    assert _train(tmp_path / "cured", {"depth": 10, "activation": "relu"}).metrics["diagnostics"] == []


def test_a_spike_of_the_first_steps_alone_is_no_exploding_gradient() -> None:
    steady = [LayerStatistics(step, {}, {}, {"a": 0.1}, most=0.5, where="a", usual=0.1) for step in (2, 10, 20, 30)]
    spike = {"most": 90.0}
    assert layer_diagnostics._exploding([steady[0]._replace(**spike), *steady[1:]], "clip=1") == []
    (told,) = layer_diagnostics._exploding([*steady[:2], steady[2]._replace(**spike)], "clip=1")
    assert (told.kind, told.step) == ("exploding", 20)


def test_gradients_explode_over_time_without_a_clip_and_not_with_it(tmp_path: Path) -> None:
    network = {"trunk": "rnn", "width": 32, "bidirectional": False, "dropout": 0.0}
    training = {"learning_rate": 0.4, "optimizer": "sgd", "clip": 0}
    (said,) = _said(_train(tmp_path / "ill", network, training, source=_waves()), "exploding")
    assert "training.clip=1" in said
    assert "network=lstm" in said
    cured = _train(tmp_path / "cured", network, {**training, "clip": 1}, source=_waves())
    assert _said(cured, "exploding") == []


def test_gates_are_recorded_for_each_direction(tmp_path: Path) -> None:
    class Heard(Callback):
        told: list[str] = []

        def on_diagnostic(self, text: str, step: int) -> None:
            self.told.append(text)

    network = {"trunk": "lstm", "width": 8}
    run = _train(tmp_path / "run", network, {"learning_rate": 2.0}, source=_waves(60, 20), callbacks=(Heard(),))
    said = _said(run, "saturated")
    assert any(s.startswith("recurrent layer 1, backwards (trunk.recurrent.layers.0.1)") for s in said)
    assert len({t.partition(":")[0] for t in Heard.told if "saturated" in t}) == sum(
        "saturated" in t for t in Heard.told
    )
    last = json.loads((run.path / "diagnostics.jsonl").read_text().splitlines()[-1])
    gates = last["gates"]["recurrent layer 1 (trunk.recurrent.layers.0.0)"]
    assert set(gates) == {"input", "keep", "output"}
    assert all(0 <= shut + open_ <= 1 for shut, open_ in gates.values())
    html = dg.report(run.path, source=_waves(60, 20)).read_text()
    assert "An open forget or update gate carries the state on" in html


def test_suggestions_leave_out_current_settings() -> None:
    plan = Plan(10, 8, 5, 5, 5, learning_rate=0.002, clip=1.0)
    layer = "conv 1 (trunk.body.0)"
    moment = LayerStatistics(10, {layer: 0.9}, {}, {layer: 0.02})
    (alarm,) = diagnose([moment], {"trunk": "mlp", "norm": "batch"}, plan)
    assert alarm.suggestion == "network.activation=leaky_relu or training.learning_rate=0.0002 (it is 0.002)"
    (broken,) = diagnose([moment._replace(dead={}, broken=2)], {"trunk": "rnn"}, plan)
    assert "2 times" in broken.text
    assert "training.clip" not in broken.suggestion
    assert diagnose([moment._replace(dead={layer: 0.5})], {"trunk": "mlp"}, plan) == []


def test_recording_diagnostics_does_not_change_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = {"depth": 2, "activation": "relu", "dropout": 0.2}
    watched = _train(tmp_path / "a", network)
    monkeypatch.setattr("deepglass.run.fit.diagnostics_recorder", lambda *_: [])
    monkeypatch.setattr("deepglass.run.fit.boundary_recorder", lambda *_: [])
    alone = _train(tmp_path / "b", network)
    assert not (alone.path / "diagnostics.jsonl").exists()
    assert watched.metrics["weights_sha256"] == alone.metrics["weights_sha256"]


# -- boundaries ------------------------------------------------------------------------------------------------------


def test_the_decision_boundary_is_the_circle(healthy: dg.Run) -> None:
    moments = read_boundaries(healthy.folder)
    assert moments[0].step == 0
    assert moments[-1].step == 200
    ground = moments[-1].ground
    assert ground is not None
    line = np.linspace(-1.12, 1.12, SIDE)
    inside = (line[None] ** 2 + line[:, None] ** 2) < 0.5
    named = healthy.predictor.outputs[0].class_names.index("inside")
    assert ((ground.value.reshape(SIDE, SIDE) == named) == inside).mean() > 0.85


def test_a_plane_of_very_many_inputs_has_fewer_points(healthy: dg.Run) -> None:
    plane = informative_planes(healthy.context.data, healthy.predictor.outputs[0])[0]
    assert len(plane.data("cpu")) == SIDE**2
    spare = plane.across.column(1)
    wide = Plane(plane.across, plane.up, {f"x{i}": spare for i in range(4998)})
    assert wide.side == 12
    assert len(wide.data("cpu")) == 144


def test_the_boundary_over_requested_columns_has_a_history(healthy: dg.Run) -> None:
    before = {n: t.clone() for n, t in healthy.network.state_dict().items()}
    html = dg.report(healthy, source=_rings(), boundary="colour,x").read_text()
    panel = html.partition('<section id="boundary"')[2].partition("</section>")[0]
    assert "colour and x" in panel
    assert "y held at its typical value" in panel
    assert "the plane of the two chosen inputs" in panel
    assert "rests on most" not in panel
    assert ">green<" in panel
    assert 'data-steps="step 0|' in panel
    assert panel.count("<h3>") == 2  # and the learned space
    assert all(torch.equal(t, before[n]) for n, t in healthy.network.state_dict().items())
    hidden = dg.report(healthy, samples=False, source=_rings(), boundary="colour,x").read_text()
    assert ">green<" not in hidden


@pytest.mark.parametrize(
    ("pair", "said"),
    [("x,yy", "did you mean 'y'"), ("x", "expected two columns"), ("x,x", "twice"), ("x,where", "no input 'where'")],
)
def test_an_invalid_boundary_is_rejected(healthy: dg.Run, pair: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        dg.report(healthy, source=_rings(), boundary=pair)


def test_the_report_shows_the_network_and_omits_rows_without_samples(healthy: dg.Run) -> None:
    html = dg.report(healthy, source=_rings()).read_text()
    for title in ("Layer diagnostics", "Decision boundary", "Feature maps of one example", "Network"):
        assert title in html
    assert 'class="rows"><circle' in html
    assert "The learned space" in html
    html = dg.report(healthy, samples=False, source=_rings()).read_text()
    assert "Decision boundary" in html
    assert "Feature maps of one example" not in html
    assert 'class="rows"><circle' not in html


# -- an example and visions ------------------------------------------------------------------------------------------


def test_words_label_both_directions_of_a_recurrent_layer(tmp_path: Path) -> None:
    texts = [" ".join(["good" if i % 2 else "bad", *["word"] * (i % 4), "end"]) for i in range(60)]
    source = pl.DataFrame({"text": texts, "where": ["up" if i % 2 else "down" for i in range(60)]})
    settings = {"network": {"trunk": "gru", "width": 8}, "inputs": [{"name": "text", "kind": "text"}]}
    run = dg.train(source, "where", out=tmp_path / "run", baselines=False, steps=4, **settings)
    context = run.context_of(source)
    prepared = context.data
    example = example_of(context)
    assert example is not None
    forth, back = (s for s in example.layers if s.layer.startswith("recurrent"))
    assert "backwards" in back.layer
    words = texts[example.row].split()
    assert [word for _, word in forth.marks] == words
    assert forth.marks[0][0] == pytest.approx(0.5 / len(words))
    assert back.marks == forth.marks

    batch = prepared.dataset(np.array([example.row]), "cpu").batch(torch.zeros(1, dtype=torch.long))
    states = []
    run.network.trunk.recurrent.register_forward_hook(lambda _m, _i, read: states.append(read.values))
    found = record_layers(run.objective, batch)
    torch.testing.assert_close(found[back.layer], states[0][..., 8:])  # in the order of the words


def test_objectives_without_predictions_have_an_example(tmp_path: Path) -> None:
    source = _rings(80).select("x", "y")
    settings = {"objective": {"name": "autoencoder", "latent_dim": 4}, "training": {"threads": 1}}
    run = dg.train({"data": {"source": source}, **settings}, out=tmp_path / "run", baselines=False, steps=2)
    example = example_of(run.context_of(source))
    assert example is not None
    assert (4,) in [s.shape for s in example.layers if "bottleneck" in s.layer]
    assert example.scores == ()
    assert "Feature maps of one example" in dg.report(run, source=source).read_text()


def test_the_averaged_network_is_diagnosed_and_shown(tmp_path: Path) -> None:
    source = _rings(120).with_columns(where=pl.when(pl.int_range(120) % 3 > 0).then("where"))
    spec = {"data": {"source": source}, "objective": "pseudo_label", "outputs": [{"name": "where"}]}
    spec |= {"network": {**SMALL, "activation": "relu"}, "training": {"threads": 1}}
    run = dg.train(spec, out=tmp_path / "run", baselines=False, steps=2)
    last = json.loads((run.path / "diagnostics.jsonl").read_text().splitlines()[-1])
    assert "layer 1 (trunk.body.0)" in last["dead"]
    assert "layer 1 (trunk.body.0)" in last["gradient"]
    example = example_of(run.context_of(source))
    assert example is not None
    assert example.layers[0].layer == "layer 1 (trunk.body.0)"


def _steps() -> pl.DataFrame:
    """Series of different lengths."""
    return pl.DataFrame({"wave": [[0.1 * i] * (3 + i % 5) for i in range(60)], "where": ["up", "down"] * 30})


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> dg.Run:
    network = {"trunk": "tcn", "width": 8, "depth": 2}
    return _train(tmp_path_factory.mktemp("filtered") / "run", network, steps=2, source=_steps())


def test_filters_over_time_have_time_on_the_x_axis(filtered: dg.Run) -> None:
    source = _steps()
    context = filtered.context_of(source)
    prepared = context.data
    example = example_of(context)
    assert example is not None
    assert [s.shape for s in example.layers if s.layer.startswith("conv")] == [(3 + example.row % 5, 8)] * 4
    batch = prepared.dataset(np.array([example.row]), "cpu").batch(torch.zeros(1, dtype=torch.long))
    given = []
    filtered.network.trunk.blocks[-1].convs[-1].register_forward_hook(lambda _m, _i, out: given.append(out[0].T))
    last = next(v for n, v in record_layers(filtered.objective, batch).items() if "blocks.1.convs.1" in n)
    torch.testing.assert_close(last[0], given[0])


def test_dead_filters_of_a_sequence_are_found_despite_padding(filtered: dg.Run) -> None:
    objective = copy.deepcopy(filtered.objective)
    block = objective.network.trunk.blocks[0]
    block.norms[1] = torch.nn.Identity()
    with torch.no_grad():
        block.convs[0].weight[:6] = 0
        block.convs[0].bias[:6] = -9  # wherever there is a step; where there is none, what is given is 0
    inputs = {f.name: f.encode(_steps()["wave"]) for f in filtered.predictor.inputs}
    seen = UnitActivity(objective, layer_names(objective)).measure(Dataset(inputs, {}, torch.device("cpu")))
    assert seen.dead["conv 1 (trunk.blocks.0.convs.0)"] >= 6 / 8


def test_dead_channels_of_audio_are_found() -> None:
    waves = np.random.default_rng(0).normal(0, 0.1, (24, 1600)).astype(np.float32)
    source = {"sound": waves, "where": ["up", "down"] * 12}
    asked = {"inputs": [{"name": "sound", "kind": "audio"}], "outputs": [{"name": "where"}]}
    spec = build_spec({"data": {"source": source}, "network": {"trunk": "tcn", "width": 8}, **asked}, None, {})
    experiment, prepared = prepare(spec)
    objective = build(experiment, "cpu").eval()
    norm = objective.network.encoders[0].norms[1]
    with torch.no_grad():
        norm.bias[: len(norm.bias) // 2] = -50
    data = prepared.dataset(prepared.rows("train"), "cpu")
    assert UnitActivity(objective, layer_names(objective)).measure(data).dead["conv 2 (encoders.0.convs.1)"] == 0.5


def test_feature_visualisation_of_a_class_resembles_its_images(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    left = random.random(240) < 0.5
    pictures = random.integers(0, 40, (240, 16, 16)).astype(np.uint8)
    for picture, at in zip(pictures, left, strict=True):
        picture[:, 2:6] += np.uint8(180) * np.uint8(at)
        picture[:, 10:14] += np.uint8(180) * np.uint8(not at)
    names = np.where(left, "left", "right")
    run = dg.train((pictures, names), out=tmp_path / "run", baselines=False, steps=60, network="conv", seed=1)
    html = dg.report(run.path, source=(pictures, names)).read_text()
    assert "Feature visualisation" in html
    assert "optimised for left" in html
    assert "map 1" in html
    assert json.loads((run.path / "metrics.json").read_text())["diagnostics"] == []


# -- the network as a drawing ----------------------------------------------------------------------------------------


def test_repeated_blocks_are_drawn_once() -> None:
    block = ("norm", "LayerNorm", 16), ("attention", "Linear", 256), ("mlp", "Linear", 512)
    layers = [Layer(f"network.trunk.blocks.{i}.{n}", kind, (9, 8), size) for i in range(12) for n, kind, size in block]
    reads = Layer("network.encoders.0", "Embedding", (9, 8), 80, ends=("text",))
    answers = Layer(
        "network.heads.out_tone", "Linear", (2,), 18, spread=Histogram(-1.0, 1.0, (1, 2, 1)), ends=("tone",)
    )
    html = section_html("network", report_of(layers=(reads, *layers, answers))).partition("<table")[0]
    assert html.count("<li") == 3
    assert "12 ×" in html
    assert "784 weights each" in html
    assert "weights from −1" in html
    assert html.index(">text<") < html.index("blocks") < html.index(">tone<")
