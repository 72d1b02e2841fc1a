// ---- a search tree as arrays: nodes from the root down, each followed by those below it -----------------------------

const TEXT_LEFT_OUT = -2;
// What a state is called, drawn as (around 0 0, within 6), and what it means.
const TREE_STATES = {
  chosen: ["M0 -6L1.8 -1.9L6 -1.9L2.6 .8L3.8 5.2L0 2.6L-3.8 5.2L-2.6 .8L-6 -1.9L-1.8 -1.9Z", "the answer was taken from it"],
  leaf: ["M-4.5 -4.5h9v9h-9z", "an ended solution"],
  expanded: ["M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", "the search went on from it"],
  open: ["M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0zM-3 0a3 3 0 1 1 6 0a3 3 0 1 1 -6 0z", "the search ended before it was decided on"],
  pruned: ["M-5 -3.4L-3.4 -5L0 -1.6L3.4 -5L5 -3.4L1.6 0L5 3.4L3.4 5L0 1.6L-3.4 5L-5 3.4L-1.6 0Z", "given up"],
  failed: ["M0 -5.5L6 5H-6Z", "an error, or aborted"],
  other: ["M0 -6L6 0L0 6L-6 0Z", ""],
};

function knownState(state) {
  return Object.hasOwn(TREE_STATES, state) ? state : "other";
}

function stateGlyph(state) {
  const made = drawing("svg", { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true", class: `glyph state-${knownState(state)}` });
  made.append(drawing("path", { d: TREE_STATES[knownState(state)][0], "fill-rule": "evenodd" }));
  return made;
}

function treeModel(packed, strings) {
  const { parent } = packed.columns, size = parent.length;
  const depth = new Int32Array(size), ends = new Int32Array(size), leaves = new Int32Array(size);
  const places = new Int32Array(size), siblings = new Map(), onPath = new Uint8Array(size);
  const at = (column, node) => strings[packed.columns[column][node]] ?? "";
  let maxDepth = 0;
  for (let node = 0; node < size; node += 1) {
    depth[node] = parent[node] < 0 ? 1 : depth[parent[node]] + 1;
    maxDepth = Math.max(maxDepth, depth[node]);
    ends[node] = node + 1;
    places[node] = (siblings.get(parent[node]) ?? 0) + 1;
    siblings.set(parent[node], places[node]);
    if (at("state", node) === "chosen") for (let above = node; above >= 0 && !onPath[above]; above = parent[above]) onPath[above] = 1;
  }
  for (let node = size - 1; node >= 0; node -= 1) {
    leaves[node] ||= 1;
    if (parent[node] < 0) continue;
    ends[parent[node]] = Math.max(ends[parent[node]], ends[node]);
    leaves[parent[node]] += leaves[node];
  }
  const words = [], names = [];
  // Columns have what a name adds to that above it, from the dot on.
  const name = (node) => (names[node] ??= at("name", node).startsWith(".") && parent[node] >= 0 ? name(parent[node]) + at("name", node) : at("name", node));
  return {
    size, depth, maxDepth, ends, leaves, places, onPath, parent,
    tokens: packed.columns.tokens, reward: packed.columns.reward, draws: packed.columns.draws,
    start: packed.columns.start, end: packed.columns.end,
    name, state: (node) => at("state", node), reason: (node) => at("reason", node),
    answer: (node) => (packed.columns.answer[node] < 0 ? null : at("answer", node)),
    text: (node) => at("text", node),
    isTextLeftOut: (node) => packed.columns.text[node] === TEXT_LEFT_OUT,
    siblings: (node) => siblings.get(parent[node]),
    hasChildren: (node) => ends[node] > node + 1,
    chosen: onPath.findLastIndex((isOn, node) => isOn && at("state", node) === "chosen"),
    searched: (node) => (words[node] ??= [name(node), ...["state", "answer", "reason", "text"].map((column) => at(column, node))].join("\n").toLowerCase()),
    moreNodes: packed.more_nodes, moreTexts: packed.more_texts, strays: packed.strays,
  };
}

function pathTo(model, node) {
  const path = [];
  for (let above = node; above >= 0; above = model.parent[above]) path.unshift(above);
  return path;
}

// Which nodes a choice shows, as 0 or 1 for each; a shown node's parent is shown.
const TREE_FILTERS = {
  all: () => true,
  expanded: (model, node) => model.hasChildren(node) || model.onPath[node],
  chosen: (model, node) => model.onPath[node],
};

// The nodes that hold a text, of those a choice shows; and which nodes that leaves to show, these and all above them.
function searchTree(model, isShown, wanted) {
  const kept = Uint8Array.from({ length: model.size }, (_, node) => (isShown(model, node) ? 1 : 0));
  if (!wanted) return { kept, hits: null, numHits: 0 };
  const hits = kept.map((isKept, node) => (isKept && model.searched(node).includes(wanted) ? 1 : 0)), left = hits.slice();
  for (let node = model.size - 1; node >= 0; node -= 1) if (left[node] && model.parent[node] >= 0) left[model.parent[node]] = 1;
  return { kept: left, hits, numHits: hits.reduce((sum, isHit) => sum + isHit, 0) };
}

function visibleRows(model, open, kept) {
  const rows = [];
  for (let node = 0; node < model.size;) {
    if (kept[node]) rows.push(node);
    node = kept[node] && open[node] ? node + 1 : model.ends[node];
  }
  return rows;
}
