// The page of a report: tooltips, navigation, copying, printing.
import { all, copyText, showTip, tip } from "./dom.js";

// Tooltips: the titles of the drawings, at once and beside the pointer.
for (const title of all("svg title")) {
  title.parentElement.dataset.tip = title.textContent;
  title.remove();
}
tip.style.left = tip.style.top = "0";

function nearestDot(event, svg) {
  const dots = svg.querySelector(".nearest");
  if (!dots) return null;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  let nearest = null, least = 22 ** 2;
  for (const dot of dots.children) {
    const distance = (dot.cx.baseVal.value - at.x) ** 2 + (dot.cy.baseVal.value - at.y) ** 2;
    if (distance < least) [nearest, least] = [dot, distance];
  }
  return nearest;
}

let highlighted = null;
function updateTip(event) {
  const target = event.target instanceof Element ? event.target : null;
  const svg = target && target.closest("svg.chart");
  const dot = svg ? nearestDot(event, svg) : null;
  if (highlighted !== dot) {
    if (highlighted) highlighted.classList.remove("near");
    if (dot) dot.classList.add("near");
    highlighted = dot;
  }
  const source = dot || (target && target.closest("[data-tip]"));
  tip.hidden = !source;
  if (source) showTip(event, [source.dataset.tip]);
}
addEventListener("pointermove", updateTip, { passive: true });
addEventListener("pointerdown", updateTip, { passive: true });
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// Navigation: the link of the layer in view, the index, and what an address opens.
const links = new Map(all(".links a").map((a) => [a.hash.slice(1), a]));
const sectionObserver = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const a of links.values()) { a.classList.remove("current"); a.removeAttribute("aria-current"); }
    const link = links.get(entry.target.id);
    link.classList.add("current");
    link.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-15% 0px -80% 0px" });
for (const id of links.keys()) sectionObserver.observe(document.getElementById(id));

const index = document.querySelector(".index");
addEventListener("click", ({ target }) => {
  if (!index.contains(target) || target.closest("a")) index.open = false;
});
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !index.open) return;
  index.open = false;
  index.firstElementChild.focus();
});

// Opens the parts around the target of the address, and those of its section.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  const fold = target.querySelector(":scope > .fold");
  if (fold) fold.open = true;
  target.scrollIntoView({ behavior: "instant" });
}
addEventListener("hashchange", openTarget);
openTarget();

// Parts that need this script appear with it.
for (const part of all(".scripted")) part.hidden = false;

// Copy, and print with everything open.
for (const button of all("[data-copy]")) {
  button.addEventListener("click", () => copyText(button, button.parentElement.querySelector("pre").textContent, button.parentElement));
}
addEventListener("beforeprint", () => { for (const d of all("details:not(.screen, .index)")) d.open = true; });
