// <embedding-map>: points drawn by WebGL (pixel by pixel where there is none), explored with pointer and keys.
import { all, Part, tip } from "./dom.js";

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}
const css = ([r, g, b]) => `rgb(${r},${g},${b})`;
const said = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

// Painters: place(from, to), paint(colours), draw(view, mix, size); places are uint16, colours RGBA bytes a point.
const VERTEX = `attribute vec2 a, b; attribute vec4 c; uniform float mixed; uniform mediump float size; uniform vec2 scale, shift; varying vec4 tint;
void main() { tint = c; gl_Position = vec4(mix(a, b, mixed) * scale + shift, 0.0, 1.0); gl_PointSize = size;
  if (c.a == 0.0) gl_Position = vec4(9.0, 9.0, 9.0, 1.0); }`;
const FRAGMENT = `precision mediump float; varying vec4 tint; uniform mediump float size;
void main() { float d = length(gl_PointCoord - 0.5) * size; float k = clamp(size * 0.5 - d + 0.5, 0.0, 1.0);
  if (size < 3.0) k = 1.0; if (k == 0.0) discard; gl_FragColor = vec4(tint.rgb, 1.0) * tint.a * k; }`;

function glPainter(canvas, count, forced) {
  const gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true, failIfMajorPerformanceCaveat: !forced });
  if (!gl) return null;
  const driver = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = driver ? gl.getParameter(driver.UNMASKED_RENDERER_WEBGL) : "";
  if (!forced && /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer)) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const buffers = { a: gl.createBuffer(), b: gl.createBuffer(), c: gl.createBuffer() };
  for (const [name, wide, kind] of [["a", 2, gl.UNSIGNED_SHORT], ["b", 2, gl.UNSIGNED_SHORT], ["c", 4, gl.UNSIGNED_BYTE]]) {
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, wide, kind, true, 0, 0);
  }
  const fill = (name, data) => { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]); gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW); };
  const where = (name) => gl.getUniformLocation(program, name);
  const [mixed, size, scale, shift] = ["mixed", "size", "scale", "shift"].map(where);
  return {
    name: "webgl",
    place(from, to) { fill("a", from); fill("b", to); },
    paint(colours) { fill("c", colours); },
    draw(view, mix, dot) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const [x, y] = [2 * view.zoom / view.width, 2 * view.zoom / view.height];
      gl.uniform2f(scale, x, y);
      gl.uniform2f(shift, -view.x * x, -view.y * y);
      gl.uniform1f(mixed, mix);
      gl.uniform1f(size, dot * view.ratio);
      gl.drawArrays(gl.POINTS, 0, count);
    },
    finish() { gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); },
  };
}

// Without a graphics card: squares set pixel by pixel, which is faster there than WebGL in software.
function plainPainter(canvas, count) {
  const flat = canvas.getContext("2d");
  let from, to, words, sheet, pixels;
  return {
    name: "canvas",
    place(a, b) { [from, to] = [a, b]; },
    paint(colours) { words = new Uint32Array(colours.buffer, colours.byteOffset, count); },
    draw(view, mix, dot) {
      const { width, height } = canvas;
      if (!sheet || sheet.width !== width || sheet.height !== height) {
        sheet = flat.createImageData(width, height);
        pixels = new Uint32Array(sheet.data.buffer);
      }
      pixels.fill(0);
      const zoom = view.zoom * view.ratio, scale = zoom / 65535, side = Math.max(Math.round(dot * view.ratio), 1);
      const [left, low] = [(width - side) / 2 - view.x * zoom, (height - side) / 2 + view.y * zoom];
      for (let i = 0; i < count; i++) {
        const word = words[i];
        if (!word) continue;
        const x = Math.round(left + (from[2 * i] + (to[2 * i] - from[2 * i]) * mix) * scale);
        const y = Math.round(low - (from[2 * i + 1] + (to[2 * i + 1] - from[2 * i + 1]) * mix) * scale);
        if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
        for (let line = y * width + x, end = line + side * width; line < end; line += width) {
          for (let p = line; p < line + side; p++) pixels[p] = word;
        }
      }
      flat.putImageData(sheet, 0, 0);
    },
    finish() { flat.getImageData(0, 0, 1, 1); },
  };
}

class RowMap {
  constructor(root) {
    this.root = root;
    const data = this.data = JSON.parse(root.querySelector("script").textContent);
    this.count = data.count;
    for (const layout of data.layouts) {
      layout.places = unpack(layout.places);
      layout.which = layout.which && unpack(layout.which);
    }
    for (const colour of data.colours) colour.codes = unpack(colour.codes);
    this.detailed = unpack(data.detailed);
    this.item = new Map([...this.detailed].map((point, i) => [point, i]));
    this.neighbours = unpack(data.neighbours);
    if (data.course) {
      data.course.which = unpack(data.course.which);
      data.course.places = unpack(data.course.places);
    }
    if (data.sprites) {
      this.sprites = new Image();
      this.sprites.src = data.sprites.source;
    }
    this.hint = root.querySelector(".maplist").innerHTML;
    this.canvas = root.querySelector(".mappoints");
    this.over = root.querySelector(".mapover");
    root.querySelector(".mapstatic").classList.add("printed");
    const asked = new URLSearchParams(location.search).get("map"); // "webgl" or "plain", to look at either
    this.painter = asked === "plain" ? null : glPainter(this.canvas, this.count, asked === "webgl");
    if (!this.painter) {
      const other = this.canvas.cloneNode(); // a canvas that gave WebGL gives nothing else
      this.canvas.replaceWith(other);
      this.canvas = other;
      this.painter = plainPainter(other, this.count);
    }
    this.view = { x: 0.5, y: 0.5, zoom: 1, width: 1, height: 1, ratio: 1 };
    this.alone = null; this.tool = "move"; this.hover = -1; this.picked = -1; this.lasso = null; this.mixed = 1;
    const pick = root.querySelector("[data-map-layout]");
    this.layout = pick ? Number(pick.value) : 0;
    this.colour = 0;
    this.step = data.course ? data.course.steps.length : 0;
    this.shown = new Uint8Array(this.count);
    this.places = this.target();
    this.painter.place(this.places, this.places);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement);
    this.legend();
    this.paint();
    this.resize();
    this.whole();
  }

  // Where each point is to lie; `shown` says whether it lies anywhere.
  target() {
    const { course, layouts } = this.data, layout = layouts[this.layout];
    const places = new Uint16Array(layouts[0].places), early = course && this.layout === 0 && this.step < course.steps.length;
    this.shown.fill(layout.which || early ? 0 : 1);
    if (layout.which) {
      layout.which.forEach((point, i) => { places.set(layout.places.subarray(2 * i, 2 * i + 2), 2 * point); this.shown[point] = 1; });
    } else if (early) {
      const moment = course.places.subarray(2 * this.step * course.which.length);
      course.which.forEach((point, i) => { places.set(moment.subarray(2 * i, 2 * i + 2), 2 * point); this.shown[point] = 1; });
    }
    return places;
  }

  move() {
    const from = this.places;
    this.places = this.target();
    this.painter.place(from, this.places);
    this.paint();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches, start = performance.now();
    const turn = ++this.turn || (this.turn = 1);
    const frame = (now) => {
      if (turn !== this.turn) return;
      this.mixed = calm ? 1 : Math.min((now - start) / 350, 1);
      this.draw();
      if (this.mixed < 1) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  tint(colour, code) {
    if (code === 65535) return colour.none;
    return colour.names.length ? colour.tints[code] : colour.tints[Math.round(code / 5)];
  }

  paint() {
    const colour = this.data.colours[this.colour], bytes = new Uint8Array(4 * this.count), alone = this.alone;
    const quiet = colour.names[0] === "right" ? 0 : -1; // what is right must not hide what is wrong
    for (let i = 0; i < this.count; i++) {
      if (!this.shown[i]) continue;
      const code = colour.codes[i], [r, g, b] = this.tint(colour, code);
      bytes[4 * i] = r; bytes[4 * i + 1] = g; bytes[4 * i + 2] = b;
      bytes[4 * i + 3] = alone !== null && code !== alone ? 18 : code === 65535 ? 110 : code === quiet ? 70 : 215;
    }
    this.painter.paint(bytes);
    this.later();
  }

  resize() {
    const { width, height } = this.canvas.parentElement.getBoundingClientRect();
    if (!width || !height) return;
    const before = this.view.width, ratio = Math.min(devicePixelRatio || 1, 2);
    for (const canvas of [this.canvas, this.over]) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    Object.assign(this.view, { width, height, ratio });
    if (before > 1) this.view.zoom *= width / before;
    this.draw();
  }

  whole() {
    let [left, right, low, high] = [65535, 0, 65535, 0];
    for (let i = 0; i < this.count; i++) {
      if (!this.shown[i]) continue;
      const x = this.places[2 * i], y = this.places[2 * i + 1];
      if (x < left) left = x; if (x > right) right = x;
      if (y < low) low = y; if (y > high) high = y;
    }
    const { view } = this;
    view.x = (left + right) / 131070; view.y = (low + high) / 131070;
    view.zoom = 65535 * Math.min((view.width - 24) / Math.max(right - left, 1), (view.height - 24) / Math.max(high - low, 1));
    this.base = view.zoom;
    this.later();
  }

  zoom(by, at = [this.view.width / 2, this.view.height / 2]) {
    const { view } = this, [x, y] = this.inside(at);
    view.zoom = Math.min(Math.max(view.zoom * by, this.base / 4), this.base * 400);
    view.x = x - (at[0] - view.width / 2) / view.zoom;
    view.y = y + (at[1] - view.height / 2) / view.zoom;
    this.later();
  }

  inside([left, top]) { const { view } = this; return [view.x + (left - view.width / 2) / view.zoom, view.y - (top - view.height / 2) / view.zoom]; }
  outside(i) {
    const { view, places } = this;
    return [(places[2 * i] / 65535 - view.x) * view.zoom + view.width / 2, view.height / 2 - (places[2 * i + 1] / 65535 - view.y) * view.zoom];
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    const many = this.shown.reduce((a, b) => a + b, 0), close = (this.view.zoom / (this.base || this.view.zoom)) ** 0.35;
    this.dot = Math.min((many > 20000 ? 2.2 : many > 4000 ? 3.2 : many > 800 ? 5 : 7) * Math.max(close, 0.7), 14);
    this.painter.draw(this.view, this.mixed, this.dot);
    const over = this.over.getContext("2d"), { ratio } = this.view, style = getComputedStyle(this.root);
    over.setTransform(ratio, 0, 0, ratio, 0, 0);
    over.clearRect(0, 0, this.view.width, this.view.height);
    over.strokeStyle = style.getPropertyValue("color");
    const ring = (i, more, wide) => { const [x, y] = this.outside(i); over.lineWidth = wide; over.beginPath(); over.arc(x, y, this.dot / 2 + more, 0, 7); over.stroke(); };
    if (this.picked >= 0) {
      over.lineWidth = 1;
      for (const other of this.near(this.picked)) {
        if (!this.shown[other]) continue;
        over.beginPath(); over.moveTo(...this.outside(this.picked)); over.lineTo(...this.outside(other)); over.stroke();
        ring(other, 2, 1.4);
      }
      if (this.shown[this.picked]) ring(this.picked, 4, 2.4);
    }
    if (this.hover >= 0) ring(this.hover, 2.5, 1.8);
    if (this.lasso) {
      over.beginPath();
      for (const at of this.lasso) over.lineTo(...at);
      over.closePath();
      over.lineWidth = 1.5; over.stroke();
      over.globalAlpha = 0.08; over.fillStyle = over.strokeStyle; over.fill(); over.globalAlpha = 1;
    }
  }

  near(point) {
    const { near } = this.data, row = near.of === "all" ? point : this.item.get(point);
    if (row === undefined) return [];
    return [...this.neighbours.subarray(row * near.k, row * near.k + near.k)].map((i) => this.detailed[i]);
  }

  under([left, top], reach = 12) {
    const [x, y] = this.inside([left, top]).map((v) => v * 65535), far = reach * 65535 / this.view.zoom;
    let [best, least] = [-1, far * far];
    for (let i = 0; i < this.count; i++) {
      if (!this.shown[i]) continue;
      const away = (this.places[2 * i] - x) ** 2 + (this.places[2 * i + 1] - y) ** 2;
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  // What a point is, in words: from the report's items where it is kept, from the colours else.
  words(point) {
    const i = this.item.get(point), { items, colours } = this.data;
    if (items && i !== undefined) return [items.labels[i], items.texts[i]].filter(Boolean).join(" · ") || `row ${items.rows[i]}`;
    const of = (name) => colours.find((c) => c.name === name && c.names.length && c.codes[point] !== 65535);
    const word = (c) => c.names[c.codes[point]];
    return colours.filter((c) => of(c.name) && !/: (answer|error)$/.test(c.name)).map((c) => {
      const prediction = of(`${c.name}: prediction`);
      const named = c.name === "split" ? "" : `${c.name} `;
      return named + word(c) + (prediction && word(prediction) !== word(c) ? `, predicted ${word(prediction)}` : "");
    }).join(" · ");
  }

  tile(point, side) {
    const { sprites } = this.data, i = this.item.get(point);
    if (!sprites || i === undefined) return null;
    const canvas = document.createElement("canvas"), [rows, columns] = sprites.size;
    [canvas.width, canvas.height] = [columns, rows];
    canvas.style.width = `${side * Math.min(columns / rows, 1.5)}px`;
    canvas.className = "maptile";
    const put = () => canvas.getContext("2d").drawImage(
      this.sprites, (i % sprites.across) * columns, Math.floor(i / sprites.across) * rows, columns, rows, 0, 0, columns, rows);
    if (this.sprites.complete) put(); else this.sprites.addEventListener("load", put, { once: true });
    return canvas;
  }

  card(point) {
    const card = document.createElement("li"), { items, colours } = this.data, i = this.item.get(point);
    const button = document.createElement("button");
    button.type = "button";
    const dot = document.createElement("i"), colour = colours[this.colour];
    dot.style.background = css(this.tint(colour, colour.codes[point]));
    const words = document.createElement("span");
    words.textContent = this.words(point);
    button.append(...[this.tile(point, 44), dot, words].filter(Boolean));
    if (items && i !== undefined) {
      const place = document.createElement("small");
      const split = colours.find((c) => c.name === "split");
      place.textContent = `row ${items.rows[i].toLocaleString("en")}, ${split.names[split.codes[point]]}`;
      words.append(document.createElement("br"), place);
    }
    button.addEventListener("click", () => this.pick(point));
    card.append(button);
    return card;
  }

  list(title, points, note = "") {
    const box = this.root.querySelector(".maplist"), heading = document.createElement("p"), cards = document.createElement("ul");
    heading.className = "maphead";
    heading.textContent = title;
    cards.append(...points.map((p) => this.card(p)));
    box.replaceChildren(heading, cards);
    if (note) { const p = document.createElement("p"); p.className = "dim"; p.textContent = note; box.append(p); }
    return box;
  }

  pick(point) {
    this.picked = point;
    if (point < 0) this.root.querySelector(".maplist").innerHTML = this.hint;
    else {
      const near = this.near(point), box = this.list("Chosen", [point]);
      if (near.length) {
        const cards = document.createElement("ul"), heading = document.createElement("p");
        heading.className = "maphead";
        heading.textContent = "Nearest in the whole space";
        cards.append(...near.map((p) => this.card(p)));
        box.append(heading, cards);
      }
      if (this.data.items && !this.item.has(point)) {
        const note = document.createElement("p");
        note.className = "dim";
        note.textContent = `The report keeps what ${this.detailed.length.toLocaleString("en")} of the rows are; the chosen one is not among them.`;
        box.append(note);
      }
    }
    this.later();
  }

  caught(loop) {
    const found = [], ends = loop.map((at) => this.inside(at));
    const [xs, ys] = [ends.map((e) => e[0]), ends.map((e) => e[1])];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    for (let i = 0; i < this.count; i++) {
      const x = this.places[2 * i] / 65535, y = this.places[2 * i + 1] / 65535;
      if (!this.shown[i] || x < left || x > right || y < low || y > high) continue;
      let within = false;
      for (let a = 0, b = ends.length - 1; a < ends.length; b = a++) {
        if (ys[a] > y !== ys[b] > y && x < (xs[b] - xs[a]) * (y - ys[a]) / (ys[b] - ys[a]) + xs[a]) within = !within;
      }
      if (within) found.push(i);
    }
    return found;
  }

  gather(loop) {
    const found = this.caught(loop), colour = this.data.colours[this.colour], counts = new Map();
    this.picked = -1;
    for (const i of found) counts.set(colour.codes[i], (counts.get(colour.codes[i]) || 0) + 1);
    const often = colour.names.length ? [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6) : [];
    const parts = often.map(([code, n]) => `${code === 65535 ? "not known" : colour.names[code]} (${n.toLocaleString("en")})`);
    const error = this.data.colours.find((c) => c.name.endsWith(": error")), bad = (i) => (error.codes[i] === 65535 ? -1 : error.codes[i]);
    const kept = this.data.items ? found.filter((i) => this.item.has(i)) : [];
    if (error) kept.sort((a, b) => bad(b) - bad(a));
    const title = said(found.length, "row") + (parts.length ? `: ${parts.join(", ")}` : "");
    this.list(title, kept.slice(0, 60), kept.length > 60 ? `The first 60 of ${kept.length.toLocaleString("en")} that are kept.` : "");
    this.later();
  }

  legend() {
    const box = this.root.querySelector(".maplegend"), colour = this.data.colours[this.colour];
    box.replaceChildren();
    if (!colour.names.length) {
      const bar = document.createElement("span"), short = (v) => Number(v.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
      bar.className = "mapscale";
      bar.style.background = `linear-gradient(90deg, ${colour.tints.map(css).join(",")})`;
      box.append(short(colour.ends[0]), bar, short(colour.ends[1]));
      return;
    }
    const counts = new Map();
    for (const code of colour.codes) counts.set(code, (counts.get(code) || 0) + 1);
    const order = [...counts.keys()].sort((a, b) => a - b), first = order.slice(0, 24);
    for (const code of first) {
      const button = document.createElement("button"), dot = document.createElement("i");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      dot.style.background = css(this.tint(colour, code));
      button.append(dot, code === 65535 ? "not known" : colour.names[code]);
      button.title = said(counts.get(code), "row");
      button.addEventListener("click", () => {
        this.alone = this.alone === code ? null : code;
        for (const other of box.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button && this.alone !== null));
        this.paint();
      });
      box.append(button);
    }
    if (order.length > first.length) box.append(` and ${order.length - first.length} more`);
  }

  listen() {
    const { root, canvas } = this, one = (s) => root.querySelector(s);
    const layout = one("[data-map-layout]"), course = one("[data-map-course]");
    one("[data-map-colour]").addEventListener("change", (event) => { this.colour = Number(event.target.value); this.alone = null; this.legend(); this.paint(); });
    if (layout) layout.addEventListener("change", () => {
      this.layout = Number(layout.value);
      if (course) one(".mapcourse").hidden = this.layout !== 0;
      this.move();
      this.whole();
    });
    if (course) {
      one(".mapcourse").hidden = this.layout !== 0;
      const { steps } = this.data.course, output = course.nextElementSibling;
      course.addEventListener("input", () => {
        this.step = Number(course.value);
        const word = this.step < steps.length ? `step ${steps[this.step].toLocaleString("en")}` : "end";
        output.textContent = word;
        course.setAttribute("aria-valuetext", word);
        this.move();
      });
    }
    const tools = all("[data-map-tool]", root);
    for (const button of tools) button.addEventListener("click", () => {
      this.tool = button.dataset.mapTool;
      for (const other of tools) other.setAttribute("aria-pressed", String(other === button));
      canvas.classList.toggle("lassoing", this.tool === "lasso");
    });
    const zooms = { in: () => this.zoom(1.5), out: () => this.zoom(1 / 1.5), whole: () => this.whole() };
    for (const button of all("[data-map-zoom]", root)) button.addEventListener("click", zooms[button.dataset.mapZoom]);
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-40, 0], ArrowRight: [40, 0], ArrowUp: [0, -40], ArrowDown: [0, 40] }[event.key];
      if (step) { this.view.x += step[0] / this.view.zoom; this.view.y -= step[1] / this.view.zoom; this.later(); }
      else if (event.key === "+" || event.key === "=") this.zoom(1.3);
      else if (event.key === "-") this.zoom(1 / 1.3);
      else if (event.key === "0") this.whole();
      else if (event.key === "Enter") this.pick(this.under([this.view.width / 2, this.view.height / 2], 1e6));
      else if (event.key === "Escape") this.pick(-1);
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), this.at(event));
    }, { passive: false });
    this.drag();
  }

  at(event) { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; }

  drag() {
    const { canvas } = this;
    let start = null, moved = false;
    canvas.addEventListener("pointerdown", (event) => {
      start = this.at(event);
      moved = false;
      if (this.tool === "lasso" || event.shiftKey) this.lasso = [start];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = this.at(event);
      if (!start) return this.show(event, this.under(at));
      moved = moved || Math.hypot(at[0] - start[0], at[1] - start[1]) > 4;
      if (!moved) return;
      if (this.lasso) this.lasso.push(at);
      else { this.view.x -= (at[0] - start[0]) / this.view.zoom; this.view.y += (at[1] - start[1]) / this.view.zoom; start = at; }
      this.show(event, -1);
      this.later();
    });
    canvas.addEventListener("pointerup", (event) => {
      const loop = this.lasso;
      [start, this.lasso] = [null, null];
      if (!moved) this.pick(this.under(this.at(event)));
      else if (loop) this.gather(loop);
      this.later();
    });
    canvas.addEventListener("pointercancel", () => { [start, this.lasso] = [null, null]; this.later(); });
    canvas.addEventListener("pointerleave", (event) => this.show(event, -1));
  }

  // The tooltip: a tile and words beside the pointer.
  show(event, point) {
    if (point !== this.hover) { this.hover = point; this.later(); }
    tip.hidden = point < 0;
    if (point < 0) return;
    tip.replaceChildren(...[this.tile(point, 56), document.createTextNode(this.words(point))].filter(Boolean));
    const { width, height } = tip.getBoundingClientRect();
    const top = event.clientY - height - 14 < 4 ? event.clientY + 18 : event.clientY - height - 14;
    tip.style.transform = `translate(${Math.max(Math.min(event.clientX + 14, innerWidth - width - 8), 8)}px, ${top}px)`;
    event.stopPropagation();
  }
}

class EmbeddingMap extends Part {
  start() { this.map = new RowMap(this); }
}
customElements.define("embedding-map", EmbeddingMap);
