// The page without this file shows the whole pools' tables; with it one table at a time, of any pool, sorted, copied, saved.
const root = document.documentElement, byId = (id) => document.getElementById(id);
const all = (what, where) => Array.from((where || document).querySelectorAll(what));
const boardBox = byId("board"), poolBox = byId("pool"), taskBox = byId("task"), sortBox = byId("sort"), results = byId("results");
const said = byId("said"), made = new Map();
let at = { board: data.boards[0], pool: data.boards[0].pools[0], task: 0 }, timer = 0;

function say(text) {
  said.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => { said.textContent = ""; }, 2500);
}
function options(select, texts, chosen) {
  select.replaceChildren(...texts.map((text, place) => el("option", { value: place }, plain(text))));
  select.value = String(chosen);
}
function show(next) {
  at = next;
  const id = viewId(at);
  if (!made.has(id)) { made.set(id, section(at)); }
  results.replaceChildren(made.get(id));
  if (boardBox) { options(boardBox, data.boards.map((board) => board.name), data.boards.indexOf(at.board)); }
  options(poolBox, at.board.pools.map((pool) => `${pool.name} (${pool.members.length} encoders)`), at.board.pools.indexOf(at.pool));
  options(taskBox, at.board.tasks.map(([name]) => taskWords(name)), at.task);
}
// The chosen table; pool and task keep their names when the board changes and has them too.
function switched(event) {
  let { board, pool, task } = at;
  if (event.target === boardBox) {
    const name = board.tasks[task][0];
    board = data.boards[Number(boardBox.value)];
    pool = board.pools.find((other) => other.name === pool.name) || board.pools[0];
    task = Math.max(0, board.tasks.findIndex((other) => other[0] === name));
  } else if (event.target === poolBox) {
    pool = board.pools[Number(poolBox.value)];
  } else {
    task = Number(taskBox.value);
  }
  show({ board, pool, task });
  try { history.replaceState(null, "", "#" + viewId(at)); } catch (error) { /* some browsers refuse this on file: */ }
  const place = Number(sortBox.value), th = results.querySelectorAll("thead th")[place];
  if (place) { order(place, th.dataset.sort === "down"); }
  say(results.querySelector("h2 span").textContent);
}
function follow() {
  let id = "";
  try { id = decodeURIComponent(location.hash.slice(1)); } catch (error) { return; }
  for (const board of data.boards) {
    for (const pool of board.pools) {
      for (let task = 0; task < board.tasks.length; task += 1) {
        const view = viewId({ board, pool, task });
        if (id === view || (id.startsWith(view + ".") && board.metrics.some((metric) => id === view + "." + metric[1]))) {
          show({ board, pool, task });
        }
      }
    }
  }
  const target = id && byId(id);
  if (!target) { return; }
  if (target.tagName === "DETAILS") { target.open = true; fill(target); target.querySelector("summary").focus({ preventScroll: true }); }
  target.scrollIntoView();
}

// Sorting: cells without a value stay last in either direction; equal cells keep the order of the groups.
function order(place, down) {
  const view = results.querySelector(".view"), body = view.querySelector("tbody"), heads = view.querySelectorAll(":scope > table thead th");
  const text = heads[place].dataset.sort === "text", rows = Array.from(body.rows);
  // The reason of an absent number spans the columns that it has no values for.
  const key = (row) => (row.className === "absent" && place > 1 ? "" : row.cells[place].dataset.v);
  rows.forEach((row, i) => { row.dataset.first = row.dataset.first || String(i); });
  rows.sort((a, b) => {
    const x = key(a), y = key(b);
    if ((x === "") !== (y === "")) { return x === "" ? 1 : -1; }
    const gap = text ? x.localeCompare(y) : Number(x) - Number(y);
    return (down ? -gap : gap) || Number(a.dataset.first) - Number(b.dataset.first);
  });
  body.append(...rows);
  heads.forEach((th, i) => {
    if (i === place) { th.setAttribute("aria-sort", down ? "descending" : "ascending"); } else { th.removeAttribute("aria-sort"); }
  });
  say("sorted by " + heads[place].textContent.trim() + (down ? ", descending" : ", ascending"));
}

function copy(text, what) {
  const done = () => { say(what + " copied"); };
  const old = () => {
    const area = el("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    let ok = false;
    try { ok = document.execCommand("copy"); } catch (error) { ok = false; }
    area.remove();
    if (ok) { done(); } else { say("the browser does not allow copying"); }
  };
  if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(done, old); } else { old(); }
}
function save(name, lines) {
  const link = el("a", { download: "tebench-" + name + ".csv" });
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => { URL.revokeObjectURL(link.href); }, 1000);
  say("saved " + link.download);
}
function saveAll(board) {
  const lines = [csvHead(true).join(",")];
  board.pools.forEach((pool) => { board.tasks.forEach((_, task) => { lines.push(...csvLines({ board, pool, task }, true)); }); });
  save(board.slug, lines);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) { return; }
  if (button.closest("thead")) {
    const th = button.closest("th"), now = th.getAttribute("aria-sort");
    order(th.cellIndex, now ? now === "ascending" : th.dataset.sort === "down");
  } else if (button.className === "copy-link") {
    copy(location.href.split("#")[0] + "#" + button.closest(".cell").id, "link");
  } else if (button.className === "copy-bib") {
    copy(button.closest(".cell, section").querySelector(".bib").textContent, "BibTeX");
  } else if (button.className === "save") {
    save(viewId(at), [csvHead(false).join(","), ...csvLines(at, false)]);
  } else if (button.className === "save-all") {
    saveAll(data.boards.find((board) => plain(board.name) === button.dataset.board));
  }
});
// A link to the number that the address names already changes no address.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.getAttribute("href") === location.hash) { follow(); }
});
document.addEventListener("submit", (event) => { event.preventDefault(); });

root.classList.add("js");
all("#switches, .save-all, .copy-bib").forEach((node) => { node.hidden = false; });
options(sortBox, HEADS.map(([text], place) => text || (place === 2 ? "τw" : "")), 0);
HEADS.forEach(([, sort], place) => { if (place && (!sort || sort === "none")) { sortBox.options[place].hidden = true; sortBox.options[place].disabled = true; } });
sortBox.addEventListener("change", () => {
  const place = Number(sortBox.value);
  order(place, results.querySelectorAll("thead th")[place].dataset.sort === "down");
});
[boardBox, poolBox, taskBox].forEach((select) => { if (select) { select.addEventListener("change", switched); } });
window.addEventListener("hashchange", follow);
show(at);
follow();
