"""How to get the same run again: commands, seed, hash of the weights, versions and the spec."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What another run needs to be the same.

    Args:
        commands: command lines, in order.
        spec: the spec as resolved, YAML text.
        versions: package -> version.
        seed: the run's seed.
        weights_sha256: the hash that the other run should have.
    """

    commands: tuple[str, ...] = ()
    spec: str = ""
    versions: Mapping[str, str]
    seed: int | None = None
    weights_sha256: str = ""


class ReproduceSection(Section):
    """Commands, seed, hash, versions and the spec."""

    title, nav, position = "Reproduce", "Reproduce", 330
    requires = ("metrics",)
    files = ("metrics.json", "spec.yaml")

    def collect(self, report: ReportData) -> Reproduction:
        metrics = report.metrics
        return Reproduction(
            commands=(f"deepglass train {report.context.path / 'spec.yaml'}",),
            spec=report.context.spec_text,
            versions=metrics["versions"],
            seed=metrics["seed"],
            weights_sha256=metrics["weights_sha256"],
        )

    def view(self, facts: Any, report: ReportData) -> Mapping[str, Any]:
        return {"facts": facts}
