// Tables and the pictures below them, from the page's data. Every text of a table was spelled by Python.
const data = JSON.parse(document.getElementById("data").textContent);
const HEADS = [["group", "group"], ["metric", "text"], [null, "down"], ["−1 \u00a0 0 \u00a0 1", ""],
  ...data.columns.map(([, head, sort]) => [head, sort])];

function taskWords(task) { return task === data.mean ? "mean over tasks" : plain(task); }
function viewId(at) { return [at.board.slug, at.pool.slug, at.board.tasks[at.task][1]].join("."); }
function viewOf(at) { return at.pool.views[at.task]; }
// A row with its words: {metric, slug, title, id, word, tau_w, cells, ...}.
function entry(at, row) {
  const found = {};
  data.row.forEach((name, place) => { found[name] = row[place]; });
  ["interval", "status", "reason", "word", "chance", "warning"].forEach((name) => { found[name] = data.strings[found[name]]; });
  const [metric, slug, title] = at.board.metrics[found.metric];
  return Object.assign(found, { metric, title, id: viewId(at) + "." + slug });
}
function entries(at) { return viewOf(at).rows.map((row) => entry(at, row)); }
// Of a metric without a number only its cost is shown.
function cellsOf(item) { return data.columns.filter((one) => one[3] || !item.word).map((one, place) => [one, item.cells[place]]); }

function tableRow(item) {
  const row = el("tr", item.word ? { class: "absent" } : item.chance ? { class: item.chance } : null,
    el("td", { "data-label": "group", "data-v": item.group === null ? "" : item.group }, item.group === null ? "–" : String(item.group)),
    el("th", { scope: "row", "data-v": plain(item.title) }, el("a", { href: "#" + item.id }, plain(item.title))));
  if (item.word) {
    row.append(el("td", { class: "tau", "data-label": "τw", "data-v": "", colspan: data.span },
      el("span", { class: "word" }, plain(item.word)), " ", el("span", { class: "why" }, plain(item.reason))));
  } else {
    row.append(
      el("td", { class: "tau", "data-label": "τw", "data-v": item.tau_w }, el("strong", null, item.tau_text), " ",
        item.span_text, item.warning ? [" ", el("span", { class: "word" }, item.warning)] : null),
      el("td", { class: "pic" }, strip(item.low, item.high, item.null_low, item.null_high, item.tau_w, item.ceiling)));
  }
  cellsOf(item).forEach(([[, head], text]) => {
    row.append(el("td", { "data-label": head, "data-v": Number.isFinite(parseFloat(text)) ? parseFloat(text) : "" }, text));
  });
  return row;
}
function table(at, items) {
  const heads = HEADS.map(([text, sort], place) => {
    const label = place === 2 ? [tauSign(), " [95 %]"] : text, inner = sort && sort !== "none" ? el("button", { type: "button" }, label) : label;
    return el("th", Object.assign({ scope: "col" }, sort ? { "data-sort": sort } : { class: "pic" }), inner);
  });
  const said = `${plain(at.board.name)}, pool ${plain(at.pool.name)}, ${taskWords(at.board.tasks[at.task][0])}: metrics by rank group`;
  return el("table", null, el("caption", { class: "hidden" }, said), el("thead", null, el("tr", null, heads)),
    el("tbody", null, items.map(tableRow)));
}
function facts(at) {
  const view = viewOf(at), n = at.pool.members.length, names = at.pool.members.map((place) => plain(at.board.encoders[place][0]));
  const kept = `This task is ${plain(view.status)} and kept out of the mean: ${plain(view.reason)}.`;
  const few = `With ${n} encoders no number can leave chance; this pool is for looking, not for claims.`;
  return el("p", { class: "facts" }, `Encoders: ${names.join(", ")}. Ground truth: protocol ${plain(at.board.protocol)}. `,
    `Noise ceiling ${view.ceiling}; reliability of the ground truth ${view.reliability}. `,
    `Intervals cover: ${plain(view.covers)}. `,
    view.status !== "ok" ? el("strong", null, kept) : view.reason ? plain(view.reason) + "." : "", " ",
    n < 5 ? el("strong", null, few) : "");
}

function encoderTable(at, item) {
  const mean = at.task === 0, many = at.pool.members.length > NAMED;
  const heads = [many ? "no." : null, "encoder", mean ? null : "score", "Dice"].filter((text) => text !== null);
  const list = (name, i) => (item[name] ? item[name][i] : "-");
  const rows = at.pool.members.map((place, i) => {
    const absent = item.absent && item.absent[i] ? item.absent[i].map((at_) => plain(data.strings[at_])) : null;
    const score = absent && absent[0] ? [el("span", { class: "word" }, absent[0]), " ", el("span", { class: "why" }, absent[1])]
      : list("score", i);
    return el("tr", null, many ? el("td", null, String(i + 1)) : null, el("th", { scope: "row" }, plain(at.board.encoders[place][0])),
      mean ? null : el("td", null, score), el("td", null, at.board.dice_text[at.task][place]), el("td", null, list("without", i)),
      el("td", null, list("change", i)));
  });
  return el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "encoders, " + plain(item.title) },
    el("table", { class: "small" }, el("thead", null, el("tr", null, heads.map((text) => el("th", { scope: "col" }, text)),
      el("th", { scope: "col" }, tauSign(), " without it"), el("th", { scope: "col" }, "change"))), el("tbody", null, rows)));
}
function correlation(at, item) {
  if (!item.z || at.task === 0) { return null; }
  const spread = at.pool.dice_sd[at.task - 1];
  const points = at.pool.members.map((place, i) => ({
    name: at.board.encoders[place][1], group: at.board.encoders[place][2], known: at.board.encoders[place][3],
    z: item.z[i], dice: at.board.dice[at.task - 1][place], zSd: (item.z_sd && item.z_sd[i]) || 0, diceSd: spread[i] || 0 }));
  const said = points.length > NAMED ? "Numbers are those of the table. " : "";
  const shown = at.board.groups.map((name, k) => [name, k]).filter(([, k]) => points.some((p) => p.group === k));
  const key = shown.length < 2 ? [] : shown.map(([name, k]) => [svg("svg", { class: "key", viewBox: "0 0 12 12", width: 12, height: 12,
    "aria-hidden": "true" }, svg("circle", { class: "g" + k % 6, cx: 6, cy: 6, r: 5 })), " " + plain(name) + " "]);
  return el("figure", null, correlationPlot(points, `${item.title} against fine-tuned Dice on ${at.board.tasks[at.task][0]}`),
    el("figcaption", null, key, said + "Bars: one SD over seeds. Open diamonds: random initialisation."));
}
function bibtex(at, item) {
  const said = item.word || `tau_w ${item.tau_text}, 95 % interval ${item.span_text}`;
  const words = { board: at.board.name, pool: at.pool.name, id: at.pool.id, task: at.board.tasks[at.task][0], metric: item.metric, said };
  const note = (at.task === 0 ? data.mean_note : data.note).replace(/\{(\w+)\}/g, (_, name) => words[name]);
  return data.bib.replace("KEY", () => item.id).replace("NOTE", () => bibText(note));
}
// One number with its picture, filled when it is first opened.
function number(at, item) {
  const said = item.word ? plain(item.word) : [tauSign(), ` ${item.tau_text} ${item.span_text}`];
  const cell = el("details", { class: "cell", id: item.id }, el("summary", null, plain(item.title), " ", el("span", null, said)));
  cell.addEventListener("toggle", () => { fill(cell); });
  contents.set(cell, () => [
    item.reason ? el("p", { class: "why" }, plain(item.reason)) : null,
    el("div", { class: "pair" }, correlation(at, item), encoderTable(at, item)),
    el("p", { class: "actions" }, el("a", { href: "#" + item.id }, "Link to this number"), " ",
      el("button", { type: "button", class: "copy-link" }, "Copy link"), " ", el("button", { type: "button", class: "copy-bib" }, "Copy BibTeX")),
    el("pre", { class: "bib" }, bibtex(at, item))]);
  return cell;
}
const contents = new WeakMap();
function fill(cell) {
  const make = contents.get(cell);
  if (make && cell.open) {
    contents.delete(cell);
    cell.append(...make().filter((part) => part !== null));
  }
}
function costs(at, items) {
  const means = items.filter((item) => item.status === "ok" && item.seconds !== null && item.tau_w !== null);
  if (at.task !== 0 || means.length < 2) { return null; }
  const points = means.map((item) => ({ name: item.title, seconds: item.seconds, tau: item.tau_w, p: item.p, nullLow: item.null_low, nullHigh: item.null_high }));
  const title = `cost against quality, ${means.length} metrics, pool ${at.pool.name}`;
  return [el("h3", null, "Cost against quality"), el("figure", null,
    el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "cost against quality" }, costPlot(points, title)),
    el("figcaption", null, "The line joins metrics that no cheaper one reaches. Open: inside chance (p ≥ .05)."))];
}
// A table with its heading, as the page's own markup has it, then pictures.
function section(at) {
  const items = entries(at), id = viewId(at), n = at.pool.members.length;
  return el("section", { class: "view", id, "aria-labelledby": id + ".title" },
    el("h2", { id: id + ".title" }, plain(at.board.title) + " ",
      el("span", null, `${plain(at.board.protocol)}, pool ${plain(at.pool.name)}, ${n} encoders; ${taskWords(at.board.tasks[at.task][0])}`)),
    facts(at), table(at, items), el("p", { class: "actions" }, el("button", { type: "button", class: "save" }, "Save this table as CSV")),
    costs(at, items), el("h3", null, "Each number"), items.map((item) => number(at, item)));
}
function csvHead(withPool) {
  return [...(withPool ? ["board", "pool"] : []), ...data.saved, ...data.columns.map(([name]) => name).filter((name) => !data.saved.includes(name))];
}
function csvLines(at, withPool) {
  return entries(at).map((item) => {
    const shown = Object.fromEntries(cellsOf(item).map(([[name], text]) => [name, text]));
    const named = { board: at.board.name, pool: at.pool.name, task: at.board.tasks[at.task][0] };
    return csvHead(withPool).map((name) => {
      const value = named[name] === undefined ? item[name] : named[name];
      return value === undefined ? (shown[name] === undefined ? null : shown[name]) : value;
    }).map(harmless).map(quoted).join(",");
  });
}
// A spreadsheet must not run what a name says.
function harmless(value) { return typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? "'" + value : value; }
