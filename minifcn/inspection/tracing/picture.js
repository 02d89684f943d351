"use strict";
// The picture: what a cell sees outlined on it and beyond it, the targets, and the command for another target.
(() => {
  const { layers, targets, chosen } = trace;
  const { src, width, height } = page.data.picture;
  const view = document.getElementById("view");
  const told = document.getElementById("cell");
  const command = document.getElementById("command");
  const asks = page.data.tasks.some((task) => task.label);
  let box = [0, 0, width, height];

  const shade = page.svg("g", {});
  const marks = page.svg("g", {});
  view.append(
    page.svg("image", { href: src, width, height, preserveAspectRatio: "none" }),
    page.svg("g", { id: "overlay" }),
    page.svg("rect", { width, height, class: "frame-line" }),
    shade,
    marks,
  );

  // --- what a cell sees ----------------------------------------------------------------------------------------------

  // Room for whatever any cell of the layer sees, though no more than a picture's size on each side.
  function frame() {
    const [, rows, columns] = layers[chosen.layer].shape;
    const first = trace.field(chosen.layer, 0, 0);
    const last = trace.field(chosen.layer, rows - 1, columns - 1);
    const margin = 0.02 * Math.max(width, height);
    const left = Math.max(Math.min(0, first.left), -width) - margin;
    const top = Math.max(Math.min(0, first.top), -height) - margin;
    const right = Math.min(Math.max(width, last.right + 1), 2 * width) + margin;
    const bottom = Math.min(Math.max(height, last.bottom + 1), 2 * height) + margin;
    box = [left, top, right - left, bottom - top];
    view.setAttribute("viewBox", box.join(" "));
  }

  // The picture is as large as leaves room below it for the targets and the command, where all stand in one window.
  const panel = document.getElementById("picture");
  const LEAST = 180;
  function fit() {
    view.style.maxHeight = "";
    const over = panel.scrollHeight - panel.clientHeight;
    if (over > 0) view.style.maxHeight = `${Math.max(LEAST, view.getBoundingClientRect().height - over)}px`;
  }

  const rectangle = (left, top, right, bottom, kind) =>
    page.svg("rect", { x: left, y: top, width: right - left, height: bottom - top, class: `field ${kind}` });

  function outline() {
    shade.replaceChildren();
    if (!chosen.cell) return;
    const { y, x } = chosen.cell;
    const { top, left, bottom, right, rows, columns } = trace.field(chosen.layer, y, x);
    const inside = [Math.max(left, 0), Math.max(top, 0), Math.min(right + 1, width), Math.min(bottom + 1, height)];
    const beyond = left < 0 || top < 0 || right >= width || bottom >= height;
    shade.append(rectangle(left, top, right + 1, bottom + 1, "under"), rectangle(left, top, right + 1, bottom + 1, beyond ? "whole beyond" : "whole"));
    if (inside[0] < inside[2] && inside[1] < inside[3]) {
      if (beyond) shade.append(rectangle(...inside, "under"));
      shade.append(rectangle(...inside, "inside"));
    }
    const [cx, cy] = [columns.centre + 0.5, rows.centre + 0.5];
    const arm = 0.018 * Math.max(box[2], box[3]);
    if (Math.min(right - left, bottom - top) < 3 * arm) return; // the outline says it
    const cross = `M${cx - arm},${cy} H${cx + arm} M${cx},${cy - arm} V${cy + arm}`;
    shade.append(page.svg("path", { d: cross, class: "field under" }), page.svg("path", { d: cross, class: "field" }));
  }

  const share = (from, to, most) => {
    const parts = [];
    if (from < 0) parts.push(`${-from} before`);
    if (to >= most) parts.push(`${to - most + 1} behind`);
    return parts.join(", ");
  };

  const sees = (bound) => (bound ? "sees at most" : "sees");

  function tell() {
    if (!chosen.cell) {
      const { name, field, stride, bound } = layers[chosen.layer];
      told.textContent = `A cell of ${name} ${sees(bound)} ${field} pixels across, ${stride} further than its neighbour. Point at one.`;
      return;
    }
    const { y, x } = chosen.cell;
    const { top, left, bottom, right, rows, columns } = trace.field(chosen.layer, y, x);
    const over = [share(top, bottom, height), share(left, right, width)];
    const padding = [over[0] && `rows: ${over[0]}`, over[1] && `columns: ${over[1]}`].filter(Boolean).join("; ");
    told.replaceChildren(
      page.tag("b", {}, `${layers[chosen.layer].name} (${y}, ${x})`),
      ` looks at row ${rows.told}, column ${columns.told}; ${sees(layers[chosen.layer].bound)} rows ${top}…${bottom}, columns ${left}…${right}`.replace(/-/g, "−"),
      ` (${bottom - top + 1} x ${right - left + 1})`,
      padding ? `. Beyond the picture, where the net sees padding: ${padding}` : "",
      chosen.cell.says ? page.tag("br") : "",
      chosen.cell.says || "",
    );
  }

  // --- targets -------------------------------------------------------------------------------------------------------

  const list = document.getElementById("targets");
  const named = ({ name, of }) => (of ? `${of}: ${name}` : name);
  const buttons = targets.map((target, t) => {
    const place = asks ? ` at (${target.y}, ${target.x})` : "";
    const about = `score ${page.number(target.score)}, probability ${page.number(target.probability)}`;
    const choose = () => trace.choose({ target: t });
    return page.tag("button", { type: "button", click: choose }, `${t + 1}  ${named(target)}${place}`, page.tag("br"), page.tag("small", {}, about));
  });
  list.append(...buttons);

  function pins() {
    marks.replaceChildren();
    buttons.forEach((button, t) => button.setAttribute("aria-pressed", String(t === chosen.target)));
    if (!asks) return;
    const radius = 0.022 * Math.max(box[2], box[3]);
    targets.forEach((target, t) => {
      const pin = page.svg(
        "g",
        {
          class: `target${t === chosen.target ? " chosen" : ""}`,
          role: "button",
          tabindex: "0",
          "aria-label": `target ${t + 1}: ${named(target)}`,
          transform: `translate(${target.x + 0.5},${target.y + 0.5})`,
          click: (event) => {
            event.stopPropagation();
            trace.choose({ target: t });
          },
          keydown: (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            trace.choose({ target: t });
            marks.children[t].focus();
          },
        },
        page.svg("circle", { r: radius }),
        page.svg("text", { "font-size": 1.25 * radius }, String(t + 1)),
      );
      marks.append(pin);
    });
  }

  // A value that begins with "-" would be taken for a flag.
  const classFlag = (text) => `--class${text.startsWith("-") ? "=" : " "}${quoted(text)}`;
  const quoted = (text) => (/^[\w.,:/@%+=-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`);
  function ask(words) {
    const { begins, ends } = page.data.command;
    const parts = [begins, words, ends].filter(Boolean).join(" ").split(" ");
    command.replaceChildren(...parts.flatMap((part) => [page.tag("span", {}, part), " "]).slice(0, -1));
    fit();
  }
  const first = targets[chosen.target];
  ask(asks ? `${classFlag(first.of ? `${first.of}:${first.name}` : first.name)} --pixel ${first.y},${first.x}` : "--class NAME");

  const labels = Promise.all(page.data.tasks.map((task) => (task.label ? trace.bytes(task.label) : null)));
  function pixel(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(view.getScreenCTM().inverse());
    const [y, x] = [Math.floor(point.y), Math.floor(point.x)];
    return y >= 0 && x >= 0 && y < height && x < width ? { y, x } : null;
  }
  async function said(task, { y, x }) {
    const [rows, columns] = task.label.shape;
    const at = Math.min(rows - 1, Math.floor(((y + 0.5) * rows) / height)) * columns + Math.min(columns - 1, Math.floor(((x + 0.5) * columns) / width));
    const number = (await labels)[page.data.tasks.indexOf(task)][at];
    return task.classes.find((each) => each.number === number);
  }
  if (asks) {
    view.classList.add("asks");
    view.addEventListener("click", async (event) => {
      const place = pixel(event);
      if (!place) return;
      const task = page.data.tasks[0];
      const found = await said(task, place);
      ask(`${classFlag(task.name ? `${task.name}:${found.name}` : found.name)} --pixel ${place.y},${place.x}`);
      view.querySelector(".asked")?.remove();
      view.append(page.svg("circle", { cx: place.x + 0.5, cy: place.y + 0.5, r: 0.012 * Math.max(box[2], box[3]), class: "asked" }));
    });
    let says = new Map();
    labels.then((values) => (says = values));
    page.hover(view, (event) => {
      const place = event.clientX === undefined ? null : pixel(event);
      if (!place || !says.length) return null;
      return page.data.tasks
        .map((task, n) => {
          const [rows, columns] = task.label.shape;
          const at = Math.floor(((place.y + 0.5) * rows) / height) * columns + Math.floor(((place.x + 0.5) * columns) / width);
          const found = task.classes.find((each) => each.number === says[n][at]);
          return `${task.name ? `${task.name}: ` : ""}${found.name}`;
        })
        .concat(`(${place.y}, ${place.x})`)
        .join("\n");
    });
    predictions();
  }

  // --- what it says each pixel is --------------------------------------------------------------------------------------

  function predictions() {
    const overlay = document.getElementById("overlay");
    const shown = document.getElementById("predicted");
    const names = document.getElementById("classes");
    const task = page.data.tasks[0];
    shown.addEventListener("change", async () => {
      overlay.replaceChildren();
      names.replaceChildren();
      fit();
      if (!shown.checked) return;
      overlay.append(page.svg("image", { href: await trace.prediction(task), width, height, preserveAspectRatio: "none", class: "label" }));
      for (const { name, colour, share: part } of task.classes) {
        const swatch = page.tag("i", { class: "swatch" });
        swatch.style.background = `rgb(${colour})`;
        names.append(page.tag("span", { class: "key" }, swatch, `${name} ${page.number(100 * part, 2)} %`), " ");
      }
      fit();
    });
  }

  trace.listen((changed) => {
    if (changed.layer) frame();
    if (changed.layer || changed.target) pins();
    if (changed.layer || changed.cell) {
      outline();
      tell();
    }
    if (changed.layer) fit();
  });
  addEventListener("resize", fit);
  frame();
  pins();
  tell();
  fit();
})();
