"use strict";
// What is chosen on the page, and where cells look: minifcn.coords in whole numbers over a common denominator.
const trace = (() => {
  const { layers, targets } = page.data;
  const chosen = { layer: 0, target: 0, cell: null, scale: "each", curve: "mixed", paint: "activation" };
  const listeners = [];

  // listener(what is new): called with the keys that changed, once for each `choose`.
  const listen = (listener) => listeners.push(listener);

  function choose(wanted) {
    const changed = {};
    for (const [key, value] of Object.entries(wanted)) {
      if (chosen[key] !== value) changed[key] = true;
      chosen[key] = value;
    }
    if (Object.keys(changed).length) listeners.forEach((listener) => listener(changed));
  }

  const divisor = (a, b) => (b ? divisor(b, a % b) : Math.abs(a));

  // top / below as text: exact, as "3", "-80.5" or "1/3".
  function fraction(top, below) {
    if ((top * 10000) % below === 0) return String(top / below).replace("-", "−");
    const common = divisor(top, below);
    return `${top / common}/${below / common}`.replace("-", "−");
  }

  // The input pixels that a position of a layer's output sees, both ends included, and its centre as text and number.
  function field(layer, y, x) {
    const along = ([scale, shift, low, high, below], n) => ({
      first: Math.floor((scale * n + low) / below),
      last: Math.ceil((scale * n + high) / below),
      centre: (scale * n + shift) / below,
      told: fraction(scale * n + shift, below),
    });
    const { place } = layers[layer];
    const rows = along(place.y, y);
    const columns = along(place.x, x);
    return { top: rows.first, left: columns.first, bottom: rows.last, right: columns.last, rows, columns };
  }

  // What a code stands for: see inspection/tracing/maps.py.
  function value(maps, n, code) {
    const s = maps.signed ? (code - 128) / 127 : code / 255;
    return s * Math.abs(s) * maps.largest[n];
  }

  // Tables of colours: 256 from a few. What is less than nothing goes to one side of zero, what is more to the other.
  const stops = (colours) => (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (colours.length - 1);
    const k = Math.min(Math.floor(at), colours.length - 2);
    return colours[k].map((a, c) => Math.round(a + (colours[k + 1][c] - a) * (at - k)));
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const SIGNED = {
    light: stops([[3, 42, 96], [33, 113, 181], [146, 197, 232], [246, 246, 246], [250, 190, 130], [217, 95, 14], [112, 40, 2]]),
    dark: stops([[190, 228, 255], [84, 168, 235], [24, 84, 145], [16, 20, 25], [140, 62, 10], [240, 138, 60], [255, 222, 184]]),
  };
  const SIZE = {
    light: stops([[246, 246, 246], [253, 208, 162], [241, 105, 19], [112, 40, 2]]),
    dark: stops([[16, 20, 25], [120, 50, 6], [240, 138, 60], [255, 235, 210]]),
  };
  const colours = {
    plain: stops([[0, 32, 77], [33, 59, 110], [76, 84, 108], [108, 110, 114], [144, 137, 120], [182, 164, 112], [222, 195, 84], [255, 234, 70]]),
    signed: (share) => SIGNED[dark.matches ? "dark" : "light"]((share + 1) / 2),
    size: (share) => SIZE[dark.matches ? "dark" : "light"](share),
  };
  dark.addEventListener("change", () => listeners.forEach((listener) => listener({ scale: true, paint: true })));

  const unpacked = new Map();
  // A packed array -> a promise of its values; unpacked once.
  function bytes(packed) {
    if (!unpacked.has(packed)) unpacked.set(packed, page.unpack(packed).then(({ values }) => values));
    return unpacked.get(packed);
  }

  // A task's predictions in the colours of its classes -> a promise of a data URI.
  async function prediction(task) {
    const canvas = document.createElement("canvas");
    const colours = Array.from({ length: 256 }, () => [0, 0, 0]);
    task.classes.forEach(({ number, colour }) => (colours[number] = colour));
    page.paint(canvas, await bytes(task.label), ...task.label.shape, colours);
    return canvas.toDataURL();
  }

  return { layers, targets, prediction, chosen, listen, choose, fraction, field, value, colours, bytes };
})();
