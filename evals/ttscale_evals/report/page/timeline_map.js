// ---- a whole trace at a glance: how many spans are at work at once, and which part of it is shown ----------------------

const LINE_MAP = 46;

function widthPath(steps, last, width) {
  const most = steps.reduce((found, [, number]) => Math.max(found, number), 1);
  const y = (number) => LINE_MAP - 2 - (number / most) * (LINE_MAP - 12), x = (time) => (time / last) * width;
  let d = `M0 ${y(0)}`, before = 0, column = -1;
  for (const [time, number] of steps) {
    const pixel = Math.round(x(time) * 2);
    // Of the steps within half a pixel the last one counts, so that a path of thousands stays short.
    if (pixel === column) { before = number; continue; }
    d += `H${(pixel / 2).toFixed(1)}V${y(before).toFixed(1)}V${y(number).toFixed(1)}`;
    [before, column] = [number, pixel];
  }
  return { d: `${d}V${y(before).toFixed(1)}H${width}V${y(0)}Z`, most };
}

function lineMap(model, width, onChoose) {
  const steps = lineWidths(model), { d, most } = widthPath(steps, model.last, width);
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${LINE_MAP}`, width, height: LINE_MAP, class: "tree-map line-map", role: "img",
    "aria-label": `At most ${plainNumber(most)} at work at once, over ${secondsOf(model.last)}` });
  const frame = drawing("rect", { y: 0.5, height: LINE_MAP - 1, class: "line-window" });
  svg.append(drawing("path", { d, class: "line-width" }), drawing("text", { x: 4, y: 11 }, `up to ${plainNumber(most)} at once`), frame);
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    onChoose(((event.clientX - box.left) / box.width) * model.last);
  });
  return {
    element: svg,
    mark(from, to) {
      frame.setAttribute("x", (from / model.last) * width);
      frame.setAttribute("width", Math.max(2, ((to - from) / model.last) * width));
      frame.classList.toggle("all", to - from >= model.last);
    },
  };
}
