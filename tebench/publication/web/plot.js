// Pictures as inline SVG: text stays text, colours come from the page's style.
const LETTER = 6.6, HEIGHT = 11.6, NAMED = 12; // more points than NAMED are numbered, as in the table beside them

function strip(low, high, nullLow, nullHigh, tau, ceiling) {
  const x = (value) => coordinate(4 + 56 * (1 + value));
  return svg("svg", { class: "strip", viewBox: "0 0 120 16", width: 120, height: 16, "aria-hidden": "true" },
    nullLow === null ? null
      : svg("rect", { class: "chance", x: x(nullLow), y: 2, width: coordinate(56 * (nullHigh - nullLow)), height: 12 }),
    svg("path", { class: "zero", d: "M" + x(0) + " 1V15" }),
    ceiling === null ? null : svg("path", { class: "ceiling", d: "M" + x(ceiling) + " 1V15" }),
    low === null ? null : svg("path", { class: "bar", d: "M" + x(low) + " 8H" + x(high) }),
    tau === null ? null : svg("circle", { class: "dot", cx: x(tau), cy: 8, r: 3.5 }));
}

// Axes with a few round ticks; `at` turns data into pixels.
function frameOf(width, height, xs, ys, xLabel, yLabel, logX) {
  const widened = (values, share) => {
    const low = Math.min(...values), high = Math.max(...values), gap = (high - low) * share || 0.5;
    return [low - gap, high + gap];
  };
  const left = 52, right = width - 14, top = 12, bottom = height - 40;
  const [x0, x1] = widened(xs, 0.14), [y0, y1] = widened(ys, 0.1);
  const at = (x, y) => [left + (x - x0) / (x1 - x0) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top)];
  const ticks = (low, high, whole) => {
    let step = 10 ** Math.floor(Math.log10((high - low) / 3));
    step *= [1, 2, 5, 10].find((factor) => (high - low) / (step * factor) <= 6);
    if (whole) { step = Math.max(1, Math.round(step)); }
    const found = [];
    for (let i = Math.ceil(low / step); i <= Math.floor(high / step); i += 1) { found.push(Number((i * step).toFixed(10))); }
    return found.length ? found : [Math.round((low + high) / 2)];
  };
  function axes() {
    const parts = [svg("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` })];
    ticks(x0, x1, logX).forEach((value) => {
      const x = coordinate(at(value, y0)[0]);
      parts.push(svg("path", { class: "axis", d: `M${x} ${bottom}v4` }),
        svg("text", { x, y: bottom + 16, "text-anchor": "middle" }, String(logX ? Number((10 ** value).toPrecision(6)) : value)));
    });
    ticks(y0, y1).forEach((value) => {
      const y = at(x0, value)[1];
      parts.push(svg("path", { class: "axis", d: `M${left} ${coordinate(y)}h-4` }),
        svg("text", { x: left - 7, y: coordinate(y + 4), "text-anchor": "end" }, String(value)));
    });
    const middle = (top + bottom) / 2;
    parts.push(svg("text", { x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, xLabel),
      svg("text", { transform: `translate(13 ${middle}) rotate(-90)`, "text-anchor": "middle" }, yLabel));
    return parts;
  }
  const draw = (title, ...body) => svg("svg",
    { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": plain(title) }, axes(), ...body);
  return { left, right, top, bottom, at, draw };
}

// Boxes [x0, y0, x1, y1] for names beside their points: each takes the cheapest place, crowded points choose first.
function places(points, sizes, bars, frame) {
  const radii = [8, 12.5, 19, 27, 39, 54, 71], n = points.length;
  const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const covered = (a, b, pad) => {
    const w = Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + pad, h = Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + pad;
    return w > 0 && h > 0 ? 1 + w * h / ((a[2] - a[0]) * (a[3] - a[1])) : 0;
  };
  const near = (point, box) => [Math.min(Math.max(point[0], box[0]), box[2]), Math.min(Math.max(point[1], box[1]), box[3])];
  const options = points.map((point, i) => {
    const found = [], [w, h] = sizes[i], others = points.filter((_, j) => j !== i);
    radii.forEach((radius) => {
      for (let k = 0; k < 16; k += 1) {
        const dx = Math.cos(k * Math.PI / 8), dy = Math.sin(k * Math.PI / 8);
        const side = (part) => Math.min(1, Math.max(-1, 1.6 * part));
        const cx = point[0] + dx * radius + side(dx) * w / 2, cy = point[1] + dy * radius + side(dy) * h / 2;
        const box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], own = distance(near(point, box), point);
        let cost = 0.12 * radius;
        others.forEach((other) => {
          cost += 40 * covered(box, [other[0] - 5.6, other[1] - 5.6, other[0] + 5.6, other[1] + 5.6], 0);
          if (distance(near(other, box), other) < own + 3.8) { cost += 5; } // it would be read as that point's name
        });
        bars.forEach(([a, b]) => {
          if (Math.min(a[0], b[0]) < box[2] && Math.max(a[0], b[0]) > box[0]
            && Math.min(a[1], b[1]) < box[3] && Math.max(a[1], b[1]) > box[1]) { cost += 4; }
        });
        cost += 3 * (Math.max(0, frame.left - box[0]) + Math.max(0, box[2] - frame.right)
          + Math.max(0, frame.top - box[1]) + Math.max(0, box[3] - frame.bottom));
        found.push({ box, cost });
      }
    });
    return found;
  });
  const crowd = points.map((point) => points.map((other) => distance(point, other)).sort((a, b) => a - b)
    .slice(1, 4).reduce((sum, gap) => sum + gap, 0));
  const order = points.map((_, i) => i).sort((a, b) => crowd[a] - crowd[b] || a - b), chosen = new Array(n).fill(null);
  for (let pass = 0; pass < 3; pass += 1) {
    order.forEach((i) => {
      let best = Infinity;
      options[i].forEach(({ box, cost }) => {
        let sum = cost;
        for (let j = 0; j < n && sum < best; j += 1) {
          if (j !== i && chosen[j]) { sum += 60 * covered(box, chosen[j], 1.9); }
        }
        if (sum < best) { best = sum; chosen[i] = box; }
      });
    });
  }
  return chosen.map((box, i) => ({ box, near: near(points[i], box), far: distance(near(points[i], box), points[i]) > 14 }));
}
function named(points, names, bars, frame) {
  const shown = names.map((name) => (name.length <= 34 ? name : name.slice(0, 33) + "…"));
  const found = places(points, shown.map((name) => [LETTER * name.length, HEIGHT]), bars, frame);
  return found.map(({ box, near, far }, i) => [
    far ? svg("path", { class: "leader", d: segment(points[i], near) }) : null,
    svg("text", { class: "name", x: coordinate((box[0] + box[2]) / 2), y: coordinate((box[1] + box[3]) / 2 + 4),
      "text-anchor": "middle" }, shown[i])]);
}
function segment(a, b) { return `M${coordinate(a[0])} ${coordinate(a[1])}L${coordinate(b[0])} ${coordinate(b[1])}`; }

// Standardised score against fine-tuned Dice. points: {name, z, dice, zSd, diceSd, group, known} of each encoder.
function correlationPlot(points, title) {
  const xs = points.flatMap((p) => [p.z - p.zSd, p.z + p.zSd]), ys = points.flatMap((p) => [p.dice - p.diceSd, p.dice + p.diceSd]);
  const frame = frameOf(400, 270, xs, ys, "standardised score", "fine-tuned Dice", false), bars = [];
  points.forEach((p) => {
    [[p.zSd, 0], [0, p.diceSd]].forEach(([dx, dy]) => {
      if (dx || dy) { bars.push([frame.at(p.z - dx, p.dice - dy), frame.at(p.z + dx, p.dice + dy)]); }
    });
  });
  const spots = points.map((p) => frame.at(p.z, p.dice));
  const marks = points.map((p, i) => {
    const [x, y] = spots[i].map(coordinate), says = svg("title", null, plain(p.name));
    return p.known ? svg("circle", { class: "g" + p.group % 6, cx: x, cy: y, r: 5 }, says)
      : svg("path", { class: "g" + p.group % 6 + " open", d: `M${x} ${coordinate(spots[i][1] - 6)}l6 6 -6 6 -6 -6z` }, says);
  });
  const names = points.map((p, i) => (points.length > NAMED ? String(i + 1) : plain(p.name)));
  return frame.draw(title, bars.map(([a, b]) => svg("path", { class: "bar thin", d: segment(a, b) })), marks,
    named(spots, names, bars, frame));
}

// Seconds per task (log) against mean tau_w. points: {name, seconds, tau, p, nullLow, nullHigh} of each metric.
function costPlot(points, title) {
  const sorted = points.slice().sort((a, b) => a.seconds - b.seconds || (a.name < b.name ? -1 : 1));
  const xs = sorted.map((p) => Math.log10(Math.max(p.seconds, 1e-3)));
  const low = Math.min(...sorted.map((p) => p.nullLow)), high = Math.max(...sorted.map((p) => p.nullHigh));
  const frame = frameOf(760, 420, xs, [...sorted.map((p) => p.tau), 0, low, high], "seconds per task, all encoders", "mean tau_w", true);
  const top = frame.at(0, high)[1], bottom = frame.at(0, low)[1], front = [];
  const spots = sorted.map((p, i) => frame.at(xs[i], p.tau));
  let best = -Infinity, path = "";
  sorted.forEach((p, i) => {
    if (p.tau > best) { best = p.tau; front.push(spots[i]); }
  });
  front.forEach(([x, y], i) => { path += (i ? "H" + coordinate(x) + "V" : "M" + coordinate(x) + " ") + coordinate(y); });
  const marks = sorted.map((p, i) => svg("circle",
    { class: p.p < 0.05 ? "known" : "unknown", cx: coordinate(spots[i][0]), cy: coordinate(spots[i][1]), r: 5 }));
  return frame.draw(title,
    svg("rect", { class: "chance", x: frame.left, y: coordinate(top), width: frame.right - frame.left, height: coordinate(bottom - top) }),
    svg("text", { class: "note", x: frame.right - 4, y: coordinate(bottom - 5), "text-anchor": "end" }, "chance (95 %)"),
    svg("path", { class: "front", d: path + "H" + coordinate(frame.right) }), marks,
    named(spots, sorted.map((p) => plain(p.name)), [], frame));
}
