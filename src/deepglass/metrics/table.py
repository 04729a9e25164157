"""Every metric that deepglass reports: its direction, format, unit and title.

The only place that states these facts: training (best weights, early stopping), report, `compare`, command line and
tests read them here. A metric that is not in the table has no direction and is written as a plain number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deepglass.errors import near_miss
from deepglass.formatting import finite, number, percent


@dataclass(frozen=True)
class Metric:
    """What is known of a metric beside its value.

    Args:
        name: key in `metrics.json`, such as "roc_auc".
        higher_is_better: None where neither direction is better, such as the coverage of intervals.
        format: "share" is written in per cent, "fixed" with three decimals, "number" with significant digits.
        unit: written after the value.
        title: name in reports; without one it is `name` with spaces.
        ranks_models: False where the best value does not mean the best model: a constant prediction is calibrated.
    """

    name: str
    higher_is_better: bool | None
    format: Literal["share", "fixed", "number"] = "number"
    unit: str = ""
    title: str = ""
    ranks_models: bool = True

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", self.name.replace("_", " "))

    @property
    def is_share(self) -> bool:
        return self.format == "share"

    def text(self, value: float | None) -> str:
        """The value as reports write it: `98.1 %`, `0.934`, `48,211`, `24.3 dB`."""
        if not finite(value):
            return number(value)
        if self.format == "share":
            return percent(value)
        if self.format == "fixed":  # at most 1, and less is never written as 1.000
            text = ">0.999" if 0.9995 <= value < 1 else f"{round(value, 3) + 0.0:.3f}".replace("-", "−")
        else:
            text = number(value)
        return f"{text}\N{NO-BREAK SPACE}{self.unit}" if self.unit else text


def metric_of(name: str) -> Metric:
    """The entry of the table, or one without direction for a metric that is not in it."""
    return METRICS.get(name) or Metric(name, None)


def metric_title(name: str) -> str:
    """`roc_auc` -> `ROC AUC`."""
    return metric_of(name).title


def metric_text(name: str, value: float | None) -> str:
    """A metric's value as reports write it."""
    return metric_of(name).text(value)


def higher_is_better(name: str) -> bool | None:
    """Direction of a metric; None where neither is better."""
    return metric_of(name).higher_is_better


CLASS_METRICS = ("mcc", "cohen_kappa", "f1_weighted", "precision_macro", "recall_macro", "jaccard_macro")
NUMBER_METRICS = (
    "mape",
    "median_absolute_error",
    "max_error",
    "rmsle",
    "explained_variance",
    "poisson_deviance",
)


def check_metric_names(names: Sequence[str], allowed: Sequence[str]) -> None:
    """Raises: ValueError: for a name that is not allowed, with the near miss."""
    for name in names:
        if name not in allowed and ":" not in name:  # else a function of the user
            raise ValueError(f"metrics: no metric {name!r} to add{near_miss(name, allowed)}")


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("loss", False),
        Metric("relative_loss", False, title="loss that selects the weights"),
        # classes
        Metric("accuracy", True, "share"),
        Metric("balanced_accuracy", True, "share"),
        Metric("accuracy_at_half", True, "share", title="accuracy at threshold 0.5"),
        Metric("balanced_accuracy_at_half", True, "share", title="balanced accuracy at threshold 0.5"),
        Metric("f1_macro_at_half", True, "fixed", title="F1 (macro) at threshold 0.5"),
        Metric("sentence_accuracy", True, "share"),
        Metric("length_accuracy", True, "share"),
        Metric("roc_auc", True, "fixed", title="ROC AUC"),
        Metric("f1", True, "fixed", title="F1"),
        Metric("f1_macro", True, "fixed", title="F1 (macro)"),
        Metric("f1_micro", True, "fixed", title="F1 (micro)"),
        Metric("precision", True, "share"),
        Metric("recall", True, "share"),
        Metric("threshold", None, "fixed", title="decision threshold", ranks_models=False),
        Metric("average_precision", True, "fixed"),
        Metric("map", True, "fixed", title="mAP"),
        Metric("log_loss", False),
        Metric("brier", False, title="Brier score"),
        Metric("ece", False, "share", title="calibration error", ranks_models=False),
        Metric("mcc", True, "fixed", title="Matthews correlation"),
        Metric("cohen_kappa", True, "fixed", title="Cohen's kappa"),
        Metric("f1_weighted", True, "fixed", title="F1 (weighted)"),
        Metric("precision_macro", True, "fixed", title="precision (macro)"),
        Metric("recall_macro", True, "fixed", title="recall (macro)"),
        Metric("jaccard_macro", True, "fixed", title="Jaccard index (macro)"),
        Metric("equal_error_rate", False, "share"),
        # numbers
        Metric("r2", True, "fixed", title="R²"),
        Metric("rmse", False, title="RMSE"),
        Metric("mae", False, title="MAE"),
        Metric("mse", False, title="MSE"),
        Metric("mape", False, "share", title="mean absolute percentage error"),
        Metric("median_absolute_error", False),
        Metric("max_error", False, title="largest error"),
        Metric("rmsle", False, title="RMSLE"),
        Metric("explained_variance", True, "fixed"),
        Metric("poisson_deviance", False, title="Poisson deviance"),
        Metric("interval_coverage", None, "share", ranks_models=False),
        Metric("interval_width", False, ranks_models=False),
        # images, masks, boxes
        Metric("psnr", True, unit="dB", title="signal-to-noise ratio"),
        Metric("miou", True, "fixed", title="mean IoU"),
        Metric("iou", True, "fixed", title="IoU"),
        Metric("pixel_accuracy", True, "share"),
        Metric("share", None, "share"),
        Metric("ap50", True, "fixed", title="AP at 50 %"),
        Metric("ap50_95", True, "fixed", title="AP at 50–95 %"),
        Metric("map50", True, "fixed", title="mAP at 50 %"),
        Metric("map50_95", True, "fixed", title="mAP at 50–95 %"),
        # texts
        Metric("bleu", True, title="BLEU"),
        Metric("word_error_rate", False, "share"),
        Metric("character_error_rate", False, "share"),
        Metric("perplexity", False),
        Metric("masked_accuracy", True, "share", title="accuracy of hidden tokens"),
        Metric("margin", True, ranks_models=False),
        Metric("largest_margin", None, ranks_models=False),
        Metric("mistakes", False, title="mistakes in training", ranks_models=False),
        Metric("mistake_bound", None, title="Novikoff's bound", ranks_models=False),
        Metric("spearman", True, "fixed", title="Spearman correlation"),
        Metric("bits_per_character", False),
        # generated rows
        Metric("sliced_wasserstein", False, title="sliced Wasserstein distance"),
        Metric("frechet_distance", False, title="Fréchet distance"),
        Metric("density_coverage", True, "share", title="coverage of the real rows"),
        Metric("diversity", None),
        Metric("class_agreement", True, "share"),
        Metric("critic_accuracy", None, "share"),
        # learned spaces and densities
        Metric("elbo", True, title="ELBO"),
        Metric("reconstruction_nll", False, title="reconstruction NLL"),
        Metric("kl", None, title="KL divergence"),
        Metric("free_energy", None),
        Metric("layer", None, title="trained layer"),
        Metric("view_accuracy", True, "share"),
        Metric("embedding_std", None, title="standard deviation of embeddings"),
        # style transfer
        Metric("total_loss", False, title="total loss"),
        Metric("style_loss", False),
        Metric("content_loss", False),
        Metric("total_variation", False),
        # agents
        Metric("mean_return", True),
        Metric("return_std", None, title="standard deviation of returns"),
        Metric("median_return", True),
        Metric("min_return", True, title="lowest return"),
        Metric("mean_length", None, title="mean episode length"),
        Metric("episodes", None),
        Metric("environment_steps", None),
        Metric("win_rate", True, "share"),
    )
}
