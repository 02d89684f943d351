"use strict";
// The curves: loss, measures and learning rate over the steps, with one zoom and one cursor for all.
const charts = (() => {
  const HEIGHT = { loss: 230, measures: 210, lr: 100 };
  const LEAST_LEFT = 44, GAP = 8, RIGHT = 14, TOP = 10, NAMES = 16, BOTTOM = 26;
  const DASHES = { mean_iu: null, pixel_accuracy: "7 4", frequency_weighted_iu: "8 3 2 3", mean_accuracy: "2 4" };
  const COLOURS = {
    mean_iu: "--blue", pixel_accuracy: "--green", frequency_weighted_iu: "--orange", mean_accuracy: "--vermilion",
  };

  async function draw(home, curves) {
    const names = ["step", "loss", "smooth", "lr", "seconds"];
    const packed = await Promise.all(names.map((name) => page.unpack(curves[name])));
    const log = Object.fromEntries(names.map((name, k) => [name, packed[k].values]));
    const first = log.step[0] - 1, last = log.step[log.step.length - 1];
    const state = { from: first, to: Math.max(last, first + 1), cursor: null, left: LEAST_LEFT };
    const panels = [
      panel("Loss", HEIGHT.loss, [
        { name: "each step", x: log.step, y: log.loss, colour: "--sky", width: 1, opacity: 0.55 },
        { name: "running mean", x: log.step, y: log.smooth, colour: "--blue", width: 2.2 },
      ]),
      ...curves.evaluations.map((made) => panel(
        made.task ? `Measures: ${made.task}` : "Measures on unseen pictures", HEIGHT.measures,
        [...made.lines].reverse().map(({ name, key, values }) => ({
          name, x: made.steps, y: values.map((value) => value ?? NaN), colour: COLOURS[key], dash: DASHES[key],
          width: key === "mean_iu" ? 2.4 : 1.7, marks: true, last: true,
        })), [0, 1],
      )),
      panel("Learning rate", HEIGHT.lr, [{ name: "", x: log.step, y: log.lr, colour: "--faint", width: 1.8 }], null, true),
    ];
    const whole = page.tag("button", { type: "button", hidden: true, click: () => zoom(first, last) }, "Show all steps");
    const all = page.tag("div", {
      class: "chart-set", tabindex: 0, role: "application",
      "aria-label": "Curves. Left and right arrows move the readout, plus and minus zoom, zero shows all.",
    }, panels.map((each) => each.figure));
    home.append(whole, all);

    function zoom(from, to) {
      const least = Math.min(4, last - first);
      const middle = (from + to) / 2;
      const half = Math.max((to - from) / 2, least / 2);
      state.from = Math.max(first, Math.min(middle - half, last - least));
      state.to = Math.min(Math.max(last, first + 1), Math.max(middle + half, state.from + least));
      whole.hidden = state.from <= first && state.to >= last;
      redraw();
    }

    function redraw() {
      const wide = measured(all);
      state.left = Math.max(LEAST_LEFT, ...panels.flatMap((each) => each.labels(state)).map((text) => Math.ceil(wide(text)) + GAP + 2));
      for (const each of panels) each.draw(all.clientWidth, state, curves.stages);
      point(state.cursor);
    }

    // The cursor stands on a step of the log: its index, or null.
    function point(index) {
      state.cursor = index;
      for (const each of panels) each.point(index === null ? null : log.step[index], state);
    }

    function nearest(step) {
      let low = 0, high = log.step.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (log.step[middle] < step) low = middle + 1;
        else high = middle;
      }
      return low > 0 && step - log.step[low - 1] < log.step[low] - step ? low - 1 : low;
    }

    function told(index) {
      const lines = [
        page.tag("strong", null, `step ${page.number(log.step[index])}`),
        `\nloss ${page.number(log.loss[index], 4)}, running mean ${page.number(log.smooth[index], 4)}`,
        `\nlearning rate ${page.number(log.lr[index])}, after ${page.number(Math.round(log.seconds[index]))} s`,
      ];
      const stage = curves.stages.length > 1 && curves.stages.find((each) => log.step[index] <= each.end);
      if (stage) lines.push(`\nstage ${stage.net}`);
      for (const made of curves.evaluations) {
        const near = made.steps.reduce((best, step, k) => (
          Math.abs(step - log.step[index]) < Math.abs(made.steps[best] - log.step[index]) ? k : best), 0);
        lines.push(page.tag("strong", null, `\n${made.task ? `${made.task}, ` : ""}evaluated at ${page.number(made.steps[near])}`));
        for (const line of [...made.lines].reverse()) lines.push(`\n${line.name} ${measure(line.values[near])}`);
      }
      return lines;
    }

    let held = null; // where a drag began: {svg, x}
    const stepAt = (event, svg) => {
      const box = svg.getBoundingClientRect();
      const share = (event.clientX - box.left - state.left) / (box.width - state.left - RIGHT);
      return state.from + Math.max(0, Math.min(1, share)) * (state.to - state.from);
    };
    function follow(event, svg) {
      point(nearest(stepAt(event, svg)));
      page.show(told(state.cursor), event.clientX, event.clientY);
    }
    for (const { svg } of panels) {
      svg.addEventListener("pointermove", (event) => {
        if (held) for (const each of panels) each.select(held.step, stepAt(event, svg), state);
        follow(event, svg);
      });
      svg.addEventListener("pointerdown", (event) => {
        if (event.button || event.pointerType === "touch") return;
        svg.setPointerCapture(event.pointerId);
        held = { step: stepAt(event, svg), x: event.clientX };
        event.preventDefault();
      });
      svg.addEventListener("pointerup", (event) => {
        if (!held) return;
        const step = stepAt(event, svg), moved = Math.abs(event.clientX - held.x) > 5, from = held.step;
        held = null;
        for (const each of panels) each.select(null);
        if (moved) {
          zoom(Math.min(from, step), Math.max(from, step));
          follow(event, svg);
        }
        all.focus({ preventScroll: true });
      });
      svg.addEventListener("pointerleave", () => { point(null); page.hide(); });
      svg.addEventListener("dblclick", (event) => {
        zoom(first, last);
        follow(event, svg);
      });
    }
    // The readout beside the cursor, wherever that stands now.
    function beside() {
      const box = panels[0].svg.getBoundingClientRect();
      const share = (log.step[state.cursor] - state.from) / (state.to - state.from);
      page.show(told(state.cursor), box.left + state.left + (box.width - state.left - RIGHT) * share, box.top + 20);
    }
    all.addEventListener("keydown", (event) => {
      const centre = state.cursor === null ? (state.from + state.to) / 2 : log.step[state.cursor];
      const span = state.to - state.from;
      const jump = Math.max(1, Math.round(span / (event.shiftKey ? 10 : 100)));
      const moves = { ArrowLeft: -jump, ArrowRight: jump, Home: -1e12, End: 1e12 };
      if (event.key in moves) {
        point(nearest(Math.max(state.from, Math.min(state.to, centre + moves[event.key]))));
      } else if (event.key === "+" || event.key === "=") zoom(centre - span / 4, centre + span / 4);
      else if (event.key === "-") zoom(centre - span, centre + span);
      else if (event.key === "0") zoom(first, last);
      else return;
      event.preventDefault();
      if (state.cursor !== null) beside();
    });
    all.addEventListener("focusout", () => { point(null); page.hide(); });
    new ResizeObserver(redraw).observe(all);
    redraw();
  }

  // One chart. range: of y, or null for what the data have.
  function panel(title, height, series, range = null, axis = true) {
    const svg = page.svg("svg", { height, role: "img", "aria-label": title });
    const legend = series.filter((each) => each.name).map((each) => {
      const line = page.svg("line", { x1: 0, x2: 26, y1: 6, y2: 6, ...stroke(each) });
      const end = each.last ? ` ${measure(lastOf(each.y))}` : "";
      return page.tag("li", null, page.svg("svg", { width: 26, height: 12, "aria-hidden": "true" }, line), each.name + end);
    });
    const figure = page.tag("figure", { class: "chart" },
      page.tag("figcaption", null, page.tag("h3", null, title), page.tag("ul", { class: "legend" }, legend)), svg);
    let x, cursor, selection;

    // The numbers at the left for the steps that are shown, and where they stand.
    function levels(state) {
      const [low, high, log] = range ? [...range, false] : limits(series, state);
      const at = log ? powers(low, high) : ticks(low, high, height < 150 ? 3 : 5);
      return { low, high, log, at, texts: short(at, log) };
    }
    const labels = (state) => levels(state).texts;

    function draw(width, state, stages) {
      const { left } = state;
      const inner = Math.max(10, width - left - RIGHT), foot = height - BOTTOM;
      const named = stages.length > 1 && height > 150; // the stages' names stand above what is drawn
      const top = TOP + (named ? NAMES : 0);
      x = (step) => left + ((step - state.from) / (state.to - state.from)) * inner;
      const { low, high, log, at, texts } = levels(state);
      const scale = log ? Math.log10 : (value) => value;
      const y = (value) => foot - ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (foot - top);
      const parts = [];
      for (const [k, tick] of at.entries()) {
        parts.push(page.svg("line", { x1: left, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }));
        parts.push(page.svg("text", { x: left - GAP, y: y(tick) + 4, "text-anchor": "end" }, texts[k]));
      }
      if (axis) {
        for (const tick of ticks(state.from, state.to, Math.max(2, inner / 110))) {
          if (!Number.isInteger(tick)) continue;
          const end = x(tick) > width - RIGHT - 20; // or half of its number would be cut off
          parts.push(page.svg("text", {
            x: end ? width : x(tick), y: height - 6, "text-anchor": end ? "end" : "middle",
          }, page.number(tick)));
          parts.push(page.svg("line", { x1: x(tick), x2: x(tick), y1: foot, y2: foot + 5, class: "grid" }));
        }
      }
      const inside = page.svg("svg", { x: left, y: 0, width: inner + 5, height, viewBox: `${left} 0 ${inner + 5} ${height}` });
      if (stages.length > 1) {
        for (const { net, start, end } of stages) {
          if (start >= state.to || end <= state.from) continue;
          if (start > state.from) inside.append(page.svg("line", { x1: x(start), x2: x(start), y1: TOP, y2: foot, class: "stage" }));
          if (named) inside.append(page.svg("text", { x: Math.max(x(start), left) + 5, y: TOP + 5, class: "stage" }, net));
        }
      }
      for (const each of series) {
        inside.append(page.svg("path", { d: path(each, x, y, state, inner), fill: "none", ...stroke(each) }));
        if (each.marks) {
          each.x.forEach((step, k) => Number.isFinite(each.y[k]) && step >= state.from && step <= state.to && inside.append(
            page.svg("circle", { cx: x(step), cy: y(each.y[k]), r: 3, fill: `var(${each.colour})` })));
        }
      }
      cursor = page.svg("line", { y1: TOP, y2: foot, class: "cursor", visibility: "hidden" });
      selection = page.svg("rect", { y: TOP, height: foot - TOP, class: "selection", visibility: "hidden" });
      inside.append(selection, cursor);
      svg.setAttribute("width", width);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.replaceChildren(...parts, inside);
    }

    function point(step) {
      cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
      if (step !== null) for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(step));
    }

    function select(from, to) {
      selection.setAttribute("visibility", from === null ? "hidden" : "visible");
      if (from === null) return;
      selection.setAttribute("x", Math.min(x(from), x(to)));
      selection.setAttribute("width", Math.abs(x(to) - x(from)));
    }
    return { figure, svg, labels, draw, point, select };
  }

  const measure = (value) => (Number.isFinite(value) ? value.toFixed(4) : page.number(null));

  const stroke = ({ colour, width, dash, opacity }) => ({
    stroke: `var(${colour})`, "stroke-width": width, "stroke-dasharray": dash, "stroke-opacity": opacity,
    "stroke-linejoin": "round",
  });

  // Round numbers as an axis has them, none longer than it must be: very large and very small ones with a power of ten.
  function short(ticks, log) {
    const most = Math.max(...ticks.map(Math.abs));
    return ticks.map((tick) => {
      const size = log ? tick : most;
      const text = !tick ? "0" : size < 1e-3 || size >= 1e5 ? tick.toExponential() : tick.toLocaleString("en", { maximumSignificantDigits: 12 });
      return text.replace(/-/g, "−").replace("e+", "e");
    });
  }

  // What measures text as the charts write it, in pixels.
  function measured(home) {
    const context = document.createElement("canvas").getContext("2d");
    context.font = `12px ${getComputedStyle(home).fontFamily}`;
    return (text) => context.measureText(text).width;
  }

  const lastOf = (values) => [...values].reverse().find(Number.isFinite) ?? NaN;

  // What the data have between two steps: [least, largest, whether their logarithms are drawn].
  function limits(series, { from, to }) {
    const all = [];
    for (const { x, y } of series) {
      for (let k = 0; k < x.length; k += 1) {
        if (x[k] < from || x[k] > to || !Number.isFinite(y[k])) continue;
        all.push(y[k]);
      }
    }
    if (!all.length) return [0, 1, false];
    all.sort((a, b) => a - b);
    const low = all[0], high = all[all.length - 1];
    const usual = all[Math.floor(all.length / 20)]; // a rate that ends near 0 is no reason for a logarithm
    if (low > 0 && high > 30 * usual) return [low / 1.1, high * 1.1, true];
    const room = 0.05 * (high - low) || Math.abs(high) || 1;
    const floor = low >= 0 && low < 0.5 * high ? 0 : low - room;
    return [floor, high + room, false];
  }

  // Round numbers between two, about `count` of them.
  function ticks(low, high, count) {
    const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) found.push(+(n * step).toPrecision(12));
    return found;
  }

  function powers(low, high) {
    const found = [];
    const decades = Math.log10(high / low), within = decades < 2 ? [1, 2, 5] : [1], every = Math.ceil(decades / 4);
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p += 1) {
      if (p % every) continue;
      for (const n of within) if (n * 10 ** p >= low && n * 10 ** p <= high) found.push(+(n * 10 ** p).toPrecision(3));
    }
    return found;
  }

  // A line through the values; of more than three to a pixel, the least and the largest of each pixel's column.
  function path({ x, y }, placeX, placeY, { from, to }, width) {
    const kept = [];
    for (let k = 0; k < x.length; k += 1) {
      const outside = (x[k] < from && x[k + 1] < from) || (x[k] > to && x[k - 1] > to);
      if (!outside && Number.isFinite(y[k])) kept.push([placeX(x[k]), placeY(y[k])]);
    }
    const round = (value) => Math.round(value * 10) / 10;
    const line = (points) => points.map(([a, b], k) => `${k ? "L" : "M"}${round(a)} ${round(b)}`).join("");
    if (kept.length <= 3 * width) return line(kept);
    const columns = new Map();
    for (const [a, b] of kept) {
      const column = columns.get(Math.round(a)) || { first: b, low: b, high: b, last: b };
      columns.set(Math.round(a), Object.assign(column, { low: Math.min(column.low, b), high: Math.max(column.high, b), last: b }));
    }
    return line([...columns].flatMap(([a, { first, low, high, last }]) => [[a, first], [a, low], [a, high], [a, last]]));
  }

  return { draw };
})();
