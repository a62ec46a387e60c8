// Printed update against true gradient -----------------------------------------------------------

function compared() {
  const p = phase();
  if (p.player) return p.player;
  if (state.player !== "all") return state.player;
  return view().trained.includes(p.of) ? p.of : view().trained[0];
}
function parameters(player) {
  const list = [];
  record().players[player].before.forEach((part, layer) => {
    part.W.forEach((row, i) => row.forEach((_, j) => list.push({path: `${layer}.W.${i}.${j}`,
      label: `W${layer + 1}[${i + 1},${j + 1}]`, edge: `${player}.${layer}.${i}.${j}`})));
    part.b.forEach((_, j) => list.push({path: `${layer}.b.${j}`, label: `b${layer + 1}[${j + 1}]`,
      edge: ""}));
  });
  return list;
}
function comparePanel(width) {
  const player = compared(), path = `${here()}.players.${player}`, list = parameters(player);
  if (notReached(player, "update")) {
    return h("section", {class: "panel", id: "compare"}, h("h2", {}, "The update and the true gradient"),
      h("p", {}, "Hidden until the update is revealed."));
  }
  const data = list.map((w) => ({...w, printed: at(`${path}.update.${w.path}`),
    exact: at(`${path}.true.${w.path}`), numerical: at(`${path}.numerical.${w.path}`)}));
  const largest = Math.max(1e-12, ...data.flatMap((w) => [w.printed, w.exact, w.numerical].map(Math.abs)));
  const height = 150, gap = Math.max(3, (width - 8) / data.length), middle = height / 2,
    scale = (middle - 6) / largest;
  const readout = h("p", {id: "readout", class: "kicker"}, "Point at a bar to read it.");
  const rect = (name, value, x, w) => s("rect", {class: name, x, width: w, y: value < 0 ? middle
    : middle - value * scale, height: Math.abs(value) * scale});
  const svg = s("svg", {class: "bars", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `Bars of the update and the true gradient for all ${data.length} weights of `
      + `${GREEK[player]}; the table below has the numbers`},
  s("line", {class: "axis", x1: 0, x2: width, y1: middle, y2: middle}),
  data.map((w, k) => {
    const x = 4 + k * gap;
    return s("g", {class: "hit",
      onmouseenter: () => { readout.replaceChildren(w.label, ": update ", num(`${path}.update.${w.path}`),
        ", numerical derivative ", num(`${path}.numerical.${w.path}`), ", true gradient ",
        num(`${path}.true.${w.path}`)); if (w.edge) lightEdge(w.edge, true); },
      onmouseleave: () => { if (w.edge) lightEdge(w.edge, false); },
    }, s("rect", {class: "back", x, width: gap, y: 0, height}), rect("printed", w.printed, x + gap * 0.12,
      gap * 0.38), rect("true", w.exact, x + gap * 0.54, gap * 0.34),
    s("line", {class: "numerical", x1: x + gap * 0.05, x2: x + gap * 0.55, y1: middle - w.numerical * scale,
      y2: middle - w.numerical * scale}));
  }));
  const printed = view().model.rules === "exact" ? "update (exact rule)" : `update (${view().model.rules})`;
  return h("section", {class: "panel", id: "compare", "aria-labelledby": "compare-title"},
    h("h2", {id: "compare-title"}, `The update of ${GREEK[player]} and the true gradient`),
    h("div", {class: "facts"}, h("span", {}, "cosine ", h("b", {id: "cosine"}, num(`${path}.cosine`))),
      h("span", {}, "update is ", h("b", {id: "ratio"}, num(`${path}.ratio`)), " times as long"),
      h("span", {}, "largest difference from the numerical derivative ", h("b", {id: "agrees"},
        num(`notes.${state.step}.agrees.${player}`)))),
    h("div", {class: "scroll"}, svg),
    h("p", {class: "legend"}, h("span", {}, s("svg", {width: 12, height: 12, "aria-hidden": "true"},
      s("rect", {width: 12, height: 12, fill: "var(--accent)"})), printed),
      h("span", {}, s("svg", {width: 14, height: 12, "aria-hidden": "true"},
        s("line", {x1: 0, x2: 14, y1: 6, y2: 6, stroke: "var(--act)", "stroke-width": 3})),
        "numerical derivative of what the rule raises"),
      h("span", {}, s("svg", {width: 12, height: 12, "aria-hidden": "true"},
        s("rect", {x: 1, y: 1, width: 10, height: 10, fill: "none", stroke: "var(--text)"})),
        "true gradient of the loss")),
    readout,
    h("details", {id: "numbers", "aria-label": "All numbers", open: opened.has("numbers"),
      ontoggle: remember}, h("summary", {}, "All numbers"),
      scroller("table of all weights", h("table", {}, headings("weight", "before", "update", "numerical",
        "true", "after"),
        h("tbody", {}, list.map((w) => h("tr", {}, h("th", {scope: "row"}, w.label), ["before", "update",
          "numerical", "true", "after"].map((c) => h("td", {class: "n"},
          num(`${path}.${c}.${w.path}`))))))))));
}
const opened = new Set();
function remember(event) {
  if (event.target.open) opened.add(event.target.id);
  else opened.delete(event.target.id);
}

// Images and curves ------------------------------------------------------------------------------

function pixels(path, name, label, size) {
  const [rows, columns] = view().grid, values = look(path);
  const cell = Math.max(4, Math.min(size / Math.max(rows, columns), 40));
  return h("div", {class: "pixels", role: "img",
    "aria-label": `${label}: ${values.slice(0, 16).map(short).join(", ")}`,
    style: `grid-template-columns:repeat(${columns},${cell}px);grid-auto-rows:${cell}px`},
    values.map((value, k) => h("i", {"data-node": name ? `${name}.${k}` : false,
      title: `${label} ${k + 1}: ${format(value)}`,
      style: `background:rgb(${Array(3).fill(Math.round(255 * Math.min(1, Math.max(0, value)))).join(",")})`,
      onmouseenter: name ? () => lightNode(`${name}.${k}`) : undefined, onmouseleave: name ? unlight
        : undefined})));
}
function imagesPanel() {
  const made = phases().findIndex((p) => p.key === "g-z") <= state.phase
    && !(hidden() && phase().key === "g-z");
  return h("section", {class: "panel", id: "images", "aria-labelledby": "images-title"},
    h("h2", {id: "images-title"}, "Images"),
    h("div", {class: "images"},
      h("figure", {}, pixels(`${here()}.x`, "x", "x", 80), h("figcaption", {}, "x, the image")),
      made ? h("figure", {}, pixels(`${here()}.x_`, "x_", "x′", 80), h("figcaption", {}, "x′, decoded"))
        : null,
      h("figure", {}, h("div", {class: "strip"}, view().steps.map((step, k) => h("button", {
        "aria-label": `Generated image after update ${step.step}`, "aria-current": k === state.step ? "step"
          : false, "data-focus": `strip-${k}`, onclick: () => change({step: k}),
      }, pixels(`steps.${k}.sample`, "", `generated after update ${step.step}`, 22)))), h("figcaption", {},
        "generated from one fixed draw, after each update"))));
}
function curve(player, what, width, height) {  // what: "objective", or the paper's own "loss"
  const told = view().steps.map((step) => step.players[player][what]);
  const values = told.map((step) => step && step.before), now = told[state.step];
  const all = [...told.flatMap((step) => step ? [step.before, step.after] : [])].filter((v) => v !== null);
  const low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
  const x = (k) => 10 + (width - 20) * k / Math.max(1, values.length - 1), y = (v) =>
    height - 12 - (height - 24) * (v - low) / span;
  const name = what === "loss" ? `The paper's own loss of ${GREEK[player]}` : `What ${GREEK[player]}'s rule raises`;
  return s("svg", {class: `curve ${what}`, viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${name}, before each update, from ${format(low)} to ${format(high)}; the cursor is at update `
      + record().step,
    onclick: (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const k = Math.round((event.clientX - box.left - 10) / (box.width - 20) * (values.length - 1));
      change({step: Math.min(values.length - 1, Math.max(0, k))});
    }},
  s("line", {class: "axis", x1: 0, x2: width, y1: height - 6, y2: height - 6}),
  s("path", {d: values.map((v, k) => `${k ? "L" : "M"} ${x(k)} ${y(v)}`).join(" ")}),
  s("line", {class: "cursor", x1: x(state.step), x2: x(state.step), y1: 2, y2: height - 6}),
  s("line", {class: "move", x1: x(state.step), x2: x(state.step), y1: y(now.before), y2: y(now.after)}),
  s("circle", {class: "before", cx: x(state.step), cy: y(now.before), r: 4}),
    s("circle", {class: "after", cx: x(state.step), cy: y(now.after), r: 4}));
}
function curveOf(player, what, size) {
  const told = record().players[player][what], path = `${here()}.players.${player}.${what}`;
  const up = what === "objective" || told.direction === "up";
  const gain = (told.after - told.before) * (up ? 1 : -1);
  const count = view().steps.filter((step) => {
    const one = step.players[player][what];
    return (one.after - one.before) * (up ? 1 : -1) < 0;
  }).length;
  const wanted = `should go ${up ? "up" : "down"}`, all = view().steps.length;
  return h("div", {"data-curve": `${player}-${what}`},
    h("h4", {}, what === "objective" ? `What its rule raises: ${wanted}`
      : `The paper's own, Eq. ${told.equation}: ${wanted}`),
    curve(player, what, size, 96),
    h("p", {class: "kicker"}, "○ before ", num(`${path}.before`), "  ● after ", num(`${path}.after`), " ",
      gain < 0 ? h("span", {class: "bad"}, up ? "↓ it fell" : "↑ it rose")
        : gain > 0 ? h("span", {class: "good"}, up ? "↑" : "↓") : "it stayed"),
    all > 1 && count ? h("p", {class: "kicker"}, `the wrong way in ${count} of ${all} updates`) : null);
}
function curvesPanel(width) {
  const size = Math.min(width, 330);
  return h("section", {class: "panel", id: "curves", "aria-labelledby": "curves-title"},
    h("h2", {id: "curves-title"}, "What each update does, by the rule and by the paper's own loss"),
    h("p", {class: "words"}, "A printed rule is the gradient of an objective of its own. Where that is not the "
      + "paper's loss, an update can raise the one and still move the other the wrong way."),
    h("div", {class: "curves"}, view().trained.map((player) => notReached(player, "update") ? h("p", {},
      `${GREEK[player]}: hidden until revealed`) : h("div", {},
      h("h3", {}, `${GREEK[player]}, ${NETWORK[player]}`), curveOf(player, "objective", size),
      record().players[player].loss ? curveOf(player, "loss", size)
        : h("p", {class: "kicker"}, "No term of the paper's own loss is left under these rules.")))));
}

