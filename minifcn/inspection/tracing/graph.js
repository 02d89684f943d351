"use strict";
// The drawing: boxes to click and to walk through with the arrow keys, painted with what they hold.
(() => {
  const { layers, targets, chosen } = trace;
  const net = document.getElementById("net");
  const scroll = document.getElementById("scroll");
  const boxes = layers.map((_, k) => document.getElementById(`layer-${k}`));
  const readers = layers.map(() => []);
  const fed = ({ kind, inputs }) => (kind === "Crop" ? inputs.slice(0, 1) : inputs); // not by what only lends its size
  layers.forEach((layer, k) => fed(layer).forEach((i) => readers[i].push(k)));

  const paint = document.getElementById("paint");
  paint.append(page.tag("option", { value: "activation" }, "what comes out"));
  targets.forEach(({ name }, t) => paint.append(page.tag("option", { value: `${t}` }, `gradient of ${t + 1}: ${name}`)));
  paint.addEventListener("change", () => {
    if (paint.value === "activation") trace.choose({ paint: "activation" });
    else trace.choose({ paint: "gradient", target: Number(paint.value) });
  });

  function mark() {
    boxes.forEach((box, k) => {
      box.classList.toggle("chosen", k === chosen.layer);
      box.setAttribute("aria-pressed", String(k === chosen.layer));
      box.setAttribute("tabindex", k === chosen.layer ? "0" : "-1");
    });
    paint.value = chosen.paint === "activation" ? "activation" : String(chosen.target);
  }

  function reveal(k) {
    const box = boxes[k].getBoundingClientRect();
    const frame = scroll.getBoundingClientRect();
    if (box.left < frame.left + 40) scroll.scrollLeft += box.left - frame.left - 80;
    if (box.right > frame.right - 40) scroll.scrollLeft += box.right - frame.right + 80;
    if (box.top < frame.top) scroll.scrollTop += box.top - frame.top - 20;
    if (box.bottom > frame.bottom) scroll.scrollTop += box.bottom - frame.bottom + 20;
  }

  const middle = (k) => {
    const { x, y, width, height } = boxes[k].querySelector(".outline").getBBox();
    return { x: x + width / 2, y: y + height / 2 };
  };
  const near = (k, others) => {
    const from = middle(k);
    const far = (n) => Math.abs(middle(n).y - from.y) * 4 + Math.abs(middle(n).x - from.x);
    return others.reduce((best, n) => (best === null || far(n) < far(best) ? n : best), null);
  };
  const all = layers.map((_, k) => k);
  const steps = {
    ArrowRight: (k) => near(k, readers[k]),
    ArrowLeft: (k) => near(k, fed(layers[k])),
    ArrowUp: (k) => beside(k, (dy) => dy < -3),
    ArrowDown: (k) => beside(k, (dy) => dy > 3),
    Home: () => 0,
    End: () => layers.length - 1,
  };
  // The nearest box of another lane: the next lane up or down, and there the nearest.
  function beside(k, there) {
    const from = middle(k);
    const others = all.filter((n) => there(middle(n).y - from.y));
    const far = (n) => Math.abs(middle(n).y - from.y) * 0.7 + Math.abs(middle(n).x - from.x);
    return others.reduce((best, n) => (best === null || far(n) < far(best) ? n : best), null);
  }

  boxes.forEach((box, k) => {
    box.addEventListener("click", () => {
      trace.choose({ layer: k, cell: null });
      box.focus({ preventScroll: true });
    });
    box.addEventListener("keydown", (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      const next = steps[event.key](k);
      if (next === null) return;
      trace.choose({ layer: next, cell: null });
      boxes[next].focus({ preventScroll: true });
      reveal(next);
    });
  });

  // --- size ----------------------------------------------------------------------------------------------------------

  const { width, height } = net.viewBox.baseVal;
  let zoom = 1;
  function resize(to) {
    const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / zoom;
    zoom = Math.min(Math.max(to, 0.2), 4);
    net.setAttribute("width", width * zoom);
    net.setAttribute("height", height * zoom);
    net.style.setProperty("--text", `${Math.min(14, Math.max(12, 10 / zoom))}px`); // legible, and no larger than there is room
    scroll.scrollLeft = middle * zoom - scroll.clientWidth / 2;
  }
  document.getElementById("larger").addEventListener("click", () => resize(zoom * 1.25));
  document.getElementById("smaller").addEventListener("click", () => resize(zoom / 1.25));
  document.getElementById("fit").addEventListener("click", () => resize(scroll.clientWidth / width));
  resize(Math.max(0.67, Math.min(1, scroll.clientWidth / width))); // no smaller than names are legible
  scroll.scrollLeft = 0;

  // --- paint ---------------------------------------------------------------------------------------------------------

  const canvas = document.createElement("canvas");
  const table = (colour) => Array.from({ length: 256 }, (_, code) => colour(code / 255));
  const pictures = page.data.tasks.map((task) => task.label && trace.prediction(task));

  async function repaint() {
    const gradient = chosen.paint === "gradient" && targets[chosen.target];
    const values = await trace.bytes(gradient ? gradient.thumbs : page.data.thumbs);
    const colours = table(gradient ? trace.colours.size : trace.colours.plain);
    let from = 0;
    for (const [k, layer] of layers.entries()) {
      const image = boxes[k].querySelector("image");
      const [rows, columns] = layer.thumb;
      const output = page.data.outputs.indexOf(k);
      if (gradient && !gradient.reached[k]) {
        image.removeAttribute("href");
        continue;
      }
      if (!gradient && k === 0) image.setAttribute("href", page.data.picture.src);
      else if (!gradient && output >= 0 && pictures[output]) image.setAttribute("href", await pictures[output]);
      else {
        page.paint(canvas, values.subarray(from, from + rows * columns), rows, columns, colours);
        image.setAttribute("href", canvas.toDataURL());
      }
      from += rows * columns;
    }
  }

  trace.listen((changed) => {
    if (changed.layer || changed.paint || changed.target) mark();
    if (changed.layer && !scroll.contains(document.activeElement)) reveal(chosen.layer);
    if (changed.paint || (changed.target && chosen.paint === "gradient")) repaint();
  });
  mark();
  repaint();
})();
