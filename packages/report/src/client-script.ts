/**
 * The page's only script: sorts and filters tables, and opens what is folded before printing. Everything can be read without it. It reads the
 * text of cells and never writes markup, so that names of a hostile model stay text.
 */
export const clientScript = `
(() => {
  "use strict";
  const key = (cell, numeric) => {
    const text = cell.textContent.trim();
    if (!numeric) return text.toLowerCase();
    if (text === "\\u2013" || text === "") return -Infinity;
    const value = Number(cell.title || text.replaceAll(",", "").replace("Inf", "Infinity"));
    return Number.isNaN(value) ? Number.MAX_VALUE : value;
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.textContent === "") return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("n");
        const first = numeric && column > 0 ? "descending" : "ascending";
        const other = first === "descending" ? "ascending" : "descending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...body.rows].map((row) => [key(row.cells[column], numeric), row]);
        rows.sort(([a], [b]) => (a === b ? 0 : a < b ? -sign : sign));
        body.append(...rows.map(([, row]) => row));
      });
    });
    const hint = table.dataset.filter;
    if (hint === undefined) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.className = "filter";
    field.placeholder = hint;
    field.setAttribute("aria-label", hint);
    const shown = document.createElement("p");
    shown.className = "small";
    shown.setAttribute("aria-live", "polite");
    table.parentElement.before(field, shown);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
      let count = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) count++;
      }
      shown.textContent = words.length === 0 ? "" : count + " of " + body.rows.length;
    });
  }
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
})();
`.trim();
