// <data-table first="30">: a long table that shows its first rows, can be searched and sorted by its headings.
import { all, Part } from "./dom.js";
import { count } from "./numbers.js";

class DataTable extends Part {
  start() {
    this.table = this.querySelector("table");
    this.shorten(Number(this.getAttribute("first")));
    const input = this.querySelector("input[type=search]");
    if (input) this.search(input);
    all("thead th", this.table).forEach((head, column) => {
      const button = head.querySelector("button.sort");
      if (button) button.addEventListener("click", () => this.sort(head, column));
    });
  }

  rows() { return all("tbody tr", this.table); }

  // The further rows appear on a click.
  shorten(first) {
    const further = first ? this.rows().slice(first) : [];
    if (further.length < 5) return;
    for (const row of further) row.classList.add("collapsed");
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    more.textContent = `Show ${count(further.length)} more`;
    more.addEventListener("click", () => { for (const row of further) row.classList.remove("collapsed"); more.remove(); });
    this.table.after(more);
  }

  showAll() {
    const more = this.querySelector(".more");
    if (more) more.click();
  }

  search(input) {
    const rows = this.rows();
    const texts = rows.map((row) => row.textContent.toLowerCase());
    input.addEventListener("input", () => {
      this.showAll();
      const words = input.value.toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, i) => { row.hidden = !words.every((w) => texts[i].includes(w)); shown += !row.hidden; });
      input.nextElementSibling.textContent = input.value ? `${shown} of ${rows.length}` : "";
    });
  }

  // Rows without a value stay last.
  sort(head, column) {
    this.showAll();
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("thead th", this.table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value;
    const rows = this.rows().sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = column ? Number(x) - Number(y) : x.localeCompare(y, undefined, { numeric: true });
      return up ? order : -order;
    });
    this.table.tBodies[0].append(...rows);
  }
}
customElements.define("data-table", DataTable);
