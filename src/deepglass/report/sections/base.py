"""A section of the report: what it needs, the facts that it collects, and the template that shows them.

`sections/NAME.py` defines one subclass; `sections/NAME.html` extends `section.html` and fills its blocks. The file's
name is the section's name and its anchor in the page.
"""

import inspect
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from jinja2 import Template
from markupsafe import Markup

from deepglass.errors import DeepglassError, SourceError
from deepglass.failures import SectionWarning, deepglass_error
from deepglass.report.data import ReportData
from deepglass.report.templates import environment

Layer = Literal["result", "data", "why", "inside"]
Requirement = Literal["metrics", "test_predictions", "image_input", "history"]
"""`metrics`: training has finished. `test_predictions`: an output was tested. `history`: at least one evaluation."""


class Section:
    """One part of the page, renderable alone, and while a run still trains.

    A subclass sets:
        title: the heading, which names the thing in standard terms.
        nav: its short name in the navigation.
        layer: of the page: how good the predictions are, the data, what predictions rest on, the network itself.
        position: its place in the layer; that of 0 in "result" is the head.
        folded: whether only heading and lead are visible until it is opened, by a click or by its address.
        requires: without these it is left out.
        files: run files that it depends on, as glob patterns; a watcher renders it again when one changes.
        assets: further files `web/NAME.css` and `web/NAME.js` that it needs.
    """

    title: ClassVar[str]
    nav: ClassVar[str]
    position: ClassVar[int]
    layer: ClassVar[Layer] = "inside"
    folded: ClassVar[bool] = False
    requires: ClassVar[tuple[Requirement, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ("metrics.json",)
    assets: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """The name of its file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return self.name.replace("_", "-")

    def collect(self, report: ReportData) -> Any:
        """The section's own facts, from the run; None where there is nothing to show. Computed once a report.

        Facts that hold single rows have a method `without_rows`, which gives the same without them, or None.
        """

    def view(self, facts: Any, report: ReportData) -> Mapping[str, Any] | None:
        """The variables of the template; None, or no `outputs`, where there is nothing to show.

        The template also gets `section`, `shows_rows`, and `several`: whether the run has more than one output.

        Args:
            facts: what `collect` gave; None for a section that shows facts of `report` alone.
        """
        return {"facts": facts}

    def render(self, report: ReportData) -> Markup | None:
        """The section as an HTML fragment; None where there is nothing to show.

        Where it cannot be made, the fragment is a line with the reason: the rest of the page does not depend on it.

        Warns:
            SectionWarning: when the reason is a fault of deepglass.
        """
        try:
            return self._render(report)
        except (SourceError, OSError) as error:  # a recorded file is damaged
            reason = deepglass_error(error).message
        except DeepglassError:  # such as a column of --pair that does not exist
            raise
        except Exception as error:
            failure = deepglass_error(error)
            warnings.warn(SectionWarning(f"report, section {self.title!r}: {failure}"), stacklevel=2)
            reason = f"a fault of deepglass ({type(error).__name__})"
        return Markup(environment().get_template("failure.html").render(section=self, reason=reason))

    def _render(self, report: ReportData) -> Markup | None:
        facts, key = None, section_key(self.name)
        if key not in report.values and not all(report.has(requirement) for requirement in self.requires):
            return None
        if type(self).collect is not Section.collect:
            facts = report.of(key, self.collect)
            if facts is None:
                return None
        view = self.view(facts, report)
        if view is None or not view.get("outputs", True):
            return None
        shared = {"section": self, "shows_rows": report.shows_rows, "several": len(report.outputs) > 1}
        return Markup(self._template().render(**shared, **view))

    def _template(self) -> Template:
        """`NAME.html` beside the class's own file, which may lie outside the package."""
        if type(self).__module__.startswith(Section.__module__.rpartition(".")[0]):
            return environment().get_template(f"sections/{self.name}.html")
        return environment().from_string(Path(inspect.getfile(type(self))).with_suffix(".html").read_text("utf-8"))


def section_key(name: str) -> str:
    """Under which the own facts of a section stand in `ReportData.values`."""
    return f"{name} section"
