// ---- the spans of a trace as arrays: each followed by those below it, with what waited for what -----------------------

const LINE_KINDS = ["solve", "thread", "child", "sample", "score", "tool"];

function knownKind(kind) {
  return LINE_KINDS.includes(kind) ? kind : "other";
}

// The rows from the top down, each with the place of its parent; those without one there stand at the top, and so does
// the first of a circle.
function lineOrder(spans) {
  const numbers = new Map(), children = new Map(), order = [], reached = new Uint8Array(spans.length);
  spans.forEach(([id], number) => { if (!numbers.has(id)) numbers.set(id, number); });
  const above = spans.map(([, parent], number) => (numbers.has(parent) && numbers.get(parent) !== number ? numbers.get(parent) : -1));
  above.forEach((parent, number) => {
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(number);
  });
  const visit = (first) => {
    const waiting = [[first, -1]];
    while (waiting.length) {
      const [number, parent] = waiting.pop();
      if (reached[number]) continue;
      reached[number] = 1;
      order.push([number, parent]);
      const place = order.length - 1, below = children.get(number) ?? [];
      for (let step = below.length - 1; step >= 0; step -= 1) waiting.push([below[step], place]);
    }
  };
  for (const number of children.get(-1) ?? []) visit(number);
  spans.forEach((_, number) => { if (!reached[number]) visit(number); });
  return order;
}

function lineModel(spans, strings) {
  const order = lineOrder(spans), size = order.length, at = (node) => spans[order[node][0]];
  const parent = Int32Array.from(order, ([, above]) => above), depth = new Int32Array(size), ends = new Int32Array(size);
  const places = new Int32Array(size), siblings = new Map(), words = [];
  let last = 0, maxDepth = 0;
  for (let node = 0; node < size; node += 1) {
    depth[node] = parent[node] < 0 ? 1 : depth[parent[node]] + 1;
    maxDepth = Math.max(maxDepth, depth[node]);
    ends[node] = node + 1;
    places[node] = (siblings.get(parent[node]) ?? 0) + 1;
    siblings.set(parent[node], places[node]);
    last = Math.max(last, at(node)[4] ?? 0, at(node)[5] ?? 0);
  }
  for (let node = size - 1; node >= 0; node -= 1) if (parent[node] >= 0) ends[parent[node]] = Math.max(ends[parent[node]], ends[node]);
  const text = (column) => (node) => strings[at(node)[column]] ?? "";
  const start = Float64Array.from(order, (_, node) => Math.max(0, at(node)[4] ?? 0));
  // What has not ended is at work until the last moment that is known.
  const end = Float64Array.from(order, (_, node) => Math.max(start[node], at(node)[5] ?? last));
  const model = {
    size, parent, depth, maxDepth, ends, places, start, end, last: last || 1e-6,
    kind: text(2), name: text(3), note: text(6), ended: text(9), text: text(10),
    isTextLeftOut: (node) => at(node)[10] === TEXT_LEFT_OUT,
    tokens: (node) => at(node)[8] ?? null, began: (node) => at(node)[7] ?? null,
    isUnfinished: (node) => at(node)[5] === null,
    siblings: (node) => siblings.get(parent[node]), hasChildren: (node) => ends[node] > node + 1,
    searched: (node) => (words[node] ??= [2, 3, 6, 9, 10].map((column) => text(column)(node)).join("\n").toLowerCase()),
  };
  return Object.assign(model, { groups: lineGroups(model), onPath: lineChain(model) });
}

function childrenOf(model, node) {
  const found = [], to = node < 0 ? model.size : model.ends[node];
  for (let child = node + 1; child < to; child = model.ends[child]) found.push(child);
  return found;
}

// Of each span those at its side: below the same parent, in a run of spans that overlap each other in time.
function lineGroups(model) {
  const groups = new Array(model.size), slack = model.last * 1e-9;
  for (let node = -1; node < model.size; node += 1) {
    if (node >= 0 && !model.hasChildren(node)) continue;
    const sorted = childrenOf(model, node).sort((left, right) => model.start[left] - model.start[right] || left - right);
    let group = [], until = -Infinity;
    for (const child of sorted) {
      if (model.start[child] >= until - slack) { group = []; until = -Infinity; }
      group.push(child);
      groups[child] = group;
      until = Math.max(until, model.end[child]);
    }
  }
  return groups;
}

// The one of a group that ends last: whoever waits for all of them waits for it.
function lastOf(model, group) {
  return group.reduce((one, other) => (model.end[other] > model.end[one] ? other : one));
}

// Which spans the end waited for, as far as times tell: from the last to end, each one's forerunner is what ended last
// before it began, looked for below its own parent first, then further up.
function lineChain(model) {
  const onPath = new Uint8Array(model.size), slack = model.last * 3e-5, sorted = new Map();
  const byEnd = (node) => {
    if (!sorted.has(node)) sorted.set(node, childrenOf(model, node).sort((left, right) => model.end[left] - model.end[right]));
    return sorted.get(node);
  };
  const before = (node, time) => {
    const list = byEnd(node);
    let low = 0, high = list.length;
    while (low < high) { const middle = (low + high) >> 1; if (model.end[list[middle]] <= time + slack) low = middle + 1; else high = middle; }
    return list.slice(Math.max(0, low - 4), low).reverse();
  };
  const deepest = (from) => {
    let node = from;
    while (node >= 0 && model.hasChildren(node)) { onPath[node] = 1; node = byEnd(node).at(-1); }
    return node;
  };
  let node = model.size ? deepest(byEnd(-1).at(-1)) : -1, steps = 0;
  while (node >= 0 && steps < model.size) {
    steps += 1;
    onPath[node] = 1;
    let next = -1;
    for (let above = model.parent[node]; next < 0; above = model.parent[above]) {
      next = before(above, model.start[node]).find((other) => !onPath[other]) ?? -1;
      if (above < 0) break;
      onPath[above] = 1;
    }
    node = next < 0 ? -1 : deepest(next);
  }
  return onPath;
}

// How many spans without others below them are at work at once, as steps [time, number].
function lineWidths(model) {
  const events = [];
  for (let node = 0; node < model.size; node += 1) {
    if (model.hasChildren(node) || model.end[node] <= model.start[node]) continue;
    events.push([model.start[node], 1], [model.end[node], -1]);
  }
  events.sort((left, right) => left[0] - right[0] || left[1] - right[1]);
  const steps = [[0, 0]];
  let number = 0;
  for (const [time, change] of events) {
    number += change;
    if (steps.at(-1)[0] === time) steps.at(-1)[1] = number;
    else steps.push([time, number]);
  }
  return steps;
}

const LINE_FILTERS = {
  all: () => true,
  parts: (model, node) => !["sample", "score"].includes(model.kind(node)),
  chain: (model, node) => Boolean(model.onPath[node]),
};
