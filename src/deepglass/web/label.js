// The labelling page: one row at a time, its label and its prediction. Each answer is sent and saved at once.
import { element } from "./dom.js";
import { draw, GIVEN, keysOf } from "./label_draw.js";
import "./tip.js";

const byId = (id) => document.getElementById(id);
const KEYS = [
  ["Enter", "the suggested label is correct"],
  ["1 … 9, letters", "this class: its key stands beside it"],
  ["k  Shift+Enter", "the current label is correct"],
  ["/", "type a class, or a new one"],
  ["x  Delete", "no label fits: remove it"],
  ["s  Space", "skip: the row comes again next time"],
  ["u  Backspace", "undo the last answer, also after a reload or a new start"],
  ["← →", "previous and next row"],
  ["?", "this help"],
];

const state = { data: null, index: 0, skipped: new Set(), revealed: -1 };
let sending = Promise.resolve(), pending = 0;

const item = () => state.data.items[state.index];

async function begin() {
  const response = await fetch("queue");
  if (!response.ok) return showError((await response.json()).error ?? `the page cannot be read (${response.status})`);
  state.data = await response.json();
  document.title = `${state.data.output} – label – deepglass`;
  byId("about").textContent = `${state.data.output} – ${state.data.run}`;
  for (const [keys, meaning] of KEYS) {
    const names = keys.split("  ").flatMap((key, i) => [i ? " " : "", element("kbd", {}, key)]);
    byId("keys").append(element("dt", {}, ...names), element("dd", {}, meaning));
  }
  move(nextOpen(-1));
}

// The next row without an answer after `from`, else before it; -1 where all have an answer or are skipped.
function nextOpen(from) {
  const count = state.data.items.length;
  for (let step = 1; step <= count; step++) {
    const i = (from + step + count) % count;
    if (state.data.answers[i] === undefined && !state.skipped.has(i)) return i;
  }
  return -1;
}

// Shows a row; -1 shows the end.
function move(i) {
  if (i >= 0) state.index = i;
  draw(state, { answer, move }, i < 0);
}

// Sends a request after those before it; the reply, or null where it failed.
function send(path, body) {
  pending += 1;
  sending = sending.then(async () => {
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      const reply = await response.json();
      if (!response.ok) throw new Error(reply.error ?? `refused (${response.status})`);
      const { changed = {}, ...data } = reply;
      if (pending === 1) Object.assign(state.data, data); // an older state lacks the answers that are on their way
      for (const [i, item] of Object.entries(changed)) state.data.items[i] = item;
      byId("error").hidden = true;
      return reply;
    } catch (error) {
      const offline = error instanceof TypeError;
      showError(offline ? "not saved: deepglass label is no longer running; earlier answers are in the file" : `not saved: ${error.message}`);
      return null;
    } finally {
      pending -= 1;
    }
  });
  return sending;
}

async function answer(label) {
  if (!state.data || byId("main").hidden) return;
  const i = state.index, { answers } = state.data, before = answers[i];
  state.skipped.delete(i);
  answers[i] = label; // at once; the server's reply follows
  move(nextOpen(i));
  const wasHidden = state.data.items[i].kind === "hidden";
  if (await send("answer", { item: i, label })) state.revealed = wasHidden ? i : -1;
  else if (before === undefined) delete answers[i];
  else answers[i] = before;
  if (!byId("main").hidden) move(state.index);
}

async function undo() {
  const reply = await send("undo", {});
  const [i] = Object.keys(reply?.changed ?? {});
  if (i === undefined) return;
  state.revealed = -1;
  state.skipped.delete(Number(i));
  move(Number(i));
}

async function setBlind() {
  if (!state.data) return;
  await send("blind", { blind: !state.data.blind });
  state.revealed = -1;
  if (state.data.items.length) move(byId("main").hidden ? -1 : state.index);
}

function accept() {
  const { classes } = state.data;
  if (state.data.review) return answer(GIVEN);
  if (item().kind === "hidden" && classes.length) return;
  const label = classes.length ? item().suggestion : byId("text").value.trim() || (item().suggestion ?? "");
  if (label !== "") answer(label);
}

const keep = () => !state.data.review && item().label && answer(item().label);
const removeLabel = () => answer("");

function skip() {
  state.skipped.add(state.index);
  move(nextOpen(state.index));
}

function showError(text) {
  byId("error").textContent = text;
  byId("error").hidden = false;
}

document.addEventListener("keydown", (event) => {
  const { data, index } = state;
  if (!data || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.target === byId("text")) {
    if (event.key === "Escape") byId("text").blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.target instanceof HTMLButtonElement && (key === "Enter" || key === " ") && event.target.matches(":focus-visible")) return;
  if (!data.classes.length && !data.review && /^[0-9.+-]$/.test(key)) return byId("text").focus(); // the key goes into the field
  const choice = key === "" ? -1 : keysOf(data.classes).indexOf(key);
  const actions = {
    Enter: event.shiftKey ? keep : accept,
    ArrowRight: () => move(Math.min(index + 1, data.items.length - 1)),
    ArrowLeft: () => move(Math.max(index - 1, 0)),
    Backspace: undo, u: undo, Delete: removeLabel, x: removeLabel, k: keep, s: skip, " ": skip,
    "/": () => data.review || byId("text").focus(),
    "?": () => byId("help").showModal(),
  };
  const action = choice >= 0 ? () => answer(data.classes[choice]) : actions[key];
  if (!action || (!data.items.length && key !== "?")) return;
  event.preventDefault();
  action();
});

byId("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim(), { classes } = state.data;
  byId("text").blur();
  if (!classes.length || text === "") return accept();
  answer(classes.find((c) => c.toLowerCase() === text.toLowerCase()) ?? text);
});
byId("text").addEventListener("input", () => {
  const text = byId("text").value.trim().toLowerCase();
  for (const button of byId("classes").children) button.hidden = !button.firstElementChild.textContent.toLowerCase().includes(text);
});
byId("accept").onclick = accept;
byId("keep").onclick = keep;
byId("skip").onclick = skip;
byId("none").onclick = removeLabel;
byId("undo").onclick = undo;
byId("blind").onclick = setBlind;
byId("back").onclick = () => {
  state.skipped.clear();
  move(Math.max(nextOpen(-1), 0));
};
byId("ask").onclick = () => byId("help").showModal();
begin();
