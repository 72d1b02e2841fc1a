// ---- what was done when: a lane for each span, nested as the spans are -------------------------------------------

const LANE = 20;

function knownKind(kind) {
  return ["solve", "child", "sample", "score", "tool"].includes(kind) ? kind : "other";
}

function lanes(spans) {
  const children = new Map(), ids = new Set(spans.map((span) => span[0])), ordered = [];
  for (const span of spans) {
    const parent = ids.has(span[1]) ? span[1] : null;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const waiting = (children.get(null) ?? []).map((span) => [span, 0]).reverse(), done = new Set();
  while (waiting.length) {
    const [span, depth] = waiting.pop();
    if (done.has(span[0])) continue;
    done.add(span[0]);
    ordered.push([span, depth]);
    for (const child of (children.get(span[0]) ?? []).slice().reverse()) waiting.push([child, depth + 1]);
  }
  return ordered;
}

function timeline(spans, strings, width) {
  const ordered = lanes(spans), left = Math.min(190, width * 0.38), right = width - 12;
  const last = Math.max(...spans.map((span) => span[5] ?? span[4]), 1e-6);
  const x = (seconds) => left + (Math.max(0, seconds) / last) * (right - left);
  const height = ordered.length * LANE + 26;
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "timeline",
    "aria-label": `Time line of ${ordered.length} spans over ${last.toPrecision(3)} seconds` });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const at = x(part * last);
    svg.append(
      drawing("line", { x1: at, x2: at, y1: 0, y2: height - 20, class: "grid" }),
      drawing("text", { x: at, y: height - 5, class: "tick", "text-anchor": part === 1 ? "end" : "middle" }, `${Number((part * last).toPrecision(3))} s`),
    );
  }
  ordered.forEach(([span, depth], lane) => svg.append(...spanMarks(span, depth, lane, strings, { x, left, last })));
  return svg;
}

function spanMarks([, , kind, name, start, end, note], depth, lane, strings, { x, left, last }) {
  const from = x(start), to = x(end ?? last), y = lane * LANE, indent = 4 + Math.min(depth, 8) * 10;
  const letters = Math.max(3, Math.floor((left - indent - 8) / 6.6));
  const block = drawing("rect", { x: from, y: y + 4, width: Math.max(2, to - from), height: LANE - 7, rx: 2, class: `span is-${knownKind(strings[kind])}` });
  const seconds = end === null ? "unfinished" : `${start.toPrecision(3)} to ${end.toPrecision(3)} s`;
  block.append(drawing("title", {}, `${strings[kind]} ${strings[name]}: ${seconds}${strings[note] ? `, ${strings[note]}` : ""}`));
  return [drawing("text", { x: indent, y: y + 15, class: "lane" }, shortened(strings[name], letters)), block];
}

function timeLine(detail, strings, width) {
  const scroll = element("div", null, "scroll lanes");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Time line");
  scroll.append(timeline(detail.spans, strings, width));
  const kinds = [...new Set(detail.spans.map((span) => strings[span[2]]))];
  const made = [scroll, kindLegend(kinds)];
  if (detail.more_spans) made.push(element("p", `${plainNumber(detail.more_spans)} more spans are in the run store.`, "note"));
  return made;
}

function kindLegend(kinds) {
  const list = element("ul", null, "legend");
  for (const kind of kinds) {
    const item = element("li");
    item.append(element("span", "", `swatch is-${knownKind(kind)}`), isolated(kind));
    list.append(item);
  }
  return list;
}

const timeLineView = { id: "time-line", title: "Time line", has: (detail) => detail.spans.length > 0, show: timeLine };
