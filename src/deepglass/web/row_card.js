// The card of a row, as `report/row_cards.html` writes it into a report.
import { element } from "./dom.js";
import { confidence, count } from "./numbers.js";

// `row`: its index; `more`: what follows it; `predicted`: label or prediction, with its `share` (of confidence) and the
// `truth`; `face`: an element that shows the row; `values`: pairs of names and values; `choose`: makes it a button.
export function rowCard({ row, more = "", predicted, share = null, truth = "", face = null, values = [], choose = null }) {
  const heading = choose ? element("button", { type: "button", className: "choose", onclick: choose }, predicted) : predicted;
  const words = [element("p", { className: "prediction" }, heading)];
  if (share !== null) words[0].append(" ", element("span", {}, `(${confidence(share)})`));
  if (truth) words.push(element("p", { className: "truth" }, "true ", element("b", {}, truth)));
  if (row !== null) words.push(element("p", { className: "dim" }, `row ${count(row)}${more}`));
  const parts = [face, element("div", {}, ...words), values.length ? rowValues(values) : null];
  return element("article", { className: "row-card" }, ...parts.filter(Boolean));
}

// Names and values.
export function rowValues(pairs) {
  const lines = pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  return element("dl", { className: "values" }, ...lines);
}
