// ---- one node of a search tree in full: its step, and the path from the root to it ----------------------------------

function pathTable(model, path) {
  const table = element("table", null, "tree-path"), body = element("tbody");
  let tokens = 0;
  table.append(element("caption", `Path from the root, ${path.length === 1 ? "1 step" : `${path.length} steps`}`),
    head(["node", "state", "score", "tokens", "tokens so far"]), body);
  for (const node of path) {
    const row = element("tr"), name = element("th");
    tokens += model.tokens[node];
    name.scope = "row";
    name.title = model.name(node);
    name.append(stateGlyph(model.state(node)), isolated(shortName(model.name(node))));
    row.append(name, cell(model.state(node)), ...[rewardText(model.reward[node]), plainNumber(model.tokens[node]), plainNumber(tokens)]
      .map((text) => element("td", text, "number")));
    body.append(row);
  }
  return table;
}

function pathText(model, path) {
  return path.map((node) => (model.isTextLeftOut(node) ? `⟨${model.name(node)}: text in the run store only⟩\n` : model.text(node))).join("");
}

function secondsText(model, node) {
  const [start, end] = [model.start[node], model.end[node]];
  if (start === null) return null;
  return end === null ? `${start.toPrecision(3)} s, unfinished` : `${start.toPrecision(3)} to ${end.toPrecision(3)} s`;
}

function nodeDetails(model, node) {
  const title = element("h4"), state = model.state(node), meaning = TREE_STATES[knownState(state)][1], path = pathTo(model, node);
  title.append(stateGlyph(state), " ", isolated(model.name(node)), ` · depth ${model.depth[node]} · `, isolated(state), meaning && `: ${meaning}`);
  const draws = model.draws[node];
  const made = [title, facts([["Answer", model.answer(node)], ["Score", model.reward[node] === null ? "none" : rewardText(model.reward[node])],
    ["Why there is no score", model.reward[node] === null ? model.reason(node) : null], ["Tokens", plainNumber(model.tokens[node])],
    ["Draws that gave this step", draws > 1 ? plainNumber(draws) : null], ["When", secondsText(model, node)]])];
  made.push(element("h5", "This step"));
  made.push(model.isTextLeftOut(node) ? element("p", "Its text is in the run store only.", "note") : element("pre", model.text(node), "tree-step"));
  made.push(pathTable(model, path));
  if (path.length > 1) made.push(element("h5", "Text of the whole path"), element("pre", pathText(model, path), "tree-whole"));
  return made;
}
