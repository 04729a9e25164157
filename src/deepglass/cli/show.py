"""Results as text in the terminal: metrics, tables, predictions, explanations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from deepglass.cli.console import err, grid_of, hanging, out, print_table
from deepglass.comparison import RunComparison
from deepglass.doctor.findings import read_findings
from deepglass.doctor.inspect import Inspection
from deepglass.errors import SourceError
from deepglass.features.outputs.identity import Verdict
from deepglass.formatting import (
    part_text,
    plain_duration,
    plain_number,
    plain_percent,
    prediction_line,
    prediction_text,
    signed_number,
)
from deepglass.report.headline import by_severity, short_text
from deepglass.report.run_verdicts import run_verdicts
from deepglass.run.check import RunProblem
from deepglass.run.run import Run
from deepglass.spec.describe_settings import REQUIRED, SettingDescription

MAX_INPUTS = 400  # that inspect lists
MAX_FINDINGS = 3  # that are shown after a training
MAX_EXAMPLE = 14  # characters of an example
MAX_PARTS = 8  # of an explanation
MAX_PARTS_BESIDE_PREDICTION = 4


def show_run(run: Run) -> None:
    """Metrics, cost and paths of a finished run."""
    metrics = run.metrics
    split = "test" if metrics.get("test") else "valid"
    folds = metrics.get("folds", [])
    for name, values in metrics.get(split, {}).items():
        compared = metrics.get("baselines", {}).get(name, {})
        where = f"{len(folds)} folds" if folds else "test" if split == "test" else "validation"
        ours = ["mean", "± sd"] if folds else ["this run"]
        headers = (f"{name}, {where}", *ours, *(b.replace("_", " ") for b in compared))
        rows = []
        for metric, value in values.items():
            deviation = metrics.get("spread", {}).get(name, {}).get(metric) if folds else None
            spread = ["" if deviation is None else plain_number(deviation)] if folds else []
            others = (plain_number(b[metric]) if metric in b else "" for b in compared.values())
            rows.append([metric, plain_number(value), *spread, *others])
        out.print()
        print_table(headers, rows)
    _show_verdicts(run)
    for sentence in metrics.get("decisions", []):
        out.print(f"  {sentence}", soft_wrap=True)
    for sentence in metrics.get("alarms", []):
        err.print(f"  perfect: {sentence}", style="yellow", soft_wrap=True)
    for sentence in metrics.get("diagnostics", []):
        err.print(f"  health: {sentence}", style="yellow", soft_wrap=True)
    seconds = metrics["seconds"]
    out.print(
        f"\n{metrics['parameters']:,} weights, {plain_duration(seconds['train'])} of training, "
        f"{plain_duration(seconds['total'])} in all"
    )
    out.print(f"run: {run.folder.name}", soft_wrap=True)
    report = run.path / "report.html"
    if report.exists() and run.folder.packed is None:
        out.print(f"report: {report}", soft_wrap=True)
    _show_findings(run)


def _show_verdicts(run: Run) -> None:
    """Whether the network is better than the simpler models, with the interval of its lead."""
    verdicts = run_verdicts(run)
    if verdicts:
        out.print()
    for verdict in verdicts:
        print(hanging(f"{verdict.output}: {verdict.text}", 2))


def _show_findings(run: Run) -> None:
    """The most severe findings, and where to read of all."""
    try:
        findings = by_severity(read_findings(run.folder) or ())
    except SourceError as error:
        err.print(f"findings: {error}", style="yellow", soft_wrap=True)
        return
    if not findings:
        return
    more = f", the most severe {MAX_FINDINGS}" if len(findings) > MAX_FINDINGS else ""
    place = "the report lists all" if (run.path / "report.html").exists() else f"{run.path}/findings.json holds all"
    out.print(
        f"\n{len(findings)} finding{'s' if len(findings) > 1 else ''} in the data{more} ({place}):", soft_wrap=True
    )
    for finding in findings[:MAX_FINDINGS]:
        print(hanging(f"  {finding.kind}: {short_text(finding)}", 4))


def show_metrics(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Metrics by output."""
    for name, values in metrics.items():
        print_table((name, ""), [(metric, plain_number(value)) for metric, value in values.items()])


def show_inspection(inspection: Inspection) -> None:
    """Columns with kind, role and reason, then the data problems."""
    out.print(f"{inspection.name}: {inspection.rows:,} rows", style="bold")
    for note in inspection.notes:
        print(hanging(f"  {note.what}: {note.value} ({note.why})", 4))
    for skipped in inspection.skipped[:20]:
        print(hanging(f"  left out: {skipped.name} ({skipped.reason})", 4))
    inputs = [c for c in inspection.columns if c.role == "input"]
    left_out = {c.name for c in inputs[MAX_INPUTS:]}
    missing = any(c.missing for c in inspection.columns)
    headers = ("column", "kind", "role", *(["missing"] if missing else []), "example", "why")
    rows = []
    for c in inspection.columns:
        if c.name not in left_out:
            missing_rows = [str(c.missing or "")] if missing else []
            rows.append([c.name, c.kind, c.role, *missing_rows, _short(c.example), c.why])
    out.print()
    print_table(headers, rows, right=False)
    if left_out:
        kinds = Counter(c.kind for c in inputs[MAX_INPUTS:])
        listing = ", ".join(f"{number:,} of the kind {kind}" for kind, number in kinds.most_common())
        out.print(f"and {len(left_out):,} more inputs: {listing}; --json lists all")
    if inspection.findings:
        out.print()
    for finding in inspection.findings:
        text = f"{finding.text}; fix: {finding.fix}" if finding.fix else finding.text
        print(hanging(f"  {finding.kind}: {text}", 4))


def _short(example: str) -> str:
    """A value in one line, cut where it is long."""
    text = " ".join(example.split())
    return text if len(text) <= MAX_EXAMPLE else f"{text[: MAX_EXAMPLE - 1]}…"


def show_problems(run: str, problems: Sequence[RunProblem]) -> None:
    """Print the problems of a run's files."""
    if not problems:
        out.print(f"{run}: all files are as they were written", soft_wrap=True)
        return
    print_table(("file", "problem", ""), problems, right=False)


def show_comparison(compared: RunComparison) -> None:
    """One column per run, and below it what is known about the differences to the first run."""
    print_table(("", *compared), compared.rows())
    for sentence in compared.sentences():
        print(hanging(sentence, 2))


def show_listing(groups: Mapping[str, Mapping[str, str]]) -> None:
    """Groups of names with a sentence each; names without a sentence in one line."""
    for i, (group, entries) in enumerate(groups.items()):
        out.print(("\n" if i else "") + group, style="bold")
        if not any(entries.values()):
            print(hanging("  " + ", ".join(entries), 2))
            continue
        width = max(map(len, entries)) + 2
        for name, about in entries.items():
            print(hanging(f"  {name:<{width}}{about}", width + 2))


def show_settings(settings: Sequence[SettingDescription]) -> None:
    """Each setting with its values and default; below, its meaning and an example."""
    for (section, owner), group in groupby(settings, key=lambda s: (s.name.partition(".")[0], s.of)):
        out.print(f"\n{section}: {owner}" if owner else f"\n{section}", style="bold")
        for setting in group:
            default = REQUIRED if setting.default == REQUIRED else f"default {setting.default}"
            print(hanging(f"  {setting.name}: {setting.type}; {default}", 6))
            print(hanging(f"      {setting.meaning}", 6))
            print(f"      {setting.example}" + (f"   (or {setting.short}=)" if setting.short else ""))


def show_predictions(predictions: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
    """One line per row: predictions with confidence; below, the largest attributions where there are any."""
    for row in predictions:
        print("  ".join(f"{name}: {prediction_line(p)}" for name, p in row.items()))
        for name, p in row.items():
            if "attributions" in p:
                largest = p["attributions"][:MAX_PARTS_BESIDE_PREDICTION]
                parts = (f"{signed_number(part['weight'])} {part_text(part)}" for part in largest)
                print(hanging(f"  {name if len(row) > 1 else 'why'}: {', '.join(parts)} ({p['unit']})", 4))


def show_explanations(explanations: Sequence[Mapping[str, Any]]) -> None:
    """Each row's predictions with their largest attributions."""
    for row in explanations:
        for name, why in row.items():
            if name != "row":
                _show_explanation(int(row["row"]), name, why)


def show_global_explanations(explanations: Sequence[Any]) -> None:
    """What each output relies on: sentences, then the importance of the inputs."""
    if not explanations:
        print("nothing to say: no output of classes or numbers with at least 20 test rows")
    for e in explanations:
        out.print(f"{e.output}, {e.rows:,} rows: {e.metric} {plain_number(e.value)}", style="bold", soft_wrap=True)
        for sentence in e.sentences:
            print(hanging(f"  {sentence}", 2))
        if e.inputs:
            rows = []
            for i in e.inputs:
                used = ["", ""] if i.attribution is None else [plain_number(v) for v in i.attribution]
                rows.append([i.input, *(plain_number(v) for v in i.permutation), *used])
            print_table(("input", e.loss_title, "± error", "attribution", "± error"), rows)
        for p in (p for p in e.profiles if p.regions):
            spans = zip(p.bin_names, p.shares, strict=True)
            shares = [(name, *(plain_number(100 * v) for v in share)) for name, share in spans]
            print_table((p.title, "% of attribution", "± error"), shares)


def _show_explanation(row: int, name: str, explanation: Mapping[str, Any]) -> None:
    out.print(f"row {row}, {name}: {prediction_line(explanation)}", style="bold", soft_wrap=True)
    parts = explanation["attributions"][:MAX_PARTS]
    most = max((abs(p["weight"]) for p in parts), default=0) or 1
    grid = grid_of()
    for part in parts:
        bar = ("+" if part["weight"] > 0 else "-") * round(12 * abs(part["weight"]) / most)
        error = f"± {plain_number(part['error'])}" if "error" in part else ""
        grid.add_row("", signed_number(part["weight"]), error, bar, part_text(part))
    out.print(grid)
    baseline = "" if explanation["baseline"] is None else f" (baseline {plain_number(explanation['baseline'])})"
    score = f"{explanation['unit']} {plain_number(explanation['score'])}"
    errors = "; ±: standard error over the baseline's rows" if any("error" in p for p in parts) else ""
    print(hanging(f"  {score}{baseline}; {explanation['method']}{errors}", 2))
    if "counterfactual" in explanation:
        change = explanation["counterfactual"]
        changes = (f"{k} from {v} to {change['to'][k]}" for k, v in change["from"].items())
        flipped = prediction_line(change | {"value": change["answer"]})
        print(hanging(f"  counterfactual: {flipped} with {' and '.join(changes)}", 2))
    if explanation["nearest"]:
        rows = (f"{n['row']}" + ("" if n["label"] is None else f" ({n['label']})") for n in explanation["nearest"])
        print(hanging(f"  nearest training rows: {', '.join(rows)}", 2))
    if "checks" in explanation:
        print(hanging("  " + "; ".join(_check_texts(explanation["checks"])), 2))


def _check_texts(checks: Mapping[str, float]) -> list[str]:
    """The faithfulness checks of an explanation, each with its ideal value."""
    texts = []
    if "completeness_gap" in checks:
        texts.append(f"completeness gap {plain_percent(checks['completeness_gap'])} (0 % is ideal)")
    if "weight_randomization" in checks:
        texts.append(f"weight randomization {checks['weight_randomization']:.2f} (0 is ideal)")
    for name, better in (("deletion", "lower"), ("insertion", "higher")):
        if name in checks:
            texts.append(f"{name} {checks[name]:.2f}, random order {checks[f'{name}_random']:.2f} ({better} is better)")
    return texts


def show_verdict(verdict: Verdict) -> None:
    """Same identity or not, with similarity and threshold."""
    out.print(prediction_text("same" if verdict.same else "different", verdict.confidence), style="bold")
    out.print(f"similarity {verdict.similarity:.3f}; threshold {verdict.threshold:.3f}")
