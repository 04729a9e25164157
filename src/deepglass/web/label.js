// One row at a time: what it is, what it was taken for, what it probably is. Every key press is sent and saved.
"use strict";

const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && key !== "role") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};
const percent = (share) => (share > 0.995 ? "over 99 %" : `${Math.round(100 * share)} %`);
const width = (share) => `${Math.round(100 * share)}%`;
const LARGER = 40; // times that a small picture is drawn larger, at most
const RESERVED = new Set(["s", "u", "k", "x"]);
const QUEUE = 40; // rows of the queue that are drawn around the one in view
const KEYS = [
  ["Enter", "what is proposed is right"],
  ["1 … 9, letters", "this class: the key stands beside it"],
  ["k  Shift+Enter", "the given label is right"],
  ["/", "type a class, or a new one"],
  ["x  Delete", "no label fits: take it away"],
  ["s  Space", "skip: it is asked again next time"],
  ["u  Backspace", "undo the last answer"],
  ["← →", "go back and on"],
  ["?", "this help"],
];

let data = null;
let at = 0;
let sending = Promise.resolve();
const done = []; // for undo: [item, the answer before]
const skipped = new Set();

const item = () => data.items[at];
const answerOf = (i) => data.answers[i];
const answered = (i) => answerOf(i) !== undefined;
const shown = (label) => (label === "" ? "no label" : label);

async function begin() {
  const response = await fetch("queue");
  if (!response.ok) return fail(`the page cannot be read (${response.status})`);
  data = await response.json();
  document.title = `${data.output} – label – deepglass`;
  $("about").textContent = `${data.output} – ${data.run}`;
  for (const [keys, what] of KEYS) {
    const names = keys.split("  ").flatMap((key, i) => (i ? [" ", make("kbd", {}, key)] : [make("kbd", {}, key)]));
    $("keys").append(make("dt", {}, ...names), make("dd", {}, what));
  }
  at = Math.max(next(-1), 0);
  draw(next(-1) < 0);
}

// the next row without an answer behind `from`, else before it; -1 where all are answered or skipped
function next(from) {
  const count = data.items.length;
  for (let step = 1; step <= count; step++) {
    const i = (from + step + count) % count;
    if (!answered(i) && !skipped.has(i)) return i;
  }
  return -1;
}

function keysOf(classes) {
  const single = classes.length <= 36 && classes.every((c) => [...c].length === 1);
  if (single && new Set(classes.map((c) => c.toLowerCase())).size === classes.length) {
    return classes.map((c) => c.toLowerCase());
  }
  const digits = [..."1234567890"];
  const letters = [..."abcdefghijklmnopqrstuvwxyz"].filter((c) => !RESERVED.has(c));
  return classes.map((_, i) => [...digits, ...letters][i] ?? "");
}

// -- answers -------------------------------------------------------------------------------------------------------

function send(i, label) {
  sending = sending.then(async () => {
    try {
      const response = await fetch("answer", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ item: i, label }),
      });
      const said = await response.json();
      if (!response.ok) throw new Error(said.error ?? `refused (${response.status})`);
      Object.assign(data, said);
      $("error").hidden = true;
      return true;
    } catch (error) {
      const gone = error instanceof TypeError;
      fail(gone ? "not saved: deepglass label is no longer running; the answers so far are in the file" : `not saved: ${error.message}`);
      return false;
    }
  });
  return sending;
}

async function answer(label) {
  if (!data || $("main").hidden) return;
  const i = at;
  const before = answerOf(i);
  skipped.delete(i);
  data.answers[i] = label; // at once; what the server says comes after it
  move(next(i));
  if (await send(i, label)) done.push([i, before ?? null]);
  else if (before === undefined) delete data.answers[i];
  else data.answers[i] = before;
  if (!$("main").hidden) draw();
}

async function undo() {
  await sending;
  const last = done.pop();
  if (!last) return;
  const [i, before] = last;
  await send(i, before);
  move(i);
}

function accept() {
  const label = data.classes.length ? item().suggestion : $("text").value.trim() || item().suggestion;
  if (label !== "") answer(label);
}

const keep = () => item().label !== "" && answer(item().label);
const skip = () => {
  skipped.add(at);
  move(next(at));
};
const move = (i) => {
  if (i >= 0) at = i;
  draw(i < 0);
};

function fail(text) {
  $("error").textContent = text;
  $("error").hidden = false;
}

// -- drawing -------------------------------------------------------------------------------------------------------

function draw(ended = false) {
  const count = Object.keys(data.answers).length;
  const total = data.items.length;
  $("count").textContent = `${count} of ${total}` + (skipped.size ? `, ${skipped.size} skipped` : "");
  $("progress").firstElementChild.style.width = `${(100 * count) / Math.max(total, 1)}%`;
  $("progress").setAttribute("aria-valuemax", total);
  $("progress").setAttribute("aria-valuenow", count);
  $("main").hidden = ended;
  $("done").hidden = !ended;
  if (ended) drawEnd(count, total);
  else drawItem();
  drawQueue(ended);
}

function drawItem() {
  const q = item();
  $("place").textContent = `row ${q.row} of the source` + (answered(at) ? `; answered: ${shown(answerOf(at))}` : "");
  $("cells").replaceChildren(...drawCells(q));
  const wrong = q.kind === "wrong";
  $("why").textContent = wrong ? "This label looks wrong" : "Worth a label";
  $("why").className = wrong ? "why wrong" : "why";
  $("told").replaceChildren(
    ...(wrong
      ? ["given ", make("del", {}, q.label), ", rather ", make("b", {}, q.suggestion), ` (${percent(q.confidence)} sure)`]
      : data.classes.length
        ? ["perhaps ", make("b", {}, q.suggestion), ` (${percent(q.confidence)})`]
        : ["perhaps ", make("b", {}, q.suggestion)]),
  );
  $("accept").firstElementChild.textContent = q.suggestion;
  $("keep").hidden = q.label === "";
  $("keep").firstElementChild.textContent = `keep ${q.label}`;
  drawClasses(q);
  $("text").value = "";
  $("text").placeholder = data.classes.length ? "another class" : "a number";
  drawNear(q);
}

function drawClasses(q) {
  const keys = keysOf(data.classes);
  const short = data.classes.length && data.classes.every((c) => c.length <= 3);
  $("classes").className = short ? "classes short" : "classes";
  $("classes").replaceChildren(
    ...data.classes.map((name, i) => {
      const bar = make("i");
      bar.style.width = width(q.probabilities[name] ?? 0);
      const button = make("button", { type: "button", title: name, onclick: () => answer(name) }, make("span", {}, name));
      if (keys[i] && keys[i] !== name.toLowerCase()) button.append(make("kbd", {}, keys[i]));
      button.append(bar);
      button.setAttribute("aria-pressed", String(answerOf(at) === name));
      if (name === q.suggestion) button.classList.add("proposed");
      return button;
    }),
  );
}

const source = (place, cell) => `media/${place}/${encodeURIComponent(cell.name)}`;

function picture(place, cell) {
  const img = make("img", { src: source(place, cell), alt: cell.name });
  img.onload = () => {
    img.classList.toggle("pixels", Math.max(img.naturalWidth, img.naturalHeight) <= 128);
    img.style.maxHeight = `${LARGER * img.naturalHeight}px`;
  };
  return img;
}

function drawCells(q) {
  const plain = q.cells.filter((c) => c.kind === "value");
  const one = q.cells.length === 1;
  const figures = q.cells
    .filter((c) => c.kind !== "value")
    .map((cell) => {
      const title = one ? [] : [make("figcaption", {}, cell.name)];
      if (cell.kind === "image") return make("figure", {}, ...title, picture(q.row, cell));
      if (cell.kind === "audio") return make("figure", {}, ...title, make("audio", { src: source(q.row, cell), controls: true, autoplay: true }));
      if (cell.kind === "curve") return make("figure", {}, ...title, curve(cell.points));
      return make("figure", {}, ...title, make("div", { className: "text" }, cell.text));
    });
  if (!plain.length) return figures;
  const rows = plain.map((c) => make("tr", {}, make("th", { scope: "row" }, c.name), make("td", {}, c.text)));
  return [...figures, make("table", { className: "values" }, make("tbody", {}, ...rows))];
}

function curve(points) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const low = Math.min(...points);
  const span = Math.max(...points) - low || 1;
  svg.setAttribute("viewBox", "0 -2 1000 104");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "curve");
  const path = document.createElementNS(space, "path");
  const places = points.map((y, i) => `${((1000 * i) / (points.length - 1)).toFixed(1)},${(100 - (100 * (y - low)) / span).toFixed(2)}`);
  path.setAttribute("d", `M${places.join("L")}`);
  svg.append(path);
  return svg;
}

function drawNear(q) {
  if (!q.neighbours.length) return $("near").replaceChildren();
  const figures = q.neighbours.map((n) => make("figure", {}, small(n.row, n.cells), make("figcaption", {}, shown(n.label))));
  $("near").replaceChildren(make("h2", {}, "Labelled rows that look alike"), make("div", { className: "like" }, ...figures));
}

function small(place, cells) {
  const image = cells.find((c) => c.kind === "image");
  if (image) return picture(place, image);
  const text = cells.find((c) => c.kind === "text");
  const curves = cells.find((c) => c.kind === "curve");
  if (!text && curves) return curve(curves.points);
  if (cells.some((c) => c.kind === "audio")) return make("audio", { src: source(place, cells.find((c) => c.kind === "audio")), controls: true, preload: "none" });
  const words = text ? text.text.slice(0, 160) : cells.slice(0, 12).map((c) => c.text).join(" · ");
  const names = text ? "" : cells.map((c) => `${c.name}: ${c.text}`).join("\n");
  return make("div", { className: "words", title: names }, words);
}

function drawQueue(ended) {
  const from = Math.max(0, Math.min(at - 6, data.items.length - QUEUE));
  const pictures = data.items.some((q) => q.cells.some((c) => c.kind === "image"));
  $("queue").className = pictures ? "" : "plain";
  $("queue").replaceChildren(
    ...data.items.slice(from, from + QUEUE).map((q, k) => {
      const i = from + k;
      const image = q.cells.find((c) => c.kind === "image");
      const text = q.cells.find((c) => c.kind === "text");
      const face = image ? picture(q.row, image) : make("div", { className: "words" }, text ? text.text.slice(0, 40) : `row ${q.row}`);
      const label = answered(i) ? `✓ ${shown(answerOf(i))}` : q.kind === "wrong" ? `${q.label}?` : "new";
      const button = make("button", { type: "button", title: `row ${q.row}`, onclick: () => move(i) }, face, make("b", {}, label));
      button.setAttribute("aria-current", String(i === at && !ended));
      if (answered(i)) button.classList.add("answered");
      return button;
    }),
  );
  const current = $("queue").querySelector('[aria-current="true"]');
  if (current) $("queue").scrollLeft = Math.max(0, current.offsetLeft - $("queue").clientWidth / 3);
}

function drawEnd(count, total) {
  const changed = data.items.filter((q, i) => answered(i) && answerOf(i) !== q.label).length;
  $("done").querySelector("h2").textContent = total ? (count ? "That was all" : "Nothing answered yet") : "Nothing to ask";
  const left = skipped.size ? `; ${skipped.size} skipped, which are asked next time` : "";
  $("done").querySelector("p").textContent = total
    ? `${count} answers, ${changed} of them new or mended labels${left}. They are in ${data.file}. Train again with them and see what they bring:`
    : "No label looks wrong, and no row is without one.";
  $("done").querySelector("pre").textContent = data.next;
  $("done").querySelector("pre").hidden = !total;
  $("back").hidden = !total;
}

// -- keys and mouse ------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (!data || event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target === $("text")) {
    if (event.key === "Escape") $("text").blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.target instanceof HTMLButtonElement && (key === "Enter" || key === " ") && event.target.matches(":focus-visible")) return;
  if (!data.classes.length && /^[0-9.+-]$/.test(key)) return $("text").focus(); // the key goes into the field
  const place = keysOf(data.classes).indexOf(key);
  const acts = {
    Enter: () => (event.shiftKey ? keep() : accept()),
    ArrowRight: () => move(Math.min(at + 1, data.items.length - 1)),
    ArrowLeft: () => move(Math.max(at - 1, 0)),
    Backspace: undo, u: undo, Delete: () => answer(""), x: () => answer(""), k: keep, s: skip, " ": skip,
    "/": () => $("text").focus(),
    "?": () => $("help").showModal(),
  };
  const act = key !== "" && place >= 0 ? () => answer(data.classes[place]) : acts[key];
  if (!act || (!data.items.length && key !== "?")) return;
  event.preventDefault();
  act();
});

$("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = $("text").value.trim();
  $("text").blur();
  if (!data.classes.length || typed === "") return accept();
  const low = typed.toLowerCase();
  const names = data.classes;
  answer(names.find((c) => c.toLowerCase() === low) ?? typed);
});
$("text").addEventListener("input", () => {
  const typed = $("text").value.trim().toLowerCase();
  for (const button of $("classes").children) button.hidden = !button.title.toLowerCase().includes(typed);
});
$("accept").onclick = accept;
$("keep").onclick = keep;
$("skip").onclick = skip;
$("none").onclick = () => answer("");
$("undo").onclick = undo;
$("back").onclick = () => {
  skipped.clear();
  move(Math.max(next(-1), 0));
};
$("ask").onclick = () => $("help").showModal();
begin();
