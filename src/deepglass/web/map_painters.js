// Painters of the embedding map: points drawn by WebGL, or pixel by pixel where there is none.
// setPositions(from, to), setColours(bytes), draw(view, share, size); positions are uint16, colours RGBA bytes a point.
const VERTEX = `attribute vec2 a, b; attribute vec4 c; uniform float share; uniform mediump float size; uniform vec2 scale, shift; varying vec4 colour;
void main() { colour = c; gl_Position = vec4(mix(a, b, share) * scale + shift, 0.0, 1.0); gl_PointSize = size;
  if (c.a == 0.0) gl_Position = vec4(9.0, 9.0, 9.0, 1.0); }`;
const FRAGMENT = `precision mediump float; varying vec4 colour; uniform mediump float size;
void main() { float d = length(gl_PointCoord - 0.5) * size; float k = clamp(size * 0.5 - d + 0.5, 0.0, 1.0);
  if (size < 3.0) k = 1.0; if (k == 0.0) discard; gl_FragColor = vec4(colour.rgb, 1.0) * colour.a * k; }`;

// The WebGL painter; null without a graphics card, unless it is forced.
export function webglPainter(canvas, count, forced) {
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
  for (const [name, components, type] of [["a", 2, gl.UNSIGNED_SHORT], ["b", 2, gl.UNSIGNED_SHORT], ["c", 4, gl.UNSIGNED_BYTE]]) {
    const location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, components, type, true, 0, 0);
  }
  const fill = (name, data) => { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]); gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW); };
  const uniforms = ["share", "size", "scale", "shift"].map((name) => gl.getUniformLocation(program, name));
  const [shareUniform, sizeUniform, scaleUniform, shiftUniform] = uniforms;
  return {
    name: "webgl",
    setPositions(from, to) { fill("a", from); fill("b", to); },
    setColours(bytes) { fill("c", bytes); },
    draw(view, share, size) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const [x, y] = [2 * view.zoom / view.width, 2 * view.zoom / view.height];
      gl.uniform2f(scaleUniform, x, y);
      gl.uniform2f(shiftUniform, -view.x * x, -view.y * y);
      gl.uniform1f(shareUniform, share);
      gl.uniform1f(sizeUniform, size * view.ratio);
      gl.drawArrays(gl.POINTS, 0, count);
    },
    finish() { gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); },
  };
}

// Without a graphics card: squares set pixel by pixel, which is faster there than WebGL in software.
export function pixelPainter(canvas, count) {
  const context = canvas.getContext("2d");
  let from, to, colours, image, pixels;
  return {
    name: "canvas",
    setPositions(a, b) { [from, to] = [a, b]; },
    setColours(bytes) { colours = new Uint32Array(bytes.buffer, bytes.byteOffset, count); },
    draw(view, share, size) {
      const { width, height } = canvas;
      if (!image || image.width !== width || image.height !== height) {
        image = context.createImageData(width, height);
        pixels = new Uint32Array(image.data.buffer);
      }
      pixels.fill(0);
      const zoom = view.zoom * view.ratio, scale = zoom / 65535, side = Math.max(Math.round(size * view.ratio), 1);
      const [left, bottom] = [(width - side) / 2 - view.x * zoom, (height - side) / 2 + view.y * zoom];
      for (let i = 0; i < count; i++) {
        const colour = colours[i];
        if (!colour) continue;
        const x = Math.round(left + (from[2 * i] + (to[2 * i] - from[2 * i]) * share) * scale);
        const y = Math.round(bottom - (from[2 * i + 1] + (to[2 * i + 1] - from[2 * i + 1]) * share) * scale);
        if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
        for (let line = y * width + x, end = line + side * width; line < end; line += width) {
          for (let p = line; p < line + side; p++) pixels[p] = colour;
        }
      }
      context.putImageData(image, 0, 0);
    },
    finish() { context.getImageData(0, 0, 1, 1); },
  };
}
