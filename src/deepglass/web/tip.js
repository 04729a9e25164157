// The tooltip of all pages: titles of drawings and elements, at once and beside the pointer.
import { all } from "./dom.js";

export const tip = document.getElementById("tip");

// Shows the tooltip beside the pointer, inside the window.
export function showTip(event, content) {
  tip.hidden = false;
  tip.replaceChildren(...content);
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.max(Math.min(event.clientX + 14, innerWidth - width - 8), 8);
  const top = event.clientY - height - 12 < 4 ? event.clientY + 18 : event.clientY - height - 12;
  tip.style.transform = `translate(${left}px, ${top}px)`;
}

// Titles of drawings.
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
  const titled = target && target.closest("[title]");
  if (titled) {
    titled.dataset.tip = titled.title;
    titled.removeAttribute("title");
  }
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
