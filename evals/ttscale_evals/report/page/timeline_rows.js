// ---- a row of the time line: name, tokens, why it ended, and a bar on the axis --------------------------------------

function shareOf(view, time) {
  return ((time - view.from) / (view.to - view.from)) * 100;
}

// A mark from one time to another; null where nothing of it is in the window.
function lineMark(view, from, to, className) {
  const left = shareOf(view, from), right = shareOf(view, to);
  if (right < 0 || left > 100) return null;
  const made = element("span", null, className);
  made.style.left = `${Math.max(0, left)}%`;
  made.style.width = `${Math.min(100, right) - Math.max(0, left)}%`;
  return made;
}

function secondsOf(time) {
  return `${Number(time.toPrecision(4))} s`;
}

function barTitle(model, node) {
  const until = model.isUnfinished(node) ? "unfinished" : `to ${secondsOf(model.end[node])}`;
  return `${model.kind(node)} ${model.name(node)}: ${secondsOf(model.start[node])} ${until}`;
}

function barCell(model, view, node) {
  const made = treeCell("line-track"), began = model.began(node), isWhole = model.hasChildren(node);
  const from = began !== null && began > model.start[node] ? Math.min(began, model.end[node]) : model.start[node];
  made.title = barTitle(model, node);
  const bar = lineMark(view, from, model.end[node], `span is-${knownKind(model.kind(node))}${isWhole ? " whole" : ""}${model.isUnfinished(node) ? " unfinished" : ""}`);
  const waits = from > model.start[node] ? lineMark(view, model.start[node], from, "line-waits") : null;
  const group = model.groups[node], isPart = group.length > 1 && LINE_FILTERS.parts(model, node);
  const idle = isPart ? lineMark(view, model.end[node], model.end[lastOf(model, group)], "line-idle") : null;
  for (const mark of [waits, bar, idle]) if (mark) made.append(mark);
  made.append(element("span", barTitle(model, node), "hidden"));
  return made;
}

function lineName(model, node, isOpen) {
  const sign = element("span", model.hasChildren(node) ? (isOpen ? "▾" : "▸") : "", "toggle");
  sign.setAttribute("aria-hidden", "true");
  const made = treeCell("tree-name lane", sign, element("span", null, `swatch is-${knownKind(model.kind(node))}`), isolated(model.name(node)));
  made.title = model.name(node);
  made.style.setProperty("--level", model.depth[node] - 1);
  return made;
}

function lineRow(model, view, node, isOpen) {
  const row = gridRow(model, node, isOpen, `line-row${model.onPath[node] ? " on-chain" : ""}`), tokens = model.tokens(node);
  const ended = treeCell(`line-ended${model.ended(node) === "error" ? " failed" : ""}`, isolated(model.ended(node)));
  if (model.onPath[node]) ended.append(element("span", " the end waited for it", "hidden"));
  row.append(lineName(model, node, isOpen), treeCell("tree-tokens", tokens === null ? "" : plainNumber(tokens)), ended, barCell(model, view, node));
  return row;
}

// Round numbers of seconds, at most six of them in a window.
function axisTicks(from, to) {
  const rough = (to - from) / 5, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= rough), ticks = [];
  for (let number = Math.ceil(from / step - 1e-9); number * step <= to * (1 + 1e-12) && ticks.length < 12; number += 1) ticks.push(Number((number * step).toPrecision(12)));
  return ticks;
}

function axisCell(view) {
  const made = element("span", null, "line-track line-axis");
  made.setAttribute("role", "columnheader");
  made.append(element("span", "Seconds", "hidden"));
  for (const tick of axisTicks(view.from, view.to)) {
    const mark = element("span", `${tick} s`, "line-tick"), at = shareOf(view, tick);
    mark.style.left = `${at}%`;
    if (at > 85) mark.classList.add("at-end");
    made.append(mark);
  }
  return made;
}

function lineHead(view) {
  const row = element("div", null, "tree-row tree-head line-row");
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  for (const [name, className] of [["Span", "tree-name"], ["Tokens", "tree-tokens"], ["Ended", "line-ended"]]) {
    const head = element("span", name, className);
    head.setAttribute("role", "columnheader");
    row.append(head);
  }
  row.append(axisCell(view));
  return row;
}

// Behind the rows in sight: where each fork began and where its last one was waited for, between a span and its parent.
function lineLinks(model, view, shown, body) {
  const links = element("div", null, "line-links"), drawn = new Set(), track = body.querySelector(".line-track");
  if (!track) return links;
  links.style.left = `${track.offsetLeft}px`;
  links.style.width = `${track.offsetWidth}px`;
  links.setAttribute("aria-hidden", "true");
  const link = (kind, time, top, bottom) => {
    const left = shareOf(view, time);
    if (left < 0 || left > 100) return;
    const made = element("span", null, `line-${kind}`);
    made.style.left = `${left}%`;
    made.style.top = `${(top + 0.5) * TREE_ROW}px`;
    made.style.height = `${(bottom - top) * TREE_ROW}px`;
    links.append(made);
  };
  for (const node of shown) {
    const group = model.groups[node], above = view.index.get(model.parent[node]);
    if (group.length < 2 || above === undefined || drawn.has(group)) continue;
    drawn.add(group);
    const bottom = group.reduce((found, other) => Math.max(found, view.index.get(other) ?? above), above);
    link("fork", model.start[group[0]], above, bottom);
    link("join", model.end[lastOf(model, group)], above, bottom);
  }
  return links;
}
