"""The section "Explanations": what it shows of columns, words, steps, images and audio."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from report_values import base, checked, class_output

from deepglass.features._audio_files import wav
from deepglass.metrics.summaries import Figure
from deepglass.report.charts.axes import axis
from deepglass.report.examples import OutputExamples
from deepglass.report.explanation_facts import Contribution, ExplanationFacts, NeighbourCard, TargetFacts
from deepglass.report.templates import draw
from deepglass.web import encode_image

EVIL = '<script>alert("1")</script>&\''
PICTURE = encode_image.png(np.zeros((8, 8, 3), np.uint8))
CHECKS = {"gap": 0.004, "shuffled": 0.03, "deletion": 0.1, "deletion_random": 0.5}


def page(*rows: ExplanationFacts) -> str:
    """The section of a report with these explanations."""
    html = checked(base({"explanations": (OutputExamples("answer", rows),)}, outputs=(class_output(),)))
    section = re.search(r'<section id="explanations".*?</section>', html, re.S)
    assert section is not None
    return section.group()


def explained(*targets: TargetFacts, **more: object) -> ExplanationFacts:
    shared = {"unit": "log-odds", "score": 3.2, "base": -1.0, "method": "by hand"}
    return ExplanationFacts(row=7, predicted="yes", targets=targets, **shared, **more)  # type: ignore[arg-type]


def test_columns_are_bars_and_small_attributions_are_summed() -> None:
    weights = (10, 9, 8, 7, 6, 5, 4, 0.3, 0.2, 0.1, 0.1, 0.05)
    parts = tuple(Contribution(f"c{i}", w, str(i)) for i, w in enumerate(weights))
    html = page(
        explained(
            TargetFacts(name="yes", parts=parts),
            counterfactual="It would be answered otherwise if c0 were 1.",
            checks=CHECKS,
        )
    )
    assert "c0 <b>0</b>" in html
    assert "5 more" in html
    assert "+0.75" in html
    assert "It would be answered otherwise" in html
    assert "0.4" in html
    assert "sooner than in random order in 1 of 1" in html


def test_standard_errors_stand_beside_weights_and_noise_is_not_drawn() -> None:
    parts = (Contribution("size", 2.0, "3", 0.25), Contribution("place", 0.1, "x", 0.2))
    html = page(explained(TargetFacts(name="yes", parts=parts)))
    assert "±&nbsp;0.25" in html
    assert "standard error over the baseline" in html
    html = page(explained(TargetFacts(name="yes", parts=parts[1:])))
    assert "No column's contribution exceeds two of its standard errors" in html
    assert "contributions" not in html


def test_words_are_in_order_and_coloured_by_attribution() -> None:
    parts = (Contribution("not", -1.0), Contribution("very", 0.2), Contribution("good", 2.0))
    html = page(explained(TargetFacts(name="yes", layout="words", parts=parts)))
    assert re.search(r'class="con" style="--w:0.50"[^>]*>not<.*>very<.*class="pro" style="--w:1.00"[^>]*>good<', html)


def test_time_steps_are_drawn_and_the_strongest_is_named() -> None:
    parts = tuple(Contribution(f"walk, step {t}", 1.0 if t == 3 else 0.1) for t in range(8))
    html = page(explained(TargetFacts(name="yes", layout="steps", parts=parts)))
    assert html.count("<rect") == 8
    assert "the strongest is walk, step 3" in html


def test_images_are_shown_and_audio_is_playable() -> None:
    seen = TargetFacts(name="yes", parts=(Contribution("image", 3.0),), image=PICTURE, activation=PICTURE)
    html = page(explained(seen, image=PICTURE, neighbours=(NeighbourCard(4, "no", PICTURE),)))
    assert html.count("<img") == 4
    assert "row\N{NO-BREAK SPACE}4" in html
    sound = wav(np.zeros(100, np.int16), 8000)
    html = page(explained(replace(seen, activation=None), wav=sound, masked_wav=sound))
    assert html.count("<audio") == 2


def test_an_empty_explanation_names_its_target() -> None:
    html = page(replace(explained(TargetFacts(name="cat, which was not found", image=PICTURE)), predicted="nothing"))
    assert '<p class="target-name">cat, which was not found</p>' in html


def test_user_texts_are_escaped() -> None:
    parts = (Contribution(EVIL, 1.0, EVIL), Contribution("b", 1.0))
    for layout in ("bars", "words"):
        target = TargetFacts(name=EVIL, layout=layout, parts=parts)  # type: ignore[arg-type]
        row = explained(
            target, target, counterfactual=EVIL, neighbours=(NeighbourCard(1, EVIL, values=((EVIL, EVIL),)),)
        )
        html = page(replace(row, predicted=EVIL, truth=EVIL, method=EVIL))
        assert "<script>" not in html


def test_names_beside_bars_keep_their_ends_in_which_they_differ() -> None:
    figure = Figure(0.1, 0.0, 0.2)
    entries = [(name, figure, "c1") for name in ("away_team_mean_score", "away_team_mean_score_against")]
    html = str(draw("compared", title="t", metric="accuracy", entries=entries, x=axis([0, 1], 200, 326), letters=20))
    assert ">away_team_mean_score<" in html
    assert ">away_team…re_against<" in html
    assert "away_team_mean_score_against: " in html, "the tooltip has the whole name"
