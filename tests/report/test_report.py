"""The report: sections, offline use, unusual values, formatting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from report_values import EVIL, NAN, base, checked, class_output, report_of, section_html
from torch import nn

import deepglass
from deepglass import formatting as numerals
from deepglass import metrics, web
from deepglass.data.table import Note
from deepglass.doctor.base import Finding
from deepglass.errors import StorageError
from deepglass.features.outputs.tags import TagsOutput
from deepglass.formatting import number, short
from deepglass.introspect.layers import Layer, trace
from deepglass.introspect.rows import OutputRows
from deepglass.metrics import summaries as measure
from deepglass.metrics.paired import PairedTest, compare_errors, compare_scores, compare_shares
from deepglass.metrics.summaries import Bin, Figure, Histogram, Reliability, TopValues
from deepglass.metrics.table import METRICS
from deepglass.objectives.autoencoder import Autoencoder
from deepglass.objectives.base import Objective
from deepglass.objectives.masked import Masked
from deepglass.objectives.replaced_token import ReplacedToken
from deepglass.report import outputs, write
from deepglass.report.charts.axes import axis
from deepglass.report.data import ReportData
from deepglass.report.facts import ColumnFacts, DataFacts, HistoryPoint, PlanFacts
from deepglass.report.objective_results import objective_result
from deepglass.report.output_facts import Baseline, ClassFacts, NumberFacts, OutputFacts
from deepglass.report.row_cards import RowCard
from deepglass.report.sections.confusion import most_confused
from deepglass.report.verdict import compare_models, judge
from deepglass.report.write import render, sections, write_report
from deepglass.run.context import RunContext


def binary_output() -> OutputFacts:
    random = np.random.default_rng(0)
    truth = random.random(400) < 0.3
    score = np.clip(0.3 * truth + 0.7 * random.random(400), 0, 1)
    thresholds = measure.thresholds(score, truth, chosen=0.4, positive="yes")
    output = class_output(("no", "yes"))
    assert output.classes is not None
    return replace(output, classes=replace(output.classes, thresholds=thresholds))


def number_output(rows: int = 2000) -> OutputFacts:
    random = np.random.default_rng(0)
    truth = 1e5 + 2e4 * random.normal(size=rows)
    predicted = truth + 5e3 * random.normal(size=rows)
    return OutputFacts(
        name="price",
        metric=METRICS["rmse"],
        test={"rmse": Figure(5000.0, 4800.0, 5200.0), "r2": Figure(0.9)},
        test_rows=rows,
        baselines={"constant": Baseline({"rmse": 20000.0})},
        numbers=NumberFacts(
            truth=truth,
            predicted=predicted,
            low=predicted - 8e3,
            high=predicted + 8e3,
            level=0.9,
            coverage=0.89,
            residuals={0.25: -3000.0, 0.75: 3100.0},
        ),
        mistakes=(RowCard(row=9, truth=1e5, predicted=2e5, values={f"column {i}": str(i) for i in range(20)}),),
    )


@pytest.mark.parametrize(
    ("output", "titles"),
    [
        (class_output(), ["Confusion matrix", "Calibration", "Mistakes"]),
        (binary_output(), ["Confusion matrix", "Decision threshold", "Mistakes"]),
        (number_output(), ["Predicted against true", "Mistakes"]),
    ],
    ids=["classes", "yes or no", "number"],
)
def test_all_sections_are_present(output: OutputFacts, titles: list[str]) -> None:
    html = checked(base(outputs=(output,)))
    common = ["Test metrics", "Data problems", "Data", "Learning curves", "Network", "Reproduce"]
    places = [html.index(f">{title}</h2>") for title in common]
    assert places == sorted(places)
    for title in titles:
        assert f">{title}</h2>" in html
    assert len(html) < 1_000_000


def test_sections_without_data_are_left_out() -> None:
    bare = report_of(name="bare", task="Nothing is known.", data=DataFacts(source="x", rows=0))
    html = checked(bare)
    assert html.count("<section") == 2
    assert "Learning curves" not in html


def test_several_outputs_are_named() -> None:
    second = replace(number_output(50), name="second")
    html = checked(base(outputs=(class_output(), second)))
    assert html.count('<h3 class="output">second</h3>') == 3  # test figures, predicted against true, mistakes
    assert html.count('<h3 class="output">answer</h3>') == 4


def test_lower_error_rates_are_better() -> None:
    output = class_output(
        metric=METRICS["bleu"],
        test={"bleu": Figure(20.0), "character_error_rate": Figure(0.2)},
        baselines={"constant": Baseline({"bleu": 1.0, "character_error_rate": 0.9})},
    )
    html = section_html("metrics", base(outputs=(output,)))
    (row,) = (row for row in html.split("<tr>") if "Character error rate" in row)
    assert 'title="lower is better">↓<' in row
    assert '<b class="best">20.0\N{NO-BREAK SPACE}%</b>' in row


def test_user_text_is_escaped() -> None:
    mistake = RowCard(row=1, truth=EVIL, predicted=EVIL, values={EVIL: EVIL})
    output = class_output((EVIL, EVIL + "2", EVIL + "3"), name=EVIL, mistakes=(mistake,), warnings=(EVIL,))
    column = ColumnFacts(name=EVIL, kind=EVIL, why=EVIL, role_why=EVIL, spread=TopValues(((EVIL, 3),), 0, 1))
    facts = base(
        name=EVIL,
        task=EVIL,
        outputs=(output, replace(output, name=EVIL + "2")),
        columns=(column, replace(column, spread=None, example=EVIL)),
        layers=(Layer(EVIL, EVIL, (EVIL,), 1),),
        own={
            "reproduce": {
                **dict.fromkeys(("command", "spec", "seed", "weights_sha256"), EVIL),
                "versions": {EVIL: EVIL},
            },
        },
        findings=(Finding(EVIL, (), (EVIL,), 1.0, EVIL, EVIL), Finding("leak", (), (EVIL,), 1.0, EVIL, EVIL)),
        data=DataFacts(source=EVIL, rows=1, notes=(Note(EVIL, EVIL, EVIL),), splits={EVIL: 3}, warnings=(EVIL,)),
        plan=PlanFacts(steps=1, batch_size=1, device=EVIL, precision=EVIL),
        history=(
            HistoryPoint(1, 1, 1, 1, {EVIL: 1.0}, {EVIL: 2.0}),
            HistoryPoint(2, 1, 1, 1, {EVIL: 1.0}, {EVIL: 2.0}),
        ),
    )
    html = checked(facts)
    assert "<script>alert" not in html
    assert html.count("<script") == 2
    html.encode("utf-8")


def test_bad_values_are_rendered() -> None:
    inf = float("inf")
    classes = ClassFacts(
        names=("a", "b", "c"),
        confusion=np.array([[NAN, 0, 0], [0, 0, 0], [0, 0, 0]]),
        reliability=Reliability(after=(Bin(NAN, NAN, 0), Bin(0.5, NAN, 3)), ece_after=NAN, temperature=inf),
    )
    one = class_output(
        classes=classes, test={"accuracy": Figure(NAN, NAN, NAN), "ece": Figure(inf)}, mistakes=(), test_rows=0
    )
    two = replace(
        number_output(3),
        numbers=NumberFacts(
            truth=np.full(3, NAN), predicted=np.array([1, NAN, inf]), level=NAN, residuals={0.25: NAN, 0.75: 1.0}
        ),
        baselines={"constant": Baseline({"rmse": NAN}), "linear": Baseline({}, None, NAN)},
        mistakes=(RowCard(row=0, truth=NAN, predicted=inf, confidence=NAN),),
    )
    history = (
        HistoryPoint(1, 0, 0, NAN, {"loss": NAN}, {"loss": inf}),
        HistoryPoint(1, 0, 0, 1e-3, {"loss": 1e30}, {"loss": 1e-30}),
        HistoryPoint(2, NAN, NAN, 1e-3, {}, {"loss": 1.0, "accuracy": NAN}),
    )
    plan = PlanFacts(steps=0, batch_size=0, seconds=NAN, examples_per_second=inf)
    columns = (
        ColumnFacts(name="x", kind="number", missing=NAN, spread=Histogram(NAN, NAN, ())),
        ColumnFacts(name="y", kind="number", spread=Histogram(2, 2, (0,))),
        ColumnFacts(name="z", kind="category", spread=TopValues((), 0, 0)),
    )
    checked(base(outputs=(one, two), history=history, plan=plan, best_step=7, columns=columns))


def test_one_thousand_classes_show_the_most_confused() -> None:
    names = tuple(f"class {i} " + "with a long name " * 10 for i in range(1000))
    confusion = 40 * np.eye(1000, dtype=int)
    confusion[700, 300] = 9
    confusion[5, 6] = 4
    assert {5, 6, 300, 700} <= set(most_confused(confusion))
    assert len(most_confused(confusion)) == 20
    html = checked(base(outputs=(class_output(names, classes=ClassFacts(names=names, confusion=confusion)),)))
    assert "The 20 most confused of 1,000 classes" in html
    assert len(html) < 1_000_000


def test_a_run_without_mistakes_is_reported() -> None:
    perfect = ClassFacts(names=("a", "b"), confusion=np.diag([5, 6]))
    html = checked(base(outputs=(class_output(("a", "b"), classes=perfect, mistakes=()),)))
    assert "There is no mistake among these test rows" in html
    assert ">Mistakes<" not in html


def test_size_stays_below_ten_megabytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    picture = measure.thumbnail(noise)
    mistakes = tuple(RowCard(row=i, truth="a", predicted="b", image=picture) for i in range(120))
    columns = tuple(
        ColumnFacts(name=f"pixel {i}", kind="number", spread=Histogram(0, 1, tuple(range(24)))) for i in range(3000)
    )
    outputs = (*(class_output(name=f"output {i}", mistakes=mistakes) for i in range(4)), number_output())
    assert len(checked(base(outputs=outputs, columns=columns)).encode()) < 10_000_000


def test_writing_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(base(), path)
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(StorageError, match=r"\[read-only\] .*report\.html: cannot be written"):
        write_report(base(), path / "report.html")


LEAD = PairedTest(0.1, 0.05, 0.15, 0.001)
EQUAL = PairedTest(0.002, -0.01, 0.014, 0.8)
VAGUE = PairedTest(-0.05, -0.2, 0.1, 0.4)
LAG = PairedTest(-0.1, -0.15, -0.05, 0.001)


@pytest.mark.parametrize(
    ("ours", "baselines", "outcome"),
    [
        (0.9, {"constant": (0.5, LEAD), "linear": (0.8, LEAD)}, "better"),
        (0.9, {"constant": (0.5, LEAD), "linear": (0.95, LAG)}, "worse"),
        (0.9, {"constant": (0.5, LEAD), "linear": (0.89, EQUAL)}, "no_worse"),
        (0.9, {"constant": (0.5, LEAD), "linear": (0.89, VAGUE)}, "unclear"),
        (0.9, {"linear": (0.8, LEAD), "gradient_boosting": (0.95, LAG)}, "worse"),
        (0.9, {"linear": (0.8, LEAD), "gradient_boosting": (0.89, EQUAL)}, "no_worse"),
        (0.9, {"linear": (0.95, LAG._replace(p_value=0.04)), "gradient_boosting": (0.89, EQUAL)}, "unclear"),
        (0.9, {"constant": (0.5, LEAD)}, "unknown"),
        (0.5, {"constant": (0.5, EQUAL)}, "unclear"),
        (0.5, {"constant": (0.5, EQUAL), "linear": (0.45, EQUAL)}, "unclear"),
        (0.9, {"random": (0.1, None)}, "unclear"),
        (0.9, {"labelled_rows_alone": (0.8, None), "constant": (0.2, LEAD)}, "unclear"),
        (0.9, {"linear": (0.8, None)}, "unknown"),
        (NAN, {"linear": (0.8, LEAD)}, "unknown"),
        (0.9, {"linear": (NAN, None)}, "unknown"),
        (0.9, {}, "unknown"),
    ],
)
def test_verdict_compares_with_baselines_in_pairs(
    ours: float, baselines: dict[str, tuple[float, PairedTest | None]], outcome: str
) -> None:
    models = {name: Baseline({"accuracy": value}, 500, 1.0, test) for name, (value, test) in baselines.items()}
    output = class_output(test={"accuracy": Figure(ours)}, baselines=models)
    assert judge(output, 800, 9.0).outcome == outcome
    lower = {name: b._replace(metrics={"rmse": -b.metrics["accuracy"]}) for name, b in models.items()}
    assert (
        judge(replace(output, metric=METRICS["rmse"], test={"rmse": Figure(-ours)}, baselines=lower)).outcome == outcome
    )


@pytest.mark.parametrize(("test", "relation"), [(LAG, "Worse than"), (EQUAL, "Not shown to be better than")])
def test_a_verdict_says_what_is_shown_against_the_constant_prediction(test: PairedTest, relation: str) -> None:
    models = {name: Baseline({"accuracy": 0.8}, paired=test) for name in ("constant", "linear")}
    assert judge(class_output(baselines=models)).headline == f"{relation} a constant prediction by accuracy"


def test_a_verdict_on_shortened_training_says_so() -> None:
    output = class_output(baselines={"linear": Baseline({"accuracy": 0.95}, paired=LAG)})
    assert "Training ended while the network still improved" in judge(output, shortened=True).sentence
    assert "still improved" not in judge(output).sentence


@pytest.mark.parametrize("rows", [6, 15, 40, 100])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_equally_good_models_are_seldom_called_better_or_worse(rows: int, kind: str) -> None:
    """Of two equally good baselines, over 400 made test sets."""
    random = np.random.default_rng(rows)
    wrong = 0
    for _ in range(400):
        if kind == "classes":
            hard = random.random(rows) < 0.3  # rows that all models find hard
            own, *others = (random.random(rows) < np.where(hard, 0.5, 0.95) for _ in range(3))
            tests = [compare_shares(own, other) for other in others]
        else:
            own, *others = (random.standard_t(3, rows) ** 2 for _ in range(3))
            tests = [compare_errors(own, other) for other in others]
        wrong += compare_models(tests) in ("better", "worse")
    assert wrong <= 0.05 * 400 + 2 * np.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("objective", "metrics", "main"),
    [
        (Masked(), {"loss": 2.0, "perplexity": 7.4, "masked_accuracy": 0.41}, "masked_accuracy"),
        (ReplacedToken(), {"loss": 2.0, "perplexity": 7.4, "roc_auc": 0.7}, "roc_auc"),
        (Autoencoder(), {"mse": 0.2}, "mse"),
    ],
)
def test_an_objective_without_outputs_has_a_headline(
    objective: Objective, metrics: dict[str, float], main: str
) -> None:
    result = objective_result(objective, 80, {"test": {objective.name: metrics}})
    assert result is not None
    assert (result.metric.name, result.test[main].value, result.test_rows) == (main, metrics[main], 80)


def test_the_interval_of_tags_counts_sentences_and_not_words() -> None:
    """Sentences of 50 words that are right or wrong as a whole tell as much as one word each."""
    tags = TagsOutput(name="t").fit([pl.Series([["A", "B"]])])
    truth = tags.encode(pl.Series([["A", "B"] * 25] * 40))
    right = np.random.default_rng(0).random(40) < 0.7
    likely = np.where(right[:, None], truth.values.reshape(40, 50) - 1, 2 - truth.values.reshape(40, 50))
    log_probs = np.log(np.where(np.arange(2) == likely[..., None], 0.9, 0.1)).astype(np.float32)
    rows = OutputRows(None, np.arange(40), {"log_probs": log_probs, "mask": np.ones((40, 50), bool)}, truth, {}, None)
    accuracy = outputs._intervals(tags, rows, np.arange(40))["accuracy"]
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert 0.2 < accuracy.high - accuracy.low < 0.4, "of 2,000 words it would be 0.04"


def test_years_have_no_thousands_separator() -> None:
    assert (number(1998), number(2024, 4), short(1998, 4), number(48_211)) == ("1998", "2024", "1998", "48,211")


def test_equally_good_masks_are_seldom_called_better_or_worse() -> None:
    """As above, for a metric that is no mean over rows: the IoU of the pixels of all images."""
    random, rows, wrong = np.random.default_rng(0), 25, 0
    for _ in range(200):
        size = random.lognormal(3, 1, rows)  # of the object, in pixels
        common = size * random.beta(8, 2, (3, rows))
        pixels = np.stack([common, size + size * random.beta(2, 8, (3, rows))])  # intersection and union
        tests = []
        for other in (1, 2):
            both = np.concatenate([pixels[:, 0], pixels[:, other]], 1)
            test = compare_scores(lambda index, both=both: np.divide(*both[:, index].sum(1)), rows)
            assert test is not None
            tests.append(test)
        wrong += compare_models(tests) in ("better", "worse")
    assert wrong <= 0.05 * 200 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_a_model_that_is_better_in_most_rows_is_called_better() -> None:
    random = np.random.default_rng(0)
    right = random.random(300) < 0.9
    worse = right & (random.random(300) < 0.85)
    assert compare_models([compare_shares(right, worse)]) == "better"
    assert compare_models([compare_shares(worse, right)]) == "worse"
    assert compare_models([compare_shares(right, right)]) == "no_worse"
    errors = random.random(300)
    assert compare_models([compare_errors(errors, errors + 0.1)]) == "better"
    assert compare_models([compare_errors(np.tile(errors, 20) + 0.1, np.tile(errors, 20))]) == "worse"


def test_verdict_mentions_baselines_fitted_on_fewer_rows() -> None:
    sentence = judge(class_output(), train_rows=800, seconds=9).sentence
    assert "fitted on 500 of the 800 training rows in 1.4\u00a0s, the network in 9.0\u00a0s" in sentence
    assert "look worse than it is" in sentence


def test_threshold_curves_agree_with_counts() -> None:
    random = np.random.default_rng(1)
    truth, score = random.random(300) < 0.4, random.random(300)
    facts = measure.thresholds(score, truth, chosen=0.37)
    assert 0.37 in facts.at
    for i in (0, 50, len(facts.at) - 1):
        said = score >= facts.at[i]
        assert facts.true_positive[i] == (said & truth).sum()
        assert facts.false_positive[i] == (said & ~truth).sum()
        assert facts.false_negative[i] == (~said & truth).sum()
        assert facts.true_negative[i] == (~said & ~truth).sum()


def test_intervals_contain_the_value() -> None:
    share = measure.share_interval(93, 100)
    assert share.low == pytest.approx(0.8625, abs=5e-4)  # statsmodels: proportion_confint(93, 100, method="wilson")
    assert share.high == pytest.approx(0.9657, abs=5e-4)
    values = np.random.default_rng(0).normal(size=400)
    mean = metrics.interval(np.mean, values, repeats=500)
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_layers_are_in_forward_order() -> None:
    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(5, 2)
            self.first = nn.Linear(3, 5)
            self.never = nn.Linear(1, 1)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, None]:
            return self.last(self.first(values).relu()) * self.scale, None

    network = Reversed()
    layers = trace(network, lambda: network(torch.zeros(4, 3)))
    assert [(layer.name, layer.shape, layer.parameters) for layer in layers] == [
        ("first", (5,), 20),
        ("last", (2,), 12),
        ("", (2,), 1),
        ("never", (), 2),
    ]
    assert not network._forward_hooks


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0312, "0.0312"),
        (48211.4, "48,211"),
        (-2, "−2.00"),
        (9.996, "10.0"),
        (NAN, "–"),
        (0, "0"),
        (1.2e-5, "1.20 × 10⁻⁵"),
    ],
)
def test_numbers_are_formatted(value: float, said: str) -> None:
    assert numerals.number(value).replace("\u00a0", " ") == said


def test_shares_are_not_rounded_to_0_or_100_percent() -> None:
    assert numerals.percent(0.9999).replace("\u00a0", " ") == ">99.9 %"
    assert numerals.percent(1.0).replace("\u00a0", " ") == "100.0 %"
    assert numerals.percent(0.0001).replace("\u00a0", " ") == "<0.1 %"
    assert numerals.duration(192).replace("\u00a0", " ") == "3 min 12 s"


@pytest.mark.parametrize("values", [[0, 1], [3, 3], [-1e9, 1e9], [1e-7, 2e-7], [0.8, 0.9], [NAN], [], [99990, 100010]])
def test_axis_ticks_are_few_distinct_and_inside(values: list[float]) -> None:
    made = axis(values, 0, 100)
    ticks = made.ticks(5)
    assert 1 <= len(ticks) <= 8
    assert len({name for _, name in ticks}) == len(ticks)
    assert all(-0.2 <= made(value) <= 100.2 for value, _ in ticks)


def test_error_rates_are_marked_lower_is_better_and_the_lowest_is_bold() -> None:
    output = class_output(
        metric=METRICS["bleu"],
        test={"bleu": Figure(30.0), "character_error_rate": Figure(0.2), "interval_coverage": Figure(0.9)},
        baselines={"constant": Baseline({"bleu": 1.0, "character_error_rate": 0.9, "interval_coverage": 0.8})},
    )
    html = render(base(outputs=(output,)))
    start = html.index("Character error rate")
    row = html[start : html.index("</tr>", start)]
    assert "↓" in row
    assert "↑" not in row
    assert '<b class="best">20.0' in row
    start = html.index("Interval coverage")
    row = html[start : html.index("</tr>", start)]
    assert "↑" not in row
    assert "↓" not in row


def test_every_section_declares_itself() -> None:
    names = [section.name for section in sections()]
    assert len({(section.layer, section.position) for section in sections()}) == len(names)
    for section in sections():
        assert section.title
        assert section.nav
        assert section.files, f"{section.name}: a watcher must know when to render it again"
        assert (Path(write.__file__).parent / "sections" / f"{section.name}.html").is_file()
        assert all(web.path(f"{name}.css").is_file() or web.path(f"{name}.js").is_file() for name in section.assets)


def test_sections_render_while_a_run_trains(tmp_path: Path) -> None:
    """Before training ends there are neither metrics nor stored predictions."""
    run = deepglass.train("sklearn:iris", out=tmp_path / "run", steps=20, baselines=False)
    for name in ("metrics.json", "predictions.parquet", "report.html", "manifest.json"):
        (run.path / name).unlink(missing_ok=True)
    report = ReportData(RunContext.open(run.path))
    html = {section.name: section.render(report) for section in sections()}
    assert all(html[name] for name in ("data", "learning", "network", "map", "health"))
    assert html["reproduce"] is None
    assert "A network is" not in render(report)
