// The page of a report: navigation, copying, printing.
import { all, copyText } from "./dom.js";
import "./tip.js";

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
