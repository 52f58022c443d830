/* Tables that sort by any column; rows never leave their tbody, for those are the protocols. */
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    head.firstElementChild.addEventListener("click", () => {
      const number = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : number && head.firstElementChild.dataset.up !== "0";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].map((row) => [sortKey(row.cells[index], number), row]);
        rows.sort(([a], [b]) => compareKeys(a, b, down));
        body.append(...rows.map(([, row]) => row));
      }
    });
  });
}

function sortKey(cell, number) {
  if (!number) return cell.textContent.trim();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

/* What is missing stays last in both directions. */
function compareKeys(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" ? a - b : a.localeCompare(b);
  return down ? -order : order;
}

function startPlots() {
  const chooser = $("plot-score");
  const show = () => {
    for (const part of document.querySelectorAll(".figures")) {
      part.hidden = part.dataset.score !== chooser.value;
    }
  };
  chooser.addEventListener("change", show);
  show();
}

function startTheme() {
  const root = document.documentElement;
  const remember = (value) => { try { localStorage.setItem("theme", value); } catch { /* private mode */ } };
  let saved = null;
  try { saved = localStorage.getItem("theme"); } catch { /* private mode */ }
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
  });
}
