"use strict";
// The browser's half of a page: see the room's docstring. Names of classes and files come in as text, never as HTML.
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const types = {
    uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
    uint32: Uint32Array, int32: Int32Array, float32: Float32Array, float64: Float64Array,
  };

  // A packed array -> a promise of {values, shape}.
  async function unpack({ type, shape, deflate }) {
    const bytes = Uint8Array.from(atob(deflate), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return { values: new types[type](await new Response(stream).arrayBuffer()), shape };
  }

  // An element. attributes: functions listen ({click: () => ...}), null and false are left out, true has no value.
  const tag = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
  const svg = (name, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

  function fill(element, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") element.addEventListener(key, value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  }

  // A number with about `digits` digits that mean something, and a real minus.
  function number(value, digits = 3) {
    if (value === null || !Number.isFinite(value)) return "–";
    if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en").replace("-", "−");
    const size = Math.abs(value);
    const text = size >= 1e6 || size < 1e-3 ? value.toExponential(digits - 1) : String(+value.toPrecision(digits));
    return text.replace(/-/g, "−").replace("e+", "e");
  }

  // The readout beside the pointer: there is one on the page.
  const readout = tag("div", { class: "readout", role: "status", hidden: true });
  document.body.append(readout);

  function show(content, x, y) {
    readout.replaceChildren(...[content].flat());
    readout.hidden = false;
    const { width, height } = readout.getBoundingClientRect();
    const left = x + 14 + width > innerWidth ? x - 14 - width : x + 14;
    const top = y + 18 + height > innerHeight ? y - 12 - height : y + 18;
    readout.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
    readout.style.top = `${Math.max(4, top)}px`;
  }

  function hide() {
    readout.hidden = true;
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("scroll", hide, { passive: true });

  // textOf(event): a string, a node, a list of them, or null for nothing. Called with a pointer's event, or with the
  // focus event of the element or of one inside it: then the readout stands beside that.
  function hover(element, textOf) {
    const say = (event, x, y) => {
      const content = textOf(event);
      if (content === null || content === undefined || content === "") hide();
      else show(content, x, y);
    };
    element.addEventListener("pointermove", (event) => say(event, event.clientX, event.clientY));
    element.addEventListener("pointerdown", (event) => say(event, event.clientX, event.clientY));
    element.addEventListener("pointerleave", hide);
    element.addEventListener("focusin", (event) => {
      if (!event.target.matches(":focus-visible")) return;
      const box = event.target.getBoundingClientRect();
      say(event, (box.left + box.right) / 2, box.bottom - 12);
    });
    element.addEventListener("focusout", hide);
  }

  // {row, column} of the cell under the pointer where an array of rows x columns fills the element; else null.
  function cell(event, element, rows, columns) {
    const box = element.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
  }

  // One pixel for each of `values`; colours: [r, g, b] or [r, g, b, a] of each value that occurs.
  function paint(canvas, values, rows, columns, colours) {
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    const table = new Uint32Array(Uint8Array.from(colours.flatMap(([r, g, b, a = 255]) => [r, g, b, a])).buffer);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[values[i]];
    context.putImageData(image, 0, 0);
  }

  return Object.freeze({ data, unpack, tag, svg, number, show, hide, hover, cell, paint });
})();
