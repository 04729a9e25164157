// <threshold-slider>: the slider moves the counts, the point on the ROC curve and the line in the chart of metrics.
import { all, Part } from "./dom.js";
import { count } from "./numbers.js";

class ThresholdSlider extends Part {
  start() {
    const box = this.querySelector(".threshold");
    const series = Object.fromEntries(["at", "tp", "fp", "fn", "tn"].map((key) => [key, box.dataset[key].split("|")]));
    const [curve, line] = [this.querySelector(".roc"), this.querySelector(".vertical-line")];
    const strips = all(".curves .hover-area > path", this);
    const [point, dots] = [curve.querySelector(".current-point"), all(".nearest circle", curve)];
    box.querySelector("input").addEventListener("input", (event) => {
      const i = Number(event.target.value);
      event.target.setAttribute("aria-valuetext", series.at[i]);
      for (const out of all("[data-show]", box)) {
        const value = series[out.dataset.show][i];
        out.textContent = out.dataset.show === "at" ? value : count(Number(value));
      }
      point.setAttribute("cx", dots[i].getAttribute("cx"));
      point.setAttribute("cy", dots[i].getAttribute("cy"));
      line.setAttribute("d", strips[i].getAttribute("d"));
    });
  }
}
customElements.define("threshold-slider", ThresholdSlider);
