"use strict";
// The pictures: of each, four layers, two of them side by side with a line between them that can be dragged.
const album = (() => {
  const LAYERS = { picture: "Picture", truth: "Truth", prediction: "Prediction", errors: "Errors" };
  const HATCH = [[255, 255, 255], [120, 120, 120]]; // ignored pixels: no class has two colours
  const sides = { left: "picture", right: "prediction" };
  let cards = [];

  const stripe = (k, columns) => ((k % columns) + Math.floor(k / columns)) % 6 < 3;

  function draw(home, view, photos, ignored, rank) {
    let focus = null; // [truth, prediction] of the confusion that is looked at
    cards = view.pictures.map((each) => card(each, view, photos[each.photo], ignored, rank));
    const list = page.tag("div");
    const choice = page.tag("div", { class: "choice" }, ["left", "right"].map((side) => page.tag("div", {
      class: "tabs", role: "group", "aria-label": `${side} of the line`,
    }, page.tag("span", { class: "faint" }, side === "left" ? "Left" : "Right"), Object.entries(LAYERS).map(([key, name]) => {
      const button = page.tag("button", { type: "button", "data-side": side, "data-layer": key, click: () => {
        sides[side] = key;
        press();
        cards.forEach((one) => one.arrange());
      } }, name);
      return button;
    }))));

    function press() {
      for (const button of choice.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", sides[button.dataset.side] === button.dataset.layer);
      }
    }

    function grid(title, about, found) {
      if (!found.length) return [];
      return [page.tag("h3", null, title), about, page.tag("div", { class: "grid" }, found.map((one) => one.figure))];
    }

    function arrange() {
      cards.forEach((one) => one.look(focus));
      if (!focus) {
        const group = (name) => cards.filter((one) => one.group === name);
        list.replaceChildren(
          ...grid("Worst", null, group("worst")).filter(Boolean), ...grid("Best", null, group("best")).filter(Boolean));
        return;
      }
      const [truth, prediction] = focus.map((k) => view.classes[k]);
      const found = cards.filter((one) => one.count > 0).sort((a, b) => b.count - a.count);
      const title = focus[0] === focus[1] ? `${truth}, rightly` : `${truth} called ${prediction}`;
      const back = page.tag("button", { type: "button", click: () => { focus = null; arrange(); stand(); } }, "Show the worst and the best again");
      const about = page.tag("p", { class: "focus" },
        found.length
          ? `${found.length > 1 ? `${found.length} pictures on this page, those with most of it first` : "1 picture on this page"}. All else is darkened. `
          : "No picture on this page has it. ", back);
      const parts = found.length ? grid(title, about, found) : [page.tag("h3", null, title), about];
      list.replaceChildren(...parts);
      stand();
    }

    // What had the focus is gone: it goes on from the head of what is new.
    function stand() {
      const head = list.querySelector("h3");
      head?.setAttribute("tabindex", "-1");
      head?.focus({ preventScroll: true });
    }

    home.replaceChildren(choice, key(view), list);
    press();
    arrange();
    return { focus: (truth, prediction) => { focus = [truth, prediction]; arrange(); } };
  }

  // The colours of the classes that the pictures show.
  function key(view) {
    const size = view.classes.length, shown = new Set();
    for (const { pixels } of view.pictures) {
      pixels.forEach((n, k) => { if (n) shown.add(Math.floor(k / size)).add(k % size); });
    }
    const square = (fill, more) => page.svg("svg", { class: "swatch", viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" },
      page.svg("rect", { width: 12, height: 12, rx: 2, fill }), more);
    const entries = [...shown].sort((a, b) => a - b).map((k) => (
      page.tag("li", null, square(`rgb(${view.colours[k].join(" ")})`), view.classes[k])));
    const hatch = page.svg("path", { d: "M0 6 6 0M0 12 12 0M6 12 12 6", stroke: "#787878", "stroke-width": 2 });
    return page.tag("ul", { class: "legend key", "aria-label": "Colours of the classes" }, entries,
      page.tag("li", null, square("#fff", hatch), "ignored"));
  }

  function card(entry, view, photo, ignored, rank) {
    const said = [`mean IU ${entry.mean_iu.toFixed(3)}`, `${confusion.percent(entry.accuracy)} right`];
    const [score, other] = rank === "mean-iu" ? said : said.reverse();
    const layer = (name, ...inside) => page.tag("div", { class: `layer ${name}` }, inside);
    const image = (alt) => page.tag("img", { src: photo.source, alt, draggable: "false" });
    const canvas = () => page.tag("canvas", { "aria-hidden": "true" });
    const layers = {
      picture: layer("picture", image(`the picture ${photo.name}`)),
      truth: layer("truth", canvas()),
      prediction: layer("prediction", canvas()),
      errors: layer("errors", image(""), canvas()),
    };
    const mask = page.tag("canvas", { class: "mask", hidden: true, "aria-hidden": "true" });
    const line = page.tag("div", { class: "line" });
    const names = [page.tag("span", { class: "side" }), page.tag("span", { class: "side" })];
    const slider = page.tag("input", {
      type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": `line across ${photo.name}`, input: () => arrange(),
    });
    const frame = page.tag("div", { class: "frame" }, Object.values(layers), mask, line, names, slider);
    frame.style.setProperty("--ratio", photo.width / photo.height);
    frame.classList.toggle("narrow", Math.min(photo.width / photo.height, photo.height / photo.width / 2) < 0.1); // too narrow for the knob
    frame.classList.toggle("thin", photo.width < 0.4 * photo.height || photo.height < 0.12 * photo.width);
    const note = page.tag("span", { class: "faint" });
    const larger = page.tag("button", { type: "button", class: "plain", "aria-pressed": "false", "aria-label": `enlarge ${photo.name}`,
      click: () => larger.setAttribute("aria-pressed", figure.classList.toggle("wide-card")) }, "⤢");
    const figure = page.tag("figure", { class: "card" }, frame, page.tag("figcaption", null,
      page.tag("span", { class: "name", title: photo.name }, photo.name), larger, page.tag("span", null, score), note));
    note.textContent = other;
    let maps = null; // {truth, label, rows, columns} when it has been unpacked
    const one = { figure, group: entry.group, count: 0, arrange, look };
    let looked = null;

    async function paint() {
      if (maps) return;
      maps = {};
      const [truth, label] = await Promise.all([page.unpack(photo.truths[view.task]), page.unpack(entry.label)]);
      const [rows, columns] = truth.shape;
      maps = { truth: truth.values, label: label.values, rows, columns };
      const colours = [...Array(256).keys()].map((k) => view.colours[k] || [0, 0, 0]);
      const extra = [...HATCH, [0, 0, 0, 0]]; // 256 and 257: ignored; 258: nothing
      const put = (name, code) => page.paint(layers[name].querySelector("canvas"), Uint16Array.from(maps.truth, code), rows, columns, [...colours, ...extra]);
      const hatch = (k) => (stripe(k, columns) ? 256 : 257);
      put("truth", (t, k) => (t === ignored ? hatch(k) : t));
      put("prediction", (_, k) => maps.label[k]);
      put("errors", (t, k) => (t === ignored ? hatch(k) : maps.label[k] === t ? 258 : maps.label[k]));
      frame.dataset.painted = "";
      if (looked) shade();
    }

    // What is not of the confusion that is looked at is darkened.
    function shade() {
      mask.hidden = !looked;
      if (!looked || !maps || !maps.rows) return;
      const [i, j] = looked;
      const codes = Uint8Array.from(maps.truth, (t, k) => (t === i && maps.label[k] === j ? 0 : 1));
      page.paint(mask, codes, maps.rows, maps.columns, [[0, 0, 0, 0], [0, 0, 0, 165]]);
    }

    async function look(focus) {
      looked = focus;
      one.count = focus ? entry.pixels[focus[0] * view.classes.length + focus[1]] : 0;
      note.textContent = focus ? `${page.number(one.count)} pixels` : other;
      shade();
    }

    function arrange() {
      const at = Number(slider.value);
      for (const [name, element] of Object.entries(layers)) {
        element.hidden = name !== sides.left && name !== sides.right;
        element.style.zIndex = name === sides.right ? 2 : 1;
        element.style.clipPath = name === sides.right && sides.left !== sides.right ? `inset(0 0 0 ${at}%)` : "none";
      }
      line.hidden = sides.left === sides.right;
      line.style.left = `${at}%`;
      names[0].textContent = LAYERS[sides.left];
      names[1].textContent = sides.left === sides.right ? "" : LAYERS[sides.right];
      slider.setAttribute("aria-valuetext", `${LAYERS[sides.left]} ${at} %, ${LAYERS[sides.right]} ${100 - at} %`);
    }

    page.hover(frame, (event) => {
      if (event.type === "focusin" || !maps || !maps.rows) return null;
      const place = page.cell(event, frame, maps.rows, maps.columns);
      if (!place) return null;
      const k = place.row * maps.columns + place.column, t = maps.truth[k], p = maps.label[k];
      const square = (c) => {
        const dot = page.tag("span", { class: "dot" });
        dot.style.backgroundColor = `rgb(${(view.colours[c] || [255, 255, 255]).join(" ")})`;
        return dot;
      };
      const truth = t === ignored ? ["truth: ignored"] : ["truth: ", square(t), view.classes[t]];
      return [...truth, "\nprediction: ", square(p), view.classes[p]];
    });
    one.ready = paint;
    watcher.observe(frame);
    waiting.set(frame, paint);
    arrange();
    return one;
  }

  // Label maps are unpacked when they come near the window, or when all is printed.
  const waiting = new WeakMap();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) waiting.get(entry.target)();
  }, { rootMargin: "600px" });
  addEventListener("beforeprint", () => cards.forEach((one) => one.ready()));

  // The counts of each picture's confusions, before `draw` needs them.
  async function counts(view) {
    for (const entry of view.pictures) entry.pixels ??= (await page.unpack(entry.matrix)).values;
  }

  return { draw, counts };
})();
