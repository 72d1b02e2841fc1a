// ---- what was done when: the spans of an answer as bars on an axis of seconds ------------------------------------------

const LINE_OPEN_AT_FIRST = 300; // spans; of more only those that have others below them are open down to this depth
const LINE_DEPTH_AT_FIRST = 3;
const linePackets = { lines: null, open: new Map() };

function linePacket(place) {
  linePackets.lines ??= document.getElementById("lines").textContent.split("\n");
  if (!linePackets.open.has(place)) {
    if (linePackets.open.size >= 2) linePackets.open.delete(linePackets.open.keys().next().value);
    linePackets.open.set(place, unpacked(linePackets.lines[place]));
  }
  return linePackets.open.get(place);
}

function lineControls() {
  const filter = element("select"), find = element("input"), count = element("output"), bar = element("div", null, "filters tree-controls line-controls");
  for (const [value, text] of [["all", "all spans"], ["parts", "threads and tools, no samples"], ["chain", "what the end waited for"]]) filter.append(new Option(text, value));
  find.type = "search";
  find.placeholder = "name, text, why it ended";
  count.setAttribute("aria-live", "polite");
  bar.append(labelled("Show", filter), labelled("Find spans", find));
  return { bar, filter, find, count };
}

// One time line: the window of seconds, what is open and what is chosen are kept here.
function linePanel(model, width) {
  const { bar, filter, find, count } = lineControls(), details = element("div", null, "tree-node line-node"), box = element("div", null, "timeline");
  const open = Uint8Array.from({ length: model.size }, (_, node) => (model.size <= LINE_OPEN_AT_FIRST || model.depth[node] < LINE_DEPTH_AT_FIRST ? 1 : 0));
  const view = { from: 0, to: model.last, index: new Map() }, state = { active: 0, found: null };
  const grid = treeGrid(model, { isOpen: (node) => Boolean(open[node]), toggle: (node, isOpen) => { open[node] = isOpen ? 1 : 0; redraw(); }, choose }, {
    label: "Spans of the trace", head: lineHead(view),
    makeRow: (node, isOpen) => lineRow(model, view, node, isOpen),
    behind: (shown, index, body) => lineLinks(model, Object.assign(view, { index }), shown, body),
  });
  const map = lineMap(model, width, (time) => show(time - (view.to - view.from) / 2, time + (view.to - view.from) / 2));
  function choose(node) {
    state.active = node;
    grid.activate(node);
    details.replaceChildren(...spanDetails(model, node));
    details.scrollTop = 0;
  }
  function redraw() {
    const rows = visibleRows(model, open, state.found.kept);
    grid.show(rows, state.found.hits);
    if (!rows.includes(state.active)) { const shown = pathTo(model, state.active).findLast((node) => rows.includes(node)) ?? rows[0]; if (shown >= 0) choose(shown); }
    const hits = state.found.hits ? `${counted(state.found.numHits, "span holds", "spans hold")} it, ` : "";
    count.textContent = `${hits}${plainNumber(rows.length)} of ${counted(model.size, "span", "spans")} shown`;
  }
  // The window never leaves the trace, and is never so small that times run together.
  function show(from, to) {
    const length = Math.min(model.last, Math.max(to - from, model.last * 1e-4)), begin = Math.min(model.last - length, Math.max(0, from));
    Object.assign(view, { from: begin, to: begin + length });
    map.mark(view.from, view.to);
    grid.setHead(lineHead(view));
    redraw();
  }
  function zoom(factor) {
    const middle = (model.start[state.active] + model.end[state.active]) / 2, isIn = middle >= view.from && middle <= view.to;
    const centre = isIn ? middle : (view.from + view.to) / 2, half = ((view.to - view.from) * factor) / 2;
    show(centre - half, centre + half);
  }
  const whole = () => show(0, model.last);
  const fit = () => { const [from, to] = [model.start[state.active], model.end[state.active]], room = Math.max(to - from, model.last * 1e-3) * 0.05; show(from - room, to + room); };
  const pan = (share) => { const step = (view.to - view.from) * share; show(view.from + step, view.to + step); };
  function search() {
    state.found = searchTree(model, LINE_FILTERS[filter.value], find.value.trim().toLowerCase());
    const { hits } = state.found;
    if (hits || filter.value !== "all") for (let node = model.size - 1; node >= 0; node -= 1) if (model.parent[node] >= 0 && state.found.kept[node]) open[model.parent[node]] = 1;
    redraw();
    if (hits && !hits[state.active] && state.found.numHits) choose(hits.indexOf(1));
  }
  let waiting = 0;
  filter.addEventListener("input", search);
  find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  find.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); nextHit(state, model, event.shiftKey ? -1 : 1, choose); } });
  // Before the table has the key, for which an arrow is one whether Shift is held or not.
  grid.element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.shiftKey && event.key.startsWith("Arrow") ? `Shift ${event.key}` : event.key;
    const act = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: whole, z: fit, "Shift ArrowLeft": () => pan(-0.25), "Shift ArrowRight": () => pan(0.25) }[key];
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }, { capture: true });
  bar.append(pressable("Zoom in", () => zoom(0.5)), pressable("Zoom out", () => zoom(2)), pressable("Fit the chosen span", fit), pressable("Whole time", whole),
    pressable("Expand all", () => { open.fill(1); redraw(); }), pressable("Collapse all", () => { open.fill(0); redraw(); }), count);
  details.tabIndex = 0;
  details.setAttribute("role", "region");
  details.setAttribute("aria-label", "The chosen span");
  state.found = searchTree(model, LINE_FILTERS.all, "");
  grid.element.style.height = `min(${(Math.max(3, visibleRows(model, open, state.found.kept).length) + 1) * TREE_ROW + 18}px, 60vh)`;
  whole();
  box.append(bar, map.element, grid.element, details);
  requestAnimationFrame(() => choose(state.active));
  return [box];
}

const LINE_HELP = "Bars are seconds of the run's clock. Pale: waiting for a turn in the engine. Thin: a part whose own spans stand below it. A line down is a "
  + "fork, a dashed one the end of the last that was waited for, dots the time between. Marked at the left: what the end waited for, as far as times tell. Keys in the table: arrows "
  + "walk, open and close; + and - zoom, 0 shows all, z fits the chosen span, Shift with an arrow moves the window.";

async function fillLine(box, detail, strings, width) {
  const isApart = detail.line !== null && detail.line !== undefined;
  const held = isApart ? await linePacket(detail.line) : { spans: detail.spans, strings };
  const made = [...linePanel(lineModel(held.spans, held.strings), width), kindLegend([...new Set(held.spans.map((span) => held.strings[span[2]]))])];
  if (detail.more_spans) made.push(element("p", `${counted(detail.more_spans, "more span is", "more spans are")} in the run store.`, "note"));
  box.replaceChildren(...made, element("p", LINE_HELP, "note"));
}

function kindLegend(kinds) {
  const list = element("ul", null, "legend");
  for (const kind of kinds) {
    const item = element("li");
    item.append(element("span", null, `swatch is-${knownKind(kind)}`), isolated(kind));
    list.append(item);
  }
  return list;
}

const timeLineView = {
  id: "time-line",
  title: "Time line",
  has: (detail) => detail.spans.length > 0 || (detail.line ?? null) !== null,
  show(detail, strings, width) {
    const box = element("div", "reading…", "line-box");
    fillLine(box, detail, strings, width).catch((error) => { box.textContent = `This cannot be opened: ${error.message}`; });
    return [box];
  },
};
