"""How to get the same run again: commands, seed, hash of the weights, versions and the spec."""

from collections.abc import Mapping
from typing import Any

from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section


class ReproduceSection(Section):
    """Commands, seed, hash, versions and the spec."""

    title, nav, position = "Reproduce", "Reproduce", 70
    layer = "inside"
    requires = ("metrics",)
    files = ("metrics.json", "spec.yaml")

    def collect(self, report: ReportData) -> Mapping[str, Any]:
        shared = {name: report.metrics[name] for name in ("versions", "seed", "weights_sha256")}
        path = report.context.path
        commands = [f"deepglass train {path / 'spec.yaml'} --out RUN"] if report.context.plan.stages else []
        commands += [f"deepglass resume RUN {stage.length}" for stage in report.context.plan.stages]
        command = "\n".join(commands or [f"deepglass train {path / 'spec.yaml'}"])
        return {**shared, "command": command, "spec": report.context.spec_text}
