
// The boundary: the slider shows the answers at a moment of the run, and moves the rows of the learned space.
for (const card of all("[data-ground]")) {
  const slider = card.querySelector("input[type=range]");
  if (!slider) continue;
  const [images, dots, said] = [all("image", card), all(".rows circle", card), card.querySelector("output")];
  const steps = slider.dataset.steps.split("|");
  const moves = slider.dataset.moves ? slider.dataset.moves.split("|").map((m) => m.split(" ").map((p) => p.split(","))) : null;
  slider.addEventListener("input", () => {
    const at = Number(slider.value);
    images.forEach((image, i) => { image.setAttribute("display", i === at ? "inline" : "none"); });
    if (moves && moves[at].length === dots.length) {
      dots.forEach((dot, i) => { dot.setAttribute("cx", moves[at][i][0]); dot.setAttribute("cy", moves[at][i][1]); });
    }
    const words = steps[at] === "kept" ? "kept weights" : steps[at];
    said.textContent = words;
    slider.setAttribute("aria-valuetext", words);
  });
}
