// <decision-boundary>: the slider shows the predictions at a step of the run, and moves the rows of the learned space.
import { all, Part } from "./dom.js";

class DecisionBoundary extends Part {
  start() {
    const slider = this.querySelector("input[type=range]");
    if (!slider) return;
    const [images, dots, output] = [all("image", this), all(".rows circle", this), this.querySelector("output")];
    const { steps, moves } = slider.dataset;
    const names = steps.split("|");
    const frames = moves ? moves.split("|").map((frame) => frame.split(" ").map((point) => point.split(","))) : null;
    slider.addEventListener("input", () => {
      const at = Number(slider.value);
      images.forEach((image, i) => { image.setAttribute("display", i === at ? "inline" : "none"); });
      if (frames && frames[at].length === dots.length) {
        dots.forEach((dot, i) => { dot.setAttribute("cx", frames[at][i][0]); dot.setAttribute("cy", frames[at][i][1]); });
      }
      output.textContent = names[at];
      slider.setAttribute("aria-valuetext", names[at]);
    });
  }
}
customElements.define("decision-boundary", DecisionBoundary);
