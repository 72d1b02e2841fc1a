"use strict";

// Everything that came from a model or a file is put on the page as text (textContent), never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function drawing(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function isolated(text) {
  return element("bdi", text);
}

function fillSelect(select, labels, first) {
  if (first) select.append(new Option(first, ""));
  labels.forEach((label, index) => select.append(new Option(label, String(index))));
}

function shortened(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function plainNumber(value) {
  return value.toLocaleString("en-US");
}

function setSort(header) {
  const direction = header.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  for (const other of header.parentElement.cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  header.setAttribute("aria-sort", direction);
  return direction === "ascending" ? 1 : -1;
}

// Unknown values (null) go last in both directions.
function compare(left, right, sign) {
  if (left === null || right === null) return (left === null) - (right === null);
  if (typeof left === "number" && typeof right === "number") return sign * (left - right);
  return sign * order.compare(String(left), String(right));
}
const order = new Intl.Collator(undefined, { numeric: true });

// JSON, or base64 of gzip of JSON, as the page holds its larger parts.
async function unpacked(written) {
  if (written.startsWith("{")) return JSON.parse(written);
  const bytes = Uint8Array.from(atob(written), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

document.getElementById("theme").addEventListener("change", (event) => {
  document.documentElement.dataset.theme = event.target.value;
});
document.documentElement.classList.add("script");
