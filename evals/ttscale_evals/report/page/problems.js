// ---- the problems: columns of all answers, of which only a page is in the document -------------------------------

const PAGE_SIZE = 25;
const RESULTS = ["right", "wrong", "failed"];
const QUESTION = 0, SYSTEM = 1, RESULT = 2, ANSWER = 3, TOKENS = 4, SECONDS = 5, STOP = 6, CAUSES = 7;
const filters = Object.fromEntries(
  ["benchmark", "strategy", "result", "cause", "text"].map((name) => [name, document.getElementById(`filter-${name}`)]),
);
const view = { index: null, found: [], page: 0, sort: null, sign: 1 };

function matches() {
  const { questions, strings, columns } = view.index, wanted = filters.text.value.trim().toLowerCase();
  const has = (text) => text !== null && text !== undefined && text.toLowerCase().includes(wanted);
  const chosen = (filter) => (filter.value === "" ? -1 : Number(filter.value));
  const benchmark = chosen(filters.benchmark), system = chosen(filters.strategy);
  const result = chosen(filters.result), cause = chosen(filters.cause);
  const byQuestion = questions.map(([place, id, text, target]) =>
    (benchmark < 0 || place === benchmark) && (wanted ? (has(id) || has(text) || has(target) ? 2 : 1) : 2));
  const byAnswer = wanted ? strings.map(has) : null, found = [];
  for (let row = 0; row < columns[QUESTION].length; row += 1) {
    const asked = byQuestion[columns[QUESTION][row]];
    if (!asked || (asked === 1 && !byAnswer[columns[ANSWER][row]])) continue;
    if (system >= 0 && columns[SYSTEM][row] !== system) continue;
    if (result >= 0 && columns[RESULT][row] !== result) continue;
    if (cause >= 0 && !(columns[CAUSES][row] & (1 << cause))) continue;
    found.push(row);
  }
  return found;
}

// What a column is sorted by: a number for each of its values, so that long lists sort quickly.
function sortKeys(column) {
  const { questions, strings, systems, columns } = view.index;
  const ranks = (texts) => {
    const places = texts.map((_, place) => place).sort((left, right) => order.compare(texts[left], texts[right]));
    const rank = new Array(texts.length);
    places.forEach((place, number) => { rank[place] = number; });
    return (place) => (place < 0 ? null : rank[place]);
  };
  const named = { [QUESTION]: () => questions.map((question) => question[1]), [SYSTEM]: () => systems,
    [ANSWER]: () => strings, [STOP]: () => strings }[column];
  const key = named ? ranks(named()) : (value) => value;
  return (row) => key(columns[column][row]);
}

function update() {
  if (!view.index) return;
  view.found = matches();
  if (view.sort !== null) {
    const key = sortKeys(view.sort);
    const keyed = view.found.map((row) => [key(row), row]);
    keyed.sort(([left, one], [right, other]) => compare(left, right, view.sign) || one - other);
    view.found = keyed.map(([, row]) => row);
  }
  view.page = 0;
  showPage();
}

function cell(text, className) {
  const made = element("td", null, className);
  made.append(isolated(text));
  return made;
}

function problemRow(number) {
  const { questions, systems, strings, columns, benchmarks } = view.index;
  const at = (column) => columns[column][number], question = questions[at(QUESTION)];
  const row = element("tr"), name = element("th"), last = element("td"), button = element("button", "show");
  name.scope = "row";
  name.append(isolated(benchmarks[question[0]]), " · ", isolated(question[1]));
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => toggle(row, button, number, question));
  last.append(button);
  row.append(
    name,
    cell(systems[at(SYSTEM)]),
    element("td", RESULTS[at(RESULT)], RESULTS[at(RESULT)]),
    cell(at(ANSWER) < 0 ? "none" : strings[at(ANSWER)], "answer"),
    cell(question[3] ?? "", "answer"),
    element("td", plainNumber(at(TOKENS)), "number"),
    element("td", at(SECONDS) === null ? "" : at(SECONDS).toFixed(2), "number"),
    cell(strings[at(STOP)]),
    last,
  );
  return row;
}

async function toggle(row, button, number, question) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  button.textContent = isOpen ? "show" : "hide";
  if (isOpen) { row.nextElementSibling.remove(); return; }
  const opened = element("tr", null, "opened"), wide = element("td"), box = element("div", "reading…", "details");
  wide.colSpan = row.cells.length;
  wide.append(box);
  opened.append(wide);
  row.after(opened);
  const width = Math.min(row.closest(".scroll").clientWidth, 1100) - 28;
  box.style.width = `${width}px`;
  try {
    const { strings, columns } = view.index;
    await showDetails(box, number, question, strings[columns[STOP][number]], width - 4);
  } catch (error) {
    box.textContent = `This cannot be opened: ${error.message}`;
  }
}

function showPage() {
  const last = Math.max(0, Math.ceil(view.found.length / PAGE_SIZE) - 1);
  view.page = Math.min(Math.max(view.page, 0), last);
  const shown = view.found.slice(view.page * PAGE_SIZE, (view.page + 1) * PAGE_SIZE);
  document.querySelector("#problems tbody").replaceChildren(...shown.map(problemRow));
  document.getElementById("problem-count").textContent =
    `${plainNumber(view.found.length)} of ${plainNumber(view.index.columns[QUESTION].length)} answers`;
  document.getElementById("page-label").textContent = `page ${plainNumber(view.page + 1)} of ${plainNumber(last + 1)}`;
  document.getElementById("page-back").disabled = view.page === 0;
  document.getElementById("page-on").disabled = view.page === last;
}

function listen() {
  let waiting = 0;
  for (const control of Object.values(filters)) {
    control.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(update, control === filters.text ? 120 : 0); });
  }
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("page-back").addEventListener("click", () => { view.page -= 1; showPage(); });
  document.getElementById("page-on").addEventListener("click", () => { view.page += 1; showPage(); });
  for (const button of document.querySelectorAll("#problems thead button")) {
    button.addEventListener("click", () => {
      view.sign = setSort(button.closest("th"));
      view.sort = Number(button.dataset.sort);
      update();
    });
  }
  for (const button of document.querySelectorAll("#causes button")) {
    button.addEventListener("click", () => {
      for (const control of Object.values(filters)) control.value = "";
      filters.cause.value = button.dataset.cause;
      update();
      document.getElementById("problems-heading").scrollIntoView();
      filters.cause.focus({ preventScroll: true });
    });
  }
}

async function startProblems() {
  try {
    view.index = await unpacked(document.getElementById("index").textContent);
  } catch (error) {
    document.getElementById("problem-count").textContent = `The problems cannot be read by this browser: ${error.message}`;
    return;
  }
  fillSelect(filters.benchmark, view.index.benchmarks, "all");
  fillSelect(filters.strategy, view.index.systems, "all");
  fillSelect(filters.cause, [...document.querySelectorAll("#causes tbody th")].map((cause) => cause.textContent), "any or none");
  listen();
  update();
  document.documentElement.classList.add("ready");
}
startProblems();
