"""The settings that `deepglass list settings` and docs/settings.md describe."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

import pytest

from deepglass.cli.options import parse_settings
from deepglass.config import validated
from deepglass.errors import SpecError
from deepglass.features.base import FEATURES
from deepglass.features.outputs.base import OUTPUTS
from deepglass.networks.trunks.base import TRUNKS
from deepglass.objectives.base import OBJECTIVES
from deepglass.spec.describe_settings import SettingDescription, describe_settings
from deepglass.spec.overrides import build_spec

SETTINGS = describe_settings()
REGISTRIES = {"inputs": FEATURES, "outputs": OUTPUTS, "network": TRUNKS, "objective": OBJECTIVES}
DOCS = Path(__file__).parents[2] / "docs"


def title(setting: SettingDescription) -> str:
    return f"{setting.name} {setting.of}".strip()


def test_each_setting_has_a_type_a_default_and_a_meaning() -> None:
    without = [title(s) for s in SETTINGS if not (s.type and s.default and s.meaning.endswith("."))]
    assert not without, "fill in Args of the class"


def test_each_example_is_valid() -> None:
    problems = {}
    for setting in SETTINGS:
        try:
            check_example(setting)
        except (SpecError, AssertionError) as error:
            problems[title(setting)] = f"{setting.example}: {error}"
    assert not problems


def check_example(setting: SettingDescription) -> None:
    (argument,) = shlex.split(setting.example)
    spec = build_spec("houses.csv", None, parse_settings([argument], None, None, None, None))
    if setting.of:
        section, name = setting.name.partition(".")[0], setting.name.rpartition(".")[2]
        values = getattr(spec, section)
        if section == "inputs":  # a setting of one input leaves the others as they are
            settings = dict(spec.kinds["column"])
        else:
            settings = dict((values[0] if isinstance(values, tuple) else values).settings)
        if setting.of == "pretrained":
            settings.setdefault("pretrained", "folder")
        assert name in validated(REGISTRIES[section].get(setting.of), settings, section, given=("inputs", "name"))


def test_settings_are_selected_by_path_name_and_owner() -> None:
    assert [s.name for s in describe_settings("training.lea")] == ["training.learning_rate"]
    assert {s.of for s in describe_settings("mlp")} == {"mlp"}
    assert {s.name for s in describe_settings("depth")} == {"network.depth"}
    with pytest.raises(SpecError, match=r"\[unknown-name\].*did you mean 'learning_rate'"):
        describe_settings("learing_rate")
    with pytest.raises(SpecError, match=r"did you mean 'network'"):
        describe_settings("netwrk")


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("depth", "did you mean network.depth?"),
        ("discount", "did you mean objective.discount?"),
        ("dropout", "did you mean outputs.COLUMN.dropout, network.dropout or objective.dropout?"),
        ("netwrk.depth", "did you mean 'network.depth'?"),
    ],
)
def test_a_setting_without_its_section_is_hinted_at(key: str, hint: str) -> None:
    with pytest.raises(SpecError) as error:
        build_spec("houses.csv", None, {key: 2})
    assert error.value.code == "unknown-key"
    assert hint in str(error.value)


def test_the_page_of_settings_is_up_to_date() -> None:
    place = importlib.util.spec_from_file_location("settings_page", DOCS / "settings_page.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    assert module.PAGE.read_text() == module.settings_page(), "run `make settings`"
