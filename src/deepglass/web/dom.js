// What the modules of all pages share. The report writes them into one script; a server may serve them one by one.
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// An element with properties or attributes and children.
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in node && key !== "role") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// Copies text, and says so on the button; where the browser refuses, the text stands selected in `place`.
export async function copyText(button, text, place) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    let pre = place.querySelector("pre");
    if (!pre) place.append(pre = element("pre", { className: "copied" }, text));
    getSelection().selectAllChildren(pre);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = label; }, 1600);
}

// A custom element around HTML that a template wrote: `start` runs once it is in the page; parts that need a script appear.
export class Part extends HTMLElement {
  connectedCallback() {
    for (const part of all(".scripted", this)) part.hidden = false;
    this.start();
  }
}
