// The points of the embedding map on its canvas: positions, colours, zoom, and which point lies where.
import { pixelPainter, webglPainter } from "./map_painters.js";

export const MISSING = 65535; // the code of an unknown value

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}

export function readMapData(root) {
  const data = JSON.parse(root.querySelector("script").textContent);
  for (const layout of data.layouts) {
    layout.positions = unpack(layout.positions);
    layout.points = layout.points && unpack(layout.points);
  }
  for (const colouring of data.colourings) colouring.codes = unpack(colouring.codes);
  data.item_points = unpack(data.item_points);
  data.neighbours.points = unpack(data.neighbours.points);
  if (data.trajectories) {
    data.trajectories.points = unpack(data.trajectories.points);
    data.trajectories.positions = unpack(data.trajectories.positions);
  }
  return data;
}

export class MapView {
  constructor(root, data) {
    Object.assign(this, { root, data, count: data.count });
    this.canvas = root.querySelector(".mappoints");
    this.overlay = root.querySelector(".mapoverlay");
    const forced = new URLSearchParams(location.search).get("map"); // "webgl" or "plain", to look at either
    this.painter = forced === "plain" ? null : webglPainter(this.canvas, this.count, forced === "webgl");
    if (!this.painter) {
      const other = this.canvas.cloneNode(); // a canvas that gave WebGL gives nothing else
      this.canvas.replaceWith(other);
      this.canvas = other;
      this.painter = pixelPainter(other, this.count);
    }
    this.camera = { x: 0.5, y: 0.5, zoom: 1, width: 1, height: 1, ratio: 1 };
    this.colouring = data.colourings[0];
    this.layout = 0;
    this.step = data.trajectories ? data.trajectories.steps.length : 0;
    this.onlyCode = null; // the code of the legend that stands out
    this.hovered = this.selected = -1;
    this.lasso = null;
    this.share = 1; // of the way to the current layout
    this.visible = new Uint8Array(this.count);
  }

  start() {
    this.positions = this.target();
    this.painter.setPositions(this.positions, this.positions);
    new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement);
    this.paint();
    this.resize();
    this.showAll();
  }

  // Where each point is to lie; `visible` is 1 for the points of the layout.
  target() {
    const { trajectories, layouts } = this.data, layout = layouts[this.layout];
    const positions = new Uint16Array(layouts[0].positions);
    const early = trajectories && this.layout === 0 && this.step < trajectories.steps.length;
    this.visible.fill(layout.points || early ? 0 : 1);
    const set = (points, values) => points.forEach((point, i) => {
      positions.set(values.subarray(2 * i, 2 * i + 2), 2 * point);
      this.visible[point] = 1;
    });
    if (layout.points) set(layout.points, layout.positions);
    else if (early) set(trajectories.points, trajectories.positions.subarray(2 * this.step * trajectories.points.length));
    return positions;
  }

  // Moves the points to their layout or training step, over a third of a second.
  move() {
    const from = this.positions;
    this.positions = this.target();
    this.painter.setPositions(from, this.positions);
    this.paint();
    const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches, start = performance.now();
    const animation = this.animation = (this.animation || 0) + 1;
    const frame = (now) => {
      if (animation !== this.animation) return;
      this.share = reduced ? 1 : Math.min(Math.max(now - start, 0) / 350, 1);
      this.draw();
      if (this.share < 1) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  colour(code) {
    const { missing, names, colours } = this.colouring;
    return code === MISSING ? missing : names.length ? colours[code] : colours[Math.round(code / 5)];
  }

  paint() {
    const { names, codes } = this.colouring, bytes = new Uint8Array(4 * this.count);
    const faint = names[0] === "right" ? 0 : -1; // correct predictions must not hide wrong ones
    for (let i = 0; i < this.count; i++) {
      if (!this.visible[i]) continue;
      const code = codes[i], alpha = code === MISSING ? 110 : code === faint ? 70 : 215;
      [bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2]] = this.colour(code);
      bytes[4 * i + 3] = this.onlyCode !== null && code !== this.onlyCode ? 18 : alpha;
    }
    this.painter.setColours(bytes);
    this.redraw();
  }

  resize() {
    const { width, height } = this.canvas.parentElement.getBoundingClientRect();
    if (!width || !height) return;
    const before = this.camera.width, ratio = Math.min(devicePixelRatio || 1, 2);
    for (const canvas of [this.canvas, this.overlay]) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    Object.assign(this.camera, { width, height, ratio });
    if (before > 1) this.camera.zoom *= width / before;
    else if (this.positions) this.showAll(); // it was hidden until now
    this.draw();
  }

  showAll() {
    let [left, right, bottom, top] = [65535, 0, 65535, 0];
    for (let i = 0; i < this.count; i++) {
      if (!this.visible[i]) continue;
      const x = this.positions[2 * i], y = this.positions[2 * i + 1];
      [left, right, bottom, top] = [Math.min(left, x), Math.max(right, x), Math.min(bottom, y), Math.max(top, y)];
    }
    const { camera } = this;
    camera.x = (left + right) / 131070; camera.y = (bottom + top) / 131070;
    camera.zoom = 65535 * Math.min((camera.width - 24) / Math.max(right - left, 1), (camera.height - 24) / Math.max(top - bottom, 1));
    this.wholeZoom = camera.zoom;
    this.redraw();
  }

  zoom(factor, at = [this.camera.width / 2, this.camera.height / 2]) {
    const { camera } = this, [x, y] = this.toMap(at);
    camera.zoom = Math.min(Math.max(camera.zoom * factor, this.wholeZoom / 4), this.wholeZoom * 400);
    camera.x = x - (at[0] - camera.width / 2) / camera.zoom;
    camera.y = y + (at[1] - camera.height / 2) / camera.zoom;
    this.redraw();
  }

  pan(right, down) {
    this.camera.x -= right / this.camera.zoom;
    this.camera.y += down / this.camera.zoom;
    this.redraw();
  }

  toMap([left, top]) {
    const { camera } = this;
    return [camera.x + (left - camera.width / 2) / camera.zoom, camera.y - (top - camera.height / 2) / camera.zoom];
  }

  toScreen(i) {
    const { camera, positions } = this;
    const [x, y] = [positions[2 * i] / 65535 - camera.x, positions[2 * i + 1] / 65535 - camera.y];
    return [x * camera.zoom + camera.width / 2, camera.height / 2 - y * camera.zoom];
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    const count = this.visible.reduce((a, b) => a + b, 0), closeness = (this.camera.zoom / (this.wholeZoom || this.camera.zoom)) ** 0.35;
    this.size = Math.min((count > 20000 ? 2.2 : count > 4000 ? 3.2 : count > 800 ? 5 : 7) * Math.max(closeness, 0.7), 14);
    this.painter.draw(this.camera, this.share, this.size);
    this.drawOverlay();
  }

  // Rings around the hovered and the selected point and its neighbours, and the lasso.
  drawOverlay() {
    const context = this.overlay.getContext("2d"), { ratio, width, height } = this.camera;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.strokeStyle = getComputedStyle(this.root).getPropertyValue("color");
    const ring = (i, margin, line) => {
      context.lineWidth = line;
      context.beginPath();
      context.arc(...this.toScreen(i), this.size / 2 + margin, 0, 7);
      context.stroke();
    };
    if (this.selected >= 0) {
      for (const neighbour of this.neighbours(this.selected)) {
        if (!this.visible[neighbour]) continue;
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(...this.toScreen(this.selected));
        context.lineTo(...this.toScreen(neighbour));
        context.stroke();
        ring(neighbour, 2, 1.4);
      }
      if (this.visible[this.selected]) ring(this.selected, 4, 2.4);
    }
    if (this.hovered >= 0) ring(this.hovered, 2.5, 1.8);
    if (!this.lasso) return;
    context.beginPath();
    for (const at of this.lasso) context.lineTo(...at);
    context.closePath();
    context.lineWidth = 1.5; context.stroke();
    context.globalAlpha = 0.08; context.fillStyle = context.strokeStyle; context.fill(); context.globalAlpha = 1;
  }

  // The nearest points in the whole space, as far as the report holds them.
  neighbours(point) {
    const { of, k, points } = this.data.neighbours, row = of === "all" ? point : this.data.item_points.indexOf(point);
    if (row < 0) return [];
    return [...points.subarray(row * k, row * k + k)].map((i) => this.data.item_points[i]);
  }

  // The visible point that lies next to a place on the screen; -1 for none within reach.
  nearest(at, reach = 12) {
    const [x, y] = this.toMap(at).map((v) => v * 65535), radius = reach * 65535 / this.camera.zoom;
    let [nearest, least] = [-1, radius * radius];
    for (let i = 0; i < this.count; i++) {
      if (!this.visible[i]) continue;
      const distance = (this.positions[2 * i] - x) ** 2 + (this.positions[2 * i + 1] - y) ** 2;
      if (distance < least) [nearest, least] = [i, distance];
    }
    return nearest;
  }

  pointsInside(lasso) {
    const points = [], corners = lasso.map((at) => this.toMap(at));
    for (let i = 0; i < this.count; i++) {
      const x = this.positions[2 * i] / 65535, y = this.positions[2 * i + 1] / 65535;
      if (!this.visible[i]) continue;
      let inside = false;
      corners.forEach(([ax, ay], a) => {
        const [bx, by] = corners.at(a - 1);
        if (ay > y !== by > y && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
      });
      if (inside) points.push(i);
    }
    return points;
  }
}
