// ---- accuracy against one cost, with intervals and the Pareto front -------------------------------------------

const COLORS = 7; // of the classes c0 … c6 in the style
const SHAPES = ["m-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0z", "m-5 -5h10v10h-10z", "m0 -7l7 7l-7 7l-7 -7z"];
const MANY_POINTS = 30;
const MANY_BANDS = 8; // where data.bands says that intervals are drawn as bands
const chartState = { benchmark: 0, axis: data.axes[0].key, chosen: -1 };

function scale(points, axis, width, height) {
  const costs = points.map((point) => point.costs[axis]);
  const low = Math.log10(Math.min(...costs) / 1.25), high = Math.log10(Math.max(...costs) * 1.35);
  const bottom = Math.max(0, Math.min(...points.map((point) => point.low ?? point.accuracy)) - 0.04);
  const top = Math.min(1, Math.max(...points.map((point) => point.high ?? point.accuracy)) + 0.04);
  const box = { left: 56, right: width - 14, top: 12, bottom: height - 48 };
  return {
    ...box, low, high, floor: bottom, ceiling: top,
    x: (cost) => box.left + ((Math.log10(cost) - low) / (high - low)) * (box.right - box.left),
    y: (share) => box.bottom - ((share - bottom) / (top - bottom || 1)) * (box.bottom - box.top),
  };
}

function costLabel(value) {
  const sizes = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"]];
  const [size, prefix] = sizes.find(([least]) => value >= least) ?? [1, ""];
  return size === 1 ? value.toLocaleString("en-US", { maximumSignificantDigits: 3 }) : `${value / size} ${prefix}`;
}

function grid(svg, at, axis) {
  const span = at.high - at.low;
  const steps = span < 0.8 ? [1, 1.5, 2, 3, 5, 7] : span < 2.2 ? [1, 2, 5] : [1];
  let taken = -Infinity; // up to here the tick labels reach
  for (let power = Math.floor(at.low); power <= Math.ceil(at.high); power += 1) {
    for (const step of steps) {
      const value = Number(`${step}e${power}`), place = Math.log10(value);
      if (place < at.low || place > at.high) continue;
      const x = at.x(value), text = costLabel(value), anchor = at.right - x < 24 ? "end" : "middle";
      const half = text.length * 3.6, start = anchor === "end" ? x - 2 * half : x - half;
      svg.append(drawing("line", { x1: x, x2: x, y1: at.top, y2: at.bottom, class: "grid" }));
      if (start < taken + 6) continue;
      taken = start + 2 * half;
      svg.append(drawing("text", { x, y: at.bottom + 17, class: "tick", "text-anchor": anchor }, text));
    }
  }
  const reach = at.ceiling - at.floor;
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((size) => reach / size <= 8) ?? 0.2;
  for (let share = Math.ceil(at.floor / step) * step; share <= at.ceiling + 1e-9; share += step) {
    svg.append(
      drawing("line", { x1: at.left, x2: at.right, y1: at.y(share), y2: at.y(share), class: "grid" }),
      drawing("text", { x: at.left - 8, y: at.y(share) + 4, class: "tick", "text-anchor": "end" }, `${Math.round(share * 100)} %`),
    );
  }
  svg.append(drawing("text", { x: (at.left + at.right) / 2, y: at.bottom + 38, class: "axis", "text-anchor": "middle" }, axis));
}

function bar(point, at, axis, className) {
  const x = at.x(point.costs[axis]), low = at.y(point.low), high = at.y(point.high);
  return drawing("path", { d: `M${x} ${low}V${high}M${x - 4} ${low}h8M${x - 4} ${high}h8`, class: `bar ${className}` });
}

function marker(point, number, at, axis, className, shape) {
  return drawing("path", {
    d: `M${at.x(point.costs[axis])} ${at.y(point.accuracy)}${SHAPES[shape]}`, class: `marker ${className}`,
    role: "img", "data-point": number, "aria-label": `${point.name}: ${point.about}, ${point.texts[axis]}`,
  });
}

function stairs(front, at, axis) {
  let path = "";
  for (const point of front) {
    const x = at.x(point.costs[axis]), y = at.y(point.accuracy);
    path += path ? `H${x}V${y}` : `M${x} ${y}`;
  }
  return drawing("path", { d: `${path}H${at.right}`, class: "front" });
}

function frontLabels(svg, front, at, axis) {
  let rightmost = -Infinity, lastY = -Infinity;
  for (const point of front) {
    const x = at.x(point.costs[axis]), y = at.y(point.accuracy), text = shortened(point.name, 30);
    const width = text.length * 6.4, atEnd = x + 10 + width > at.right;
    const start = atEnd ? x - 10 - width : x + 10;
    const below = y + 16 > at.bottom ? y - 9 : y + 16;
    if (start < at.left || (start < rightmost && Math.abs(below - lastY) < 15)) continue;
    svg.append(drawing("text", { x: atEnd ? x - 10 : x + 10, y: below, class: "name", "text-anchor": atEnd ? "end" : "start" }, text));
    rightmost = start + width; lastY = below;
  }
}

function drawChart() {
  const plot = document.getElementById("plot"), about = document.getElementById("point");
  const { axis, benchmark } = chartState;
  const points = (data.benchmarks[benchmark]?.points ?? []).filter((point) => point.costs[axis] > 0);
  const title = data.axes.find((known) => known.key === axis).title;
  points.sort((left, right) => left.costs[axis] - right.costs[axis]);
  chartState.points = points; chartState.chosen = -1;
  about.textContent = points.length ? "Point at, or walk to, a point to read its numbers." : "";
  document.getElementById("legend").replaceChildren();
  if (!points.length) {
    plot.replaceChildren(element("p", `No row has known ${title}.`, "note"));
    return;
  }
  const width = Math.max(320, plot.clientWidth), height = Math.max(300, Math.min(480, width * 0.6));
  const at = scale(points, axis, width, height);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", tabindex: "0",
    "aria-label": `Accuracy against ${title}, ${points.length} points; the leaderboard holds the same numbers.` });
  grid(svg, at, title);
  const front = points.filter((point) => point.front.includes(axis));
  if (front.length) svg.append(stairs(front, at, axis));
  const curves = [...new Set(points.map((point) => point.curve))].sort(order.compare);
  for (const curve of curves) {
    const members = points.filter((point) => point.curve === curve);
    const line = members.map((point) => `${at.x(point.costs[axis])} ${at.y(point.accuracy)}`).join("L");
    if (data.bands && curves.length <= MANY_BANDS) svg.append(band(members, at, axis, `c${curves.indexOf(curve) % COLORS}`));
    if (members.length > 1) svg.append(drawing("path", { d: `M${line}`, class: `curve c${curves.indexOf(curve) % COLORS}` }));
  }
  drawPoints(svg, points, at, axis, curves);
  frontLabels(svg, front, at, axis);
  plot.replaceChildren(svg);
  chartState.at = at;
  legend(curves);
}

// Those on the front come last, so that nothing hides them.
function drawPoints(svg, points, at, axis, curves) {
  const numbered = points.map((point, number) => [point, number, point.front.includes(axis)]);
  for (const [point, number, onFront] of numbered.sort((left, right) => left[2] - right[2])) {
    const place = curves.indexOf(point.curve), shape = Math.floor(place / COLORS) % SHAPES.length;
    const kind = `c${place % COLORS} ${onFront || data.bands ? "on" : "behind"}${point.bound ? " bound" : ""}`;
    const hasBar = !data.bands && point.low !== null && point.high !== null && (onFront || points.length <= MANY_POINTS);
    if (hasBar) svg.append(bar(point, at, axis, kind));
    svg.append(marker(point, number, at, axis, kind, shape));
  }
}

function legend(curves) {
  if (curves.length > 14) return;
  document.getElementById("legend").replaceChildren(...curves.map((curve, place) => {
    const item = element("li");
    item.append(element("span", "", `swatch c${place % COLORS} s${Math.floor(place / COLORS) % SHAPES.length}`), isolated(curve));
    return item;
  }));
}

function choosePoint(number) {
  const plot = document.getElementById("plot"), point = chartState.points[number];
  if (!point) return;
  plot.querySelector(".chosen")?.classList.remove("chosen");
  plot.querySelector(".bar.extra")?.remove();
  const mark = plot.querySelector(`[data-point="${number}"]`);
  mark.classList.add("chosen");
  if (point.low !== null && point.high !== null) mark.before(bar(point, chartState.at, chartState.axis, "extra on"));
  chartState.chosen = number;
  const numbers = point.front.includes(chartState.axis) ? `${point.texts[chartState.axis]}, on the front` : point.texts[chartState.axis];
  document.getElementById("point").replaceChildren(isolated(point.name), `: ${point.about}, ${numbers}`);
}

function startChart() {
  const select = document.getElementById("benchmark"), plot = document.getElementById("plot");
  fillSelect(select, data.benchmarks.map((benchmark) => benchmark.name));
  select.addEventListener("change", () => { chartState.benchmark = Number(select.value); drawChart(); });
  for (const radio of document.querySelectorAll("#axes input")) {
    radio.checked = radio.value === chartState.axis; // a reloaded page may remember another
    radio.addEventListener("change", () => { chartState.axis = radio.value; drawChart(); });
  }
  plot.addEventListener("pointerover", (event) => { if (event.target.dataset.point) choosePoint(Number(event.target.dataset.point)); });
  plot.addEventListener("click", (event) => { if (event.target.dataset.point) choosePoint(Number(event.target.dataset.point)); });
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step || !chartState.points.length) return;
    event.preventDefault();
    choosePoint(Math.min(Math.max(chartState.chosen + step, 0), chartState.points.length - 1));
  });
  let width = plot.clientWidth;
  new ResizeObserver(() => { if (plot.clientWidth !== width) { width = plot.clientWidth; drawChart(); } }).observe(plot);
  drawChart();
}
startChart();
