// ---- the leaderboard: sorted and filtered in place -------------------------------------------------------------

function cellValue(row, column) {
  const raw = row.cells[column].dataset.value;
  if (raw === "") return null;
  const number = Number(raw);
  return Number.isNaN(number) ? raw : number;
}

function sortLeaderboard(header) {
  const body = header.closest("table").tBodies[0], sign = setSort(header);
  const rows = [...body.rows].map((row) => [cellValue(row, header.cellIndex), row]);
  rows.sort(([left], [right]) => compare(left, right, sign));
  body.append(...rows.map(([, row]) => row));
}

function filterLeaderboard() {
  const wanted = document.getElementById("leaderboard-filter").value.trim().toLowerCase();
  const onlyFront = document.getElementById("leaderboard-front").checked;
  let found = 0, all = 0;
  for (const row of document.querySelectorAll(".leaderboard tbody tr")) {
    const texts = [...row.cells].filter((cell) => !cell.classList.contains("number")).map((cell) => cell.textContent);
    row.hidden = !texts.join(" ").toLowerCase().includes(wanted) || (onlyFront && row.classList.contains("dominated"));
    all += 1;
    found += row.hidden ? 0 : 1;
  }
  document.getElementById("leaderboard-count").textContent = `${plainNumber(found)} of ${plainNumber(all)} rows`;
}

// The cells of a column are found by its place in the head; it may be another in each table.
function showColumn(key, isShown) {
  for (const header of document.querySelectorAll(`.leaderboard th[data-column="${key}"]`)) {
    for (const row of header.closest("table").rows) row.cells[header.cellIndex].hidden = !isShown;
  }
}

for (const box of document.querySelectorAll("#columns input")) {
  box.checked = box.defaultChecked; // a reloaded page may remember another
  box.addEventListener("change", () => showColumn(box.value, box.checked));
}
for (const button of document.querySelectorAll(".leaderboard thead button")) {
  button.addEventListener("click", () => sortLeaderboard(button.closest("th")));
}
for (const id of ["leaderboard-filter", "leaderboard-front"]) {
  document.getElementById(id).addEventListener("input", filterLeaderboard);
  document.getElementById(id).form.addEventListener("submit", (event) => event.preventDefault());
}
filterLeaderboard();
