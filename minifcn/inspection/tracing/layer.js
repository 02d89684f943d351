"use strict";
// The chosen layer: what is known of it, its channels, and beside each the gradient of the target.
(() => {
  const { layers, targets, chosen } = trace;
  const find = (id) => document.getElementById(id);
  const tiles = find("tiles");
  let drawn = 0; // the number of the last drawing: what was begun before and is late draws nothing

  const times = (shape) => shape.join(" x ");
  const percent = (share) => (share === null ? "–" : `${page.number(100 * share)} %`);

  function facts() {
    const layer = layers[chosen.layer];
    const target = targets[chosen.target];
    const [low, mean, high, zeros] = layer.facts;
    const norm = (name) => (name in target.norms ? page.number(target.norms[name]) : null);
    const rows = [
      ["kind", layer.kind],
      ["window", [layer.window, layer.by].filter(Boolean).join(", ")],
      ["output", times(layer.shape)],
      ["stride", layer.stride],
      ["offset", layer.offset.replace(/-/g, "−")],
      ["receptive field", layer.bound ? `at most ${layer.field}` : layer.field],
      ["MACs", layer.macs],
      ["bytes", layer.bytes],
      ["least, mean, largest", [low, mean, high].map((value) => page.number(value)).join(", ")],
      ["zeros", percent(zeros)],
      ["gradient's norm", norm(layer.name) || "none reaches it"],
      ...layer.parameters.map(({ name, shape, learns, norm: size }) => {
        const gradient = norm(`${layer.name}.${name}`);
        const told = learns ? (gradient ? `, its gradient’s ${gradient}` : "") : ", fixed";
        return [name, `${times(shape)}: norm ${page.number(size)}${told}`];
      }),
    ];
    find("name").textContent = layer.name;
    find("facts").replaceChildren(
      ...rows.filter(([, text]) => text).map(([name, text]) => page.tag("div", { class: text.length > 24 ? "long" : null }, page.tag("dt", {}, name), page.tag("dd", {}, text))),
    );
    find("before").disabled = chosen.layer === 0;
    find("after").disabled = chosen.layer === layers.length - 1;
  }

  // The share of the largest value that a colour stands for, by the curve that is chosen; kind: "out" or "back".
  const bent = (share, kind) =>
    chosen.curve === "root" || (chosen.curve === "mixed" && kind === "back") ? Math.sign(share) * Math.sqrt(Math.abs(share)) : share;

  // The colours of the 256 codes of map n.
  function table(maps, n, kind) {
    const top = most(maps, n);
    return Array.from({ length: 256 }, (_, code) => colour(maps, kind)(bent(top ? trace.value(maps, n, code) / top : 0, kind)));
  }

  const colour = (maps, kind) => (kind === "back" || maps.signed ? trace.colours.signed : trace.colours.plain);

  const most = (maps, n) => (chosen.scale === "all" ? Math.max(...maps.largest) : maps.largest[n]);

  function bar(name, maps, kind) {
    const canvas = page.tag("canvas", { "aria-hidden": "true" });
    const signed = kind === "back" || maps.signed;
    const shares = Array.from({ length: 256 }, (_, k) => (signed ? -1 + k / 127.5 : k / 255));
    page.paint(canvas, Uint8Array.from(shares.keys()), 1, 256, shares.map((share) => colour(maps, kind)(bent(share, kind))));
    const end = chosen.scale === "all" ? page.number(Math.max(...maps.largest)) : "its largest";
    return page.tag("span", {}, `${name}  ${signed ? `−${end}` : "0"}`, canvas, end);
  }

  async function draw() {
    const turn = (drawn += 1);
    const layer = layers[chosen.layer];
    const target = targets[chosen.target];
    const gradients = target.maps[layer.name] || null;
    const [codes, back] = await Promise.all([trace.bytes(layer.maps.codes), gradients && trace.bytes(gradients.codes)]);
    if (turn !== drawn) return;
    const [, rows, columns] = layer.shape;
    const large = tiles.querySelector(".large")?.dataset.channel;
    const focus = tiles.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const shown = layer.maps.channels
      .map((channel, n) => ({ channel, n, g: gradients ? gradients.channels.indexOf(channel) : -1 }))
      .filter(({ n, g }) => g >= 0 || !gradients || n < page.data.channels);
    const kinds = { out: [layer.maps, codes], back: [gradients, back] };
    const map = (kind, n, channel) => {
      const [maps, values] = kinds[kind];
      const [, high, wide] = maps.codes.shape;
      const canvas = page.tag("canvas", {});
      page.paint(canvas, values.subarray(n * high * wide, (n + 1) * high * wide), high, wide, table(maps, n, kind));
      const key = `${kind}-${channel}`;
      const about = `channel ${channel}, ${kind === "back" ? "gradient" : "output"}: arrow keys move the cell`;
      const frame = page.tag("div", { class: "map", tabindex: "0", role: "application", "aria-label": about, "data-key": key }, canvas);
      frame.style.setProperty("--ratio", drawnRatio(wide / high));
      listen(frame, kind, n, channel, high, wide);
      return frame;
    };
    const tile = ({ channel, n, g }) => {
      const bigger = page.tag("button", { type: "button", "aria-label": `enlarge channel ${channel}`, click: () => enlarge(figure) }, "⤢");
      const filter = layer.maps.filters && page.tag("img", { class: "filter", src: layer.maps.filters[n], alt: "its filter" });
      const figure = page.tag(
        "figure",
        { class: "tile", "data-channel": channel },
        page.tag("figcaption", {}, page.tag("b", {}, layer.maps.labels ? layer.maps.labels[n] : `channel ${channel}`), filter, page.tag("span", { class: "faint" }, `≤ ${page.number(layer.maps.largest[n], 2)}${g >= 0 ? `, ${page.number(gradients.largest[g], 2)}` : ""}`, bigger)),
        page.tag("div", { class: "pair" }, map("out", n, channel), g >= 0 ? map("back", g, channel) : null),
      );
      return figure;
    };
    const wide = Math.min(Math.max((columns / Math.max(rows, columns)) * 11, 7.5), 11);
    tiles.style.setProperty("--tile", `${wide}rem`);
    const thin = columns < 0.35 * rows; // a map and its gradient stand side by side
    tiles.classList.toggle("thin", thin);
    tiles.replaceChildren(...shown.map(tile));
    tiles.dataset.of = `${layer.name} ${chosen.target}`;
    if (large) tiles.querySelector(`[data-channel="${large}"]`)?.classList.add("large");
    if (focus) tiles.querySelector(`[data-key="${focus}"]`)?.focus();
    find("bars").replaceChildren(
      bar(`${thin ? "left" : "above"}: output`, layer.maps, "out"),
      gradients ? bar(`${thin ? "right" : "below"}: gradient of ${target.name}`, gradients, "back") : page.tag("span", {}, "no gradient of the target reaches this layer"),
      stretched(rows, columns),
      layer.maps.factor > 1 ? page.tag("span", {}, `each pixel the mean of ${layer.maps.factor} x ${layer.maps.factor} cells`) : "",
    );
    mark();
  }

  // Wide for high as maps are drawn: as they are, unless cells could not be told apart then.
  const EXTREME = 10;
  const drawnRatio = (ratio) => Math.min(Math.max(ratio, 1 / EXTREME), EXTREME);
  function stretched(rows, columns) {
    const by = Math.max(rows / columns, columns / rows) / EXTREME;
    return by > 1.01 ? page.tag("span", {}, `cells are drawn ${page.number(by, 2)} times as ${rows > columns ? "wide" : "high"} as they are`) : "";
  }

  function enlarge(figure) {
    const is = figure.classList.contains("large");
    tiles.querySelectorAll(".large").forEach((each) => each.classList.remove("large"));
    figure.classList.toggle("large", !is);
    if (!is) figure.scrollIntoView({ block: "nearest" });
  }

  // What the cell under the pointer holds, in words, for channel n of the maps.
  function says(channel, y, x) {
    const layer = layers[chosen.layer];
    const n = layer.maps.channels.indexOf(channel);
    const words = [layer.maps.labels ? layer.maps.labels[n] : `channel ${channel}`];
    const add = (name, maps, values) => {
      const n = maps ? maps.channels.indexOf(channel) : -1;
      if (n < 0 || !values) return;
      const [, high, wide] = maps.codes.shape;
      const code = values[n * high * wide + Math.floor(y / maps.factor) * wide + Math.floor(x / maps.factor)];
      words.push(`${name} about ${page.number(trace.value(maps, n, code), 2)}`);
    };
    add("value", layer.maps, ready.get(layer.maps));
    const gradients = targets[chosen.target].maps[layer.name];
    add("gradient", gradients, gradients && ready.get(gradients));
    return words.join(": ").replace(": gradient", ", gradient");
  }
  const ready = new Map();

  function listen(frame, kind, n, channel, high, wide) {
    const layer = layers[chosen.layer];
    const [, rows, columns] = layer.shape;
    const { factor } = layer.maps;
    const canvas = frame.querySelector("canvas");
    const at = (y, x) => trace.choose({ cell: { y, x, channel, says: says(channel, y, x) } });
    trace.bytes(layer.maps.codes).then((values) => ready.set(layer.maps, values));
    const gradients = targets[chosen.target].maps[layer.name];
    if (gradients) trace.bytes(gradients.codes).then((values) => ready.set(gradients, values));
    page.hover(frame, (event) => {
      if (event.type === "focusin") return null;
      const found = page.cell(event, canvas, high * factor, wide * factor);
      if (!found) return null;
      const [y, x] = [Math.min(found.row, rows - 1), Math.min(found.column, columns - 1)];
      at(y, x);
      return `(${y}, ${x}) ${chosen.cell.says}`;
    });
    frame.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (event.key === "Enter") enlarge(frame.closest("figure"));
      if (!(event.key in moves)) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      const from = chosen.cell || { y: rows >> 1, x: columns >> 1 };
      const [dy, dx] = chosen.cell ? moves[event.key] : [0, 0];
      at(Math.min(Math.max(from.y + far * dy, 0), rows - 1), Math.min(Math.max(from.x + far * dx, 0), columns - 1));
    });
  }

  // The chosen cell in every map of the layer.
  function mark() {
    const { factor, codes } = layers[chosen.layer].maps;
    const [, high, wide] = codes.shape;
    tiles.querySelectorAll(".map").forEach((frame) => {
      let here = frame.querySelector(".here");
      if (!chosen.cell) return here?.remove();
      if (!here) frame.append((here = page.tag("div", { class: "here" })));
      const { y, x } = chosen.cell;
      here.style.left = `${(100 * x) / (wide * factor)}%`;
      here.style.top = `${(100 * y) / (high * factor)}%`;
      here.style.width = `${100 / (wide * factor)}%`;
      here.style.height = `${100 / (high * factor)}%`;
      return null;
    });
  }

  find("before").addEventListener("click", () => trace.choose({ layer: chosen.layer - 1, cell: null }));
  find("after").addEventListener("click", () => trace.choose({ layer: chosen.layer + 1, cell: null }));
  for (const name of ["scale", "curve"]) find(name).addEventListener("change", (event) => trace.choose({ [name]: event.target.value }));
  addEventListener("keydown", (event) => event.key === "Escape" && trace.choose({ cell: null }));
  trace.listen((changed) => {
    if (changed.layer || changed.target) facts();
    if (changed.layer || changed.target || changed.scale || changed.curve) draw();
    else if (changed.cell) mark();
  });
  trace.choose({ layer: layers.findIndex(({ kind }) => kind === "Conv2d") });
})();
