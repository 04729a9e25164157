"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Tooltips: the titles of the drawings, at once and beside the pointer.
const tip = document.getElementById("tip");
for (const title of all("svg title")) {
  title.parentElement.dataset.tip = title.textContent;
  title.remove();
}
let near = null;
function nearest(event, svg) {
  const group = svg.querySelector(".nearest");
  if (!group) return null;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  let best = null, least = 22 ** 2;
  for (const dot of group.children) {
    const distance = (dot.cx.baseVal.value - at.x) ** 2 + (dot.cy.baseVal.value - at.y) ** 2;
    if (distance < least) [best, least] = [dot, distance];
  }
  return best;
}
function point(event) {
  const target = event.target instanceof Element ? event.target : null;
  const svg = target && target.closest("svg.chart");
  const dot = svg ? nearest(event, svg) : null;
  if (near !== dot) {
    if (near) near.classList.remove("near");
    if (dot) dot.classList.add("near");
    near = dot;
  }
  const source = dot || (target && target.closest("[data-tip]"));
  tip.hidden = !source;
  if (!source) return;
  tip.textContent = source.dataset.tip;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - width - 8);
  const top = event.clientY - height - 12 < 4 ? event.clientY + 18 : event.clientY - height - 12;
  tip.style.transform = `translate(${Math.max(left, 8)}px, ${top}px)`;
}
tip.style.left = tip.style.top = "0";
addEventListener("pointermove", point, { passive: true });
addEventListener("pointerdown", point, { passive: true });
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// Navigation: where the reader is.
const links = new Map(all(".links a").map((a) => [a.hash.slice(1), a]));
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const a of links.values()) { a.classList.remove("here"); a.removeAttribute("aria-current"); }
    const link = links.get(entry.target.id);
    link.classList.add("here");
    link.setAttribute("aria-current", "true");
    const row = link.parentElement;
    row.scrollTo({ left: link.offsetLeft - row.clientWidth / 2 });
  }
}, { rootMargin: "-15% 0px -80% 0px" });
for (const id of links.keys()) seen.observe(document.getElementById(id));

// A long table shows its first rows until it is asked for all of them.
for (const table of all("[data-first]")) {
  const beyond = all("tbody tr", table).slice(Number(table.dataset.first));
  if (beyond.length < 5) continue;
  for (const row of beyond) row.classList.add("beyond");
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  more.textContent = `Show ${beyond.length.toLocaleString("en")} more`;
  more.addEventListener("click", () => { for (const row of beyond) row.classList.remove("beyond"); more.remove(); });
  table.after(more);
}

// Search in a table.
for (const input of all("[data-search]")) {
  input.addEventListener("input", () => {
    const more = document.querySelector(`#${input.dataset.search} + .more`);
    if (more) more.click();
  });
  const rows = all("tbody tr", document.getElementById(input.dataset.search));
  const words = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach((row, i) => { row.hidden = !wanted.every((w) => words[i].includes(w)); shown += !row.hidden; });
    input.nextElementSibling.textContent = input.value ? `${shown} of ${rows.length}` : "";
  });
}

// A button shows cards of rows in a box, or closes it again; Escape closes.
function pick(button, box, find) {
  const pressed = button.getAttribute("aria-pressed") === "true";
  for (const other of all("button", button.closest("table"))) other.setAttribute("aria-pressed", "false");
  box.replaceChildren();
  if (pressed) return;
  button.setAttribute("aria-pressed", "true");
  const found = find();
  const heading = document.createElement("p");
  heading.textContent = button.getAttribute("aria-label");
  box.append(heading);
  if (found.length) {
    const cards = document.createElement("div");
    cards.className = found.some((card) => card.querySelector("img")) ? "mistakes pictures" : "mistakes";
    cards.append(...found.map((card) => card.cloneNode(true)));
    box.append(cards);
  }
  if (found.length < Number(button.dataset.count)) {
    const rest = document.createElement("p");
    rest.className = "dim";
    rest.textContent = found.length ? `${found.length} of them are kept in this report.` : "None of them is kept in this report.";
    box.append(rest);
  }
  box.setAttribute("aria-label", heading.textContent);
  box.focus({ preventScroll: true });
  box.scrollIntoView({ block: "nearest" });
  box.onkeydown = (event) => { if (event.key === "Escape") { pick(button, box, find); button.focus(); } };
}

// Confusion: a cell shows its rows; arrows move between cells.
function show(button) {
  const { output, true: truth, said } = button.dataset;
  const box = button.closest(".matrixside").parentElement.querySelector(`.picked[data-output="${output}"]`);
  const same = `.mistake[data-output="${output}"][data-true="${truth}"][data-said="${said}"]`;
  const kept = document.querySelector(`template.items[data-output="${output}"]`);
  pick(button, box, () => [...all(same).filter((card) => !card.closest(".picked")), ...(kept ? all(same, kept.content) : [])]);
}
for (const table of all("table.confusion")) {
  const buttons = all("button", table);
  buttons.forEach((button, i) => { button.tabIndex = i ? -1 : 0; });
  table.addEventListener("click", (event) => { const b = event.target.closest("button"); if (b) show(b); });
  table.addEventListener("keydown", (event) => {
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
  });
}

// Slices: a slice shows its worst rows; arrows move between slices.
for (const part of all(".sliced")) {
  const [box, kept, table] = [part.querySelector(".picked"), part.querySelector("template"), part.querySelector("table")];
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-items]");
    if (button) pick(button, box, () => button.dataset.items.split(" ").map((place) => kept.content.children[place]));
  });
  table.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const seen = all("button[data-items]", table).filter((button) => button.offsetParent);
    const next = step && seen[seen.indexOf(event.target) + step];
    if (next) { event.preventDefault(); next.focus(); }
  });
}

// Threshold: the slider moves the counts and the point on the curve.
for (const box of all(".threshold")) {
  const series = Object.fromEntries(["at", "tp", "fp", "fn", "tn"].map((key) => [key, box.dataset[key].split("|")]));
  const curve = box.nextElementSibling.querySelector(".roc");
  const [upright, strips] = [box.nextElementSibling.querySelector(".upright"), box.nextElementSibling.querySelectorAll(".curves .hit > path")];
  const [follow, dots] = [curve.querySelector(".follow"), curve.querySelectorAll(".nearest circle")];
  box.querySelector("input").addEventListener("input", (event) => {
    const i = Number(event.target.value);
    event.target.setAttribute("aria-valuetext", series.at[i]);
    for (const out of all("[data-show]", box)) {
      const value = series[out.dataset.show][i];
      out.textContent = out.dataset.show === "at" ? value : Number(value).toLocaleString("en");
    }
    follow.setAttribute("cx", dots[i].getAttribute("cx"));
    upright.setAttribute("d", strips[i].getAttribute("d"));
    follow.setAttribute("cy", dots[i].getAttribute("cy"));
  });
}

// What needs this script appears with it.
for (const part of all(".scripted")) part.hidden = false;

// Masks: truth to the left of the line, the answer to its right.
for (const panes of all(".panes")) {
  const slider = panes.querySelector("input");
  panes.classList.add("wiping");
  slider.addEventListener("input", () => {
    panes.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % truth`);
  });
}
for (const group of all("[data-masks]")) {
  const [strength, wrong] = [group.querySelector("[data-strength]"), group.querySelector("[data-wrong]")];
  strength.addEventListener("input", () => group.style.setProperty("--strength", strength.value / 100));
  if (wrong) wrong.addEventListener("change", () => group.classList.toggle("wrongs", wrong.checked));
}

// Boxes: those below the confidence go, and what they had found is missed.
for (const group of all("[data-boxes]")) {
  const slider = group.querySelector("input");
  const [truths, answers] = [all("[data-true]", group), all("[data-sure]", group)];
  slider.addEventListener("input", () => {
    const least = Number(slider.value);
    let found = 0, alarms = 0;
    for (const box of truths) {
      const seen = box.dataset.true !== "" && Number(box.dataset.true) >= least;
      box.classList.toggle("found", seen);
      box.classList.toggle("missed", !seen);
      found += seen;
    }
    for (const box of answers) {
      const shown = Number(box.dataset.sure) >= least;
      box.classList.toggle("away", !shown);
      alarms += shown && box.classList.contains("alarm");
    }
    const said = `${Math.round(100 * least)}\u00a0%`;
    group.querySelector("[data-at]").textContent = said;
    slider.setAttribute("aria-valuetext", said);
    group.querySelector("[data-found]").textContent = found.toLocaleString("en");
    group.querySelector("[data-alarms]").textContent = alarms.toLocaleString("en");
  });
}

// A table sorted by one of its columns; what was not measured stays last.
for (const table of all("table.sortable")) {
  const heads = all("thead th", table);
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
    const more = table.parentElement.querySelector(":scope > .more");
    if (more) more.click();
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[place].dataset.value;
    const rows = all("tbody tr", table).sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = place ? Number(x) - Number(y) : x.localeCompare(y, undefined, { numeric: true });
      return up ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }));
}

// Copy, and print with everything open.
for (const button of all("[data-copy]")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("pre");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
}
addEventListener("beforeprint", () => { for (const d of all("details:not(.screen)")) d.open = true; });
