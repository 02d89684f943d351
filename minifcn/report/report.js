"use strict";
// Puts the page together: the curves, the view that is chosen, and tables that can be sorted.
(() => {
  const { curves, views, first, photos, ignored, rank } = page.data;
  const home = (id) => document.getElementById(id);

  async function show(number) {
    const view = views[number];
    for (const part of document.querySelectorAll("[data-of-view]")) part.hidden = Number(part.dataset.ofView) !== number;
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", Number(button.dataset.view) === number);
    }
    await album.counts(view);
    const { values } = await page.unpack(view.matrix);
    const shown = album.draw(home("album"), view, photos, ignored, rank);
    confusion.draw(home("matrix"), view, values, (truth, prediction) => {
      shown.focus(truth, prediction);
      home("pictures").scrollIntoView();
    });
  }

  // A click on a column's head sorts by it: largest first, then the other way round; what has no number stays last.
  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || (head.dataset.sort === "text" && head.getAttribute("aria-sort") === "none");
      const value = (row) => Number(row.cells[column].dataset.value);
      const order = (a, b) => {
        if (head.dataset.sort === "text") {
          const names = a.cells[0].textContent.localeCompare(b.cells[0].textContent);
          return up ? names : -names;
        }
        if (value(a) < 0 || value(b) < 0) return value(b) - value(a);
        return up ? value(a) - value(b) : value(b) - value(a);
      };
      body.append(...[...body.rows].sort(order));
      for (const each of heads) each.setAttribute("aria-sort", each !== head ? "none" : up ? "ascending" : "descending");
    }));
  }

  document.querySelectorAll("table.classes").forEach(sortable);
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => show(Number(button.dataset.view)));
  }
  if (curves) charts.draw(home("charts"), curves);
  show(first);
})();
