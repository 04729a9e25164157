// <embedding-map>: rows as points, explored with pointer and keys.
import { all, Part, showTip, tip } from "./dom.js";
import { MapRows } from "./map_rows.js";
import { MapView, readMapData } from "./map_view.js";

class EmbeddingMap extends Part {
  start() {
    this.querySelector(".mapstatic").classList.add("print-only");
    this.view = new MapView(this, readMapData(this));
    this.rows = new MapRows(this, this.view);
    this.tool = "move";
    this.listenToControls();
    this.listenToKeys();
    this.listenToPointer();
    this.rows.showLegend();
    this.view.start();
  }

  listenToControls() {
    const { view } = this, layout = this.querySelector("[data-map-layout]"), step = this.querySelector("[data-map-step]");
    this.querySelector("[data-map-colouring]").addEventListener("change", (event) => {
      view.colouring = view.data.colourings[Number(event.target.value)];
      view.onlyCode = null;
      this.rows.showLegend();
      view.paint();
    });
    const hideSlider = () => { if (step) this.querySelector(".mapstep").hidden = view.layout !== 0; };
    if (layout) {
      view.layout = Number(layout.value);
      layout.addEventListener("change", () => {
        view.layout = Number(layout.value);
        hideSlider();
        view.move();
        view.showAll();
      });
    }
    hideSlider();
    if (step) step.addEventListener("input", () => {
      const { steps } = view.data.trajectories;
      view.step = Number(step.value);
      const text = view.step < steps.length ? `step ${steps[view.step].toLocaleString("en")}` : "end";
      step.nextElementSibling.textContent = text;
      step.setAttribute("aria-valuetext", text);
      view.move();
    });
    const tools = all("[data-map-tool]", this);
    for (const button of tools) button.addEventListener("click", () => {
      this.tool = button.dataset.mapTool;
      for (const other of tools) other.setAttribute("aria-pressed", String(other === button));
      view.canvas.classList.toggle("lasso-tool", this.tool === "lasso");
    });
    const zooms = { in: () => view.zoom(1.5), out: () => view.zoom(1 / 1.5), all: () => view.showAll() };
    for (const button of all("[data-map-zoom]", this)) button.addEventListener("click", zooms[button.dataset.mapZoom]);
  }

  listenToKeys() {
    const { view, rows } = this, middle = () => [view.camera.width / 2, view.camera.height / 2];
    const actions = {
      ArrowLeft: () => view.pan(40, 0), ArrowRight: () => view.pan(-40, 0),
      ArrowUp: () => view.pan(0, 40), ArrowDown: () => view.pan(0, -40),
      "+": () => view.zoom(1.3), "=": () => view.zoom(1.3), "-": () => view.zoom(1 / 1.3), 0: () => view.showAll(),
      Enter: () => rows.select(view.nearest(middle(), 1e6)), Escape: () => rows.select(-1),
    };
    view.canvas.addEventListener("keydown", (event) => {
      if (!actions[event.key]) return;
      actions[event.key]();
      event.preventDefault();
    });
  }

  listenToPointer() {
    const { view, rows } = this, { canvas } = view;
    let start = null, moved = false;
    const end = () => { [start, view.lasso] = [null, null]; view.redraw(); };
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), this.position(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      [start, moved] = [this.position(event), false];
      if (this.tool === "lasso" || event.shiftKey) view.lasso = [start];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = this.position(event);
      if (!start) return this.hover(event, view.nearest(at));
      moved = moved || Math.hypot(at[0] - start[0], at[1] - start[1]) > 4;
      if (!moved) return;
      if (view.lasso) view.lasso.push(at);
      else { view.pan(at[0] - start[0], at[1] - start[1]); start = at; }
      this.hover(event, -1);
      view.redraw();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!moved) rows.select(view.nearest(this.position(event)));
      else if (view.lasso) rows.selectAll(view.pointsInside(view.lasso));
      end();
    });
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", (event) => this.hover(event, -1));
  }

  position(event) {
    const box = this.view.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // The tooltip: the image and the words of a point beside the pointer.
  hover(event, point) {
    if (point !== this.view.hovered) { this.view.hovered = point; this.view.redraw(); }
    tip.hidden = point < 0;
    event.stopPropagation();
    if (point >= 0) showTip(event, [this.rows.tile(point, 56), this.rows.words(point)].filter(Boolean));
  }
}
customElements.define("embedding-map", EmbeddingMap);
