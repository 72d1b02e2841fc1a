// ---- one answer in full: question, votes, every sample, what was done ------------------------------------------------

const packets = { lines: null, open: new Map() };

// The packet of a question, opened when it is first asked for; the last few stay open.
function packet(place) {
  packets.lines ??= document.getElementById("packets").textContent.split("\n");
  if (!packets.open.has(place)) {
    if (packets.open.size >= 8) packets.open.delete(packets.open.keys().next().value);
    packets.open.set(place, unpacked(packets.lines[place]));
  }
  return packets.open.get(place);
}

function facts(list) {
  const made = element("dl");
  for (const [name, value] of list) {
    if (value === null || value === undefined || value === "") continue;
    made.append(element("dt", name), element("dd", String(value)));
  }
  return made;
}

function votes(samples, strings) {
  const keys = new Map();
  for (const [, answer, key, score, , , , , isCandidate] of samples) {
    if (!isCandidate) continue;
    const name = key < 0 ? null : strings[key];
    const tally = keys.get(name) ?? { number: 0, weight: 0, answer, scored: false };
    tally.number += 1;
    if (score !== null) { tally.weight += score; tally.scored = true; }
    keys.set(name, tally);
  }
  if (keys.size < 2 && samples.length < 2) return [];
  const all = [...keys].sort((left, right) => right[1].number - left[1].number);
  const total = all.reduce((sum, [, tally]) => sum + tally.number, 0);
  const table = element("table", null, "votes"), body = element("tbody");
  table.append(element("caption", "Votes"), head(["answer", "samples", "share", "sum of scores"]), body);
  for (const [key, tally] of all.slice(0, 50)) {
    const row = element("tr"), name = element("th");
    name.scope = "row";
    name.append(isolated(key === null ? "no answer, no vote" : key));
    row.append(name, element("td", plainNumber(tally.number), "number"),
      element("td", `${Math.round((100 * tally.number) / total)} %`, "number"),
      element("td", tally.scored ? String(Number(tally.weight.toPrecision(5))) : "–", "number"));
    body.append(row);
  }
  return [table, ...(all.length > 50 ? [element("p", `${all.length - 50} more answers.`, "note")] : [])];
}

function head(names) {
  const row = element("tr"), made = element("thead");
  names.forEach((name, place) => {
    const cell = element("th", name, place ? "number" : "");
    cell.scope = "col";
    row.append(cell);
  });
  made.append(row);
  return made;
}

function sample(row, strings) {
  const [name, answer, key, score, tokens, finish, text, error, isCandidate] = row;
  const box = element("details", null, "sample"), summary = element("summary");
  const parts = [`${plainNumber(tokens)} tokens`, strings[finish]];
  if (key >= 0 && strings[key] !== strings[answer]) parts.push(["key ", strings[key]]);
  if (score !== null) parts.push(`score ${score}`);
  if (!isCandidate) parts.push("no candidate");
  summary.append(element("b", `#${strings[name]}`), " ", isolated(answer < 0 ? "no answer" : strings[answer]));
  for (const part of parts) summary.append(" · ", ...(Array.isArray(part) ? [part[0], isolated(part[1])] : [isolated(part)]));
  box.append(summary);
  box.addEventListener("toggle", () => {
    if (box.childElementCount > 1) return;
    if (error >= 0) box.append(element("pre", strings[error], "failed"));
    box.append(text < 0 ? element("p", "Its text was not kept.", "note") : element("pre", strings[text]));
  });
  return box;
}

function sampleList(detail, strings, heading) {
  if (!detail.samples.length) return [];
  const made = [element("h3", heading), ...detail.samples.map((row) => sample(row, strings))];
  if (detail.more_samples) made.push(element("p", `${plainNumber(detail.more_samples)} more samples are in the run store.`, "note"));
  return made;
}

// Fill a box with everything known of an answer.
async function showDetails(box, number, question, stop, width) {
  const [, , text, target, place] = question;
  if (place < 0) {
    box.replaceChildren(facts([["Question", text], ["Target", target], ["Stopped", stop]]), element("p", "Its samples are in the run store only: the page would be too large.", "note"));
    return;
  }
  const { strings, answers } = await packet(place), detail = answers[number];
  const known = (index) => (index < 0 ? null : strings[index]);
  const one = detail.samples.length === 1;
  const given = [["Question", known(detail.question)], ["Target", known(detail.target)], ["Stopped", stop]];
  given.push(["Error", known(detail.error)], ["Judged", known(detail.reason)], ["Confidence", detail.confidence]);
  const written = known(detail.text), own = [];
  if (written && !detail.samples.some((row) => row[6] === detail.text)) own.push(element("h3", "Text the answer was taken from"), element("pre", written));
  const samples = sampleList(detail, strings, one ? "1 sample" : `${plainNumber(detail.samples.length + detail.more_samples)} samples`);
  const done = trace(detail, strings, width);
  // The samples of a search are its steps, hundreds of them: the tree has them in their places.
  box.replaceChildren(facts(given), ...own, ...votes(detail.samples, strings), ...(detail.trees ? [...done, ...samples] : [...samples, ...done]));
}
