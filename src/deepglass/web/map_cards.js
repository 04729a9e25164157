// The cards of the embedding map: rows of points in the list beside it, in words and images, and its legend.
import { copyText, element } from "./dom.js";
import { MISSING } from "./map_view.js";
import { count, short } from "./numbers.js";
import { rowCard } from "./row_card.js";

const rgb = ([r, g, b]) => `rgb(${r},${g},${b})`;
const MAX_CARDS = 60, MAX_LEGEND_CODES = 24;

export class MapCards {
  // `update` takes what a click on a card or on the legend changes.
  constructor(root, view, update) {
    Object.assign(this, { view, data: view.data, update });
    this.list = root.querySelector(".maplist");
    this.legend = root.querySelector(".maplegend");
    this.hint = [...this.list.childNodes];
    this.item = new Map([...this.data.item_points].map((point, i) => [point, i]));
    if (this.data.sprites) {
      this.sprites = new Image();
      this.sprites.src = this.data.sprites.source;
    }
  }

  // A number of points: "3 rows".
  pointCount(n) { return `${count(n)} ${this.data.noun}${n === 1 ? "" : "s"}`; }

  // A point in words: from the report's items where it is one of them, else from its colours.
  words(point) {
    const i = this.item.get(point), { items, colourings } = this.data;
    if (items && i !== undefined) {
      const { predicted, truth, values } = this.itemFacts(i);
      const words = [predicted && truth && predicted !== truth ? `${truth}, predicted ${predicted}` : truth || predicted, ...values.map((pair) => pair.join(" "))];
      return words.filter(Boolean).join(" · ") || `${this.data.noun} ${items.rows[i]}`;
    }
    const colouring = (name) => colourings.find((c) => c.name === name && c.names.length && c.codes[point] !== MISSING);
    const word = (c) => c.names[c.codes[point]];
    return colourings.filter((c) => colouring(c.name) && !/: (prediction|error)$/.test(c.name)).map((c) => {
      const prediction = colouring(`${c.name}: prediction`);
      const prefix = c.name === "split" ? "" : `${c.name} `;
      return prefix + word(c) + (prediction && word(prediction) !== word(c) ? `, predicted ${word(prediction)}` : "");
    }).join(" · ");
  }

  // What the report knows of an item, as its card shows it.
  itemFacts(i) {
    const { predictions, truths, names, values } = this.data.items;
    const pairs = (values[i] || []).map((value, k) => [names[k], value]).filter(([, value]) => value !== "");
    return { predicted: predictions[i], truth: truths[i], values: pairs };
  }

  // The image of a point; null where the report has none.
  tile(point, side) {
    const { sprites } = this.data, i = this.item.get(point);
    if (!sprites || i === undefined) return null;
    const [rows, columns] = sprites.size, canvas = element("canvas", { className: "maptile", width: columns, height: rows });
    canvas.style.width = `${side * Math.min(columns / rows, 1.5)}px`;
    const [left, top] = [(i % sprites.across) * columns, Math.floor(i / sprites.across) * rows];
    const draw = () => canvas.getContext("2d").drawImage(this.sprites, left, top, columns, rows, 0, 0, columns, rows);
    if (this.sprites.complete) draw(); else this.sprites.addEventListener("load", draw, { once: true });
    return canvas;
  }

  // The split of a point; "" where rows have none, as words do.
  split(point) {
    const split = this.data.colourings.find((c) => c.name === "split");
    return split ? split.names[split.codes[point]] : "";
  }

  card(point) {
    const { items } = this.data, i = this.item.get(point), split = this.split(point);
    const facts = items && i !== undefined ? { row: split ? items.rows[i] : null, ...this.itemFacts(i) } : { row: null };
    const card = rowCard({
      ...facts, predicted: facts.predicted || this.words(point), more: split && `, ${split}`, face: this.tile(point, 44),
      choose: () => this.update({ selected: point }),
    });
    card.querySelector(".prediction").prepend(this.dot(this.view.colouring.codes[point]));
    return card;
  }

  dot(code) {
    const dot = element("i");
    dot.style.background = rgb(this.view.colour(code));
    return dot;
  }

  cards(title, points) {
    return [element("p", { className: "maphead" }, title), element("div", { className: "row-cards listed" }, ...points.map((p) => this.card(p)))];
  }

  // Shows a point and its neighbours in the list; -1 shows the hint again.
  showPoint(point) {
    if (point < 0) return this.list.replaceChildren(...this.hint);
    const neighbours = this.view.neighbours(point), parts = this.cards("Selected", [point]);
    if (neighbours.length) parts.push(...this.cards("Nearest in the whole space", neighbours));
    if (this.data.items && !this.item.has(point)) {
      parts.push(element("p", { className: "dim" }, `The report holds the contents of ${this.pointCount(this.data.item_points.length)}; the selected one is not among them.`));
    }
    this.list.replaceChildren(...parts);
  }

  // Lists the rows inside a lasso: the most frequent codes, and the rows that the report holds, the worst first.
  showPoints(points) {
    const { colouring } = this.view, { colourings, items } = this.data;
    const counts = this.counts(points.map((i) => colouring.codes[i]));
    const frequent = colouring.names.length ? [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6) : [];
    const names = frequent.map(([code, n]) => `${this.name(code)} (${count(n)})`);
    const errors = colourings.find((c) => c.name.endsWith(": error"));
    const error = (i) => (errors.codes[i] === MISSING ? -1 : errors.codes[i]);
    const listed = items ? points.filter((i) => this.item.has(i)) : [];
    if (errors) listed.sort((a, b) => error(b) - error(a));
    const [head, list] = this.cards(this.pointCount(points.length) + (names.length ? `: ${names.join(", ")}` : ""), listed.slice(0, MAX_CARDS));
    const parts = [head, ...(listed.length ? [this.copyButton(listed)] : []), list];
    if (listed.length > MAX_CARDS) parts.push(element("p", { className: "dim" }, `The first ${MAX_CARDS} of ${this.pointCount(listed.length)}.`));
    this.list.replaceChildren(...parts);
  }

  // Copies rows as a table that spreadsheets read: index, split and words of each.
  copyButton(points) {
    const button = element("button", { type: "button", className: "mapcopy" }, `Copy ${this.pointCount(points.length)}`);
    button.addEventListener("click", () => copyText(button, this.table(points), this.list));
    return button;
  }

  table(points) {
    const line = (cells) => cells.map((cell) => String(cell).replace(/\s+/g, " ").replace(/^[=+@-]/, "'$&")).join("\t");
    const rows = points.map((i) => line([this.data.items.rows[this.item.get(i)], this.split(i), this.words(i)]));
    return [line([this.data.noun, "split", "values"]), ...rows].join("\n");
  }

  name(code) { return code === MISSING ? "unknown" : this.view.colouring.names[code]; }

  counts(codes) {
    const counts = new Map();
    for (const code of codes) counts.set(code, (counts.get(code) || 0) + 1);
    return counts;
  }

  // The scale of a number, or a button for each name: it makes the other points faint.
  showLegend() {
    const { view } = this, { colouring } = view;
    if (!colouring.names.length) {
      const bar = element("span", { className: "mapscale" });
      bar.style.background = `linear-gradient(90deg, ${colouring.colours.map(rgb).join(",")})`;
      return this.legend.replaceChildren(short(colouring.ends[0], 4), bar, short(colouring.ends[1], 4));
    }
    const counts = this.counts(colouring.codes), codes = [...counts.keys()].sort((a, b) => a - b);
    const buttons = codes.slice(0, MAX_LEGEND_CODES).map((code) => {
      const button = element("button", { type: "button", title: this.pointCount(counts.get(code)), "aria-pressed": "false" }, this.dot(code), this.name(code));
      button.addEventListener("click", () => {
        this.update({ onlyCode: view.onlyCode === code ? null : code });
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button && view.onlyCode !== null));
      });
      return button;
    });
    this.legend.replaceChildren(...buttons, codes.length > buttons.length ? ` and ${codes.length - buttons.length} more` : "");
  }
}
