// The card of a row, as `report/row_cards.html` writes it into a report.
import { element } from "./dom.js";
import { count } from "./numbers.js";

// `face`: an element that shows the row; `heading`: its label or prediction.
export function rowCard({ row, face, heading }) {
  const words = [element("p", { className: "prediction" }, heading), element("p", { className: "dim" }, `row ${count(row)}`)];
  return element("article", { className: "row-card" }, face, element("div", {}, ...words));
}

// Names and values.
export function rowValues(pairs) {
  const lines = pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  return element("dl", { className: "values" }, ...lines);
}
