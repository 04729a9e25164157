// What the modules of a page share. The report writes all modules into one script; a server may serve them one by one.
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const tip = document.getElementById("tip");

// A custom element around HTML that a template wrote: `start` runs once it is in the page; parts that need a script appear.
export class Part extends HTMLElement {
  connectedCallback() {
    for (const part of all(".scripted", this)) part.hidden = false;
    this.start();
  }
}
