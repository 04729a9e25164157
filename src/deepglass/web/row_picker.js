// <confusion-matrix> and <slice-table>: a cell or a slice shows some of its rows.
import { all, Part } from "./dom.js";

// A button shows cards of rows in a box, or closes it again; Escape closes.
export function showRows(button, box, find) {
  const pressed = button.getAttribute("aria-pressed") === "true";
  for (const other of all("button", button.closest("table"))) other.setAttribute("aria-pressed", "false");
  box.replaceChildren();
  if (pressed) return;
  button.setAttribute("aria-pressed", "true");
  const rows = find();
  const heading = document.createElement("p");
  heading.textContent = button.getAttribute("aria-label");
  box.append(heading);
  if (rows.length) {
    const cards = document.createElement("div");
    cards.className = rows.some((card) => card.querySelector("img")) ? "row-cards with-images" : "row-cards";
    cards.append(...rows.map((card) => card.cloneNode(true)));
    box.append(cards);
  }
  if (rows.length < Number(button.dataset.count)) {
    const rest = document.createElement("p");
    rest.className = "dim";
    rest.textContent = rows.length ? `${rows.length} of them are in this report.` : "None of them is in this report.";
    box.append(rest);
  }
  box.setAttribute("aria-label", heading.textContent);
  box.focus({ preventScroll: true });
  box.scrollIntoView({ block: "nearest" });
  box.onkeydown = (event) => { if (event.key === "Escape") { showRows(button, box, find); button.focus(); } };
}

// A cell shows its rows; arrows move between cells.
class ConfusionMatrix extends Part {
  start() {
    this.box = this.querySelector(".selected-rows");
    const table = this.querySelector("table.confusion");
    all("button", table).forEach((button, i) => { button.tabIndex = i ? -1 : 0; });
    table.addEventListener("click", (event) => { const b = event.target.closest("button"); if (b) this.show(b); });
    table.addEventListener("keydown", (event) => this.move(event, table));
  }

  // The mistakes that stand on the page, and the rows that wait in the template.
  show(button) {
    const { output, true: truth, predicted } = button.dataset;
    const same = `.row-card[data-output="${output}"][data-true="${truth}"][data-predicted="${predicted}"]`;
    const waiting = this.querySelector("template.items");
    showRows(button, this.box, () => [
      ...all(same).filter((card) => !card.closest(".selected-rows")),
      ...(waiting ? all(same, waiting.content) : []),
    ]);
  }

  move(event, table) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    let [row, column] = [cell.parentElement.rowIndex + step[0], cell.cellIndex + step[1]];
    while (table.rows[row] && table.rows[row].cells[column]) {
      const next = table.rows[row].cells[column].querySelector("button");
      if (next) { event.target.tabIndex = -1; next.tabIndex = 0; next.focus(); return; }
      row += step[0]; column += step[1];
    }
  }
}
customElements.define("confusion-matrix", ConfusionMatrix);

// A slice shows its worst rows; arrows move between slices.
class SliceTable extends Part {
  start() {
    const [box, waiting, table] = [".selected-rows", "template", "table"].map((selector) => this.querySelector(selector));
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-items]");
      if (button) showRows(button, box, () => button.dataset.items.split(" ").map((index) => waiting.content.children[index]));
    });
    table.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      const buttons = all("button[data-items]", table).filter((button) => button.offsetParent);
      const next = step && buttons[buttons.indexOf(event.target) + step];
      if (next) { event.preventDefault(); next.focus(); }
    });
  }
}
customElements.define("slice-table", SliceTable);
