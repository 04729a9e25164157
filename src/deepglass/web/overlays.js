// <mask-overlays> and <box-overlays>: masks and boxes over images, and what their sliders show.
import { all, Part } from "./dom.js";

// Truth to the left of the line, the prediction to its right.
class MaskOverlays extends Part {
  start() {
    for (const panes of all(".panes", this)) {
      const slider = panes.querySelector("input");
      panes.classList.add("wiping");
      slider.addEventListener("input", () => {
        panes.style.setProperty("--at", `${slider.value}%`);
        slider.setAttribute("aria-valuetext", `${slider.value} % truth`);
      });
    }
    const [strength, wrong] = [this.querySelector("[data-strength]"), this.querySelector("[data-wrong]")];
    strength.addEventListener("input", () => this.style.setProperty("--strength", strength.value / 100));
    if (wrong) wrong.addEventListener("change", () => this.classList.toggle("wrongs", wrong.checked));
  }
}
customElements.define("mask-overlays", MaskOverlays);

// Boxes below the confidence disappear, and the true boxes that they matched are missed.
class BoxOverlays extends Part {
  start() {
    const slider = this.querySelector("input");
    const [truths, predictions] = [all("[data-true]", this), all("[data-sure]", this)];
    slider.addEventListener("input", () => {
      const least = Number(slider.value);
      let matched = 0, alarms = 0;
      for (const box of truths) {
        const matches = box.dataset.true !== "" && Number(box.dataset.true) >= least;
        box.classList.toggle("found", matches);
        box.classList.toggle("missed", !matches);
        matched += matches;
      }
      for (const box of predictions) {
        const shown = Number(box.dataset.sure) >= least;
        box.classList.toggle("away", !shown);
        alarms += shown && box.classList.contains("alarm");
      }
      const text = `${Math.round(100 * least)}\u00a0%`;
      this.querySelector("[data-at]").textContent = text;
      slider.setAttribute("aria-valuetext", text);
      this.querySelector("[data-found]").textContent = matched.toLocaleString("en");
      this.querySelector("[data-alarms]").textContent = alarms.toLocaleString("en");
    });
  }
}
customElements.define("box-overlays", BoxOverlays);
