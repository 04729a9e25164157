"""The panel "Why these answers": what a reader finds of columns, words, moments, pictures and sounds."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from test_report import base, checked, class_output

from deepglass.explain.files import encode_png
from deepglass.features._audio_files import wav
from deepglass.report.explanation_facts import Added, Asked, Near, Why

EVIL = '<script>alert("1")</script>&\''
PICTURE = encode_png(np.zeros((8, 8, 3), np.uint8))
CHECKS = {"gap": 0.004, "shuffled": 0.03, "deletion": 0.1, "deletion_random": 0.5}


def page(*whys: Why) -> str:
    """The section of a report with these reasons."""
    facts = base(outputs=(replace(class_output(), whys=whys),))
    html = checked(facts)
    found = re.search(r'<section id="explanations".*?</section>', html, re.S)
    assert found is not None
    return found.group()


def why(*asked: Asked, **more: object) -> Why:
    return Why(row=7, answer="yes", unit="log-odds", score=3.2, base=-1.0, method="by hand", asked=asked, **more)  # type: ignore[arg-type]


def test_columns_are_bars_with_their_values_and_the_rest_is_added_up() -> None:
    weights = (10, 9, 8, 7, 6, 5, 4, 0.3, 0.2, 0.1, 0.1, 0.05)
    parts = tuple(Added(f"c{i}", w, str(i)) for i, w in enumerate(weights))
    html = page(why(Asked(name="yes", parts=parts), turn="It would be answered otherwise if c0 were 1.", checks=CHECKS))
    assert "c0 <b>0</b>" in html
    assert "5 more" in html
    assert "+0.75" in html
    assert "It would be answered otherwise" in html
    assert "0.4" in html
    assert "in random orders 50" in html


def test_words_stand_in_their_order_coloured_by_their_weight() -> None:
    parts = (Added("not", -1.0), Added("very", 0.2), Added("good", 2.0))
    html = page(why(Asked(name="yes", layout="words", parts=parts)))
    assert re.search(r'class="con" style="--w:0.50"[^>]*>not<.*>very<.*class="pro" style="--w:1.00"[^>]*>good<', html)


def test_moments_are_drawn_and_the_strongest_is_named() -> None:
    parts = tuple(Added(f"walk, step {t}", 1.0 if t == 3 else 0.1) for t in range(8))
    html = page(why(Asked(name="yes", layout="times", parts=parts)))
    assert html.count("<rect") == 8
    assert "the strongest is walk, step 3" in html


def test_pictures_and_sounds_are_shown_and_heard() -> None:
    seen = Asked(name="yes", parts=(Added("image", 3.0),), picture=PICTURE, active=PICTURE)
    html = page(why(seen, picture=PICTURE, near=(Near(4, "no", PICTURE),)))
    assert html.count("<img") == 4
    assert "row\N{NO-BREAK SPACE}4" in html
    sound = wav(np.zeros(100, np.int16), 8000)
    html = page(why(replace(seen, active=None), wave=sound, remains=sound))
    assert html.count("<audio") == 2


def test_where_nothing_was_found_the_card_says_what_it_explains() -> None:
    html = page(replace(why(Asked(name="cat, which was not found", picture=PICTURE)), answer="nothing"))
    assert '<p class="asked">cat, which was not found</p>' in html


def test_no_word_of_the_user_becomes_markup() -> None:
    parts = (Added(EVIL, 1.0, EVIL), Added("b", 1.0))
    for layout in ("bars", "words"):
        asked = Asked(name=EVIL, layout=layout, parts=parts)  # type: ignore[arg-type]
        html = page(replace(why(asked, asked, turn=EVIL, near=(Near(1, EVIL),)), answer=EVIL, truth=EVIL, method=EVIL))
        assert "<script>" not in html
