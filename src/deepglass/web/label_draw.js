// Drawing of the labelling page: the row in view, its proposal, the classes, the queue and the end.
import { element } from "./dom.js";
import { cellFigures, imageOf, thumbnail } from "./label_cells.js";
import { confidence, count, percent } from "./numbers.js";
import { rowCard } from "./row_card.js";

const byId = (id) => document.getElementById(id);
export const GIVEN = "given"; // the answer that accepts a mask or boxes
const QUEUE_LENGTH = 40; // rows of the queue that are drawn around the one in view
const MAX_VALUES = 8; // of a similar row
const RESERVED_KEYS = new Set(["s", "u", "k", "x"]);

// An answer in words.
function labelText(label, review = false) {
  if (review) return label === GIVEN ? "accepted" : "refused";
  return label === "" ? "no label" : label;
}

// The key of each class: its own character where all are single characters, else digits and letters.
export function keysOf(classes) {
  const single = classes.length <= 36 && classes.every((c) => [...c].length === 1);
  if (single && new Set(classes.map((c) => c.toLowerCase())).size === classes.length) {
    return classes.map((c) => c.toLowerCase());
  }
  const letters = [..."abcdefghijklmnopqrstuvwxyz"].filter((c) => !RESERVED_KEYS.has(c));
  return classes.map((_, i) => [..."1234567890", ...letters][i] ?? "");
}

// Draws the whole page. `state`: data, index, skipped; `actions`: answer(label), move(index); `ended`: no row is left.
export function draw(state, actions, ended) {
  const { data, skipped } = state, answered = Object.keys(data.answers).length, total = data.items.length;
  byId("count").textContent = `${count(answered)} answered, ${count(total - answered)} left of ${count(total)}` + (skipped.size ? `, ${count(skipped.size)} skipped` : "");
  byId("undo").disabled = !data.undoable && !answered;
  byId("blind").setAttribute("aria-pressed", String(data.blind));
  byId("note").hidden = !data.note;
  byId("note").textContent = data.note && `Note: ${data.note}.`;
  byId("progress").firstElementChild.style.width = `${(100 * answered) / Math.max(total, 1)}%`;
  byId("progress").setAttribute("aria-valuemax", total);
  byId("progress").setAttribute("aria-valuenow", answered);
  byId("main").hidden = ended;
  byId("cells").classList.toggle("beside", data.review);
  byId("done").hidden = !ended;
  if (ended) drawEnd(state, answered, total);
  else drawItem(state, actions);
  drawQueue(state, actions, ended);
}

const REASONS = {
  wrong: "Possible label error",
  unlabelled: "Row without a label",
  uncertain: "Spot check: an uncertain prediction",
  random: "Spot check: a row at random",
  reopened: "Answer taken back",
  hidden: "Which label fits?",
  review: "Is this annotation right?",
};

// What label and prediction a row has.
function facts(item, { classes, review }) {
  if (review) return [`the prediction agrees with it by ${percent(item.confidence, 0)}`];
  const share = confidence(item.confidence), wrong = item.kind === "wrong";
  const brackets = wrong ? ` (label wrong with ${share})` : classes.length ? ` (${share} confidence)` : "";
  const given = item.label ? ["label ", element(wrong ? "del" : "b", {}, item.label), ", "] : [];
  return [...given, "prediction ", element("b", {}, item.suggestion), brackets];
}

function drawItem({ data, index, revealed }, actions) {
  const item = data.items[index], answer = data.answers[index], hidden = item.kind === "hidden";
  byId("index").textContent = `row ${count(item.row)} of the source` + (answer === undefined ? "" : `; answer: ${labelText(answer, data.review)}`);
  byId("cells").replaceChildren(...cellFigures(item.row, item.cells));
  byId("reason").textContent = REASONS[item.kind];
  byId("reason").className = item.kind === "wrong" ? "reason wrong" : "reason";
  byId("proposal").replaceChildren(...(hidden ? [data.review ? "the prediction is hidden until you answer" : "label and prediction are hidden until you answer"] : facts(item, data)));
  const last = revealed >= 0 && revealed !== index ? data.items[revealed] : null;
  byId("last").hidden = last === null;
  if (last) byId("last").replaceChildren(`row ${count(last.row)}: your answer ${labelText(data.answers[revealed], data.review)}; `, ...facts(last, data));
  byId("accept").hidden = hidden && data.classes.length > 0;
  byId("other").hidden = data.review;
  byId("none").firstChild.textContent = data.review ? "refuse " : "no label ";
  byId("accept").firstElementChild.textContent = data.review ? "accept" : hidden ? "enter" : item.suggestion;
  byId("keep").hidden = hidden || data.review || item.label === "" || item.label === item.suggestion;
  byId("keep").firstElementChild.textContent = `keep ${item.label}`;
  drawClasses(data.classes, item, answer, actions);
  byId("text").value = "";
  byId("text").placeholder = data.classes.length ? "another class" : "a number";
  drawNeighbours(item.neighbours);
}

function drawClasses(classes, item, answer, actions) {
  const keys = keysOf(classes), short = classes.length && classes.every((c) => c.length <= 3);
  byId("classes").className = short ? "classes short" : "classes";
  byId("classes").replaceChildren(
    ...classes.map((name, i) => {
      const bar = element("i");
      bar.style.width = `${Math.round(100 * (item.probabilities?.[name] ?? 0))}%`;
      const button = element("button", { type: "button", title: name, onclick: () => actions.answer(name) }, element("span", {}, name));
      if (keys[i] && keys[i] !== name.toLowerCase()) button.append(element("kbd", {}, keys[i]));
      button.append(bar);
      button.setAttribute("aria-pressed", String(answer === name));
      if (name === item.suggestion) button.classList.add("proposed");
      return button;
    }),
  );
}

function drawNeighbours(neighbours) {
  const faces = neighbours.map((n) => thumbnail(n.row, n.cells)), plain = !faces.some(Boolean);
  const cards = neighbours.map(({ row, cells, label }, i) => {
    const values = plain ? cells.slice(0, MAX_VALUES).map((cell) => [cell.name, cell.text]) : [];
    return rowCard({ row, face: faces[i], predicted: labelText(label), values });
  });
  const heading = element("h2", {}, "Most similar labelled rows");
  byId("neighbours").replaceChildren(...(cards.length ? [heading, element("div", { className: plain ? "row-cards listed" : "neighbours" }, ...cards)] : []));
}

function drawQueue({ data, index }, actions, ended) {
  const from = Math.max(0, Math.min(index - 6, data.items.length - QUEUE_LENGTH));
  const withImages = data.items.some((item) => item.cells.some((c) => c.kind === "image"));
  byId("queue").className = withImages ? "" : "plain";
  byId("queue").replaceChildren(
    ...data.items.slice(from, from + QUEUE_LENGTH).map((item, k) => {
      const i = from + k, answer = data.answers[i], row = `row ${count(item.row)}`;
      const image = item.cells.find((c) => c.kind === "image"), text = item.cells.find((c) => c.kind === "text");
      const face = image ? imageOf(item.row, image) : element("div", { className: "words" }, text ? text.text.slice(0, 40) : row);
      const question = data.review || item.kind === "hidden" ? "?" : item.label ? `${item.label}?` : "new";
      const label = answer === undefined ? question : `✓ ${labelText(answer, data.review)}`;
      const button = element("button", { type: "button", title: row, onclick: () => actions.move(i) }, face, element("b", {}, label));
      button.setAttribute("aria-current", String(i === index && !ended));
      if (answer !== undefined) button.classList.add("answered");
      return button;
    }),
  );
  const current = byId("queue").querySelector('[aria-current="true"]');
  if (current) byId("queue").scrollLeft = Math.max(0, current.offsetLeft - byId("queue").clientWidth / 3);
}

function drawEnd({ data, skipped }, answered, total) {
  const [heading, text, commands] = ["h2", "p", "pre"].map((tag) => byId("done").querySelector(tag));
  const changed = Object.entries(data.answers).filter(([i, label]) => label !== data.items[i].label).length;
  const left = skipped.size ? `; ${count(skipped.size)} skipped, which come again next time` : "";
  heading.textContent = total ? (answered ? "All rows are done" : "No row has an answer yet") : "No rows to label";
  text.textContent = total
    ? `${count(answered)} answers, ${count(changed)} of them new or corrected labels${left}. They are stored in ${data.file}. Train again with them and compare both runs:`
    : "All rows are test rows, cannot be read, or have an answer.";
  commands.textContent = data.next;
  commands.hidden = byId("back").hidden = !total;
}
