// ---- a whole search tree at a glance: a row for each depth, a node as wide as the leaves below it -------------------

const MAP_GLYPH = 14; // cells of this width and height have their state's sign

// The cells: one path for all of a state, and runs of cells too narrow to be seen made one.
function mapPaths(model, kept, width, height) {
  const unit = width / Math.max(1, model.lefts.total), paths = new Map(), runs = [], glyphs = [];
  const add = ({ key, from, to, depth }) => {
    const gap = to - from > 3 ? 0.8 : 0, y = (depth - 1) * height;
    paths.set(key, `${paths.get(key) ?? ""}M${from.toFixed(2)} ${y}H${(Math.max(to, from + 0.4) - gap).toFixed(2)}V${y + height - 1}H${from.toFixed(2)}Z`);
  };
  for (let node = 0; node < model.size; node += 1) {
    const depth = model.depth[node], from = model.lefts[node] * unit, to = from + model.leaves[node] * unit;
    const state = knownState(model.state(node)), key = `map-cell state-${state}${kept[node] ? "" : " dim"}`, run = runs[depth];
    if (to - from >= MAP_GLYPH && height >= MAP_GLYPH) glyphs.push([state, (from + to) / 2, (depth - 0.5) * height - 0.5]);
    if (run && run.key === key && to - from < 1 && run.to >= from - 0.01 && run.to - run.from < 8) { run.to = to; continue; }
    if (run) add(run);
    runs[depth] = { key, from, to, depth };
  }
  for (const run of runs) if (run) add(run);
  return { paths, glyphs };
}

function mapLefts(model) {
  const lefts = new Float64Array(model.size), taken = new Map();
  let total = 0;
  for (let node = 0; node < model.size; node += 1) {
    const parent = model.parent[node], used = taken.get(parent) ?? 0;
    lefts[node] = parent < 0 ? total : lefts[parent] + used;
    if (parent < 0) total += model.leaves[node];
    taken.set(parent, used + model.leaves[node]);
  }
  return Object.assign(lefts, { total });
}

function treeMap(model, width, onChoose) {
  model.lefts ??= mapLefts(model);
  const height = Math.min(18, Math.max(4, Math.floor(200 / model.maxDepth))), unit = width / Math.max(1, model.lefts.total);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height * model.maxDepth}`, width, height: height * model.maxDepth, class: "tree-map", role: "img",
    "aria-label": `Map of ${plainNumber(model.size)} nodes in ${model.maxDepth} levels; the table below holds the same.` });
  const path = Array.from(model.onPath.keys()).filter((node) => model.onPath[node]);
  const cells = drawing("g", {}), marks = drawing("g", { class: "map-marks" });
  svg.append(cells, marks);
  const frame = (node, name) => drawing("rect", { x: model.lefts[node] * unit, y: (model.depth[node] - 1) * height,
    width: Math.max(1.5, model.leaves[node] * unit - 0.8), height: height - 1, class: name });
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect(), depth = 1 + Math.floor(((event.clientY - box.top) / box.height) * model.maxDepth);
    const leaf = ((event.clientX - box.left) / box.width) * model.lefts.total;
    for (let node = 0; node < model.size; node += 1) {
      if (model.depth[node] === depth && model.lefts[node] <= leaf && leaf < model.lefts[node] + model.leaves[node]) { onChoose(node); return; }
    }
  });
  return {
    element: svg,
    draw(kept) {
      const { paths, glyphs } = mapPaths(model, kept, width, height);
      cells.replaceChildren(
        ...[...paths].map(([name, d]) => drawing("path", { d, class: name })),
        ...glyphs.map(([state, x, y]) => drawing("path", { d: TREE_STATES[state][0], "fill-rule": "evenodd", transform: `translate(${x} ${y}) scale(.8)`, class: "map-glyph" })),
      );
    },
    mark(active) {
      marks.replaceChildren(...path.map((node) => frame(node, "map-path")), frame(active, "map-active"));
    },
  };
}
