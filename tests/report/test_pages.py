"""Contract of pages: reports of a small run of each objective and kind of data, with and without samples.

Each is trained for a few steps and its facts are computed once. Everything that a report without samples must omit
is marked: words, values of columns, names of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from chromium import Chromium, Page
from PIL import Image as Pillow

import deepglass
from deepglass import formatting
from deepglass.introspect import feature_visualization as visions
from deepglass.report import after_training as after
from deepglass.report import explanations
from deepglass.report.data import ReportData
from deepglass.report.row_cards import RowCard
from deepglass.report.sections import texts as text_section
from deepglass.report.templates import environment
from deepglass.report.write import render
from deepglass.web import bundle

MARK = "Zwiebelfisch"
LARGEST = 10_000_000  # bytes of a report
ROWS = 24
QUICK: dict[str, Any] = {"training": {"threads": 1, "steps": 3, "batch_size": 16}}
WORDS = ("river", "stone", "green", "walks", "under", "seven", MARK)


class Made(NamedTuple):
    """Data and settings of a run."""

    source: Any
    settings: Mapping[str, Any] = {}


class Pages(NamedTuple):
    """A report's html, and that of the same run without rows."""

    shown: str
    hidden: str


RANDOM = np.random.default_rng(0)


def texts(rows: int, most: int = 6) -> list[str]:
    return [" ".join(RANDOM.choice(WORDS, RANDOM.integers(3, most))) for _ in range(rows)]


def table(folder: Path) -> Made:
    """Every kind of column, three kinds of outputs, an unreadable row."""
    rows = 160
    size, place = RANDOM.uniform(20, 200, rows), RANDOM.choice([f"{MARK}-north", "south", "west"], rows)
    day = np.datetime64("2020-01-01") + RANDOM.integers(0, 900, rows)
    price = 1000 * size * np.where(place == "south", 2.0, 1.0)
    frame = pl.DataFrame(
        {
            "size": size,
            "place": place,
            "day": day,
            "said": texts(rows),
            "only": [MARK] * rows,
            "price": price,
            "sold": np.where(price < np.median(price), "yes", "no"),
            "rank": RANDOM.choice(["low", "middle", "high"], rows),
        }
    )
    frame = frame.with_columns(size=pl.when(pl.int_range(rows) % 17 == 0).then(None).otherwise(pl.col("size")))
    return Made(pl.concat([frame, frame[:9]]), {"target": ["price", "sold", "rank"]})


def lists(folder: Path) -> Made:
    """Vectors, sets and sequences, on either side."""
    x, labels = RANDOM.uniform(-1, 1, (ROWS, 3)), list("abc")
    series = [RANDOM.uniform(-1, 1, n).tolist() for n in RANDOM.integers(3, 7, ROWS)]
    frame = {"x": x.tolist(), "series": series, "y": (2 * x[:, :2]).tolist()}
    frame["labels"] = [[w for w, there in zip(labels, row > 0, strict=True) if there] for row in x]
    frame["sums"] = [np.cumsum(row).tolist() for row in series]
    kinds = {"x": "vector", "series": "sequence", "y": "vector", "labels": "multilabel", "sums": "sequence"}
    return Made(pl.DataFrame(frame), {"target": ["y", "labels", "sums"], "kinds": kinds})


def photos(folder: Path, rows: int = 30) -> list[Path]:
    """Noise with a bright square, in files."""
    paths = []
    for i in range(rows):
        pixels = RANDOM.integers(0, 90, (16, 20, 3), dtype=np.uint8)
        pixels[4 * (i % 3) : 4 * (i % 3) + 8, 8:16] += 150
        paths.append(folder / f"{MARK}-{i}.png")
        Pillow.fromarray(pixels).save(paths[-1])
    return paths


def pictures(folder: Path) -> Made:
    """A folder of class folders with an unreadable file."""
    for i, path in enumerate(photos(folder)):
        kind = folder / "pictures" / "abc"[i % 3]
        kind.mkdir(parents=True, exist_ok=True)
        path.rename(kind / path.name)
    (folder / "pictures" / "a" / f"{MARK}-broken.png").write_bytes(b"no picture")
    return Made(
        folder / "pictures",
        {"network": {"trunk": "conv", "width": 8}, "settings": {"training.augment": {"shift": 0.1}}},
    )


def masks(folder: Path) -> Made:
    pixels = RANDOM.integers(0, 255, (ROWS, 16, 16), dtype=np.uint8)
    source = {"image": pixels, "mask": (pixels > 127).astype(np.uint8)}
    return Made(source, {"inputs": ["image"], "outputs": [{"name": "mask", "kind": "mask"}], "network": {"width": 4}})


def boxes(folder: Path) -> Made:
    sides = {"left": 4.0, "top": 4.0, "right": 20.0, "bottom": 20.0}
    source = {
        "image": RANDOM.integers(0, 255, (ROWS, 32, 32), dtype=np.uint8),
        "boxes": [[{"label": "square", **sides}] for _ in range(ROWS)],
    }
    outputs = [{"name": "boxes", "kind": "boxes"}]
    return Made(source, {"inputs": ["image"], "outputs": outputs, "network": {"trunk": "conv", "width": 8}})


def faces(folder: Path) -> Made:
    pixels = RANDOM.integers(0, 255, (48, 12, 12), dtype=np.uint8)
    source = {"image": pixels, "who": [f"person {i % 16}" for i in range(48)]}
    settings = {"outputs": [{"name": "who", "kind": "identity", "embedding_dim": 8}], "inputs": ["image"]}
    return Made(source, {**settings, "network": {"trunk": "conv", "width": 8}})


def colours(folder: Path) -> Made:
    grey = {"name": "grey", "column": "image", "kind": "image", "mode": "grayscale"}
    colour = {"name": "colour", "column": "image", "kind": "image"}
    source = {"image": RANDOM.integers(0, 256, (ROWS, 16, 16, 3), dtype=np.uint8)}
    return Made(source, {"inputs": [grey], "outputs": [colour], "network": {"width": 4}})


def videos(folder: Path) -> Made:
    source = {
        "video": RANDOM.integers(0, 255, (ROWS, 4, 16, 16), dtype=np.uint8),
        "way": ["left", "right"] * (ROWS // 2),
    }
    return Made(source, {"target": "way", "kinds": {"video": "video"}, "network": {"trunk": "conv", "width": 8}})


def sounds(folder: Path) -> Made:
    hertz = np.where(np.arange(ROWS) % 2, 300, 1200)
    waves = 0.5 * np.sin(2 * np.pi * hertz[:, None] * np.arange(3_200) / 8_000)
    pitch = ["low" if h == 300 else "high" for h in hertz]
    return Made({"sound": waves.astype(np.float32), "pitch": pitch}, {"target": "pitch", "kinds": {"sound": "audio"}})


def translation(folder: Path) -> Made:
    english = texts(ROWS)
    frame = pl.DataFrame({"en": english, "fr": [" ".join(reversed(t.split())) for t in english]})
    network = {"trunk": "transformer", "width": 16}
    return Made(frame, {"target": "fr", "kinds": {"en": "text", "fr": "text"}, "network": network})


def tags(folder: Path) -> Made:
    words = [t.split() for t in texts(ROWS)]
    frame = pl.DataFrame({"words": words, "tags": [["A" if w < "s" else "B" for w in row] for row in words]})
    return Made(frame, {"target": "tags", "kinds": {"words": "text", "tags": "tags"}, "network": {"width": 16}})


def captions(folder: Path) -> Made:
    source = {"image": RANDOM.integers(0, 255, (ROWS, 12, 12), dtype=np.uint8), "caption": texts(ROWS, 4)}
    return Made(source, {"target": "caption", "kinds": {"caption": "text"}, "network": {"trunk": "conv", "width": 8}})


def prose(folder: Path) -> Made:
    path = folder / "prose.txt"
    path.write_text(" ".join(RANDOM.choice(WORDS[:-1], 2_000)))
    return Made(path, {"objective": "next_token", "network": {"trunk": "gru", "width": 16}, "split": {"valid": 0.1}})


def coded(folder: Path) -> Made:
    pixels, digits = RANDOM.integers(0, 255, (60, 8, 8), dtype=np.uint8), ["one", "two", "three"] * 20
    objective = {"name": "autoencoder", "latent_dim": 8}
    return Made(
        {"image": pixels, "digit": digits}, {"target": "digit", "objective": objective, "network": {"width": 4}}
    )


def contest(folder: Path) -> Made:
    x = RANDOM.normal(size=(ROWS * 3, 2))
    frame = pl.DataFrame({"x": x[:, 0], "y": x[:, 1], "side": np.where(x[:, 0] > 0, "right", "left")})
    return Made(frame, {"target": "side", "objective": "gan"})


def half_labelled(folder: Path) -> Made:
    frame = table(folder).source.select("size", "place", "said", "sold")
    return Made(frame, {"target": "sold", "objective": "pseudo_label", "data": {"num_labels": 60}})


def agent(folder: Path) -> Made:
    return Made("gym:CartPole-v1", {"objective": {"name": "ppo", "num_envs": 2}})


KINDS: dict[str, Callable[[Path], Made]] = {
    f.__name__: f
    for f in (
        table, lists, pictures, masks, boxes, faces, colours, videos, sounds, translation, tags, captions,
        prose, coded, contest, half_labelled, agent,
    )
}  # fmt: skip


AUDITED = {"table", "pictures", "boxes", "tags", "contest", "agent"}  # the others in the slow suite
MARKED = {"table", "pictures", "translation", "tags", "captions", "half_labelled"}
OWN_PICTURES = {"filters", "feature-visualization", "map", "boundary", "samples", "network", "agent"}
"""Sections whose pictures show no row: weights, what was made from noise or drawn, points without names, a world."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pages]]:
    """The pages of a kind, written at first use."""
    kept: list[ReportData] = []

    @cache
    def made(kind: str) -> Pages:
        folder = tmp_path_factory.mktemp(kind)
        source, settings = KINDS[kind](folder)
        run = deepglass.train(source, out=folder / "run", baselines=False, **QUICK, **settings)
        deepglass.report(run, source=None if isinstance(source, str | Path) else source)
        return Pages(render(kept[-1]), render(kept[-1].without_samples()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(after, "write_report", lambda facts, path: kept.append(facts))
        patch.setattr(text_section, "NUM_TOKENS", 12)  # these four make it quick
        patch.setattr(visions, "MAX_STEPS", 4)
        patch.setattr(explanations, "PATH_STEPS", 4)
        patch.setattr(explanations, "MAX_ROWS", 1)
        yield made


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser page, as wide as a phone, for all reports."""
    with Chromium() as browser:
        yield browser.open("about:blank", width=390)


class Parsed(HTMLParser):
    """Parses a page: ids, links, loaded resources, elements without text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.named: list[str] = []  # by a link or a label
        self.loaded: list[str] = []
        self.wordless: list[str] = []
        self.feed(re.sub(r"base64,[A-Za-z0-9+/=]*", "", html))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if "id" in told:
            self.ids.append(told["id"])
        self.named += told.get("aria-labelledby", "").split()
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            if (value := told.get(name, "")).startswith("#"):
                self.named.append(value[1:])
            elif value and not value.startswith("data:"):
                self.loaded.append(f"{tag} {name}={value}")
        drawn = tag == "svg" and told.get("aria-hidden") != "true" and not told.get("aria-label")
        if (
            drawn
            or (tag == "img" and "alt" not in told)
            or (tag in ("audio", "canvas") and "aria" not in " ".join(told))
        ):
            self.wordless.append(self.get_starttag_text() or tag)

    handle_startendtag = handle_starttag


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_complete_and_loads_nothing(pages: Callable[[str], Pages], kind: str) -> None:
    for html in pages(kind):
        assert len(html.encode()) <= LARGEST
        page = Parsed(html)
        assert page.loaded == []
        assert not re.search(r"https?://|url\(|@import|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon", html)
        assert len(page.ids) == len(set(page.ids))
        assert set(page.named) <= set(page.ids)
        assert page.wordless == []
        for section in html.split("<section id=")[1:]:
            assert re.search(r"<h[12][^>]*>\s*[^<\s]", section), section[:200]


@pytest.mark.parametrize("kind", KINDS)
def test_without_samples_no_row_is_shown(pages: Callable[[str], Pages], kind: str) -> None:
    shown, hidden = pages(kind)
    assert (MARK in shown) == (kind in MARKED), "the mark is where it could be seen"
    assert MARK not in hidden
    assert "data:audio" not in hidden
    assert not re.search(r'alt="row|<template', hidden)
    sections = (section.split('"', 1) for section in hidden.split('<section id="')[1:])
    assert {name for name, html in sections if "data:image" in html} <= OWN_PICTURES


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_a_phone(pages: Callable[[str], Pages], page: Page, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages(kind).shown)
    page.go(path)
    assert page.errors == []
    assert [url for url in page.requested if not url.startswith("data:")] == [path.as_uri()]
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    seconds = page.run("(performance.timing.loadEventEnd - performance.timing.navigationStart) / 1000")
    assert seconds < 20  # on a crowded machine; a quiet one takes less than one


@pytest.mark.parametrize(
    "kind", [kind if kind in AUDITED else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_page_is_accessible(pages: Callable[[str], Pages], page: Page, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages(kind).shown)
    page.go(path)
    page.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.barriers() == []
    page.shade(dark=True)
    barriers = page.barriers(["color-contrast"])
    page.shade(dark=False)
    assert barriers == []


@pytest.mark.parametrize("kind", ["table", "pictures", "prose"])
def test_the_first_screen_has_the_findings_and_few_links(
    pages: Callable[[str], Pages], page: Page, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages(kind).shown)
    page.resize(1280)
    page.go(path)
    visible = (
        "[...document.querySelectorAll('nav a, nav button, nav summary')].filter((e) => e.checkVisibility()).length"
    )
    bottom = page.run("document.querySelector('.problems')?.getBoundingClientRect().bottom ?? 0")
    assert (bottom > 0) == ('id="findings"' in pages(kind).shown)
    assert bottom <= 900
    assert page.run(visible) <= 8
    page.run("document.querySelector('.index summary').click()")
    assert page.run("document.querySelectorAll('.index a').length === document.querySelectorAll('section').length")
    page.press("Escape")
    assert page.run(visible) <= 8
    page.resize(390)


UNCUT = """(most) => [...document.querySelectorAll("figure, svg, img, .mapview, .row-card, table tr")]
  .filter((part) => part.checkVisibility() && (part.getBoundingClientRect().height > most ||
    ![part, part.closest("figure, .mapview, tr, article")].some((p) => p &&
      getComputedStyle(p).breakInside === "avoid")))
  .map((part) => part.outerHTML.slice(0, 80))"""
PAGE_HEIGHT = 1030  # pixels of A4 between its margins


@pytest.mark.parametrize(("kind", "most"), [("table", 18), ("pictures", 14), ("contest", 12)])  # three, one, no output
def test_a_page_prints_on_few_sheets_without_cut_charts(
    pages: Callable[[str], Pages], page: Page, kind: str, most: int, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages(kind).shown)
    page.go(path)
    assert page.num_printed_pages() <= most
    assert page.run("[...document.querySelectorAll('.fold')].every((part) => part.open)")
    page.resize(703)
    page.page.emulate_media(media="print")
    cut = page.run(f"({UNCUT})({PAGE_HEIGHT})")
    page.page.emulate_media(media="screen")
    page.resize(390)
    assert cut == []


def test_an_address_opens_its_section(pages: Callable[[str], Pages], page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages("table").shown)
    page.go(path)
    inside = "document.querySelector('#network .fold > div').checkVisibility()"
    assert not page.run(inside)
    page.go(f"{path.as_uri()}#network")
    assert page.run(inside)
    assert page.run("document.querySelector('#network h2').getBoundingClientRect().top") < 900


def test_keyboard_focus_reaches_all_controls_visibly(pages: Callable[[str], Pages], page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages("table").shown)
    page.go(path)
    page.press("Tab")
    unseen = page.run(
        """[...document.querySelectorAll("a, button, input, select, summary, canvas[tabindex], [tabindex='0']")]
        .filter((e) => e.checkVisibility() && (e.focus(), document.activeElement === e)
          && getComputedStyle(e).outlineStyle === "none").map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert unseen == []
    page.run("document.querySelector('.confusion button[tabindex=\"0\"]').focus()")
    page.press("Enter")
    assert page.run("document.querySelector('.selected-rows').children.length") >= 1
    page.press("Escape")
    assert page.run("document.querySelector('.selected-rows').children.length") == 0
    assert page.run("document.activeElement.closest('.confusion') !== null")


def until(condition: str) -> str:
    """A promise that is fulfilled once the condition is; the page's policy forbids the waiting of playwright."""
    return f"new Promise((done) => {{ const id = setInterval(() => ({condition}) && done(clearInterval(id)), 30); }})"


def test_the_map_plays_and_its_rows_can_be_copied(pages: Callable[[str], Pages], page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages("table").shown)
    page.go(f"{path.as_uri()}#map")
    page.run("document.querySelector('[data-map-play]').click()")
    step, output = (
        "Number(document.querySelector('[data-map-step]').value)",
        "document.querySelector('.mapstep output')",
    )
    assert page.run(step) == 0
    assert page.run(f"{output}.textContent").startswith("step")
    page.run(until(f"{output}.textContent === 'end'"))
    assert page.run("document.querySelector('[data-map-play]').textContent") == "Play"
    page.run("document.querySelector('embedding-map').update({ points: [0, 1, 2] })")
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); 0")
    page.run("document.querySelector('.mapcopy').click()")
    page.run(until("document.querySelector('.mapcopy').textContent === 'Selected'"))
    lines = page.run("getSelection().toString()").strip().split("\n")
    assert lines[0].split("\t") == ["row", "split", "values"]
    assert len(lines) == 4
    assert all(
        line.split("\t")[0].isdigit() and line.split("\t")[1] in ("train", "valid", "test") for line in lines[1:]
    )
    page.run("document.querySelector('.maplist button:not(.mapcopy)').click()")
    assert "Selected" in page.run("document.querySelector('.maplist').textContent")
    assert page.errors == []


def test_scripts_write_numbers_as_the_report_does(page: Page) -> None:
    numbers = [0, 1, -3, 0.5, 12.50, 1998, 9999.4, 9999.6, 123456, -48211, 0.000123, 1.2e-5, 3.4e10, 0.1 + 0.2]
    shares = [0, 0.004, 0.005, 0.125, 0.5, 0.87, 0.985, 0.9899, 0.99, 0.9951, 0.9999, 1]
    page.go("about:blank")
    calls = f"[{numbers}.map((v) => short(v, 4)), {numbers}.map((v) => short(v)), {shares}.map(confidence)]"
    assert page.run(f"(() => {{ {bundle(['numbers'])}\nreturn {calls}; }})()") == [
        [formatting.short(v, 4) for v in numbers],
        [formatting.short(v) for v in numbers],
        [formatting.confidence(v) for v in shares],
    ]


def test_scripts_write_the_row_card_of_the_report(page: Page) -> None:
    """The labelling page and the map show a row as the report does."""
    card = RowCard(row=1200, truth="yes", predicted="no", confidence=0.876, values={"age": "39", "job": "clerk"})
    html = str(environment().get_template("row_cards.html").module.card(0, card, None, {}))  # type: ignore[attr-defined]
    page.go("about:blank")
    facts = '{row: 1200, predicted: "no", share: 0.876, truth: "yes", values: [["age", "39"], ["job", "clerk"]]}'
    script = page.run(f"(() => {{ {bundle(['row_card'])}\nreturn rowCard({facts}).outerHTML; }})()")
    assert _plain(script) == _plain(re.sub(r' data-\w+="[^"]*"', "", html))


def _plain(html: str) -> str:
    """HTML without white space around tags."""
    return re.sub(r"\s*(<[^>]*>)\s*", r"\1", html.replace("&nbsp;", "\xa0")).strip()
