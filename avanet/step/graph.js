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
  if (BATCHED) return modelChosen();
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
    if (!rule.includes("error") || rule.includes("image") || !place || !place.startsWith(`${name}.2`)) continue;
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

