// <mask-overlays> and <box-overlays>: masks and boxes over images, and the sliders that change them.
import { all, Part } from "./dom.js";
import { confidence, count } from "./numbers.js";

// The true mask to the left of the line, the predicted one to its right.
class MaskOverlays extends Part {
  start() {
    for (const panes of all(".panes", this)) {
      const slider = panes.querySelector("input");
      panes.classList.add("wipe");
      slider.addEventListener("input", () => {
        panes.style.setProperty("--at", `${slider.value}%`);
        slider.setAttribute("aria-valuetext", `${slider.value} % truth`);
      });
    }
    const [opacity, errors] = [this.querySelector("[data-opacity]"), this.querySelector("[data-errors]")];
    opacity.addEventListener("input", () => this.style.setProperty("--opacity", opacity.value / 100));
    if (errors) errors.addEventListener("change", () => this.classList.toggle("show-errors", errors.checked));
  }
}
customElements.define("mask-overlays", MaskOverlays);

// Predicted boxes below the confidence disappear, and the true boxes that they matched count as missed.
class BoxOverlays extends Part {
  start() {
    const slider = this.querySelector("input");
    const [truths, predictions] = [all("[data-match]", this), all("[data-confidence]", this)];
    slider.addEventListener("input", () => {
      const threshold = Number(slider.value);
      let matched = 0, falseAlarms = 0;
      for (const box of truths) {
        const matches = box.dataset.match !== "" && Number(box.dataset.match) >= threshold;
        box.classList.toggle("matched", matches);
        box.classList.toggle("missed", !matches);
        matched += matches;
      }
      for (const box of predictions) {
        const visible = Number(box.dataset.confidence) >= threshold;
        box.classList.toggle("below-threshold", !visible);
        falseAlarms += visible && box.classList.contains("false-alarm");
      }
      const text = confidence(threshold);
      this.querySelector("[data-threshold]").textContent = text;
      slider.setAttribute("aria-valuetext", text);
      this.querySelector("[data-matched]").textContent = count(matched);
      this.querySelector("[data-false-alarms]").textContent = count(falseAlarms);
    });
  }
}
customElements.define("box-overlays", BoxOverlays);
