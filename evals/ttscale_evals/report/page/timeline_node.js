// ---- one span in full: when, how long, for what it waited, what waited for it -----------------------------------------

function whenText(model, node) {
  if (model.isUnfinished(node)) return `${secondsOf(model.start[node])}, unfinished`;
  return `${secondsOf(model.start[node])} to ${secondsOf(model.end[node])}: ${secondsOf(model.end[node] - model.start[node])}`;
}

function besideText(model, node) {
  const group = model.groups[node];
  if (group.length < 2) return null;
  const last = lastOf(model, group), others = `with ${counted(group.length - 1, "other", "others")}`;
  if (last === node) return `${others}, of which it is the last to end`;
  return `${others}; ${model.name(last)} ends ${secondsOf(Math.max(0, model.end[last] - model.end[node]))} later`;
}

// The forks of a span: runs of spans below it that overlap in time.
function forkTexts(model, node) {
  const forks = [...new Set(childrenOf(model, node).map((child) => model.groups[child]))].filter((group) => group.length > 1);
  return forks.slice(0, 8).map((group) => {
    const last = lastOf(model, group), from = model.start[group[0]];
    return `${plainNumber(group.length)} at once from ${secondsOf(from)} to ${secondsOf(model.end[last])}, the last is ${model.name(last)}`;
  }).concat(forks.length > 8 ? [`${plainNumber(forks.length - 8)} more`] : []);
}

function spanDetails(model, node) {
  const title = element("h4"), began = model.began(node), tokens = model.tokens(node);
  title.append(element("span", null, `swatch is-${knownKind(model.kind(node))}`), isolated(model.kind(node)), " ", isolated(model.name(node)));
  const waited = began === null ? 0 : began - model.start[node], forks = model.hasChildren(node) ? forkTexts(model, node) : [];
  const made = [title, facts([
    ["When", whenText(model, node)], ["Waited for its turn", waited > model.last * 1e-5 ? secondsOf(waited) : null],
    ["Side by side", besideText(model, node)], ["Forks", forks.join("\n")],
    ["Tokens", tokens === null ? null : plainNumber(tokens)], ["Ended", model.ended(node)], ["What it is", model.note(node)],
    ["Chain", model.onPath[node] ? "the end waited for it, as far as times tell" : null],
  ])];
  if (model.isTextLeftOut(node)) made.push(element("p", "Its text is in the run store only.", "note"));
  else if (model.text(node)) made.push(element("pre", model.text(node), "line-text"));
  return made;
}
