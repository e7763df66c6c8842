// Numbers and small builders. A number is spelt here exactly as the Python side spells it in the page's own tables.
const DASH = "-";

// Fixed digits. Ties go to the even digit, as in Python; a tie is an odd multiple of 2^-(digits + 1), nothing else.
function fixed(value, digits = 2) {
  if (value === null || value === undefined) { return DASH; }
  const size = Math.abs(value), scale = 10 ** digits;
  let text = size.toFixed(digits);
  if (size * 2 ** (digits + 1) % 2 === 1) {
    const below = Math.floor(size * scale);
    text = ((below % 2 ? below + 1 : below) / scale).toFixed(digits);
  }
  return value < 0 && Number(text) !== 0 ? "-" + text : text;
}
function span(low, high) { return low === null ? DASH : "[" + fixed(low) + ", " + fixed(high) + "]"; }
// Three significant digits, an exponent only below .001.
function brief(value) {
  if (value === null || value === undefined) { return "–"; }
  const size = Math.abs(value);
  if (size > 0 && size < 0.001) { return value.toExponential(1); }
  if (size >= 999.5) { return fixed(value, 0); }
  const text = fixed(value, size === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size))));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
// One decimal without trailing zero or negative zero, for coordinates.
function coordinate(value) {
  const text = fixed(value, 1).replace(/\.0$/, "");
  return text === "-0" ? "0" : text;
}
// One line without control or direction-changing characters.
function plain(text) { return String(text).replace(/[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " "); }

function build(node, attributes, children) {
  Object.keys(attributes || {}).forEach((name) => { node.setAttribute(name, attributes[name]); });
  children.flat(2).forEach((child) => {
    if (child !== null && child !== undefined && child !== "") { node.append(child); }
  });
  return node;
}
// Elements are made from names and text, never from markup: whatever a row says stays text.
function el(tag, attributes, ...children) { return build(document.createElement(tag), attributes, children); }
function svg(tag, attributes, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}
function tauSign() { return ["τ", el("sub", null, "w")]; }

// BibTeX: braces and backslashes would end a field; the rest of TeX's marks are set literally.
function bibText(text) {
  return text.replace(/[\x00-\x1f\x7f\\{}<>`]+/g, " ").replace(/[%&#$_]/g, "\\$&").replace(/[~^]/g, " ");
}
function quoted(value) {
  const text = value === null ? "" : String(value);
  return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
}
