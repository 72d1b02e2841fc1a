"use strict";

// Everything that came from a model or a file is put on the page as text (textContent), never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const PAGE_SIZE = 25;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fillSelect(select, labels, first) {
  if (first) select.append(new Option(first, ""));
  labels.forEach((label, index) => select.append(new Option(label, String(index))));
}

// ---- plots ---------------------------------------------------------------------------------------------------

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: color("--grid"), linecolor: color("--line"), zerolinecolor: color("--line") };
  return {
    ...layout,
    paper_bgcolor: color("--paper"),
    plot_bgcolor: color("--paper"),
    font: { color: color("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}

function draw() {
  const chosen = data.benchmarks[Number(document.getElementById("benchmark").value)];
  if (!chosen) return;
  for (const [id, figure] of Object.entries(chosen.figures)) {
    Plotly.react(`plot-${id}`, figure.traces, themed(figure.layout), {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { filename: `accuracy-against-${id}`, scale: 2 },
    });
  }
}

const benchmarkSelect = document.getElementById("benchmark");
fillSelect(benchmarkSelect, data.benchmarks.map((benchmark) => benchmark.name));
benchmarkSelect.addEventListener("change", draw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();

// ---- sortable leaderboard ------------------------------------------------------------------------------------

function cellValue(row, column) {
  const raw = row.cells[column].dataset.value;
  if (raw === "") return null;
  const number = Number(raw);
  return Number.isNaN(number) ? raw : number;
}

function compare(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return String(left).localeCompare(String(right), undefined, { numeric: true });
}

function sortBy(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const direction = header.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  for (const other of table.tHead.rows[0].cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [cellValue(row, column), row]);
  rows.sort(([left], [right]) => {
    if (left === null || right === null) return (left === null) - (right === null); // unknown values go last
    return sign * compare(left, right);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const button of document.querySelectorAll(".leaderboard thead button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// ---- problems ------------------------------------------------------------------------------------------------

const filters = {
  benchmark: document.getElementById("filter-benchmark"),
  strategy: document.getElementById("filter-strategy"),
  result: document.getElementById("filter-result"),
  text: document.getElementById("filter-text"),
};
let page = 0;

function selected() {
  const wanted = filters.text.value.trim().toLowerCase();
  return data.problems.filter((problem) => {
    const question = data.questions[problem.question];
    if (filters.benchmark.value && question.benchmark !== data.benchmarks[filters.benchmark.value].name) return false;
    if (filters.strategy.value !== "" && problem.system !== Number(filters.strategy.value)) return false;
    if (filters.result.value && problem.result !== filters.result.value) return false;
    if (!wanted) return true;
    const texts = [question.id, question.text, question.benchmark, question.target, problem.answer, problem.error];
    return texts.some((text) => text && text.toLowerCase().includes(wanted));
  });
}

function details(problem, question) {
  const box = element("details");
  box.append(element("summary", "show"));
  const list = element("dl");
  const facts = [["Question", question.text], ["Model's text", problem.text], ["Error", problem.error],
    ["Stopped", problem.stopped], ["Confidence", problem.confidence]];
  for (const [name, value] of facts) {
    if (value === null || value === "") continue;
    list.append(element("dt", name), element("dd", String(value)));
  }
  box.append(list);
  return box;
}

function problemRow(problem) {
  const question = data.questions[problem.question];
  const row = element("tr");
  const head = element("th", `${question.benchmark} · ${question.id}`);
  head.scope = "row";
  const last = element("td");
  last.append(details(problem, question));
  row.append(
    head,
    element("td", data.systems[problem.system]),
    element("td", problem.result, problem.result),
    element("td", problem.answer ?? "none", "answer"),
    element("td", question.target ?? "", "answer"),
    element("td", problem.tokens.toLocaleString("en-US"), "number"),
    element("td", problem.seconds === null ? "" : problem.seconds.toFixed(2), "number"),
    last,
  );
  return row;
}

function showProblems() {
  const found = selected();
  const last = Math.max(0, Math.ceil(found.length / PAGE_SIZE) - 1);
  page = Math.min(Math.max(page, 0), last);
  const shown = found.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  document.querySelector("#problems tbody").replaceChildren(...shown.map(problemRow));
  document.getElementById("problem-count").textContent =
    `${found.length.toLocaleString("en-US")} of ${data.problems.length.toLocaleString("en-US")} answers`;
  document.getElementById("page-label").textContent = `page ${page + 1} of ${last + 1}`;
  document.getElementById("page-back").disabled = page === 0;
  document.getElementById("page-on").disabled = page === last;
}

fillSelect(filters.benchmark, data.benchmarks.map((benchmark) => benchmark.name), "all");
fillSelect(filters.strategy, data.systems, "all");
for (const control of Object.values(filters)) {
  control.addEventListener("input", () => { page = 0; showProblems(); });
}
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("page-back").addEventListener("click", () => { page -= 1; showProblems(); });
document.getElementById("page-on").addEventListener("click", () => { page += 1; showProblems(); });
showProblems();
