"use strict";
// Formats, lays out and draws. Every number is looked up in the data by its path; the paths stand
// in data-at attributes, a leading "-" meaning the opposite sign (the engine descends, the paper
// ascends).

const DATA = JSON.parse(document.getElementById("data").textContent);
const APP = document.getElementById("app");
const GREEK = {f: "Θ", g: "Φ", d: "Ψ", D: "Λ"};
const NETWORK = {f: "encoder f", g: "decoder g", d: "discriminator d", D: "discriminator D"};
const LAYER = ["input", "hidden unit", "output"];
const SECONDS = {false: 1.4, true: 4.5};
const TERMS_SHOWN = 6;

// Elements ---------------------------------------------------------------------------------------

function element(make, tag, attributes, children) {
  const node = make(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}
const h = (tag, attributes, ...children) =>
  element((t) => document.createElement(t), tag, attributes, children);
const s = (tag, attributes, ...children) =>
  element((t) => document.createElementNS("http://www.w3.org/2000/svg", t), tag, attributes, children);
const m = (tag, attributes, ...children) =>
  element((t) => document.createElementNS("http://www.w3.org/1998/Math/MathML", t), tag, attributes,
    children);

const range = (n) => [...Array(n).keys()];

function parsed(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup;
  return template.content.firstElementChild;
}

function scroller(label, ...children) {  // wide things scroll by themselves, by key too
  return h("div", {class: "scroll", tabindex: 0, role: "group", "aria-label": label}, ...children);
}
const headings = (...names) =>
  h("thead", {}, h("tr", {}, names.map((name) => name && h("th", {scope: "col"}, name))));

// Numbers ----------------------------------------------------------------------------------------

const look = (path) => path.split(".").reduce((value, key) => value[key], view());
const at = (path) => path[0] === "-" ? -look(path.slice(1)) : look(path);
function format(value) {
  if (value === null) return "undefined";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e4) return value.toFixed(4).replace("-", "−");
  const [digits, power] = value.toExponential(2).split("e");
  const raised = [...String(Number(power))].map((c) => c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]).join("");
  return `${digits.replace("-", "−")}×10${raised}`;
}
const short = (value) => value.toFixed(2).replace("-", "−");
const sign = (value) => value > 0 ? "plus" : value < 0 ? "minus" : "";

function num(path, secret) {
  if (secret) return h("span", {class: "num secret"}, "?");
  const value = at(path);
  return h("span", {class: `num ${sign(value)}`, "data-at": path}, format(value));
}
function mathNumber(path, {secret = false, alone = false} = {}) {
  if (secret) return m("mn", {class: "secret"}, "?");
  const value = at(path), number = m("mn", {"data-at": path}, format(value));
  return value < 0 && !alone
    ? m("mrow", {}, m("mo", {stretchy: "false"}, "("), number, m("mo", {stretchy: "false"}, ")"))
    : number;
}

// State ------------------------------------------------------------------------------------------

const state = {
  view: 0, step: 0, phase: 0, player: "all", neuron: {player: "g", layer: 2, unit: 0},
  predict: false, revealed: false, guess: "", pinned: "", playing: false, slow: false,
};
const view = () => DATA.views[state.view];
const here = () => `steps.${state.step}`;
const record = () => view().steps[state.step];
const phases = () => view().phases.filter(
  (p) => state.player === "all" || p.player === "" || p.player === state.player);
const phase = () => phases()[state.phase];
const hidden = () => state.predict && !state.revealed;
const widths = (player) => view().model.players[player].widths;
const framed = window.self !== window.top;

function eventPath(k) { return `${here()}.events.${k}`; }

function address() {
  const n = state.neuron;
  const parts = {
    rule: view().model.rules, step: record().step, phase: phase().key, player: state.player,
    neuron: `${n.player}-${n.layer}-${n.unit + 1}`,
  };
  if (state.predict) parts.predict = 1;
  return "#" + Object.entries(parts).map(([k, v]) => `${k}=${v}`).join("&");
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  state.view = Math.max(0, DATA.views.findIndex((v) => v.model.rules === parts.get("rule")));
  state.step = Math.max(0, view().steps.findIndex((x) => String(x.step) === parts.get("step")));
  const player = parts.get("player");
  state.player = view().trained.includes(player) ? player : "all";
  state.phase = Math.max(0, phases().findIndex((p) => p.key === parts.get("phase")));
  const [name, layer, unit] = (parts.get("neuron") || "").split("-");
  if (name in view().model.players && (layer === "1" || layer === "2")
      && Number(unit) >= 1 && Number(unit) <= widths(name)[layer]) {
    state.neuron = {player: name, layer: Number(layer), unit: Number(unit) - 1};
  } else if (!(state.neuron.player in view().model.players)) {
    state.neuron = {player: "g", layer: 2, unit: 0};
  }
  state.predict = parts.get("predict") === "1";
}

function writeAddress(replace) {
  if (framed || location.hash === address()) return;
  if (replace) history.replaceState(null, "", address());
  else history.pushState(null, "", address());
}

function change(changes, replace) {
  const key = phase().key;
  Object.assign(state, changes);
  if ("view" in changes || "player" in changes) {
    state.player = view().trained.includes(state.player) ? state.player : "all";
    const same = phases().findIndex((p) => p.key === key);
    const of = phases().findIndex((p) => p.player === state.player);
    state.phase = same >= 0 ? same : Math.max(0, of);
    if (!(state.neuron.player in view().model.players)) state.neuron = {player: "g", layer: 2, unit: 0};
  }
  if ("step" in changes || "phase" in changes || "view" in changes || "player" in changes) {
    state.revealed = false; state.guess = ""; state.pinned = "";
  }
  writeAddress(replace);
  render();
}

function move(by, replace) {
  if (by > 0 && hidden()) return change({revealed: true}, replace);
  let step = state.step, k = state.phase + by;
  if (k < 0) { step -= 1; k = phases().length - 1; }
  if (k >= phases().length) { step += 1; k = 0; }
  if (step < 0 || step >= view().steps.length) { pause(); return undefined; }
  return change({step, phase: k}, replace);
}
function moveStep(by) {
  const step = Math.min(view().steps.length - 1, Math.max(0, state.step + by));
  if (step !== state.step) change({step});
}
let timer = 0;
function play() {
  state.playing = true;
  clearInterval(timer);
  timer = setInterval(() => move(1, true), SECONDS[state.slow] * 1000);
  syncBar();
}
function pause() {
  state.playing = false;
  clearInterval(timer);
  syncBar();
}

// The chosen unit --------------------------------------------------------------------------------

function chosen() {
  const p = phase(), n = state.neuron;
  if (p.kind === "rule") {
    const place = (DATA.places[p.formula] || {}).result;
    if (!place || place.startsWith("r")) return {player: p.of, layer: 2, unit: index(p) % widths(p.of)[2]};
    const [player, layer, unit] = place.split(".");
    return {player, layer: Number(layer), unit: resolve(unit, index(p))};
  }
  const width = widths(p.of);
  if (p.kind === "backward") return {player: p.of, layer: 1, unit: n.unit % width[1]};
  return n.player === p.of ? n : {player: p.of, layer: 2, unit: n.unit % width[2]};
}
function selected() {  // the neuron panel's: the reader's choice where it belongs to the phase
  const cell = chosen(), n = state.neuron;
  if (n.player === phase().of && (n.layer === 1 || cell.player !== n.player)) return n;
  return cell.layer > 0 ? cell : {player: phase().of, layer: 2, unit: cell.unit};
}
function where(p) { return record().events[p.event].where; }
function resolve(unit, i) {
  const n = view().model.latent_dim;
  return unit === "i" ? i : unit === "n+i" ? n + i : Number(unit);
}
function index(p) {
  const event = record().events[p.event], n = state.neuron;
  const length = DATA.formulas[p.formula].summed ? event.terms.x[0].length : event.result[0].length;
  return n.unit % length;
}
function termPath(k, name, i) {
  const path = `${eventPath(k)}.terms.${name}`, value = look(path);
  return Array.isArray(value) ? `${path}.0.${value[0].length === 1 ? 0 : i}` : path;
}
function resultPath(k, i) {
  const length = record().events[k].result[0].length;
  return `${eventPath(k)}.result.0.${length === 1 ? 0 : i}`;
}
function unitName(player, layer, unit) {
  const n = view().model.latent_dim, sub = [...String(unit + 1)].map((c) => "₀₁₂₃₄₅₆₇₈₉"[c]).join("");
  if (layer === 1) return `h${sub}`;
  const on = phase().shown[player];
  if (layer === 0) {
    return {f: `${on === "x'" ? "x′" : "x"}${sub}`, g: `z${sub}`, d: `${on === "x" ? "x" : "x′"}${sub}`,
      D: `μ${on === "μ(x)" ? "" : "′"}${sub}`}[player];
  }
  const low = [...String(unit + 1 - n)].map((c) => "₀₁₂₃₄₅₆₇₈₉"[c]).join("");
  const prime = on === "x'" ? "′" : "";
  return {f: unit < n ? `μ${prime}${sub}` : `Σ${prime}${low}`, g: `x′${sub}`, d: "d", D: "D"}[player];
}
function valuePath(player, on, layer, unit) {
  const pass = view().passes[`${player}|${on}`];
  if (!pass) return null;
  return layer === 0 ? `${eventPath(pass[0])}.terms.x.0.${unit}`
    : `${eventPath(pass[layer === 1 ? 1 : 3])}.result.0.${unit}`;
}
const passesOf = (player) =>
  Object.keys(view().gradients).filter((name) => name[0] === player).map((name) => name.slice(2));
function errorPath(player, on, layer, unit) {
  const found = view().gradients[`${player}|${on}`];
  return found ? `-${eventPath(found[layer === 1 ? 0 : 2])}.terms.dy.0.${unit}` : null;
}

// The graph --------------------------------------------------------------------------------------

const NODE = {PAD: 66, TOP: 36, BOTTOM: 16};

function blocksOf(width, mini) {
  const names = ["f", "g", "d", "D"].filter((name) => name in view().model.players);
  const narrow = width < 560 && !mini;
  const rows = [];
  if (narrow) {
    const wanted = involved();
    for (const name of names) if (wanted.has(name)) rows.push([name]);
  } else if (names.includes("f")) {
    rows.push(["f", "g"]);
    if (names.includes("d") || names.includes("D")) rows.push([names.includes("D") ? "D" : null,
      names.includes("d") ? "d" : null]);
  } else rows.push(["g", names.includes("d") ? "d" : null]);
  return {rows, narrow, mirrored: !narrow && names.includes("f")};
}
function involved() {
  const p = phase(), set = new Set([p.of]);
  if (p.kind === "rule") {
    for (const refs of Object.values(DATA.places[p.formula] || {})) {
      for (const ref of refs.split(" ")) {
        const name = ref.split(".")[0];
        if (name in view().model.players) set.add(name);
      }
    }
    if (where(p) === "sample_code") set.add("g");
  }
  return set;
}
function layout(width, mini) {
  const {rows, narrow, mirrored} = blocksOf(width, mini);
  const n = view().model.latent_dim;
  const most = Math.max(...Object.values(view().model.players).flatMap((p) => p.widths));
  const gap = mini ? Math.min(17, 130 / most) : most <= 8 ? 50 : Math.max(9, 420 / most);
  const radius = mini ? Math.min(6, gap * 0.4) : Math.min(18, gap * 0.42);
  const pad = mini ? 18 : NODE.PAD, top = mini ? 12 : NODE.TOP, bottom = mini ? 6 : NODE.BOTTOM;
  const place = {narrow, nodes: {}, blocks: {}, r: [], radius, width, mini, labels: !mini && radius >= 9};
  let y = 0;
  for (const row of rows) {
    const columns = narrow ? 1 : 2, blockWidth = width / columns;
    const tallest = Math.max(...row.filter(Boolean).flatMap(widths));
    const height = top + tallest * gap + bottom;
    row.forEach((name, c) => {
      if (!name) return;
      const mirror = mirrored && (name === "d" || name === "D");
      place.blocks[name] = {x: c * blockWidth, y, width: blockWidth, height, mirror};
      widths(name).forEach((size, layer) => {
        const step = (blockWidth - 2 * pad) / 2;
        const x = c * blockWidth + pad + (mirror ? 2 - layer : layer) * step;
        for (let unit = 0; unit < size; unit++) {
          place.nodes[`${name}.${layer}.${unit}`] = {
            x, y: y + top + gap * (tallest - size) / 2 + gap * (unit + 0.5)};
        }
      });
    });
    y += height + (mini ? 4 : 8);
  }
  place.height = y;
  if (place.blocks.f && place.blocks.g && !mini) {
    for (let k = 0; k < n; k++) {
      const z = place.nodes[`g.0.${k}`], sigma = place.nodes[`f.2.${n + k}`];
      place.r.push(narrow ? {x: z.x - 45, y: z.y} : {x: (z.x + sigma.x) / 2, y: sigma.y});
    }
  }
  return place;
}

function drawGraph(width, mini) {
  const p = mini ? null : phase(), place = layout(width, mini), players = record().players;
  const on = (name) => mini ? finalPass(name) : p.shown[name];
  const focus = mini ? null : p.key === "sample" ? chosen() : selected();
  const svg = s("svg", {
    viewBox: `0 0 ${place.width} ${place.height}`, width: place.width, height: place.height,
    role: "group", "aria-label": "The networks, with weights as lines and activations as circles",
  });
  const edges = s("g", {"aria-hidden": "true"}), nodes = s("g"), labels = s("g", {"aria-hidden": "true"});
  for (const [name, block] of Object.entries(place.blocks)) {
    const active = !mini && p.of === name;
    svg.append(s("rect", {class: `net${active ? " active" : ""}`, x: block.x + 2, y: block.y + 1,
      width: block.width - 4, height: block.height, rx: 10}));
    const title = mini ? name
      : `${NETWORK[name]}, ${GREEK[name]}${on(name) ? `, on ${on(name).replaceAll("x'", "x′")}` : ""}`;
    labels.append(s("text", {class: mini ? "small muted" : "caption", x: block.x + 12,
      y: block.y + (mini ? 12 : 20)}, title));
    drawEdges(edges, labels, name, place, players[name], active, focus);
  }
  drawLinks(edges, place, on);
  for (const [key, spot] of Object.entries(place.nodes)) drawNode(nodes, labels, key, spot, place, on, focus);
  const crowded = place.narrow && p.key !== "sample";
  if (on("f") === "x" && !crowded) place.r.forEach((spot, k) => drawDraw(nodes, spot, k, place));
  svg.append(edges, nodes, labels);
  return svg;
}
function finalPass(name) {
  return {f: "x", g: "z", d: "x'", D: "μ(x')"}[name];
}

function drawEdges(edges, labels, name, place, record_, active, focus) {
  const updating = active && phase().kind === "update" && !hidden();
  const sizes = widths(name);
  for (const layer of [0, 1]) {
    const W = record_ && record_[updating ? "after" : "before"][layer].W;
    const largest = W ? Math.max(1e-9, ...record_.before.flatMap((part) => part.W.flat().map(Math.abs))) : 1;
    const U = updating && record_.update[layer].W;
    const swing = U && Math.max(1e-9, ...record_.update.flatMap((part) => part.W.flat().map(Math.abs)));
    for (let i = 0; i < sizes[layer]; i++) {
      for (let j = 0; j < sizes[layer + 1]; j++) {
        const a = place.nodes[`${name}.${layer}.${i}`], b = place.nodes[`${name}.${layer + 1}.${j}`];
        const weight = W ? W[i][j] : 0;
        const mine = active && focus.player === name && focus.layer === layer + 1 && focus.unit === j;
        const line = {x1: a.x, y1: a.y, x2: b.x, y2: b.y};
        if (U) edges.append(s("line", {...line, class: "edge moved",
          "stroke-width": 12 * Math.abs(U[i][j]) / swing}));
        edges.append(s("line", {
          ...line, class: `edge ${weight < 0 ? "neg" : "pos"}${mine || place.mini ? "" : " faint"}`,
          "data-edge": `${name}.${layer}.${i}.${j}`,
          "stroke-width": (place.mini ? 0.3 : 0.6) + (place.mini ? 2 : 4.5) * Math.abs(weight) / largest,
        }));
        if (mine && W && place.labels && sizes[layer] <= 8) {
          const t = 0.3 + 0.14 * (i % 3);
          labels.append(s("text", {
            class: "small halo", x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y) - 3,
              "text-anchor": "middle",
          }, short(weight)));
        }
      }
    }
  }
}

function drawLinks(edges, place, on) {
  const n = view().model.latent_dim, r = place.radius;
  const out = r + (place.labels ? 26 : 3), far = place.mini ? 12 : 26;
  const bow = (a, b) => s("path",
    {class: "link", d: `M ${a.x + out} ${a.y} C ${a.x + out + far} ${a.y + 40}, `
      + `${b.x + out + far} ${b.y - 40}, ${b.x + out} ${b.y}`});
  for (let k = 0; k < n && place.blocks.f && place.blocks.g; k++) {
    const mu = place.nodes[`f.2.${k}`], z = place.nodes[`g.0.${k}`], draw = place.r[k],
      sigma = place.nodes[`f.2.${n + k}`];
    if (place.blocks.f.y !== place.blocks.g.y || on("f") !== "x") continue;
    edges.append(s("path", {class: "link", d: `M ${mu.x + out} ${mu.y} L ${z.x - out} ${z.y}`}));
    if (draw) edges.append(s("path",
      {class: "link", d: `M ${sigma.x + out} ${sigma.y} L ${draw.x} ${draw.y} L ${z.x - out} ${z.y}`}));
  }
  const below = (a, b) => place.blocks[a] && place.blocks[b] && place.blocks[b].mirror;
  if (below("g", "d") && on("d") === "x'") {
    for (let k = 0; k < widths("d")[0]; k++) edges.append(bow(place.nodes[`g.2.${k}`],
      place.nodes[`d.0.${k}`]));
  }
  if (below("f", "D") && on("D") && (on("D") === "μ(x)") === (on("f") === "x")) {
    for (let k = 0; k < n; k++) edges.append(bow(place.nodes[`f.2.${k}`], place.nodes[`D.0.${k}`]));
  }
}

function tint(value) {
  const strength = Math.round(8 + 47 * Math.min(1, Math.abs(value)));
  const colour = value < 0 ? "var(--minus)" : "var(--act)";
  return `fill:color-mix(in srgb, ${colour} ${strength}%, var(--surface))`;
}

function errorAt(name, layer, unit) {
  const p = phase();
  if (p.kind === "forward" || p.of !== name || layer === 0) return null;
  if (p.kind === "backward") return errorPath(name, p.evaluation, layer, unit);
  if (p.kind === "update") return errorPath(name, p.shown[name], layer, unit);
  if (layer === 1) return null;
  const list = phases();
  for (let k = state.phase; k >= 0 && list[k].player === p.player; k--) {
    if (list[k].kind !== "rule" || list[k].shown[name] !== p.shown[name]) continue;
    const rule = list[k].formula, place = (DATA.places[rule] || {}).result;
    if (!rule.includes("error") || !place || !place.startsWith(`${name}.2`)) continue;
    const length = record().events[list[k].event].result[0].length;
    const first = resolve(place.split(".")[2], 0);
    if (unit >= first && unit < first + length) return resultPath(list[k].event, unit - first);
  }
  return null;
}
function secretNode(name, layer) {
  const p = phase();
  if (!hidden()) return false;
  if (p.kind === "forward") return name === p.of && layer > 0;
  return p.kind === "rule" && where(p) === "sample_code" && name === "g" && layer === 0;
}

function drawNode(nodes, labels, key, spot, place, on, focus) {
  const [name, l, u] = key.split("."), layer = Number(l), unit = Number(u), r = place.radius;
  const path = on(name) ? valuePath(name, on(name), layer, unit) : sampled(name, layer, unit);
  const secret = !place.mini && secretNode(name, layer);
  const value = path && !secret ? at(path) : null;
  const circle = s("circle", {cx: spot.x, cy: spot.y, r, style: value === null ? "fill:var(--surface)"
    : tint(value)});
  if (place.mini) { nodes.append(s("g", {class: "node"}, circle)); return; }
  const label = unitName(name, layer, unit), active = phase().of === name;
  const error = errorAt(name, layer, unit);
  const mark = focus.player === name && focus.layer === layer && focus.unit === unit;
  const text = value === null ? (secret ? "?" : "") : short(value);
  const errorText = error ? `, error ${hidden() && phase().kind !== "update" ? "hidden" : format(at(error))}`
    : "";
  nodes.append(s("g", {
    class: `node${active ? " active" : ""}${mark ? " chosen" : ""}`, "data-node": key, "data-focus": key,
    role: layer > 0 ? "button" : "img", tabindex: active && layer > 0 ? 0 : false,
    "aria-label": `${NETWORK[name]}, ${LAYER[layer]} ${unit + 1}, ${label}`
      + (value === null ? "" : ` = ${format(value)}`) + errorText,
    onclick: layer > 0 ? () => choose(name, layer, unit) : undefined,
    onkeydown: (event) => {
      if (layer > 0 && (event.key === "Enter" || event.key === " ")) { event.preventDefault();
        choose(name, layer, unit); }
    },
    onmouseenter: () => lightNode(key), onmouseleave: unlight, onfocus: () => lightNode(key), onblur: unlight,
  }, circle, text && r >= 11 ? s("text", {
    x: spot.x, y: spot.y + 4, "text-anchor": "middle", "data-at": value === null ? false : path,
      "data-digits": 2,
  }, text) : null));
  const covered = place.narrow && phase().key === "sample" && name === "g" && layer === 0;
  if (place.labels && layer !== 1 && !covered) {
    const right = (layer === 2) !== place.blocks[name].mirror;
    labels.append(s("text", {class: "muted", x: spot.x + (right ? r + 5 : -r - 5), y: spot.y + 4,
      "text-anchor": right ? "start" : "end"}, label));
  }
  if (error && place.labels) {
    const known = !hidden() || phase().kind === "update";
    labels.append(s("text", {
      class: `small halo ${known ? sign(at(error)) : "secret"}`, x: spot.x, y: spot.y + r + 11,
        "text-anchor": "middle",
      style: `font-weight:600;fill:${known ? at(error) < 0 ? "var(--minus)" : "var(--plus)" : "var(--accent)"}`,
    }, `δ ${known ? format(at(error)) : "?"}`));
  }
}
function sampled(name, layer, unit) {
  const p = phase();
  if (p.key === "sample" && name === "g" && layer === 0) return resultPath(p.event, unit);
  return null;
}
function drawDraw(nodes, spot, k, place) {
  const p = phase(), path = `${here()}.r.${k}`;
  if (p.kind === "forward" && p.of === "f" && p.evaluation === "x") return;
  const size = place.radius * 1.5;
  nodes.append(s("g", {
    class: "node", "data-node": `r.${k}`, role: "img",
      "aria-label": `random draw r ${k + 1} = ${format(at(path))}`,
    onmouseenter: () => lightNode(`r.${k}`), onmouseleave: unlight,
  }, s("rect", {x: spot.x - size / 2 - 4, y: spot.y - size / 2, width: size + 8, height: size, rx: 4,
    style: "fill:var(--surface)"}),
  s("text", {class: "small", x: spot.x, y: spot.y + 4, "text-anchor": "middle", "data-at": path,
    "data-digits": 2}, short(at(path))),
  s("text", {class: "small muted halo", x: spot.x, y: spot.y + size / 2 + 11, "text-anchor": "middle"},
    `r${"₁₂₃₄₅₆₇₈₉"[k] || ""}`)));
}

function choose(player, layer, unit) {
  change({neuron: {player, layer, unit}});
}

// Lighting up what belongs together --------------------------------------------------------------

let currentTerms = [];  // of the equation shown: {name, colour, refs}

function lightTerm(name) {
  unlight();
  const term = currentTerms.find((t) => t.name === name);
  if (!term) return;
  for (const node of document.querySelectorAll(`#equation [data-term="${name}"]`)) node.classList.add("lit");
  for (const ref of term.refs) {
    for (const node of document.querySelectorAll(`[data-node="${ref}"]`)) node.classList.add("lit",
      term.colour);
  }
}
function lightNode(key) {
  unlight();
  for (const term of currentTerms) {
    if (!term.refs.has(key)) continue;
    for (const node of document.querySelectorAll(`#equation [data-term="${term.name}"]`)) {
      node.classList.add("lit");
    }
    for (const node of document.querySelectorAll(`[data-node="${key}"]`)) node.classList.add("lit",
      term.colour);
  }
}
function lightEdge(key, lit) {
  for (const edge of document.querySelectorAll(`[data-edge="${key}"]`)) {
    edge.classList.toggle("lit", lit);
  }
}
function unlight() {
  for (const node of document.querySelectorAll(".lit")) {
    if (node.tagName === "TR") continue;
    node.classList.remove("lit");
    if (node.dataset.node) node.classList.remove("c0", "c1", "c2", "c3", "c4", "cr");
  }
  if (state.pinned) {
    const pinned = state.pinned;
    state.pinned = "";
    lightTerm(pinned);
    state.pinned = pinned;
  }
}
function pin(name) {
  state.pinned = state.pinned === name ? "" : name;
  for (const button of document.querySelectorAll("#equation .term")) {
    button.setAttribute("aria-pressed", String(button.dataset.term === state.pinned));
  }
  lightTerm(name);
  if (!state.pinned) unlight();
}
function interactive(node, name) {
  node.addEventListener("mouseenter", () => lightTerm(name));
  node.addEventListener("mouseleave", unlight);
  node.addEventListener("focus", () => lightTerm(name));
  node.addEventListener("blur", unlight);
  node.addEventListener("click", () => pin(name));
  return node;
}

// The equation of the phase ----------------------------------------------------------------------

function symbols(markup) {
  const math = parsed(markup);
  for (const node of math.querySelectorAll("[data-term]")) {
    const k = currentTerms.findIndex((t) => t.name === node.dataset.term);
    if (k < 0) continue;
    node.classList.add(currentTerms[k].colour);
    interactive(node, node.dataset.term);
  }
  return math;
}
const symbolic = (formula) => scroller("the equation in symbols", symbols(formula.latex));
function filled(markup, path) {
  const math = symbols(markup);
  for (const space of math.querySelectorAll("mspace")) space.replaceWith(times());
  for (const node of math.querySelectorAll("[data-term]")) {
    const where_ = path(node.dataset.term);
    if (where_) node.replaceChildren(mathNumber(where_));
  }
  return math;
}
const times = () => m("mo", {}, "·");
const infix = (sign_) => m("mo", {form: "infix"}, sign_);
function sumOf(parts) {  // one piece for each summand, so that a line can break between them
  const pieces = parts.slice(0, TERMS_SHOWN).map((part, k) => k ? [infix("+"), part] : [part]);
  return parts.length > TERMS_SHOWN ? [...pieces, [infix("+"), m("mi", {}, "…")]] : pieces;
}
function inParentheses(pieces) {
  const last = pieces.length - 1;
  return pieces.map((piece, k) => [k ? null : m("mo", {stretchy: "false"}, "("), piece,
    k < last ? null : m("mo", {stretchy: "false"}, ")")]);
}
function line(left, pieces, result) {
  const math = (parts) => m("math", {displaystyle: "true", class: "formula"}, parts);
  const [first, ...rest] = pieces;
  return h("div", {class: "line", role: "group", "aria-label": "the equation with its numbers"},
    math([...left.childNodes, infix("="), first]), rest.map(math), math([infix("="), result]));
}
const outcome = (path, secret) => mathNumber(path, {secret, alone: true});

function ruleEquation(p) {
  const event = record().events[p.event], formula = DATA.formulas[p.formula];
  const i = index(p), k = p.event;
  const one = event.result[0].length === 1 && !formula.summed;
  setTerms(formula, DATA.places[p.formula] || {}, i);
  const numbers = formula.summed
    ? sumOf(event.terms.x[0].map((_, j) => {
      const row = m("mrow", {});
      row.append(...filled(formula.computed, (name) => termPath(k, name, j)).childNodes);
      return row;
    }))
    : [[...filled(formula.computed, (name) => name in event.terms ? termPath(k, name, i) : null).childNodes]];
  const result = m("mrow", {"data-term": "result", class: "cr"}, outcome(resultPath(k, i), hidden()));
  interactive(result, "result");
  const named = one || formula.summed ? ""
    : `, for unit i = ${i + 1} (${unitName(...Object.values(chosen()))})`;
  return [
    symbolic(formula),
    h("h3", {}, `With numbers${named}`),
    line(parsed(formula.result), numbers, result),
    h("ul", {class: "terms", "aria-label": "terms of the equation"},
      Object.keys(formula.terms).filter((name) => name in event.terms).map((name) => {
      const term = currentTerms.find((t) => t.name === name);
      return h("li", {}, interactive(h("button", {
        class: `term ${term.colour}`, "data-term": name, "aria-pressed": "false",
          "data-focus": `term-${name}`,
      }, parsed(formula.terms[name]), " = ", formula.summed && Array.isArray(event.terms[name])
        && event.terms[name][0].length > 1
        ? "one for each i" : num(termPath(k, name, i))), name));
    })),
    one || formula.summed ? null : [
      h("h3", {}, "For every unit"),
      h("ul", {class: "values"}, event.result[0].map((_, j) => {
        const place = (DATA.places[p.formula] || {}).result.split(".");
        const unit = resolve(place[2], j);
        return h("li", {}, h("button", {
          "aria-pressed": String(j === i), "data-focus": `value-${j}`,
          onclick: () => change({neuron: {player: p.of, layer: 2, unit: place[0] === p.of ? unit : j}}),
        }, unitName(place[0], Number(place[1]), unit), num(resultPath(k, j), hidden())));
      })),
    ],
  ];
}
function setTerms(formula, places, i) {
  const names = Object.keys(formula.terms);
  currentTerms = [...names, "result"].map((name, k) => ({
    name, colour: name === "result" ? "cr" : `c${k % 5}`, refs: refsOf(places[name] || "", i),
  }));
}
function refsOf(places, i) {
  const refs = new Set();
  for (const place of places.split(" ").filter(Boolean)) {
    const parts = place.split("."), unit = parts.pop();
    if (parts.length === 2 && !(parts[0] in view().model.players)) continue;
    const size = parts.length === 2 ? widths(parts[0])[parts[1]] : widths("g")[2];
    const units = unit === "*" ? range(size) : [resolve(unit, i)];
    for (const each of units) refs.add([...parts, each].join("."));
  }
  return refs;
}

function incoming({player, layer, unit}, on) {
  return range(widths(player)[layer - 1]).map((i) => ({
    i,
    x: valuePath(player, on, layer - 1, i),
    W: `${here()}.players.${player}.before.${layer - 1}.W.${i}.${unit}`,
  }));
}
const product = (...parts) => m("mrow", {}, parts);

function netInputLine(cell, on, secret) {
  const pass = view().passes[`${cell.player}|${on}`];
  if (!pass || !record().players[cell.player]) return null;
  const v = `${eventPath(pass[cell.layer === 1 ? 0 : 2])}.result.0.${cell.unit}`;
  const y = valuePath(cell.player, on, cell.layer, cell.unit);
  const sum = sumOf([...incoming(cell, on).map((c) => product(mathNumber(c.x), times(), mathNumber(c.W))),
    mathNumber(`${here()}.players.${cell.player}.before.${cell.layer - 1}.b.${cell.unit}`)]);
  const name = m("math", {}, m("mi", {}, "v")), out = m("math", {},
    m("mi", {}, unitName(cell.player, cell.layer, cell.unit)));
  return [line(name, sum, outcome(v, secret)),
    line(out, [[m("mi", {}, "a"), ...inParentheses([m("mi", {}, "v")])]], outcome(y, secret))];
}
function forwardEquation(p) {
  const cell = chosen(), formula = DATA.formulas.forward;
  currentTerms = ["x", "W", "b"].map((name, k) => ({name, colour: `c${k}`, refs: new Set()}));
  currentTerms[0].refs = new Set(incoming(cell, p.evaluation).map((c) =>
    `${cell.player}.${cell.layer - 1}.${c.i}`));
  return [
    symbolic(formula), symbolic(DATA.formulas.activation),
    h("h3", {}, `With numbers, for ${unitName(cell.player, cell.layer, cell.unit)}`),
    netInputLine(cell, p.evaluation, hidden()),
    h("h3", {}, "The outputs"),
    h("ul", {class: "values"}, range(widths(p.of)[2]).map((j) => h("li", {}, h("button", {
      "aria-pressed": String(cell.layer === 2 && cell.unit === j), "data-focus": `value-${j}`, onclick: () =>
        choose(p.of, 2, j),
    }, unitName(p.of, 2, j), num(valuePath(p.of, p.evaluation, 2, j), hidden()))))),
  ];
}
function hiddenErrorLine(cell, on, secret) {
  const used = view().model.protocol.order === "back-to-front" ? "after" : "before";
  const y = valuePath(cell.player, on, 1, cell.unit), one = m("mn", {}, "1");
  const sum = sumOf(range(widths(cell.player)[2]).map((j) => product(
    mathNumber(`${here()}.players.${cell.player}.${used}.1.W.${cell.unit}.${j}`), times(),
      mathNumber(errorPath(cell.player, on, 2, j)))));
  const slope = [mathNumber("model.protocol.s"), times(), mathNumber(y),
    inParentheses([[one, m("mo", {}, "−"), mathNumber(y)]]), times()];
  return line(m("math", {}, m("mi", {}, "δ")), [slope, ...inParentheses(sum)],
    outcome(errorPath(cell.player, on, 1, cell.unit), secret));
}
function backwardEquation(p) {
  const cell = chosen(), formula = DATA.formulas.hidden_error;
  setTerms(formula, {}, 0);
  currentTerms.find((t) => t.name === "y").refs = new Set([`${cell.player}.1.${cell.unit}`]);
  currentTerms.find((t) => t.name === "delta").refs = new Set(range(widths(p.of)[2]).map((j) =>
    `${p.of}.2.${j}`));
  return [
    symbolic(formula),
    h("h3", {}, `With numbers, for hidden unit ${cell.unit + 1}`),
    hiddenErrorLine(cell, p.evaluation, hidden()),
    h("h3", {}, "For every hidden unit"),
    h("ul", {class: "values"}, range(widths(p.of)[1]).map((j) => h("li", {}, h("button", {
      "aria-pressed": String(j === cell.unit), "data-focus": `value-${j}`, onclick: () => choose(p.of, 1, j),
    }, unitName(p.of, 1, j), num(errorPath(p.of, p.evaluation, 1, j), hidden()))))),
  ];
}
function updateEquation(p) {
  const cell = chosen(), path = `${here()}.players.${p.of}`, formula = DATA.formulas.weight_update;
  setTerms(formula, {}, 0);
  const layer = cell.layer - 1, passes = passesOf(p.of);
  currentTerms.find((t) => t.name === "x").refs = new Set([`${p.of}.${layer}.0`]);
  currentTerms.find((t) => t.name === "delta").refs = new Set([`${p.of}.${cell.layer}.${cell.unit}`]);
  const sum = sumOf(passes.map((on) => product(mathNumber(valuePath(p.of, on, layer, 0)), times(),
    mathNumber(errorPath(p.of, on, cell.layer, cell.unit)))));
  const moved = [[mathNumber(`${path}.before.${layer}.W.0.${cell.unit}`), m("mo", {}, "+"),
    mathNumber("model.rate"), times()], ...inParentheses(sum)];
  const o = look(`${path}.objective`), rose = o.after > o.before;
  return [
    symbolic(formula),
    passes.length > 1 ? h("p", {}, "Two passes go back, each with its own error; what they give is added.")
      : null,
    h("h3", {}, `With numbers, for the weight from ${unitName(p.of, layer, 0)} to `
      + unitName(p.of, cell.layer, cell.unit)),
    line(parsed(formula.result), moved, outcome(`${path}.after.${layer}.W.0.${cell.unit}`, hidden())),
    h("h3", {}, `What ${GREEK[p.of]} should raise`),
    scroller("the objective", parsed(view().objectives[p.of])),
    h("p", {id: "objective"}, "before ", num(`${path}.objective.before`), " → after ",
      num(`${path}.objective.after`, hidden()), " ",
      hidden() ? "" : rose ? h("span", {class: "good"}, "↑ it rose, as it should") : o.after < o.before
        ? h("span", {class: "bad"}, "↓ it fell: the step was too long") : "it stayed"),
  ];
}

const KIND_WORDS = {
  forward: "Each unit sums what comes in, times its weights, and squashes the sum into 0 to 1.",
  backward: "A hidden unit's error is the sum of the errors it leads to, each times the weight "
    + "between them, times the slope of its own squashing.",
  update: "Every weight moves by the rate times what came in times the error of the unit it "
    + "leads to.",
};

function equationPanel() {
  const p = phase();
  const rule = p.kind === "rule" ? record().events[p.event] : null;
  const owner = rule && rule.player !== "" ? rule.player : p.of;
  const number = rule && rule.equation ? ` · Eq. ${rule.equation}` : "";
  const body = {rule: ruleEquation, forward: forwardEquation, backward: backwardEquation,
    update: updateEquation}[p.kind](p);
  return h("section", {class: "panel", id: "equation", "aria-labelledby": "equation-title"},
    h("p", {class: "kicker"}, `${GREEK[owner]} · ${NETWORK[owner]}${number}`),
    h("h2", {id: "equation-title"}, p.title.replaceAll("x'", "x′")),
    h("p", {class: "words"}, (rule ? DATA.words[p.formula] : KIND_WORDS[p.kind]).replaceAll("x'", "x′")),
    state.predict ? ask(p) : null, body);
}

// Predict, then reveal ---------------------------------------------------------------------------

function askedPath(p) {
  const cell = chosen();
  if (p.kind === "rule") return resultPath(p.event, index(p));
  if (p.kind === "forward") return valuePath(p.of, p.evaluation, cell.layer, cell.unit);
  if (p.kind === "backward") return errorPath(p.of, p.evaluation, 1, cell.unit);
  return null;
}
function answer(p) {
  if (p.kind === "update") {
    const o = record().players[p.of].objective;
    return o.after > o.before ? "rises" : "falls";
  }
  const value = at(askedPath(p));
  return p.kind === "forward" ? (value > 0.5 ? "above ½" : "below ½") : value > 0 ? "positive" : "negative";
}
function ask(p) {
  const options = p.kind === "update" ? ["rises", "falls"] : p.kind === "forward" ? ["above ½", "below ½"]
    : ["positive", "negative"];
  const what = p.kind === "update" ? "Does the objective rise or fall?" : p.kind === "forward"
    ? "Is the output above or below one half?" : "Is the result positive or negative?";
  if (state.revealed) {
    return h("div", {class: "ask", role: "status", id: "ask"}, state.guess
      ? (state.guess === answer(p) ? h("span", {class: "good"}, `Right: ${answer(p)}.`) : h("span",
        {class: "bad"}, `It is ${answer(p)}, not ${state.guess}.`))
      : `It is ${answer(p)}.`);
  }
  return h("div", {class: "ask", id: "ask"}, h("span", {}, what),
    options.map((option) => h("button", {"data-guess": option, onclick: () =>
      change({revealed: true, guess: option})}, option)),
    h("button", {class: "primary", id: "reveal", "data-focus": "reveal", onclick: () =>
      change({revealed: true})}, "Reveal"));
}
function notReached(player, kind) {
  if (!state.predict) return false;
  const list = phases();
  const last = list.reduce((found, p, k) => p.of === player && p.kind === kind ? k : found, -1);
  return state.phase < last || state.phase === last && hidden();
}

// The note on unit weights -----------------------------------------------------------------------

function noteKey(p) {
  if (p.kind !== "rule") return null;
  const rule = where(p);
  if (["pull_d", "decoder_error", "exact_decoder_error"].includes(rule)) return "g";
  return ["pull_D", "assessed_mean_error"].includes(rule) ? "f" : null;
}
function bar(value, largest) {
  const half = 22, size = half * Math.abs(value) / largest;
  return s("svg", {width: 2 * half + 2, height: 12, "aria-hidden": "true"},
    s("line", {x1: half, x2: half, y1: 0, y2: 12, stroke: "var(--muted)"}),
    s("rect", {x: value < 0 ? half - size : half, y: 2, width: Math.max(size, 0.5), height: 8, fill: value < 0
      ? "var(--minus)" : "var(--plus)"}));
}
function unitWeightNote() {
  const p = phase(), key = noteKey(p), notes = view().notes[state.step], note = key && notes[key];
  if (!note || hidden()) return null;
  const path = `notes.${state.step}.${key}`, dec = key === "g", d = dec ? "d" : "D", y = dec ? "x′" : "μ";
  const largest = Math.max(1, ...note.row.map(Math.abs));
  const push = Math.max(1e-9, Math.abs(note.pull), ...note.real.map(Math.abs));
  const exact = view().model.rules === "exact", i = index(p);
  const opposed = note.row.map((value, k) => value < 0 ? `${y}${"₁₂₃₄₅₆₇₈₉"[k] || k + 1}`
    : "").filter(Boolean);
  return h("section", {class: "panel note", id: "note", "aria-labelledby": "note-title"},
    h("h2", {id: "note-title"}, `“Weights are assumed to be 1”: Eq. ${dec ? "6" : "14"}`),
    h("p", {class: "words"}, dec
      ? "Raising the output x′ᵢ by a little raises d's net input by that little times a factor, "
        + "which d's weights decide. The paper takes the factor as 1 for every output. "
      : "Raising a mean by a little raises D's net input by that little times a factor, which D's "
        + "weights decide. The paper takes the factor as 1 for every unit, and μ(x) for μ(x′). ",
    "The real factors at this step:"),
    scroller("table of factors", h("table", {},
      headings("unit", "paper's factor", "real factor", dec ? null : "real, all the way from μ(x)",
        "push as printed", "push through real weights", dec ? "x − x′" : "−μ"),
      h("tbody", {}, note.row.map((_, k) => h("tr", {class: k === i ? "lit" : false},
        h("th", {scope: "row"}, `${y}${k + 1}`),
        h("td", {}, bar(1, largest), "1"),
        h("td", {}, bar(note.row[k], largest), num(`${path}.row.${k}`)),
        dec ? null : h("td", {}, num(`${path}.path.${k}`)),
        h("td", {}, dec ? bar(note.pull, push) : null, num(`${path}.pull`)),
        h("td", {}, dec ? bar(note.real[k], push) : null, num(`${path}.real.${k}`)),
        h("td", {}, num(`${path}.difference.${k}`))))))),
    h("p", {class: "words"}, exact ? "This rule set uses the real factors. The printed rule would push "
      : "The printed rule pushes ",
      `every ${dec ? "output" : "mean"} by the same `, num(`${path}.pull`), ". ",
      opposed.length
        ? `But raising ${opposed.join(", ")} makes ${d} believe the ${dec ? "image" : "mean"} less: `
          + "there the printed push goes the wrong way. "
        : "Here every real factor is positive: the signs are right, the sizes are not. ",
      "Cosine between the ones and the real factors: ", num(`${path}.cosine`),
        " (1: same direction, 0: unrelated, below 0: against it)."));
}

const LETTERS = [
  ["x, x′", "an image, and what the decoder makes of it; μ(x′) is the encoder's mean of x′"],
    ["z, r", "the code, and the random draw in it"],
    ["μ, Σ", "mean and variance of the code, the encoder's outputs"],
  ["d(x), D(μ)", "how real the discriminators find an image, or a mean: 0 to 1"],
    ["a, a′", "the logistic function that squashes a unit's sum v, and its slope; s is its steepness"],
  ["δ", "error: how the unit's net input v should move"], ["γ", "the rate: how long the step is"],
    ["Θ Φ Ψ Λ", "all weights of f, g, d, D"], ["log", "natural logarithm"],
];
function letters() {
  return h("details", {class: "panel", id: "letters", "aria-label": "What the letters mean",
    open: opened.has("letters"), ontoggle: remember}, h("summary", {}, "What the letters mean"),
    h("table", {}, h("tbody", {}, LETTERS.map(([letter, meaning]) => h("tr", {}, h("th", {scope: "row"},
      letter), h("td", {}, meaning))))));
}

// The neuron's own algebra -----------------------------------------------------------------------

function neuronPanel() {
  const p = phase(), cell = selected();
  const on = p.shown[cell.player], path = `${here()}.players.${cell.player}`, layer = cell.layer - 1;
  const players = record().players[cell.player];
  const passes = passesOf(cell.player);
  const late = notReached(cell.player, "update"), lateError = notReached(cell.player, "backward");
  const lateForward = p.kind === "forward" && hidden();
  const title = `${unitName(cell.player, cell.layer, cell.unit)}, ${LAYER[cell.layer]} ${cell.unit + 1} `
    + `of the ${NETWORK[cell.player]}`;
  const rows = players ? [...incoming(cell, on).map((c) => ["W", c.i]), ["b", null]] : [];
  const weight = (which, [kind, i]) => kind === "W" ? `${path}.${which}.${layer}.W.${i}.${cell.unit}`
    : `${path}.${which}.${layer}.b.${cell.unit}`;
  return h("section", {class: "panel", id: "neuron", "aria-labelledby": "neuron-title"},
    h("h2", {id: "neuron-title"}, title),
    h("h3", {}, `Its output${on ? `, on ${on.replaceAll("x'", "x′")}` : ""}`), on ? netInputLine(cell, on,
      lateForward) : h("p", {}, "Not evaluated yet in this update."),
    h("h3", {}, "Its error"),
    passes.length === 0 ? h("p", {}, "This network is not updated in this rule set.") : passes.map((each) =>
      h("p", {}, `pass on ${each.replaceAll("x'", "x′")}: δ = `,
      num(errorPath(cell.player, each, cell.layer, cell.unit), lateError))),
    players ? [h("h3", {}, "Its weights"),
      scroller("table of weights", h("table", {},
        headings("from", "before", "+ γ ×", "after"),
        h("tbody", {}, rows.map((row) => h("tr", {
          onmouseenter: () => row[0] === "W" && lightEdge(`${cell.player}.${layer}.${row[1]}.${cell.unit}`,
            true),
          onmouseleave: () => row[0] === "W" && lightEdge(`${cell.player}.${layer}.${row[1]}.${cell.unit}`,
            false),
        }, h("th", {scope: "row"}, row[0] === "W" ? unitName(cell.player, layer, row[1]) : "bias"),
        h("td", {}, num(weight("before", row))), h("td", {}, num(weight("update", row), late)),
          h("td", {}, num(weight("after", row), late))))))),
      h("p", {class: "kicker"}, "γ = ", num("model.rate"))] : null);
}

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
function curve(player, width, height) {
  const values = view().steps.map((step) => step.players[player].objective.before);
  const now = record().players[player].objective, all = [...values, now.after].filter((v) => v !== null);
  const low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
  const x = (k) => 10 + (width - 20) * k / Math.max(1, values.length - 1), y = (v) =>
    height - 12 - (height - 24) * (v - low) / span;
  return s("svg", {class: "curve", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `Objective of ${GREEK[player]} before each update, the cursor at update ${record().step}`,
    onclick: (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const k = Math.round((event.clientX - box.left - 10) / (box.width - 20) * (values.length - 1));
      change({step: Math.min(values.length - 1, Math.max(0, k))});
    }},
  s("line", {class: "axis", x1: 0, x2: width, y1: height - 6, y2: height - 6}),
  s("path", {d: values.map((v, k) => `${k ? "L" : "M"} ${x(k)} ${y(v)}`).join(" ")}),
  s("line", {class: "cursor", x1: x(state.step), x2: x(state.step), y1: 2, y2: height - 6}),
  s("line", {x1: x(state.step), x2: x(state.step), y1: y(now.before), y2: y(now.after),
    stroke: "var(--accent)", "stroke-width": 2}),
  s("circle", {class: "before", cx: x(state.step), cy: y(now.before), r: 4}),
    s("circle", {class: "after", cx: x(state.step), cy: y(now.after), r: 4}));
}
function curvesPanel(width) {
  const size = Math.min(width, 330);
  return h("section", {class: "panel", id: "curves", "aria-labelledby": "curves-title"},
    h("h2", {id: "curves-title"}, "What each player raises, update by update"),
    h("div", {class: "curves"}, view().trained.map((player) => notReached(player, "update") ? h("p", {},
      `${GREEK[player]}: hidden until revealed`) : h("div", {},
      h("h3", {}, `${GREEK[player]}, ${NETWORK[player]}`), curve(player, size, 110),
      h("p", {class: "kicker"}, "○ before ", num(`${here()}.players.${player}.objective.before`),
        "  ● after ", num(`${here()}.players.${player}.objective.after`))))));
}

// The frame of the page --------------------------------------------------------------------------

const KEYS = [
  ["→ ←", "next, back"], ["Shift + → ←", "next update, previous update"], ["Home End", "first, last update"],
    ["Space", "play, pause"],
  ["p", "player: all, Θ, Φ, Ψ, Λ"], ["n", "next neuron"], ["u", "next rule set"],
    ["q", "predict, then reveal"], ["v", "reveal"],
  ["s", "slow motion"], ["t", "light or dark"], ["?", "this help"],
];
const bar_ = {};

function theme(name) {
  document.documentElement.dataset.theme = name;
  bar_.theme.textContent = name === "dark" ? "Light" : "Dark";
}
function themeButton() {
  bar_.theme = h("button", {id: "theme", "aria-label": "switch between light and dark", onclick: toggleTheme},
    "Dark");
  const wanted = window.matchMedia("(prefers-color-scheme: dark)");
  theme(wanted.matches ? "dark" : "light");
  wanted.addEventListener("change", () => theme(wanted.matches ? "dark" : "light"));
  return bar_.theme;
}
function toggleTheme() { theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); }

function buildPage() {
  const button = (id, text, label, action, extra) => bar_[id] = h("button", {id, "aria-label": label,
    onclick: action, ...extra}, text);
  bar_.rule = h("select", {id: "rule", onchange: (e) => change({view: Number(e.target.value)})},
    DATA.views.map((v, k) => h("option", {value: k}, `${v.model.rules}: ${v.rules}`)));
  bar_.step = h("input", {id: "step", type: "range", min: 0, max: view().steps.length - 1, oninput: (e) =>
    change({step: Number(e.target.value)}, true)});
  bar_.count = h("output", {id: "count", for: "step"});
  bar_.player = h("select", {id: "player", onchange: (e) => change({player: e.target.value})});
  bar_.neuron = h("select", {id: "unit", onchange: (e) => { const [a, b, c] = e.target.value.split("-");
    choose(a, Number(b), Number(c)); }});
  bar_.help = h("dialog", {id: "help", "aria-label": "Keys"}, h("h2", {}, "Keys"),
    h("table", {}, h("tbody", {}, KEYS.map(([k, what]) => h("tr", {}, h("th", {scope: "row"},
    h("kbd", {}, k)), h("td", {}, what))))),
    h("p", {}, h("button", {onclick: () => bar_.help.close()}, "Close")));
  APP.append(
    h("header", {}, h("h1", {}, `${DATA.name}, step by step`), h("span", {class: "kicker", id: "model"}),
      h("span", {class: "grow"}),
      h("label", {}, "Rules", bar_.rule), themeButton(), button("keys", "?", "keys and help",
        () => bar_.help.showModal())),
    h("div", {class: "bar", role: "toolbar", "aria-label": "Controls"},
      h("div", {class: "moves"}, button("first", "|◀", "previous update", () => moveStep(-1)),
        button("back", "◀ Back", "back", () => move(-1)),
        button("play", "▶ Play", "play", () => state.playing ? pause() : play()), button("next", "Next ▶",
          "next", () => move(1), {class: "primary"}), button("last", "▶|", "next update", () => moveStep(1))),
      h("label", {}, "Update", bar_.step, bar_.count), h("label", {}, "Player", bar_.player),
        h("label", {}, "Neuron", bar_.neuron),
      button("slow", "Slow", "slow motion", () => { state.slow = !state.slow; if (state.playing) play();
        else syncBar(); }),
      button("predict", "Predict", "predict, then reveal", () => change({predict: !state.predict,
        revealed: false, guess: ""}))),
    bar_.phases = h("nav", {"aria-label": "Phases of this update"}),
    h("main", {}, h("div", {class: "columns"}, bar_.left = h("div", {}), bar_.right = h("div", {})),
      bar_.below = h("div", {})), bar_.help);
  document.addEventListener("keydown", keys);
  window.addEventListener("popstate", () => { pause(); readAddress(); state.revealed = false;
    state.guess = ""; state.pinned = ""; render(); });
  window.addEventListener("hashchange", () => { readAddress(); render(); });
  let size = window.innerWidth;
  window.addEventListener("resize", () => { if (size !== window.innerWidth) { size = window.innerWidth;
    render(); } });
}

function syncBar() {
  if (!bar_.play) return;
  bar_.play.textContent = state.playing ? "⏸ Pause" : "▶ Play";
  bar_.play.setAttribute("aria-label", state.playing ? "pause" : "play");
  bar_.slow.setAttribute("aria-pressed", String(state.slow));
  if (!bar_.predict) return;
  bar_.predict.setAttribute("aria-pressed", String(state.predict));
  bar_.rule.value = state.view;
  bar_.step.value = state.step;
  bar_.count.textContent = `${record().step} of ${view().steps[view().steps.length - 1].step}`;
  bar_.first.disabled = state.step === 0;
  bar_.last.disabled = state.step === view().steps.length - 1;
  bar_.back.disabled = state.step === 0 && state.phase === 0;
  const players = ["all", ...view().trained];
  bar_.player.replaceChildren(...players.map((name) => h("option",
    {value: name, selected: name === state.player}, name === "all" ? "all"
    : `${GREEK[name]}, ${NETWORK[name]}`)));
  const cell = selected(), units = [1, 2].flatMap((layer) => range(widths(cell.player)[layer]).map((unit) =>
    [layer, unit]));
  bar_.neuron.replaceChildren(...units.map(([layer, unit]) => h("option", {
    value: `${cell.player}-${layer}-${unit}`, selected: cell.layer === layer && cell.unit === unit,
  }, unitName(cell.player, layer, unit))));
  const model = view().model;
  document.getElementById("model").textContent =
    `${widths("g")[2]}-${model.hidden_dim}-${model.latent_dim}, rate ${model.rate}`;
}

function drawPhases() {
  const groups = [["", "forward"], ...view().trained.map((name) => [name, GREEK[name]])];
  return h("ol", {class: "phases"}, groups.map(([player, label]) => {
    const list = phases().map((p, k) => [p, k]).filter(([p]) => p.player === player);
    return list.length ? h("li", {}, h("span", {class: "group"}, label), list.map(([p, k]) => {
      const rule = p.kind === "rule" ? record().events[p.event] : null;
      const name = `${p.title.replaceAll("x'", "x′")}${rule && rule.equation ? `, Eq. ${rule.equation}` : ""}`;
      return h("button", {"aria-label": name, title: name, class: k < state.phase ? "done" : false,
        "aria-current": k === state.phase ? "step" : false, "data-focus": `phase-${k}`, "data-phase": p.key,
        onclick: () => change({phase: k})});
    })) : null;
  }));
}
function legend() {
  const sample = (cls) => s("svg", {width: 26, height: 8, "aria-hidden": "true"},
    s("line", {x1: 0, x2: 26, y1: 4, y2: 4, class: `edge ${cls}`, "stroke-width": 3}));
  return h("p", {class: "legend"}, h("span", {}, sample("pos"), "weight above 0"),
    h("span", {}, sample("neg"), "weight below 0 (dashed)"), h("span", {}, "width: size"),
    phase().kind === "update" ? h("span", {}, sample("moved"), "how far it moved") : null,
      h("span", {}, "δ: error at the unit's net input"));
}

function render() {
  const focus = document.activeElement && document.activeElement.dataset
    ? document.activeElement.dataset.focus : "";
  const padding = 30, inner = (node) => node.clientWidth - padding;
  syncBar();
  bar_.phases.replaceChildren(drawPhases());
  const width = Math.max(260, inner(bar_.left.clientWidth ? bar_.left : bar_.below));
  bar_.left.replaceChildren(
    h("section", {class: "panel", "aria-labelledby": "graph-title", id: "graph"},
      h("h2", {id: "graph-title", class: "unseen"}, "The networks"), drawGraph(width), legend()),
    imagesPanel());
  const equation = equationPanel(), note = unitWeightNote(), neuron = neuronPanel();
  bar_.right.replaceChildren(...[equation, note, note ? null : neuron, letters()].filter(Boolean));
  if (note && neuron) bar_.left.append(neuron);
  bar_.below.replaceChildren(comparePanel(Math.max(260, inner(bar_.below))),
    curvesPanel(Math.max(240, inner(bar_.below))));
  if (focus) {
    const again = document.querySelector(`[data-focus="${CSS.escape(focus)}"]`);
    if (again) again.focus({preventScroll: true});
  }
  announce();
}
function announce() {
  const p = phase(), path = askedPath(p);
  const number = p.kind === "rule" && record().events[p.event].equation
    ? `, equation ${record().events[p.event].equation}` : "";
  const value = !path ? "" : hidden() ? ": hidden, predict it" : `: ${format(at(path))}`;
  document.getElementById("announce").textContent =
    `Update ${record().step}, ${p.title}${number}${value}`;
}

function keys(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || bar_.help.open) return;
  const tag = event.target.tagName, key = event.key;
  if (tag === "SELECT" || tag === "INPUT" || tag === "TEXTAREA") return;
  if ((key === " " || key === "Enter") && (tag === "BUTTON" || tag === "SUMMARY"
    || event.target.closest(".node"))) return;
  const cycle = (list, now, by) => list[(list.indexOf(now) + by + list.length) % list.length];
  const actions = {
    ArrowRight: () => event.shiftKey ? moveStep(1) : move(1), ArrowLeft: () => event.shiftKey ? moveStep(-1)
      : move(-1),
    Home: () => change({step: 0}), End: () => change({step: view().steps.length - 1}),
    " ": () => state.playing ? pause() : play(),
    p: () => change({player: cycle(["all", ...view().trained], state.player, 1)}),
    n: () => { const {player, layer, unit} = selected();
      choose(player, layer, (unit + 1) % widths(player)[layer]); },
    u: () => change({view: (state.view + 1) % DATA.views.length}),
    q: () => change({predict: !state.predict, revealed: false, guess: ""}), v: () => change({revealed: true}),
    s: () => bar_.slow.click(), t: toggleTheme, "?": () => bar_.help.showModal(),
  };
  if (key in actions) { event.preventDefault(); actions[key](); }
}

// The gallery ------------------------------------------------------------------------------------

function buildGallery() {
  const button = (id, text, label, action, extra) => bar_[id] = h("button", {id, "aria-label": label,
    onclick: action, ...extra}, text);
  const last = () => Math.min(...DATA.views.map((v) => v.steps.length)) - 1;
  const go = (step, replace) => {
    state.step = Math.min(last(), Math.max(0, step));
    if (!framed) history[replace ? "replaceState" : "pushState"](null, "", `#step=${state.step + 1}`);
    draw();
  };
  const stop = () => { state.playing = false; clearInterval(timer); draw(); };
  const start = () => {
    state.playing = true;
    clearInterval(timer);
    timer = setInterval(() => state.step >= last() ? stop() : go(state.step + 1, true),
      SECONDS[state.slow] * 500);
    draw();
  };
  const read = () => { state.step = Math.min(last(),
    Math.max(0, Number(new URLSearchParams(location.hash.slice(1)).get("step") || 1) - 1)); };
  bar_.step = h("input", {id: "step", type: "range", min: 0, max: last(), oninput: (e) =>
    go(Number(e.target.value), true)});
  bar_.count = h("output", {id: "count", for: "step"});
  const cards = h("main", {class: "cards"});
  APP.append(h("header", {}, h("h1", {}, "Models side by side"), h("span", {class: "grow"}), themeButton()),
    h("div", {class: "bar", role: "toolbar", "aria-label": "Controls"}, h("div", {class: "moves"},
      button("back", "◀ Back", "back", () => go(state.step - 1)), button("play", "▶ Play", "play",
      () => state.playing ? stop() : start()), button("next", "Next ▶", "next", () => go(state.step + 1),
      {class: "primary"})),
      h("label", {}, "Update", bar_.step, bar_.count), button("slow", "Slow", "slow motion",
        () => { state.slow = !state.slow; if (state.playing) start(); else draw(); })), cards);
  const card = (v, k, width) => {
    state.view = k;
    return h("section", {class: "panel card", "aria-labelledby": `card-${k}`, "data-card": v.model.name},
      h("h2", {id: `card-${k}`}, h("span", {}, v.name),
        h("a", {href: `${v.file}#rule=${v.model.rules}&step=${record().step}`,
        "aria-label": `${v.name}, step by step`}, "step by step")),
      drawGraph(width, true),
      h("div", {class: "images"}, ["x", "x_", "sample"].map((name) => h("figure", {},
        pixels(`${here()}.${name}`, "", {x: "x", x_: "x′", sample: "generated"}[name], 44),
        h("figcaption", {}, {x: "x", x_: "x′", sample: "generated"}[name])))),
      h("table", {}, headings("player", "before", "after", "cosine"),
        h("tbody", {}, v.trained.map((player) => h("tr", {}, h("th", {scope: "row"}, GREEK[player]),
        ["objective.before", "objective.after", "cosine"].map((c) => h("td", {class: "n"},
          num(`${here()}.players.${player}.${c}`))))))));
  };
  const draw = () => {
    syncBar();
    bar_.step.value = state.step;
    bar_.count.textContent = `${state.step + 1} of ${last() + 1}`;
    const columns = Math.max(1, Math.floor((APP.clientWidth - 32 + 14) / 344));
    const width = Math.max(240, (APP.clientWidth - 32 - 14 * (columns - 1)) / columns - 32);
    cards.replaceChildren(...DATA.views.map((v, k) => card(v, k, width)));
    document.getElementById("announce").textContent = `Update ${state.step + 1} of ${last() + 1}`;
  };
  document.addEventListener("keydown", (event) => {
    if (["SELECT", "INPUT"].includes(event.target.tagName) || event.ctrlKey || event.altKey
      || event.metaKey) return;
    if (event.key === "ArrowRight") go(state.step + 1);
    else if (event.key === "ArrowLeft") go(state.step - 1);
    else if (event.key === " " && !["BUTTON", "A"].includes(event.target.tagName)) { event.preventDefault();
      state.playing ? stop() : start(); }
    else if (event.key === "t") toggleTheme();
  });
  window.addEventListener("popstate", () => { read(); draw(); });
  window.addEventListener("resize", draw);
  read();
  draw();
}

if (DATA.kind === "gallery") buildGallery();
else { buildPage(); readAddress(); render(); }
