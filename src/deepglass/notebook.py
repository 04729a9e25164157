"""Progress of a training in a notebook: one line that is replaced as it goes on, and the findings below it."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from deepglass.doctor.base import Finding
from deepglass.doctor.inspect import findings_block
from deepglass.formatting import plain_duration, plain_number
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.hooks import call
from deepglass.training.plan import Plan
from deepglass.web import NotebookBlock, notebook_html

BAR = 24  # characters
SECONDS_BETWEEN = 0.2  # updates of the line, so that a notebook is not flooded with messages


@contextmanager
def shown_in_notebook(callbacks: Sequence[Callback], progress: bool = True) -> Iterator[list[Callback]]:
    """The callbacks; inside of a notebook also its display of a training, unless one of them is a display already."""
    if not progress or not _in_notebook() or any(isinstance(c, Callback) and c.displays for c in callbacks):
        yield [*callbacks]
        return
    display = NotebookProgress()
    yield [*callbacks, display]
    call([display], "close")  # after an error the line stays, as it names the phase


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return "ZMQInteractiveShell" in {cls.__name__ for cls in type(shell).__mro__}  # which that of Colab extends


class NotebookProgress(Callback):
    """One output of the cell for the progress, and at the end of training one for the findings."""

    displays = True

    def __init__(self) -> None:
        from IPython.display import display

        self._display = display
        self._handle: Any = None
        self._last_update = self._share = 0.0
        self._findings: Sequence[Finding] = ()
        self._metric = self._prefix = ""
        self._start_time = time.perf_counter()

    def on_fold_start(self, number: int, folds: int) -> None:
        self._prefix = f"fold {number + 1} of {folds}: "

    def on_phase_start(self, name: str) -> None:
        self._show(f"{name} ...")

    def on_findings(self, findings: Sequence[Finding]) -> None:
        self._findings = findings

    def on_train_start(self, plan: Plan, step: int) -> None:
        self._share = plan.progress(step)

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None:
        if time.perf_counter() < self._last_update + SECONDS_BETWEEN:
            return
        share = self._share = max(self._share, plan.progress(step))
        bar = "█" * round(BAR * share) + "░" * (BAR - round(BAR * share))
        self._show(f"training {bar} {share:.0%}, step {step:,} of {plan.last_step:,}, loss {loss:.4f} {self._metric}")

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        values = [(name, metric, v) for name, metrics in record.valid.items() for metric, v in metrics.items()]
        if values:
            name, metric, value = values[0]
            self._metric = f"{name} {metric} {plain_number(value)}"

    def on_diagnostic(self, text: str, step: int) -> None:
        self._publish(NotebookBlock(f"step {step:,}", text))

    def close(self) -> None:
        """Show how long it took, and the findings."""
        if self._handle is not None:
            self._show(f"trained in {plain_duration(time.perf_counter() - self._start_time)} {self._metric}")
        if self._findings:
            self._publish(findings_block(self._findings))
        self._findings = ()

    def _show(self, line: str) -> None:
        """Replace the line."""
        text = self._prefix + line.strip()
        content = _content(NotebookBlock("", text), text)
        if self._handle is None:
            self._handle = self._display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
        self._last_update = time.perf_counter()

    def _publish(self, block: NotebookBlock) -> None:
        lines = [f"{block.title}: {block.text}", *("  " + ": ".join(map(str, row[:2])) for row in block.rows)]
        self._display(_content(block, "\n".join(lines)), raw=True)


def _content(block: NotebookBlock, text: str) -> dict[str, str]:
    """An output for notebooks, with plain text for what shows no HTML."""
    return {"text/html": notebook_html(block), "text/plain": text}
