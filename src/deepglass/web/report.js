// The page of a report: tooltips, navigation, copying, printing.
import { all, tip } from "./dom.js";

// Tooltips: the titles of the drawings, at once and beside the pointer.
export function moveTitles(root) {
  for (const title of all("svg title", root)) {
    title.parentElement.dataset.tip = title.textContent;
    title.remove();
  }
}
moveTitles(document);
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

// What needs this script appears with it.
for (const part of all(".scripted")) part.hidden = false;

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
