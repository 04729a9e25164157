"""The recipes that deepglass ships."""

import pytest
import yaml

from deepglass.catalogue import listing
from deepglass.errors import SpecError
from deepglass.spec import recipes
from deepglass.spec.spec import Spec


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_short_says_what_it_shows_and_what_to_expect(name):
    lines = recipes.locate(name).read_text().strip().split("\n")
    assert len([line for line in lines if line.strip()]) <= 14
    assert lines[0].startswith("# "), "the first line says what the recipe shows"
    assert len(recipes.about(name)) > 20
    assert recipes.expected(name), "an `# expect: OUTPUT.METRIC >= VALUE` line"


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_a_spec_whose_figures_belong_to_its_outputs(name):
    content = yaml.safe_load(recipes.locate(name).read_text())
    spec = Spec.from_dict(content)
    outputs = {o["name"] for o in spec.outputs}
    for expected in recipes.expected(name):
        assert not outputs or expected.output in outputs | {spec.objective["name"]}


def test_a_wrong_name_gets_the_near_miss():
    with pytest.raises(SpecError, match="digits-lenet5"):
        recipes.locate("digits-lenet")


def test_recipes_are_listed_with_what_they_show():
    found = listing("recipes")["recipes"]
    assert set(found) == set(recipes.names())
    assert all(found.values())
