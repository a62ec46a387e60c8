// A batched model: the same frame, with networks of any depth, losses and an optimiser -----------

if (BATCHED) {
  for (const name of [...Object.keys(view().model.players), ...view().trained]) {
    GREEK[name] = NETWORK[name] = name;
  }
}
const columnName = (layer, sizes) => layer === 0 ? "input" : layer === sizes.length - 1 ? "output" : "hidden unit";

function modelChosen() {  // the reader's unit where it belongs to the phase, else the first output
  const of = phase().of, n = state.neuron;
  if (!of) return n;
  return n.player === of ? n : {player: of, layer: widths(of).length - 1, unit: 0};
}

// The graph --------------------------------------------------------------------------------------

function modelLayout(width) {
  const names = Object.keys(view().model.players), across = width < 560 ? 1 : Math.min(2, names.length);
  const most = Math.max(...names.flatMap((name) => widths(name)));
  const gap = most <= 8 ? 46 : Math.max(9, 400 / most), radius = Math.min(17, gap * 0.42);
  const place = {nodes: {}, blocks: {}, radius, gap, width, height: 0};
  for (let k = 0; k < names.length; k += across) {
    const row = names.slice(k, k + across), tallest = Math.max(...row.flatMap((name) => widths(name)));
    const height = 36 + tallest * gap + 20, box = width / across;
    row.forEach((name, c) => {
      place.blocks[name] = {x: c * box, y: place.height, width: box, height};
      const sizes = widths(name), step = (box - 84) / Math.max(1, sizes.length - 1);
      sizes.forEach((size, layer) => range(size).forEach((unit) => {
        place.nodes[`${name}.${layer}.${unit}`] = {x: c * box + 42 + layer * step,
          y: place.height + 36 + gap * (tallest - size) / 2 + gap * (unit + 0.5)};
      }));
    });
    place.height += height + 8;
  }
  return place;
}
function modelGraph(width) {
  const p = phase(), place = modelLayout(width), cell = modelChosen();
  const svg = s("svg", {viewBox: `0 0 ${width} ${place.height}`, width, height: place.height, role: "group",
    "aria-label": "The networks, with weights as lines and activations as circles"});
  const edges = s("g", {"aria-hidden": "true"}), nodes = s("g"), labels = s("g", {"aria-hidden": "true"});
  for (const [name, block] of Object.entries(place.blocks)) {
    const active = p.of === name;
    svg.append(s("rect", {class: `net${active ? " active" : ""}`, x: block.x + 2, y: block.y + 1,
      width: block.width - 4, height: block.height, rx: 10}));
    labels.append(s("text", {class: "caption", x: block.x + 12, y: block.y + 20}, name));
    const path = p.weights[name];
    if (path) modelEdges(edges, labels, name, place, `${here()}.${path}`, active, cell);
  }
  for (const key of Object.keys(place.nodes)) modelNode(nodes, labels, key, place, cell);
  svg.append(edges, nodes, labels);
  return svg;
}
function modelEdges(edges, labels, name, place, path, active, cell) {
  const places = view().model.players[name].places, sizes = widths(name);
  const W = places.map((k) => look(`${path}.${k}.W`));
  const largest = Math.max(1e-9, ...W.flat(2).map(Math.abs));
  W.forEach((matrix, layer) => matrix.forEach((row, i) => row.forEach((weight, j) => {
    const a = place.nodes[`${name}.${layer}.${i}`], b = place.nodes[`${name}.${layer + 1}.${j}`];
    const mine = active && cell.player === name && cell.layer === layer + 1 && cell.unit === j;
    edges.append(s("line", {x1: a.x, y1: a.y, x2: b.x, y2: b.y, "data-edge": `${name}.${layer}.${i}.${j}`,
      class: `edge ${weight < 0 ? "neg" : "pos"}${mine ? "" : " faint"}`,
      "stroke-width": 0.6 + 4.5 * Math.abs(weight) / largest}));
    if (mine && sizes[layer] <= 8) {
      const t = 0.3 + 0.14 * (i % 3);
      labels.append(s("text", {class: "small halo", x: a.x + t * (b.x - a.x),
        y: a.y + t * (b.y - a.y) - 3, "text-anchor": "middle"}, short(weight)));
    }
  })));
}
function modelNode(nodes, labels, key, place, cell) {
  const [name, l, u] = key.split("."), layer = Number(l), unit = Number(u), spot = place.nodes[key];
  const p = phase(), shown = p.shown[name], sizes = widths(name), r = place.radius;
  const path = shown && `${here()}.${shown.columns[layer]}.${unit}`;
  const secret = hidden() && p.kind === "forward" && p.of === name && layer > 0;
  const value = path && !secret ? at(path) : null, active = p.of === name;
  const delta = p.kind !== "forward" && active && shown && shown.deltas[layer]
    ? `${here()}.${shown.deltas[layer]}.${unit}` : null;
  const mark = cell.player === name && cell.layer === layer && cell.unit === unit;
  const label = `${name}, ${columnName(layer, sizes)} ${unit + 1}`;
  nodes.append(s("g", {
    class: `node${active ? " active" : ""}${mark ? " chosen" : ""}`, "data-node": key, "data-focus": key,
    role: layer > 0 ? "button" : "img", tabindex: active && layer > 0 ? 0 : false,
    "aria-label": label + (value === null ? "" : ` = ${format(value)}`)
      + (delta ? `, error ${format(at(delta))}` : ""),
    onclick: layer > 0 ? () => choose(name, layer, unit) : undefined,
    onkeydown: (event) => {
      if (layer > 0 && (event.key === "Enter" || event.key === " ")) { event.preventDefault();
        choose(name, layer, unit); }
    },
  }, s("circle", {cx: spot.x, cy: spot.y, r, style: value === null ? "fill:var(--surface)" : tint(value)}),
  r >= 11 && (value !== null || secret) ? s("text", {x: spot.x, y: spot.y + 4, "text-anchor": "middle",
    "data-at": value === null ? false : path, "data-digits": 2}, secret ? "?" : short(value)) : null));
  if (delta && r >= 9) {
    labels.append(s("text", {class: "small halo", x: spot.x, y: spot.y + r + 11, "text-anchor": "middle",
      style: `font-weight:600;fill:${at(delta) < 0 ? "var(--minus)" : "var(--plus)"}`},
    `δ ${format(at(delta))}`));
  }
}

// What a phase says ------------------------------------------------------------------------------

const MODEL_WORDS = {
  forward: "Each unit sums what comes in, times its weights; its activation makes the output of the sum.",
  losses: "Each loss is a number to be lowered, a mean over the batch; its gradient says how it would "
    + "change with each of its arguments. That gradient is where the way back starts.",
  backward: "δ is the derivative of the loss by a unit's net input: the sum of the δ of the units it "
    + "leads to, each times the weight between them, times the slope of its own activation.",
  update: "The derivative by a weight is what came in times the δ of the unit it leads to, added over the "
    + "batch. The optimiser turns it into a step down.",
  objective: "Every loss that the model reports, before the step and after it, on the same batch and "
    + "with the same draws. Only this network has moved.",
};
function sizesTold(path) {
  const values = look(path), first = range(Math.min(values.length, 8)).map((k) => num(`${path}.${k}`));
  return [first.map((node, k) => [k ? "  " : "", node]), values.length > 8 ? ` … ${values.length} in all` : ""];
}
function valuesOf(label, layer, paths, secret) {
  const cell = modelChosen();
  return h("ul", {class: "values", "aria-label": label}, range(Math.min(16, look(paths).length)).map((k) =>
    h("li", {}, h("button", {"data-focus": `value-${layer}-${k}`, "aria-pressed":
      String(cell.layer === layer && cell.unit === k), onclick: () => choose(phase().of, layer, k)},
    `${k + 1}`, num(`${paths}.${k}`, secret)))));
}
function modelForward(p) {
  const cell = modelChosen(), shown = p.shown[p.of], layer = cell.layer, sizes = widths(p.of);
  const weights = p.weights[p.of], place = view().model.players[p.of].places[layer - 1];
  const part = weights && `${here()}.${weights}.${place}`;
  const terms = part ? range(sizes[layer - 1]).map((i) => product(
    mathNumber(`${here()}.${shown.columns[layer - 1]}.${i}`), times(),
    mathNumber(`${part}.W.${i}.${cell.unit}`))) : [];
  if (part && look(part).b) terms.push(mathNumber(`${part}.b.${cell.unit}`));
  return [
    h("h3", {}, `${columnName(layer, sizes)} ${cell.unit + 1}`),
    terms.length ? line(m("math", {}, m("mi", {}, "v")), sumOf(terms),
      outcome(`${here()}.${shown.nets[layer]}.${cell.unit}`, hidden())) : null,
    h("p", {}, `after ${p.blocks[layer]}: `, num(`${here()}.${shown.columns[layer]}.${cell.unit}`, hidden())),
    sizes.slice(1).map((_, k) => [h("h3", {}, k + 2 === sizes.length ? "The outputs" : `Hidden layer ${k + 1}`),
      valuesOf(`layer ${k + 1}`, k + 1, `${here()}.${shown.columns[k + 1]}`, hidden())]),
  ];
}
function modelLosses(p) {
  return [
    p.losses.map((k) => {
      const event = record().events[k], told = view().losses[event.where], path = eventPath(k);
      return [h("h3", {}, told.title), scroller("the loss in symbols", parsed(told.latex)),
        scroller(`arguments of ${told.title}`, h("table", {}, h("tbody", {}, Object.keys(event.terms).map((name, j) => [
          h("tr", {}, h("th", {scope: "row"}, name), h("td", {}, sizesTold(`${path}.terms.${name}.0`),
            event.given[name] ? h("span", {class: "kicker"}, ` ${event.given[name]}`) : null)),
          event.result.gradient[j] ? h("tr", {}, h("th", {scope: "row"}, `its gradient by ${name}`),
            h("td", {}, hidden() ? "?" : sizesTold(`${path}.result.gradient.${j}.0`))) : null])))),
        h("p", {}, "loss = ", num(`${path}.result.value`, hidden()))];
    }),
    h("h3", {}, "What the model reports"),
    h("p", {class: "facts"}, Object.keys(record().losses).map((name) => h("span", {}, `${name} `,
      num(`${here()}.losses.${name}`, hidden())))),
  ];
}
function modelBackward(p) {
  return p.passes.map((pass) => [
    h("h3", {}, pass.title),
    range(widths(p.of).length - 1).reverse().map((k) => pass.deltas[k + 1] ? [
      h("p", {class: "kicker"}, k + 2 === widths(p.of).length ? "δ of the outputs" : `δ of hidden layer ${k + 1}`),
      valuesOf(`errors of layer ${k + 1}`, k + 1, `${here()}.${pass.deltas[k + 1]}`, hidden())] : null),
  ]);
}
function modelUpdate(p) {
  const cell = modelChosen(), path = `${here()}.players.${p.player}`, told = record().players[p.player];
  const place = view().model.players[p.of].places[cell.layer - 1], sizes = widths(p.of);
  const slots = Object.keys(told.optimiser.slots), has = told.before[place].b ? [null] : [];
  const cellOf = (at_, i) => i === null ? `${at_}.${place}.b.${cell.unit}` : `${at_}.${place}.W.${i}.${cell.unit}`;
  return [
    scroller("the step in symbols", view().optimisers[told.optimiser.name].map((formula) => h("div", {},
      parsed(formula)))),
    h("p", {class: "facts"}, h("span", {}, "γ = ", num(`${path}.optimiser.rate`)),
      h("span", {}, `step t = ${told.optimiser.t}`),
      Object.keys(told.optimiser.settings).map((name) => h("span", {}, `${name} = `,
        num(`${path}.optimiser.settings.${name}`)))),
    h("h3", {}, `The weights into ${columnName(cell.layer, sizes)} ${cell.unit + 1}`),
    scroller("table of weights", h("table", {},
      headings("from", "before", "g, closed form", "numerical", ...slots.map((name) => `${name} after`), "after"),
      h("tbody", {}, [...range(sizes[cell.layer - 1]), ...has].map((i) => h("tr", {},
        h("th", {scope: "row"}, i === null ? "bias" : `${i + 1}`),
        h("td", {}, num(cellOf(`${path}.before`, i))), h("td", {}, num(cellOf(`${path}.gradient`, i), hidden())),
        h("td", {}, taken(told, cellOf(`${path}.numerical`, i)) ? num(cellOf(`${path}.numerical`, i), hidden()) : "–"),
        slots.map((name) => h("td", {}, num(cellOf(`${path}.optimiser.slots.${name}.1`, i), hidden()))),
        h("td", {}, num(cellOf(`${path}.after`, i), hidden()))))))),
  ];
}
const taken = (told, path) => told.numerical && at(path) !== null;  // of a large network, of some weights
function modelObjective(p) {
  const path = `${here()}.players.${p.player}`, told = record().players[p.player], o = told.objective;
  return [
    h("table", {}, headings("loss", "before", "after"), h("tbody", {}, Object.keys(told.losses).map((name) =>
      h("tr", {}, h("th", {scope: "row"}, name), h("td", {class: "n"}, num(`${path}.losses.${name}.0`)),
        h("td", {class: "n"}, num(`${path}.losses.${name}.1`, hidden())))))),
    o ? [h("h3", {}, `What the ${p.of} lowers: ${o.text}`),
      h("p", {id: "objective"}, "before ", num(`${path}.objective.before`), " → after ",
        num(`${path}.objective.after`, hidden()), " ", hidden() ? "" : o.after < o.before
          ? h("span", {class: "good"}, "↓ it fell, as it should") : o.after > o.before
            ? h("span", {class: "bad"}, "↑ it rose: the step was too long") : "it stayed"),
      h("p", {class: "kicker"}, "The fewest reported losses whose derivatives add up to the gradient; "
        + "largest difference from the numerical derivative: ", num(`${path}.agrees`))]
      : h("p", {}, "No sum of these has the gradient that was taken, or it is zero or lost in rounding."),
  ];
}
function modelPanel() {
  const p = phase();
  const body = {forward: modelForward, losses: modelLosses, backward: modelBackward, update: modelUpdate,
    objective: modelObjective}[p.kind](p);
  return h("section", {class: "panel", id: "equation", "aria-labelledby": "equation-title"},
    h("p", {class: "kicker"}, p.kicker), h("h2", {id: "equation-title"}, p.title),
    h("p", {class: "words"}, MODEL_WORDS[p.kind]),
    state.predict && hidden() ? h("div", {class: "ask", id: "ask"}, h("span", {}, "What will it be?"),
      h("button", {class: "primary", id: "reveal", "data-focus": "reveal",
        onclick: () => change({revealed: true})}, "Reveal")) : null, body);
}

// Images, all weights, curves --------------------------------------------------------------------

function modelImages() {
  const same = JSON.stringify(record().x) === JSON.stringify(record().target);
  return h("section", {class: "panel", id: "images", "aria-labelledby": "images-title"},
    h("h2", {id: "images-title"}, "Images"), h("div", {class: "images"},
      record().x.map((_, k) => h("figure", {}, pixels(`${here()}.x.${k}`, "", `x, sample ${k + 1}`, 70),
        h("figcaption", {}, record().x.length > 1 ? `x, sample ${k + 1}` : "x, the image"))),
      same ? null : record().target.map((_, k) => h("figure", {},
        pixels(`${here()}.target.${k}`, "", `clean x, sample ${k + 1}`, 70), h("figcaption", {}, "clean"))),
      record().sample ? h("figure", {}, h("div", {class: "strip"}, view().steps.map((step, k) => h("button", {
        "aria-label": `Generated image after update ${step.step}`, "aria-current": k === state.step ? "step"
          : false, "data-focus": `strip-${k}`, onclick: () => change({step: k}),
      }, pixels(`steps.${k}.sample`, "", `generated after update ${step.step}`, 22)))),
      h("figcaption", {}, "generated from one fixed draw, after each update")) : null));
}
function modelCompare(width) {
  const key = phase().player || (state.player === "all" ? Object.keys(record().players)[0] : state.player);
  const told = record().players[key], path = `${here()}.players.${key}`;
  if (!told || !told.numerical) return null;
  const list = [];
  told.gradient.forEach((part, k) => Object.entries(part).forEach(([name, values]) => {
    const walk = (value, at_) => Array.isArray(value) ? value.forEach((one, j) => walk(one, `${at_}.${j}`))
      : list.push(at_);
    walk(values, `${k}.${name}`);
  }));
  const some = list.slice(0, 400), largest = Math.max(1e-12, ...some.flatMap((w) =>
    ["gradient", "numerical"].map((c) => Math.abs(at(`${path}.${c}.${w}`)))));  // null counts as 0
  const height = 130, middle = height / 2, gap = Math.max(3, (width - 8) / some.length);
  const scale = (middle - 6) / largest, readout = h("p", {id: "readout", class: "kicker"}, "Point at a bar to read it.");
  const secret = state.predict && hidden() && phase().player === key;
  const svg = secret ? h("p", {}, "Hidden until revealed.") : s("svg", {class: "bars",
    viewBox: `0 0 ${gap * some.length + 8} ${height}`, width: gap * some.length + 8, height, role: "img",
    "aria-label": `Bars of the gradient of ${key} and its numerical derivative, ${some.length} weights`},
  s("line", {class: "axis", x1: 0, x2: gap * some.length + 8, y1: middle, y2: middle}),
  some.map((w, k) => {
    const g = at(`${path}.gradient.${w}`), n = at(`${path}.numerical.${w}`), x = 4 + k * gap;
    return s("g", {class: "hit", onmouseenter: () => readout.replaceChildren(w.replaceAll(".", " "),
      ": closed form ", num(`${path}.gradient.${w}`), ", numerical ", n === null ? "not taken"
        : num(`${path}.numerical.${w}`))},
    s("rect", {class: "back", x, width: gap, y: 0, height}),
    s("rect", {class: "printed", x: x + gap * 0.2, width: gap * 0.6, y: g < 0 ? middle : middle - g * scale,
      height: Math.abs(g) * scale}),
    n === null ? null : s("line", {class: "numerical", x1: x + gap * 0.1, x2: x + gap * 0.9,
      y1: middle - n * scale, y2: middle - n * scale}));
  }));
  return h("section", {class: "panel", id: "compare", "aria-labelledby": "compare-title"},
    h("h2", {id: "compare-title"}, `The gradient of the ${key}, and its numerical derivative`),
    h("div", {class: "scroll"}, svg), h("p", {class: "legend"}, "bars: closed form; lines: numerical"
    + (told.checked < list.length ? `, of ${told.checked} of the ${list.length} weights` : "")), readout);
}
function modelCurves(width) {
  const names = Object.keys(record().losses), size = Math.min(width, 330);
  return h("section", {class: "panel", id: "curves", "aria-labelledby": "curves-title"},
    h("h2", {id: "curves-title"}, "The reported losses, update by update"), h("div", {class: "curves"},
      names.map((name) => h("div", {}, h("h3", {}, name), modelCurve(name, size, 100),
        h("p", {class: "kicker"}, "now ", hidden() ? "?" : num(`${here()}.losses.${name}`))))));
}
function modelCurve(name, width, height) {
  const told = view().steps.map((step) => step.losses[name]), values = told.map((v) => v === undefined ? null : v);
  const there = values.filter((v) => v !== null), low = Math.min(...there), span = Math.max(...there) - low || 1;
  const x = (k) => 10 + (width - 20) * k / Math.max(1, values.length - 1);
  const y = (v) => height - 12 - (height - 24) * (v - low) / span;
  const points = values.map((v, k) => [v, k]).filter(([v]) => v !== null);
  return s("svg", {class: "curve", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${name} at each update, the cursor at update ${record().step}`},
  s("line", {class: "axis", x1: 0, x2: width, y1: height - 6, y2: height - 6}),
  s("path", {d: points.map(([v, k], j) => `${j ? "L" : "M"} ${x(k)} ${y(v)}`).join(" ")}),
  s("line", {class: "cursor", x1: x(state.step), x2: x(state.step), y1: 2, y2: height - 6}),
  values[state.step] === null ? null : s("circle", {class: "after", cx: x(state.step), cy: y(values[state.step]), r: 4}));
}
function renderModel(width, below) {
  bar_.left.replaceChildren(h("section", {class: "panel", "aria-labelledby": "graph-title", id: "graph"},
    h("h2", {id: "graph-title", class: "unseen"}, "The networks"), modelGraph(width), legend()), modelImages());
  bar_.right.replaceChildren(modelPanel(), h("section", {class: "panel", id: "about", "aria-labelledby":
    "about-title"}, h("h2", {id: "about-title"}, view().model.name),
    h("p", {class: "words"}, view().model.says), h("p", {class: "kicker"}, view().model.paper)));
  bar_.below.replaceChildren(...[modelCompare(below), modelCurves(below)].filter(Boolean));
}
