// ---- the search trees of an answer: summary, map, table, and the chosen node ----------------------------------------

const OPEN_AT_FIRST = 200; // trees of up to so many nodes are shown whole, others as their chosen path
const treePackets = { lines: null, open: new Map() };

function treePacket(place) {
  treePackets.lines ??= document.getElementById("trees").textContent.split("\n");
  if (!treePackets.open.has(place)) {
    if (treePackets.open.size >= 2) treePackets.open.delete(treePackets.open.keys().next().value);
    treePackets.open.set(place, unpacked(treePackets.lines[place]));
  }
  return treePackets.open.get(place);
}

function counted(number, one, many) {
  return `${plainNumber(number)} ${number === 1 ? one : many}`;
}

// Every state with its sign, nodes and tokens: a legend and a summary in one.
function treeSummary({ nodes, tokens, depth, best, states }) {
  const list = element("ul", null, "legend tree-legend"), known = Object.keys(TREE_STATES);
  const rank = (state) => known.indexOf(knownState(state));
  for (const [state, [number, spent]] of Object.entries(states).sort(([left], [right]) => rank(left) - rank(right))) {
    const item = element("li");
    item.title = TREE_STATES[knownState(state)][1];
    item.append(stateGlyph(state), " ", isolated(state), `: ${counted(number, "node", "nodes")}, ${counted(spent, "token", "tokens")}`);
    list.append(item);
  }
  const score = best === null ? "no scores" : `best score ${rewardText(best)}`;
  return [element("p", `${counted(nodes, "node", "nodes")}, ${counted(tokens, "token", "tokens")}, depth ${plainNumber(depth)}, ${score}.`, "tree-summary"), list];
}

function treeLimits(model) {
  const said = [];
  if (model.moreNodes) said.push(`${counted(model.moreNodes, "more node is", "more nodes are")} in the run store only: the chosen path and ${plainNumber(model.size)} nodes nearest the root are here.`);
  if (model.moreTexts) said.push(`The text of ${counted(model.moreTexts, "node is", "nodes is")} in the run store only, and not searched.`);
  if (model.strays) said.push(`${counted(model.strays, "node stands", "nodes stand")} at the top because the trace lacks what is above.`);
  return said.map((text) => element("p", text, "note"));
}

function labelled(text, control) {
  const made = element("label", `${text} `);
  made.append(control);
  return made;
}

function pressable(text, act) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function treeControls() {
  const filter = element("select"), find = element("input"), count = element("output"), bar = element("div", null, "filters tree-controls");
  for (const [value, text] of [["all", "all nodes"], ["expanded", "expanded nodes"], ["chosen", "the chosen path"]]) filter.append(new Option(text, value));
  find.type = "search";
  find.placeholder = "step, answer, state";
  count.setAttribute("aria-live", "polite");
  bar.append(labelled("Show", filter), labelled("Find nodes", find));
  return { bar, filter, find, count };
}

// One tree: what is open and chosen is kept here, and drawn by the map, the table and the details.
function treePanel(model, width) {
  const { bar, filter, find, count } = treeControls(), details = element("div", null, "tree-node");
  const open = new Uint8Array(model.size), state = { active: -1, found: null };
  const unfold = (nodes) => { for (const node of nodes) open[node] = 1; };
  const choose = (node) => {
    state.active = node;
    grid.activate(node);
    map.mark(node);
    details.replaceChildren(...nodeDetails(model, node));
    details.scrollTop = 0;
  };
  const redraw = () => {
    const rows = visibleRows(model, open, state.found.kept);
    grid.show(rows, state.found.hits);
    if (!rows.includes(state.active)) { const shown = pathTo(model, state.active).findLast((node) => rows.includes(node)) ?? rows[0]; if (shown >= 0) choose(shown); }
    const hits = state.found.hits ? `${counted(state.found.numHits, "node holds", "nodes hold")} it, ` : "";
    count.textContent = `${hits}${plainNumber(rows.length)} of ${counted(model.size, "node", "nodes")} in the table`;
  };
  const toggle = (node, isOpen) => { open[node] = isOpen ? 1 : 0; redraw(); };
  const goTo = (node) => {
    if (!state.found.kept[node]) { filter.value = "all"; find.value = ""; state.found = searchTree(model, TREE_FILTERS.all, ""); map.draw(state.found.kept); }
    unfold(pathTo(model, node).slice(0, -1));
    redraw();
    choose(node);
  };
  const search = () => {
    state.found = searchTree(model, TREE_FILTERS[filter.value], find.value.trim().toLowerCase());
    const { hits } = state.found;
    if (hits) for (let node = model.size - 1; node >= 0; node -= 1) if (model.parent[node] >= 0 && state.found.kept[node]) open[model.parent[node]] = 1;
    redraw();
    map.draw(state.found.kept);
    if (hits && !hits[state.active] && state.found.numHits) choose(hits.indexOf(1));
  };
  const grid = treeGrid(model, { isOpen: (node) => Boolean(open[node]), toggle, choose }), map = treeMap(model, width, goTo);
  bar.append(pressable("Expand all", () => { open.fill(1); redraw(); }), pressable("Collapse all", () => { open.fill(0); redraw(); }));
  if (model.chosen >= 0) bar.append(pressable("Go to the chosen leaf", () => { goTo(model.chosen); grid.element.focus(); }));
  bar.append(count);
  let waiting = 0;
  filter.addEventListener("input", search);
  find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  find.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); nextHit(state, model, event.shiftKey ? -1 : 1, choose); } });
  open.forEach((_, node) => { open[node] = model.size <= OPEN_AT_FIRST || model.onPath[node] ? 1 : 0; });
  details.tabIndex = 0;
  details.setAttribute("role", "region");
  details.setAttribute("aria-label", "The chosen node");
  const both = element("div", null, "tree-both");
  both.append(grid.element, details);
  state.found = searchTree(model, TREE_FILTERS.all, "");
  state.active = Math.max(0, model.chosen);
  redraw();
  map.draw(state.found.kept);
  // What is not in the document has no height, so the chosen node is shown once the panel is there.
  requestAnimationFrame(() => choose(state.active));
  return [bar, map.element, both, ...treeLimits(model),
    element("p", "Arrow keys walk through the table and open and close nodes; Enter in the search goes to the next that holds the text.", "note")];
}

// The next node that holds the text, below the active one or above it, going round.
function nextHit({ found, active }, model, step, choose) {
  if (!found.numHits) return;
  let node = active;
  do node = (node + step + model.size) % model.size; while (!found.hits[node]);
  choose(node);
}

const TREE_LEFT_OUT = "The nodes are in the run store only: the page would be too large.";

async function fillTrees(box, detail, width) {
  const { place, summaries, more_trees: more } = detail.trees, body = element("div"), select = element("select");
  fillSelect(select, summaries.map(({ name, nodes }) => `${name}, ${counted(nodes, "node", "nodes")}`));
  const notes = more ? [element("p", `${counted(more, "more tree is", "more trees are")} in the run store only.`, "note")] : [];
  box.replaceChildren(...(summaries.length > 1 ? [labelled("Tree", select)] : []), ...notes, body);
  const show = async () => {
    const number = Number(select.value || 0), told = treeSummary(summaries[number]);
    if (place < 0) { body.replaceChildren(...told, element("p", TREE_LEFT_OUT, "note")); return; }
    const { strings, trees } = await treePacket(place);
    if (number === Number(select.value || 0)) body.replaceChildren(...told, ...treePanel(treeModel(trees[number], strings), width));
  };
  const attempt = () => show().catch((error) => { body.textContent = `This cannot be opened: ${error.message}`; });
  select.addEventListener("change", attempt);
  await attempt();
}

const treeView = {
  id: "tree",
  title: "Search tree",
  has: (detail) => Boolean(detail.trees),
  show(detail, strings, width) {
    const box = element("div", "reading…", "tree");
    fillTrees(box, detail, width);
    return [box];
  },
};
