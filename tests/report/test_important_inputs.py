"""The inputs that predictions rest on: first on cards of mistakes, beside neighbours, as a decision boundary."""

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.report.data import ReportData
from deepglass.report.sections.boundary import BoundarySection
from deepglass.report.sections.explanations import ExplanationsSection
from deepglass.report.sections.mistakes import MistakesSection
from deepglass.run.context import RunContext


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """Ten columns of noise before two that decide two outputs."""
    folder, random = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    columns = {f"noise{i}": random.normal(size=400) for i in range(10)}
    size, age = random.uniform(0, 10, (2, 400))
    price = 3 * size + age + random.normal(size=400)
    frame = pl.DataFrame({**columns, "size": size, "age": age, "price": price})
    frame.with_columns(old=pl.when(pl.col("age") > 5).then(pl.lit("yes")).otherwise(pl.lit("no"))).write_csv(
        folder / "homes.csv"
    )
    run = deepglass.train(folder / "homes.csv", target=["price", "old"], out=folder / "run", steps=80, baselines=False)
    return ReportData(RunContext.open(run.path))


def test_cards_show_the_inputs_that_matter_first(report: ReportData) -> None:
    price = next(o for o in report.outputs if o.name == "price")
    assert {*price.mistakes[0].values} >= {"size", "age"}
    assert next(iter(price.mistakes[0].values)) == "size"
    assert "come first" in MistakesSection().render(report)


def test_neighbours_show_values(report: ReportData) -> None:
    neighbours = [n for facts in report.explanations["price"] for n in facts.neighbours]
    assert neighbours
    source = report.context.data.table
    for n in neighbours:
        values = dict(n.values)
        assert {*values} & {"size", "age"}
        assert all(float(text) == pytest.approx(source[name][n.row], rel=0.01) for name, text in values.items())
    assert "size <b>" in ExplanationsSection().render(report)


def test_each_output_has_the_plane_of_its_strongest_pair(report: ReportData) -> None:
    planes = BoundarySection().collect(report)
    pairs = {(p.output, frozenset((p.across.name, p.up.name))) for p in planes}
    assert ("price", frozenset(("size", "age"))) in pairs
    assert any(output == "old" and "age" in pair for output, pair in pairs)
    assert "noise" not in "".join(str(sorted(pair)) for output, pair in pairs if output == "price")


def test_a_report_without_importance_is_written(report: ReportData) -> None:
    bare = ReportData(report.context, values={**report.values, "reliance": ()})
    assert bare.important_inputs == {}
    assert MistakesSection().render(bare)


def test_explain_gives_the_figures_of_the_report(report: ReportData) -> None:
    facts = report.explanations["price"][0]
    run = report.context.path
    why = deepglass.explain(run, run.parent / "homes.csv", [facts.row])[0]["price"]
    assert why["baseline"] == pytest.approx(facts.base, rel=1e-5)
    weights = {part["part"]: part["weight"] for part in why["attributions"]}
    report_weights = {part.name: part.weight for part in facts.targets[0].parts}
    assert report_weights == pytest.approx(weights, rel=1e-4, abs=1e-5)
    assert [n["row"] for n in why["nearest"]] == [n.row for n in facts.neighbours]
