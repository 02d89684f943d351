"use strict";
// The confusion matrix as a grid of cells: rows are the truth, columns what the net says.
const confusion = (() => {
  const LARGE = 12, WRITTEN = 32; // classes: up to so many, large cells; up to so many, numbers in them
  const LISTED = 8; // confusions in words

  // A share as a reader wants it.
  function percent(share) {
    if (share === 0) return "0 %";
    if (share < 0.0005) return "under 0.1 %";
    if (share > 0.9995 && share < 1) return "over 99.9 %"; // 100 only where it is all
    return share < 0.0995 || (share >= 0.995 && share < 1) ? `${(100 * share).toFixed(1)} %` : `${Math.round(100 * share)} %`;
  }

  // In a cell, where there is no room for more.
  const whole = (share) => String(share === 1 ? 100 : Math.min(99, Math.round(100 * share)));

  function short(count) {
    if (count < 1e4) return String(count);
    if (count < 1e6) return `${Math.round(count / 1e3)}k`;
    return count < 1e9 ? `${+(count / 1e6).toPrecision(3)}M` : `${+(count / 1e9).toPrecision(3)}G`;
  }

  // chosen(truth, prediction): called when a cell is.
  function draw(home, view, counts, chosen) {
    const size = view.classes.length;
    const totals = view.classes.map((_, i) => counts.slice(i * size, (i + 1) * size).reduce((sum, n) => sum + n, 0));
    const share = (i, j) => (totals[i] ? counts[i * size + j] / totals[i] : 0);
    const cells = [];
    let relative = true;

    function say(i, j) {
      if (!totals[i]) return `${view.classes[i]} is nowhere in the truth`;
      const pixels = `${page.number(counts[i * size + j])} of ${page.number(totals[i])} pixels`;
      return [
        page.tag("strong", null, `${percent(share(i, j))} of ${view.classes[i]} is called ${view.classes[j]}`),
        `\n${pixels}`,
      ];
    }

    const head = page.tag("tr", null,
      page.tag("th", { class: "corner", scope: "col" }, page.tag("span", null, "truth ↓"), page.tag("span", null, "net says →")),
      view.classes.map((name) => page.tag("th", { scope: "col", class: "upright" }, page.tag("span", null, name))));
    const rows = view.classes.map((name, i) => page.tag("tr", null,
      page.tag("th", { scope: "row" }, name),
      view.classes.map((_, j) => {
        const shown = share(i, j);
        const cell = page.tag("td", { role: "gridcell", tabindex: i || j ? -1 : 0, "data-row": i, "data-column": j });
        cell.className = [i === j ? "right" : "wrong", !totals[i] && "empty"].filter(Boolean).join(" ");
        cell.style.setProperty("--share", shown ? 0.06 + 0.94 * shown : 0);
        cells.push(cell);
        return cell;
      })));
    const table = page.tag("table", {
      class: `matrix ${size <= LARGE ? "large" : size <= WRITTEN ? "" : "small"}`, role: "grid",
      "aria-label": "Confusion matrix: rows are the truth, columns what the net says",
    }, page.tag("thead", null, head), page.tag("tbody", null, rows));

    function write() {
      cells.forEach((cell, k) => {
        const i = Math.floor(k / size), j = k % size, count = counts[k];
        const text = relative ? (share(i, j) >= 0.005 ? whole(share(i, j)) : "") : count ? short(count) : "";
        cell.textContent = size <= WRITTEN ? text : "";
      });
      for (const [button, on] of [[shares, relative], [pixels, !relative]]) button.setAttribute("aria-pressed", on);
      table.classList.toggle("counts", !relative);
    }
    // The confusions of most pixels, in words.
    function largest() {
      const order = [...counts.keys()].filter((k) => counts[k] && k % (size + 1)).sort((a, b) => counts[b] - counts[a]).slice(0, LISTED);
      if (!order.length) return page.tag("div", { class: "most" }, "No pixel is wrong.");
      const entries = order.map((k) => {
        const i = Math.floor(k / size), j = k % size;
        return page.tag("li", null, page.tag("button", { type: "button", click: () => chosen(i, j) },
          page.tag("span", null, percent(share(i, j)).replace("under ", "<").replace("over ", ">")), page.tag("span", null, `of ${view.classes[i]} is called ${view.classes[j]}`),
          page.tag("span", null, `${short(counts[k])} pixels`)));
      });
      return page.tag("div", { class: "most" }, page.tag("h3", null, "Most pixels are lost by"), page.tag("ol", null, entries));
    }

    const change = (to) => () => { relative = to; write(); };
    const shares = page.tag("button", { type: "button", click: change(true) }, "% of the truth");
    const pixels = page.tag("button", { type: "button", click: change(false) }, "pixels");

    const at = (event) => {
      const cell = event.target.closest("td");
      return cell && [Number(cell.dataset.row), Number(cell.dataset.column)];
    };
    page.hover(table, (event) => {
      const found = at(event);
      return found && say(...found);
    });
    table.addEventListener("click", (event) => {
      const found = at(event);
      if (found) chosen(...found);
    });
    table.addEventListener("keydown", (event) => {
      const found = at(event);
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      if (!found) return;
      if (event.key === "Enter" || event.key === " ") chosen(...found);
      else if (event.key in moves) {
        const [i, j] = found.map((n, k) => Math.max(0, Math.min(size - 1, n + moves[event.key][k])));
        cells[found[0] * size + found[1]].tabIndex = -1;
        cells[i * size + j].tabIndex = 0;
        cells[i * size + j].focus();
      } else return;
      event.preventDefault();
    });
    home.replaceChildren(
      page.tag("div", { class: "tabs", role: "group", "aria-label": "Numbers in the cells", hidden: size > WRITTEN }, shares, pixels),
      page.tag("div", { class: "beside" }, page.tag("div", { class: "wide" }, table), largest()));
    write();
  }

  return { draw, percent };
})();
