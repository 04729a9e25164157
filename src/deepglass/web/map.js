// <embedding-map>: rows as points. The view draws them, the selection chooses some, the cards say what they are;
// controls, selection and cards change the map by `update` alone.
import { all, Part } from "./dom.js";
import { MapCards } from "./map_cards.js";
import { MapSelection } from "./map_selection.js";
import { MapView, readMapData } from "./map_view.js";
import { count } from "./numbers.js";
import { showTip, tip } from "./tip.js";

const PLAY_MILLISECONDS = 700; // a recorded moment

class EmbeddingMap extends Part {
  start() {
    this.querySelector(".mapstatic").classList.add("print-only");
    const update = (changes) => this.update(changes);
    this.view = new MapView(this, readMapData(this));
    this.cards = new MapCards(this, this.view, update);
    this.selection = new MapSelection(this.view, update);
    this.listenToControls(update);
    this.cards.showLegend();
    this.view.start();
  }

  // Changes any of: colouring, onlyCode, layout, step, selected, points (of a lasso), hovered (with its event).
  update(changes) {
    const { view, cards } = this, has = (name) => name in changes;
    if (has("colouring")) [view.colouring, view.onlyCode] = [view.data.colourings[changes.colouring], null];
    if (has("onlyCode")) view.onlyCode = changes.onlyCode;
    if (has("layout")) view.layout = changes.layout;
    if (has("step")) view.step = changes.step;
    if (has("selected") || has("points")) view.selected = changes.selected ?? -1;
    if (has("selected")) cards.showPoint(changes.selected);
    if (has("points")) cards.showPoints(changes.points);
    if (has("colouring")) cards.showLegend();
    if (has("hovered")) this.hover(changes.event, changes.hovered);
    if (has("layout") || has("step")) view.move();
    if (has("layout")) view.showAll();
    if (has("colouring") || has("onlyCode")) view.paint();
    if (has("selected") || has("points")) view.redraw();
  }

  listenToControls(update) {
    const { view } = this, layout = this.querySelector("[data-map-layout]");
    this.querySelector("[data-map-colouring]").addEventListener("change", (event) => update({ colouring: Number(event.target.value) }));
    const bar = this.querySelector(".mapstep"), hideSteps = () => { if (bar) bar.hidden = view.layout !== 0; };
    if (layout) {
      view.layout = Number(layout.value);
      layout.addEventListener("change", () => { this.pause(); update({ layout: Number(layout.value) }); hideSteps(); });
    }
    hideSteps();
    if (bar) this.listenToSteps(bar, update);
    const tools = all("[data-map-tool]", this);
    for (const button of tools) button.addEventListener("click", () => {
      this.selection.tool = button.dataset.mapTool;
      for (const other of tools) other.setAttribute("aria-pressed", String(other === button));
      view.canvas.classList.toggle("lasso-tool", this.selection.tool === "lasso");
    });
    const zooms = { in: () => view.zoom(1.5), out: () => view.zoom(1 / 1.5), all: () => view.showAll() };
    for (const button of all("[data-map-zoom]", this)) button.addEventListener("click", zooms[button.dataset.mapZoom]);
  }

  // The slider over the recorded moments, and the button that plays them.
  listenToSteps(bar, update) {
    const slider = bar.querySelector("input"), { steps } = this.view.data.trajectories;
    this.playButton = bar.querySelector("[data-map-play]");
    const show = (step) => {
      const text = step < steps.length ? `step ${count(steps[step])}` : "end";
      slider.value = step;
      slider.nextElementSibling.textContent = text;
      slider.setAttribute("aria-valuetext", text);
      update({ step });
    };
    slider.addEventListener("input", () => { this.pause(); show(Number(slider.value)); });
    this.playButton.addEventListener("click", () => {
      if (this.playing) return this.pause();
      show(this.view.step < steps.length ? this.view.step : 0);
      this.playButton.textContent = "Pause";
      this.playing = setInterval(() => {
        show(this.view.step + 1);
        if (this.view.step >= steps.length) this.pause();
      }, PLAY_MILLISECONDS);
    });
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    if (this.playButton) this.playButton.textContent = "Play";
  }

  // The tooltip: the image and the words of a point beside the pointer.
  hover(event, point) {
    if (point !== this.view.hovered) { this.view.hovered = point; this.view.redraw(); }
    tip.hidden = point < 0;
    if (point >= 0) showTip(event, [this.cards.tile(point, 56), this.cards.words(point)].filter(Boolean));
  }
}
customElements.define("embedding-map", EmbeddingMap);
