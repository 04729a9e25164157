// The values of a row: images, audio, texts, curves, and names of plain values.
import { element } from "./dom.js";
import { rowValues } from "./row_card.js";

const MAX_ENLARGEMENT = 40; // of a small image

export const mediaUrl = (row, cell) => `media/${row}/${encodeURIComponent(cell.name)}`;

export function imageOf(row, cell) {
  const img = element("img", { src: mediaUrl(row, cell), alt: cell.name });
  img.onload = () => {
    img.classList.toggle("pixels", Math.max(img.naturalWidth, img.naturalHeight) <= 128);
    img.style.maxHeight = `${MAX_ENLARGEMENT * img.naturalHeight}px`;
  };
  return img;
}

const audioOf = (row, cell, attributes) => element("audio", { src: mediaUrl(row, cell), controls: true, ...attributes });

function curve(points) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const low = Math.min(...points);
  const range = Math.max(...points) - low || 1;
  svg.setAttribute("viewBox", "0 -2 1000 104");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "curve");
  const path = document.createElementNS(space, "path");
  const corners = points.map((y, i) => `${((1000 * i) / (points.length - 1)).toFixed(1)},${(100 - (100 * (y - low)) / range).toFixed(2)}`);
  path.setAttribute("d", `M${corners.join("L")}`);
  svg.append(path);
  return svg;
}

// All cells of a row, large: a figure each, and the plain values.
export function cellFigures(row, cells) {
  const content = {
    image: (cell) => imageOf(row, cell),
    audio: (cell) => audioOf(row, cell, { autoplay: true }),
    curve: (cell) => curve(cell.points),
    text: (cell) => element("div", { className: "text" }, cell.text),
  };
  const figures = cells.filter((cell) => cell.kind !== "value").map((cell) => {
    const title = cells.length === 1 ? [] : [element("figcaption", {}, cell.name)];
    return element("figure", {}, ...title, content[cell.kind](cell));
  });
  const values = cells.filter((cell) => cell.kind === "value");
  if (!values.length) return figures;
  return [...figures, rowValues(values.map((cell) => [cell.name, cell.text]))];
}

// A row in a small space: its first image, text, curve or audio; null where it has none of these.
export function thumbnail(row, cells) {
  const first = (kind) => cells.find((cell) => cell.kind === kind);
  if (first("image")) return imageOf(row, first("image"));
  if (first("text")) return element("div", { className: "words" }, first("text").text.slice(0, 160));
  if (first("curve")) return curve(first("curve").points);
  return first("audio") ? audioOf(row, first("audio"), { preload: "none" }) : null;
}
