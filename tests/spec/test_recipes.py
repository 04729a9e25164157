"""The recipes that deepglass ships."""

import pytest
import yaml

import deepglass
from deepglass.catalogue import listing
from deepglass.errors import SpecError
from deepglass.spec import recipes
from deepglass.spec.spec import Spec


def test_every_recipe_is_a_short_spec_with_an_expected_metric_of_its_outputs():
    for name in recipes.names():
        text = recipes.locate(name).read_text()
        assert text.startswith("# "), f"{name}: the first line says what the recipe shows"
        assert sum(bool(line.strip()) for line in text.split("\n")) <= 14, name
        spec = Spec.from_dict(yaml.safe_load(text))
        names = {o.name for o in spec.outputs} | {spec.objective.name}
        expected = recipes.expected(name)
        assert expected, f"{name}: an `# expect: OUTPUT.METRIC >= VALUE` line"
        assert not spec.outputs or {e.output for e in expected} <= names, name


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_trains_and_measures_what_it_expects(name, tmp_path, data_root):
    """Two steps, no baselines: data exist, settings are valid, and the expected metric is measured."""
    if "gym:" in recipes.locate(name).read_text():
        pytest.importorskip("gymnasium")
    training = {"steps": 2, "threads": 2}
    run = deepglass.train(
        f"recipe:{name}", out=tmp_path / "run", data_root=str(data_root), baselines=False, training=training
    )
    for expected in recipes.expected(name):
        assert expected.metric in run.metrics["test"][expected.output]


def test_a_wrong_name_gets_the_near_miss():
    with pytest.raises(SpecError, match="digits-lenet5"):
        recipes.locate("digits-lenet")


def test_recipes_are_listed_with_their_description():
    found = listing("recipes")["recipes"]
    assert set(found) == set(recipes.names())
    assert all(found.values())
