// Small builders. Numbers of the tables come spelled from Python; only coordinates of pictures are made here.

// One decimal without trailing zero or negative zero. Ties go to the even digit, as in Python; a tie is an odd quarter.
function coordinate(value) {
  const size = Math.abs(value);
  let text = size.toFixed(1);
  if (size * 4 % 2 === 1) {
    const below = Math.floor(size * 10);
    text = ((below % 2 ? below + 1 : below) / 10).toFixed(1);
  }
  text = text.replace(/\.0$/, "");
  return value < 0 && text !== "0" ? "-" + text : text;
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
