"""Sentences and numbers of reports that said more than the data carry, or contradicted each other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from report_values import base, class_output, section_html

import deepglass
from deepglass import formatting
from deepglass.doctor.base import Finding
from deepglass.explain import explain_globally
from deepglass.explain.global_explanation import GlobalExplanation, InputReliance
from deepglass.explain.global_sentences import sentences_of
from deepglass.explain.importance import Estimate, Importance
from deepglass.explain.interactions import Interaction
from deepglass.features.number import Number
from deepglass.introspect.example import example_of
from deepglass.introspect.facts import LayerHistory, NetworkHealth
from deepglass.introspect.layers import Layer
from deepglass.metrics.paired import PairedTest
from deepglass.metrics.summaries import Figure, histogram, reliability
from deepglass.metrics.table import METRICS, metric_text
from deepglass.objectives.base import predict_dataset
from deepglass.prepare.sources import file_columns, read_like
from deepglass.report.charts.axes import axis
from deepglass.report.charts.curves import Line, curves
from deepglass.report.convergence import training_end
from deepglass.report.facts import DataFacts, HistoryPoint, PlanFacts
from deepglass.report.headline import first_sentence, headline
from deepglass.report.output_facts import Baseline, ClassFacts
from deepglass.report.sections.slices import OutputSlices, SliceFacts
from deepglass.report.templates import draw
from deepglass.report.verdict import judge
from deepglass.run.callbacks.boundary_recorder import predict_values
from deepglass.training.plan import Plan

SMALL = {"trunk": "mlp", "ensemble_size": 1, "width": 16}


def said(text: Any) -> str:
    """Text without no-break spaces."""
    return str(text).replace("\N{NO-BREAK SPACE}", " ")


def test_a_year_on_an_axis_has_no_thousands_separator() -> None:
    assert [name for _, name in axis([1950, 2023], 0, 400, room=0).ticks()] == ["1960", "1980", "2000", "2020"]


def test_all_ranges_of_a_column_are_the_same() -> None:
    """Far outliers are counted in the last bar, which is told, and years keep their last digit."""
    values = np.append(np.linspace(1950, 2023, 999), 39_292_300.0)
    spread = histogram(values)
    html = said(draw("mini", spread=spread))
    assert "1950 … 39,292,300" in html
    assert "1,000 values from 1950 to 39,292,300; the last bar has all above" in html
    guess = Number.infer_type(pl.Series(values), "x")
    assert guess is not None
    assert "numbers from 1950 to 39,292,300, 1,000 different ones" in guess.why


def test_steps_are_whole_numbers() -> None:
    html = said(curves("Loss", [26.0, 104.0, 12345.0], [Line("train", [3.0, 2.0, 1.0])], x_name="step"))
    assert "step 26\n" in html
    assert "step 104\n" in html
    assert "step 12,345\n" in html


@pytest.mark.parametrize(("share", "text"), [(1.0, ">99.9 %"), (0.99999, ">99.9 %"), (0.87, "87 %"), (0.0, "0 %")])
def test_a_prediction_is_never_told_as_certain(share: float, text: str) -> None:
    """A probability of 1 is one that float32 has rounded."""
    assert said(formatting.confidence(share)) == text
    assert formatting.prediction_text("cat", share) == f"cat ({text})"


def test_values_that_round_to_an_end_are_not_written_as_the_end() -> None:
    assert said(formatting.duration(0.02)) == "<0.1 s"
    assert said(formatting.percent(-0.0004)) == "0.0 %"
    assert metric_text("roc_auc", 0.99996) == ">0.999"
    assert metric_text("roc_auc", 1.0) == "1.000"


def test_a_finding_is_one_sentence_and_the_rest_folds() -> None:
    text = (
        "where place is 'west' (166 rows) 22.3 % of the predictions of y are wrong, else 1.4 %; of the other rows "
        "where age is 3 (20 rows) 9 % of the predictions of y are wrong, else 1 %; add more such rows"
    )
    finding = Finding("weak_slice", (1, 2), ("place", "age"), 0.9, text, "")
    sentence, rest = first_sentence(finding)
    assert sentence == "Where place is 'west' (166 rows) 22.3 % of the predictions of y are wrong, else 1.4 %."
    assert rest.startswith("Of the other rows where age is 3")
    html = section_html("findings", base(findings=(finding,)))
    assert html.index("<details") < html.index("Of the other rows")
    assert "Of the other rows" not in section_html("summary", base(outputs=(class_output(),), findings=(finding,)))


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a rare class that nothing tells."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1200, 3))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": np.where(np.arange(1200) % 120, "no", "yes")})
    out = tmp_path_factory.mktemp("rare") / "run"
    deepglass.train(frame, "y", steps=12, out=out, network=SMALL, training={"threads": 1})
    return said((out / "report.html").read_text())


def test_a_recall_of_few_rows_has_the_interval_of_few_rows(rare: str) -> None:
    """0 of 1 row: 0 to 79 %, and without a predicted row there is no precision."""
    table = rare.partition('id="metrics"')[2].partition("</table>")[0]
    recall = table.partition("Recall")[2].partition("</tr>")[0]
    assert "0.0 % – 79.3 %" in recall
    precision = table.partition("Precision")[2].partition("</tr>")[0]
    assert "–" in precision
    assert "<small>0.0" not in precision
    threshold = table.partition("Decision threshold")[2].partition("</tr>")[0]
    assert " – " not in threshold
    assert "Accuracy at threshold 0.5" in table


def test_macro_f1_is_not_that_of_one_class(rare: str) -> None:
    """Without a row of the rare class in a sample it would be 1."""
    macro = rare.partition('id="metrics"')[2].partition("F1 (macro)")[2].partition("</tr>")[0]
    assert not re.search(r"0\.999|1\.000", macro)


def test_predictions_no_better_than_a_constant_rest_on_nothing(rare: str) -> None:
    section = rare.partition('id="reliance"')[2].partition("</section>")[0]
    assert "not shown to be better than a constant one" in section
    assert "alone carries the prediction" not in section
    assert "act together" not in section


def test_faithfulness_is_told_in_rows_and_not_in_shares_without_bounds(rare: str) -> None:
    checks = rare.partition("Faithfulness checks")[2].partition("</p>")[0]
    assert "rows" in checks
    assert "remains" not in checks
    assert "they differ" not in checks


def reliance(*inputs: tuple[str, float, float], lead: float = 0.4, **others: Any) -> GlobalExplanation:
    return GlobalExplanation(
        output="y",
        metric="accuracy",
        value=0.89,
        loss_metric="log_loss",
        loss=0.2,
        lead=Estimate(lead, 0.1),
        without=0.6,
        rows=200,
        inputs=tuple(InputReliance(name, Estimate(value, error), 0.02, None) for name, value, error in inputs),
        **others,
    )


TOGETHER = Importance(Estimate(0.5, 0.1), 0.29)


def test_the_first_of_equally_important_inputs_is_not_called_the_most_important() -> None:
    (told,) = sentences_of(reliance(("a", 0.20, 0.03), ("b", 0.18, 0.03), ("c", 0.05, 0.01)), TOGETHER)
    assert told == (
        "It relies most on a: with its values permuted log loss is 0.400 instead of 0.200, accuracy 87.0\xa0% instead "
        "of 89.0\xa0%; that it is more than b is within the error; then comes c."
    )
    (told,) = sentences_of(reliance(("a", 0.30, 0.03), ("b", 0.10, 0.03), ("c", 0.05, 0.01)), TOGETHER)
    assert told.endswith("; then come b, c.")
    assert "within the error" not in told


def test_inputs_that_do_not_matter_do_not_act_together() -> None:
    both = Interaction(("a", "b"), 0.9)
    told = sentences_of(reliance(("a", 0.01, 0.03), ("b", 0.0, 0.03), interaction=both), TOGETHER)
    assert told == [
        "No input alone matters beyond chance: the rise of log loss by permuting any of them is within its error."
    ]
    assert any("act together" in s for s in sentences_of(reliance(("a", 0.3, 0.03), interaction=both), TOGETHER))


def test_the_error_of_importance_is_that_of_the_rows() -> None:
    """Permuting again and again tells nothing of other test rows."""
    random = np.random.default_rng(0)
    from deepglass.explain.importance import estimate

    rises = random.normal(0.1, 1.0, 100)
    assert estimate(rises).error == pytest.approx(rises.std(ddof=1) / 10)


def test_an_agent_has_no_epochs() -> None:
    plan = Plan(18, 2048, 48, 1, 1, budget=20.0)
    assert "less than an epoch" in (plan.budget_warning or "")
    agent = Plan(18, 2048, 48, 1, 1, budget=20.0, has_epochs=False)
    assert agent.budget_warning is None


def test_without_validation_rows_no_curve_is_promised(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] + x[:, 1]})
    run = deepglass.train(
        frame,
        "y",
        steps=5,
        out=tmp_path / "run",
        network=SMALL,
        training={"threads": 1},
        settings={"data.split.valid": 0},
    )
    html = (run.path / "report.html").read_text()
    assert "Loss and metrics at each evaluation" not in html
    assert "there are no validation rows" in html


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    """A run that predicts the sign of a number."""
    x = np.random.default_rng(0).normal(size=(400, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] > 0, "plus", "minus")})
    out = tmp_path_factory.mktemp("signs") / "run"
    return deepglass.train(frame, "y", steps=150, out=out, network=SMALL, training={"threads": 1}, baselines=False)


def test_rows_that_are_left_where_time_is_short_are_a_sample(
    signs: deepglass.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the first of a table that is sorted: here the network is wrong in the first half, right in the second."""
    monkeypatch.setattr(explain_globally, "MIN_TIMED_ROWS", 40)
    x = np.random.default_rng(1).normal(size=(400, 2))
    right = np.where(x[:, 0] > 0, "plus", "minus")
    labels = np.where(np.arange(400) < 200, np.where(right == "plus", "minus", "plus"), right)
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": labels})
    predictor = signs.predictor
    source = read_like(signs.spec.data, frame, file_columns(predictor.inputs))
    table, columns, truth = predictor.reader.encode_labelled(source)
    (told,) = explain_globally.explain_columns(predictor, table, columns, truth, None, 400, 0.0)
    assert told.rows == 40
    assert 0.2 < told.value < 0.8


def test_the_example_has_the_confidence_of_the_predictions(signs: deepglass.Run) -> None:
    """Temperature and bias both."""
    context = replace(signs.context, calibration={"y": {"temperature": 2.0, "bias": [0.0, 3.0]}})
    example = example_of(context)
    assert example is not None
    ((_, shares),) = example.scores
    row = int(np.flatnonzero(context.data.source_rows == example.row)[0])
    batch = context.data.dataset(np.array([row]), context.device).batch(torch.tensor([0]))
    with torch.inference_mode():
        mode = {k: v.numpy() for k, v in context.objective.predict(batch)["y"].mode().items()}
    (output,) = context.data.outputs
    (decoded,) = output.decode(mode, context.calibration["y"])
    assert dict(shares) == pytest.approx(decoded["probabilities"], abs=1e-6)


def test_a_loss_that_rises_again_has_not_converged() -> None:
    def point(step: int, loss: float) -> HistoryPoint:
        return HistoryPoint(step, step, step, 0.1, {"loss": 0.5}, {"loss": loss})

    risen = [point(i, v) for i, v in enumerate([0.093, 0.049, 0.08, 0.1, 0.11, 0.11, 0.11])]
    assert training_end(risen) == "rises"


def test_words_are_not_counted_as_rows() -> None:
    classes = ClassFacts(names=("A", "B", "C"), confusion=np.array([[50, 3, 0], [2, 40, 0], [0, 0, 9]]), unit="word")
    output = class_output(("A", "B", "C"), classes=classes)
    said_of = " ".join(headline(output).sentences)
    assert "99 of 104\xa0words are right" in said_of
    assert "(3\xa0words)" in said_of
    assert "Test words" in section_html("confusion", base(outputs=(output,)))


def test_copies_of_parameters_are_not_counted_again() -> None:
    layers = (Layer("critic.one", "Linear", (3,), 12), Layer("average.one", "Linear", (3,), 20))
    facts = base(plan=PlanFacts(steps=1, batch_size=1, parameters=12), layers=layers)
    html = said(section_html("network", facts))
    assert "with 12 parameters, and 20 in a copy" in html


def test_a_metric_of_all_pixels_is_not_the_mean_over_images() -> None:
    whole = Figure(0.118, 0.11, 0.13)
    slices = OutputSlices(
        index=0,
        name=class_output().name,
        metric="miou",
        whole=whole,
        rows=101,
        num_slices=1,
        slices=(SliceFacts("a is 1", 40, whole),),
    )
    output = class_output(classes=None, test={"miou": Figure(0.119)})
    html = said(section_html("slices", base({"slices": (slices,)}, outputs=(output,))))
    assert "over all rows together it is 0.119" in html
    output = class_output(classes=None, test={"miou": Figure(0.118)})
    assert "over all rows together" not in section_html("slices", base({"slices": (slices,)}, outputs=(output,)))


def test_unmeasured_gradients_are_not_told_to_be_sound() -> None:
    units = LayerHistory(layer="layer 1", steps=(1,), gradient=(0.0,), dead=0.0)
    html = section_html("health", base({"health": NetworkHealth(histories=(units,), alarms=())}))
    assert "No layer is dead or saturated." in html
    assert "vanished" not in html


def test_what_makes_the_training_doubtful_stands_on_the_first_screen() -> None:
    data = DataFacts(source="x", rows=10, training_warnings=("mode collapse: few rows are covered",))
    assert "Mode collapse: few rows are covered." in section_html("summary", base(data=data))


def test_the_largest_of_many_noisy_estimates_is_not_told_as_important() -> None:
    """Of 14 inputs without any effect one exceeds two standard errors in more than a quarter of the runs."""
    random = np.random.default_rng(0)
    told = 0
    for _ in range(400):
        noise = tuple((f"x{i}", float(v), 0.05) for i, v in enumerate(random.normal(0, 0.05, 14)))
        told += any(s.startswith("It relies") for s in sentences_of(reliance(*noise), TOGETHER))
    assert told / 400 <= 0.05


def test_found_boxes_are_counted() -> None:
    per_class = {"cell": {"rows": 40.0, "ap50": 0.8, "recall": 0.9}, "dust": {"rows": 10.0, "ap50": 0.1, "recall": 0.2}}
    assert "Of 50\xa0true boxes 38 are found." in headline(class_output(classes=None), (), per_class).sentences


def test_language_models_are_compared_block_by_block() -> None:
    lead = PairedTest(0.1, 0.05, 0.15, 0.001)
    bits = METRICS["bits_per_character"]
    models = {"n_grams": Baseline({bits.name: 2.5}, paired=lead)}
    output = class_output(classes=None, metric=bits, test={bits.name: Figure(2.4)}, baselines=models)
    assert "Block by block of the text" in judge(output).sentence
    assert "Row by row" in judge(class_output(baselines={"linear": Baseline({"accuracy": 0.1}, paired=lead)})).sentence


def test_columns_that_are_left_out_already_have_no_fix() -> None:
    random = np.random.default_rng(0)
    label = random.random(300) < 0.3
    frame = pl.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(300)],
            "same": ["x"] * 300,
            "left": np.where(label, "2021-03-04", None),
            "a": random.normal(size=300),
            "b": label + 0.01 * random.normal(size=300),
            "y": label,
        }
    )
    fixes = {f.kind: f for f in deepglass.inspect(frame, "y").findings}
    assert fixes["id_column"].fix == fixes["constant"].fix == ""
    assert set(fixes["leak"].fix.removeprefix("data.ignore=[").rstrip("]").split(", ")) == {"b", "left"}
    sentence, _ = first_sentence(fixes["leak"])
    assert "Also" in sentence
    assert all(name in sentence for name in ("b ", "left"))


def test_the_last_bar_of_errors_says_that_it_has_all_beyond() -> None:
    spread = histogram(np.append(np.linspace(0, 100, 999), 5000.0), bins=10)
    assert spread is not None
    x, y = axis([spread.low, spread.high], 50, 400, room=0), axis(spread.counts, 300, 10, zero=True)
    html = said(draw("errors", spread=spread, across=x, up=y, height=390))
    assert html.count("and more\n") == 1
    assert "and less" not in html
    assert "from 0 to 5000" in html


def test_all_parts_of_a_report_use_the_calibrated_predictions(signs: deepglass.Run) -> None:
    """The calibration error beside the diagram is that of the metrics, and a plane has the colours of predictions."""
    calibration = {"temperature": 20.0, "bias": [0.0, 0.5], "threshold": 0.99}
    context = signs.context
    (output,) = context.data.outputs
    rows = context.data.rows("test")
    dataset = context.data.dataset(rows, context.device)
    mode = predict_dataset(context.objective, dataset, 64)["y"]
    truth = dataset.truth["y"]
    predicted = predict_values(context.objective, output, dataset, calibration)
    assert predicted.value.tolist() == output.predicted_classes(mode, calibration).tolist()
    assert predicted.value.tolist() != mode["log_probs"].argmax(1).tolist()
    labels = truth.values.reshape(-1) - 1
    facts = reliability(mode["log_probs"], labels, 20.0, np.ones(len(labels)), labels == labels, [0.0, 0.5])
    assert facts.ece_after == pytest.approx(output.score(mode, truth, calibration)["ece"], abs=1e-6)


def test_an_input_that_matters_is_not_said_to_be_replaced_by_others() -> None:
    """Nor any input of a network that predicts nothing."""

    def told(lead: float, error: float) -> str:
        inputs = (("a", 0.3, 0.01, 1.0), ("b", 0.02, error, 0.9))
        reliances = tuple(InputReliance(n, Estimate(v, e), v, Estimate(u, 0.1)) for n, v, e, u in inputs)
        return " ".join(sentences_of(replace(reliance(lead=lead), inputs=reliances), TOGETHER))

    assert "The network uses b (by its attributions)" in told(0.4, 0.014)
    assert "The network uses" not in told(0.4, 0.001)
    assert "The network uses" not in told(0.0, 0.014)


def test_two_rows_have_no_bootstrap_interval(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] + x[:, 1]})
    run = deepglass.train(frame, "y", steps=5, out=tmp_path / "run", network=SMALL, training={"threads": 1})
    table = run.path.joinpath("report.html").read_text().partition('id="metrics"')[2].partition("</table>")[0]
    assert "RMSE" in table
    assert "<small>" not in table.partition("MAE")[2].partition("</tr>")[0].partition("</th>")[2]


def test_one_row_is_no_plural() -> None:
    (told, *_) = headline(
        class_output(("no", "yes"), classes=ClassFacts(names=("no", "yes"), confusion=np.eye(2)))
    ).sentences
    assert said(told) == "Of 1 row of “yes” 1 is recognised; of 1 of “no” 0 are taken for “yes”."
