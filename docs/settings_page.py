"""Writes `settings.md` from the settings themselves: `python docs/settings_page.py`, or `make settings`."""

from itertools import groupby
from pathlib import Path

from deepglass.spec.describe_settings import REQUIRED, SettingDescription, describe_settings

PAGE = Path(__file__).parent / "settings.md"
BEGIN = """# Settings

Each setting of a spec, with the values that it takes, its default, its meaning and an example. `make settings` writes
this page from the code; `deepglass list settings PREFIX` shows the same in a terminal, `--json` as JSON.

A setting is written behind a command (`deepglass train houses.csv network.depth=4`), in a spec file (`network: {depth:
4}`) or in Python (`deepglass.train("houses.csv", network={"depth": 4})`). The default `null` is `None` in Python.
"""
SECTIONS = {
    "data": "Where the data are, how they are read and split.",
    "inputs": "Columns to predict from. `COLUMN` stands for the name of a column, which an entry has as `name`.",
    "outputs": "Columns to predict, written as those of `inputs`.",
    "kinds": "Kinds of columns.",
    "network": "The network. Its settings are those of its trunk, the architecture.",
    "objective": "The kind of learning.",
    "training": "Length and optimisation of the training.",
}
OWNERS = {"inputs": "kind: ", "outputs": "kind: ", "network": "trunk: ", "objective": "name: "}


def settings_page() -> str:
    """The text of the page."""
    settings = describe_settings()
    parts = [BEGIN]
    for section, about in SECTIONS.items():
        parts.append(f"\n## {section}\n\n{about}\n")
        for of, group in groupby((s for s in settings if _section(s) == section), key=lambda s: s.of):
            parts.append(f"\n### {section}, `{OWNERS[section]}{of}`\n\n" if of else "\n")
            parts += map(_entry, group)
    return "".join(parts)


def _section(setting: SettingDescription) -> str:
    return setting.name.partition(".")[0]


def _entry(setting: SettingDescription) -> str:
    default = REQUIRED if setting.default == REQUIRED else f"default `{setting.default}`"
    short = f", `{setting.short}=`" if setting.short else ""
    meaning = setting.meaning.rstrip(".")
    return f"- **`{setting.name}`**{short}: {setting.type}; {default}. {meaning}. Example: `{setting.example}`\n"


if __name__ == "__main__":
    PAGE.write_text(settings_page())
