// ---- intervals as bands behind the curves ---------------------------------------------------------------------

function band(members, at, axis, className) {
  const edge = (end) => members.map((point) => `${at.x(point.costs[axis])} ${at.y(point[end])}`);
  return drawing("path", { d: `M${[...edge("low"), ...edge("high").reverse()].join("L")}Z`, class: `band ${className}` });
}
