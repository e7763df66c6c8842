
(function () {
  "use strict";
  // Everything on the page is readable without this file: it shows one table at a time, sorts, copies and saves.
  var root = document.documentElement;
  var all = function (what, where) { return Array.prototype.slice.call((where || document).querySelectorAll(what)); };
  var byId = function (id) { return document.getElementById(id); };
  var views = all(".view"), board = byId("board"), pool = byId("pool"), task = byId("task"), sort = byId("sort");
  var said = byId("said"), timer = 0;
  if (!views.length) { return; }

  function say(text) {
    said.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(function () { said.textContent = ""; }, 2500);
  }
  function distinct(key, among) {
    return among.map(function (view) { return view.dataset[key]; }).filter(function (v, i, list) { return list.indexOf(v) === i; });
  }
  function fill(select, values, words, chosen) {
    select.textContent = "";
    values.forEach(function (value) {
      var option = document.createElement("option");
      option.value = value;
      option.textContent = words(value);
      select.appendChild(option);
    });
    select.value = values.indexOf(chosen) < 0 ? values[0] : chosen;
  }
  function show(view) {
    var mine = views.filter(function (v) { return v.dataset.board === view.dataset.board; });
    if (board) { board.value = view.dataset.board; }
    fill(pool, distinct("pool", mine), function (name) {
      return name + " (" + mine.filter(function (v) { return v.dataset.pool === name; })[0].dataset.n + " encoders)";
    }, view.dataset.pool);
    fill(task, distinct("task", mine), String, view.dataset.task);
    views.forEach(function (v) { v.hidden = v !== view; });
  }
  function chosen() {
    var name = board ? board.value : views[0].dataset.board;
    var mine = views.filter(function (v) { return v.dataset.board === name; });
    var fits = mine.filter(function (v) { return v.dataset.pool === pool.value && v.dataset.task === task.value; });
    return fits[0] || mine[0];
  }
  function switched() {
    var view = chosen();
    show(view);
    try { history.replaceState(null, "", "#" + view.id); } catch (error) { /* some browsers refuse this on file: */ }
    arrange(view);
    say(view.querySelector("h2 span").textContent);
  }
  function follow() {
    var id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch (error) { return; }
    var target = id && byId(id);
    var view = target && target.closest(".view");
    if (!view) { return; }
    show(view);
    if (target.tagName === "DETAILS") { target.open = true; }
    target.scrollIntoView();
  }

  // Sorting: cells without a value stay last in either direction; equal cells keep the order of the groups.
  function order(view, column, down) {
    var body = view.querySelector("tbody"), rows = Array.prototype.slice.call(body.rows);
    var text = view.querySelectorAll("thead th")[column].dataset.sort === "text";
    // The reason of an absent number spans the columns that it has no values for.
    var key = function (row) { return row.className === "absent" && column !== 1 ? "" : row.cells[column].dataset.v; };
    rows.forEach(function (row, i) { if (!row.dataset.first) { row.dataset.first = String(i); } });
    rows.sort(function (a, b) {
      var x = key(a), y = key(b), gap;
      if ((x === "") !== (y === "")) { return x === "" ? 1 : -1; }
      gap = text ? x.localeCompare(y) : Number(x) - Number(y);
      return (down ? -gap : gap) || Number(a.dataset.first) - Number(b.dataset.first);
    });
    rows.forEach(function (row) { body.appendChild(row); });
    all("thead th", view).forEach(function (th, i) {
      if (i === column) { th.setAttribute("aria-sort", down ? "descending" : "ascending"); } else { th.removeAttribute("aria-sort"); }
    });
  }
  function press(th, column, view) {
    var now = th.getAttribute("aria-sort"), first = th.dataset.sort === "down" ? "descending" : "ascending";
    order(view, column, now ? now === "ascending" : first === "descending");
    say("sorted by " + th.textContent.trim() + ", " + th.getAttribute("aria-sort"));
  }
  function arrange(view) {
    var column = Number(sort.value), th = view.querySelectorAll("thead th")[column];
    if (column && th) { order(view, column, th.dataset.sort === "down"); }
  }
  views.forEach(function (view) {
    all(":scope > table thead th", view).forEach(function (th, column) {
      if (!th.dataset.sort || th.dataset.sort === "none") { return; }
      var button = document.createElement("button");
      button.type = "button";
      while (th.firstChild) { button.appendChild(th.firstChild); }
      button.addEventListener("click", function () { press(th, column, view); });
      th.appendChild(button);
    });
  });
  all("thead th", views[0]).forEach(function (th, column) {
    if (!th.dataset.sort || th.dataset.sort === "none" || th.closest("table").className) { return; }
    var option = document.createElement("option");
    option.value = String(column);
    option.textContent = th.textContent.trim();
    sort.appendChild(option);
  });
  sort.addEventListener("change", function () {
    var view = chosen(), th = view.querySelectorAll("thead th")[Number(sort.value)];
    order(view, Number(sort.value), th.dataset.sort === "down");
    say("sorted by " + th.textContent.trim());
  });

  function copy(text, what) {
    var done = function () { say(what + " copied"); };
    var old = function () {
      var area = document.createElement("textarea"), ok = false;
      area.value = text;
      document.body.appendChild(area);
      area.select();
      try { ok = document.execCommand("copy"); } catch (error) { ok = false; }
      area.remove();
      if (ok) { done(); } else { say("the browser does not allow copying"); }
    };
    if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(done, old); } else { old(); }
  }
  function quote(value) {
    var text = value === null ? "" : String(value);
    return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }
  function save(view) {
    var columns = JSON.parse(byId("columns").textContent), rows = JSON.parse(byId("data").textContent)[view.id];
    var lines = [columns].concat(rows).map(function (row) { return row.map(quote).join(","); });
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "tebench-" + view.id + ".csv";
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
    say("saved " + link.download);
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("button"), cell, bib;
    if (!button) { return; }
    if (button.className === "copy-link") {
      cell = button.closest(".cell");
      copy(location.href.split("#")[0] + "#" + cell.id, "link");
    } else if (button.className === "copy-bib") {
      bib = button.closest(".cell, section").querySelector(".bib");
      copy(bib.textContent, "BibTeX");
    } else if (button.className === "save") {
      save(button.closest(".view"));
    }
  });

  root.classList.add("js");
  all("#switches, .save, .copy-link, .copy-bib").forEach(function (node) { node.hidden = false; });
  show(views[0]);
  [board, pool, task].forEach(function (select) { if (select) { select.addEventListener("change", switched); } });
  window.addEventListener("hashchange", follow);
  follow();
})();
