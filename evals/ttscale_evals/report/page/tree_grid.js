// ---- the nodes of a search tree as a table of which only what is in sight is in the document ------------------------

const TREE_ROW = 28, TREE_OVERSCAN = 6;
let numTreeGrids = 0;

function treeCell(className, ...content) {
  const made = element("span", null, className);
  made.setAttribute("role", "gridcell");
  made.append(...content);
  return made;
}

function rewardText(reward) {
  return reward === null ? "–" : String(Number(reward.toPrecision(3)));
}

function rewardCell(model, node) {
  const reward = model.reward[node], made = treeCell("tree-reward");
  if (reward !== null) {
    const bar = element("span", null, "reward-bar");
    bar.style.width = `${Math.round(Math.min(1, Math.max(0, reward)) * 100)}%`;
    made.append(bar);
  } else if (model.reason(node)) made.title = model.reason(node);
  made.append(element("span", rewardText(reward)));
  return made;
}

// The end of a long name, from a dot on: what is above stands above it.
function shortName(name) {
  if (name.length <= 10) return name;
  const dot = name.indexOf(".", name.length - 6);
  return `…${dot < 0 ? name.slice(-6) : name.slice(dot + 1)}`;
}

function nameCell(model, node, isOpen) {
  const sign = element("span", model.hasChildren(node) ? (isOpen ? "▾" : "▸") : "", "toggle");
  sign.setAttribute("aria-hidden", "true");
  const made = treeCell("tree-name", sign, stateGlyph(model.state(node)), isolated(shortName(model.name(node))));
  made.title = model.name(node);
  made.style.setProperty("--level", model.depth[node] - 1);
  if (model.draws[node] > 1) made.append(element("span", ` ×${plainNumber(model.draws[node])}`, "tree-draws"));
  return made;
}

function textCell(model, node) {
  const made = treeCell("tree-text"), answer = model.answer(node);
  if (answer !== null) made.append(element("b", "answer "), isolated(shortened(answer, 40)), " · ");
  const text = model.isTextLeftOut(node) ? "(text in the run store only)" : model.text(node).slice(0, 240).trim();
  made.append(isolated(text));
  return made;
}

function gridRow(model, node, isOpen, name) {
  const row = element("div", null, `tree-row ${name}`.trim());
  row.setAttribute("role", "row");
  row.setAttribute("aria-level", model.depth[node]);
  row.setAttribute("aria-posinset", model.places[node]);
  row.setAttribute("aria-setsize", model.siblings(node));
  if (model.hasChildren(node)) row.setAttribute("aria-expanded", String(isOpen));
  row.dataset.node = node;
  return row;
}

function treeRow(model, node, isOpen) {
  const row = gridRow(model, node, isOpen, model.onPath[node] ? "on-path" : "");
  const state = treeCell(`tree-state state-${knownState(model.state(node))}`, isolated(model.state(node)));
  if (model.onPath[node]) state.append(element("span", " on the chosen path", "hidden"));
  row.append(nameCell(model, node, isOpen), state, rewardCell(model, node),
    treeCell("tree-tokens", plainNumber(model.tokens[node])), textCell(model, node));
  return row;
}

function treeHead() {
  const row = element("div", null, "tree-row tree-head");
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  for (const [name, className] of [["Node", "tree-name"], ["State", "tree-state"], ["Score", "tree-reward"], ["Tokens", "tree-tokens"], ["Step", "tree-text"]]) {
    const head = element("span", name, className);
    head.setAttribute("role", "columnheader");
    row.append(head);
  }
  return row;
}

// The table: it asks whether a node is open, and says which is to be opened, closed or chosen. Of another kind of tree it
// has another name, other rows, and something behind those in sight.
function treeGrid(model, { isOpen, toggle, choose }, {
  label = "Nodes of the search tree", head = treeHead(), makeRow = (node, open) => treeRow(model, node, open), behind = null,
} = {}) {
  const id = `tree-${(numTreeGrids += 1)}`, scroll = element("div", null, "tree-grid"), body = element("div", null, "tree-body");
  const view = { rows: [], index: new Map(), hits: null, active: -1, made: new Map(), waiting: false };
  scroll.tabIndex = 0;
  scroll.style.setProperty("--levels", Math.max(1, model.maxDepth - 1));
  scroll.setAttribute("role", "treegrid");
  scroll.setAttribute("aria-label", label);
  body.setAttribute("role", "rowgroup");
  scroll.append(head, body);

  function place(node, number) {
    const row = view.made.get(node) ?? makeRow(node, isOpen(node));
    row.id = `${id}-${node}`;
    row.style.top = `${number * TREE_ROW}px`;
    row.setAttribute("aria-rowindex", number + 2);
    row.setAttribute("aria-selected", String(node === view.active));
    row.classList.toggle("hit", Boolean(view.hits?.[node]));
    return row;
  }
  function draw() {
    const from = Math.max(0, Math.floor(scroll.scrollTop / TREE_ROW) - TREE_OVERSCAN);
    const to = Math.min(view.rows.length, from + Math.ceil(scroll.clientHeight / TREE_ROW) + 2 * TREE_OVERSCAN);
    const numbers = new Set(Array.from({ length: Math.max(0, to - from) }, (_, step) => from + step));
    if (view.index.has(view.active)) numbers.add(view.index.get(view.active)); // what is named as active is always there
    view.made = new Map([...numbers].sort((left, right) => left - right).map((number) => [view.rows[number], place(view.rows[number], number)]));
    body.replaceChildren(...view.made.values());
    if (behind) body.prepend(behind([...view.made.keys()], view.index, body));
  }
  function reveal() {
    const number = view.index.get(view.active) ?? 0, top = number * TREE_ROW, room = scroll.clientHeight - 2 * TREE_ROW;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top > scroll.scrollTop + room) scroll.scrollTop = top - room;
  }
  function activate(node) {
    view.active = node;
    if (node >= 0) scroll.setAttribute("aria-activedescendant", `${id}-${node}`);
    else scroll.removeAttribute("aria-activedescendant");
    reveal();
    draw();
  }
  scroll.addEventListener("scroll", () => {
    if (view.waiting) return;
    view.waiting = true;
    requestAnimationFrame(() => { view.waiting = false; draw(); });
  });
  scroll.addEventListener("click", (event) => {
    const row = event.target.closest("[data-node]");
    if (!row) return;
    const node = Number(row.dataset.node);
    choose(node);
    if (event.target.closest(".toggle")) toggle(node, !isOpen(node));
  });
  scroll.addEventListener("keydown", (event) => treeKey(event, model, view, { isOpen, toggle, choose, page: Math.max(1, Math.floor(scroll.clientHeight / TREE_ROW) - 2) }));
  new ResizeObserver(draw).observe(scroll);
  return {
    element: scroll,
    activate,
    setHead: (row) => scroll.firstElementChild.replaceWith(row),
    show(rows, hits) {
      Object.assign(view, { rows, hits, made: new Map(), index: new Map(rows.map((node, number) => [node, number])) });
      scroll.setAttribute("aria-rowcount", rows.length + 1);
      if (!view.index.has(view.active)) scroll.removeAttribute("aria-activedescendant");
      body.style.height = `${rows.length * TREE_ROW}px`;
      draw();
    },
  };
}

function treeKey(event, model, view, { isOpen, toggle, choose, page }) {
  if (event.ctrlKey || event.altKey || event.metaKey || view.active < 0) return;
  const { active, rows } = view, number = view.index.get(active) ?? 0, last = rows.length - 1;
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
  const isInside = model.hasChildren(active);
  if (step) choose(rows[Math.min(last, Math.max(0, number + step))]);
  else if (event.key === "ArrowRight" && isInside && !isOpen(active)) toggle(active, true);
  else if (event.key === "ArrowRight" && isInside) { if (model.parent[rows[number + 1]] === active) choose(rows[number + 1]); }
  else if (event.key === "ArrowLeft" && isInside && isOpen(active)) toggle(active, false);
  else if (event.key === "ArrowLeft") { if (model.parent[active] >= 0) choose(model.parent[active]); }
  else if (event.key === "Enter" || event.key === " ") { if (isInside) toggle(active, !isOpen(active)); }
  else return;
  event.preventDefault();
}
