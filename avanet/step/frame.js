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
    DATA.views.map((v, k) => h("option", {value: k}, BATCHED ? v.model.name : `${v.model.rules}: ${v.rules}`)));
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
      BATCHED ? null : h("label", {}, "Rules", bar_.rule), themeButton(), button("keys", "?", "keys and help",
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
    : BATCHED ? name : `${GREEK[name]}, ${NETWORK[name]}`)));
  const cell = selected(), layers = range(widths(cell.player).length).slice(1);
  const units = layers.flatMap((layer) => range(widths(cell.player)[layer]).map((unit) =>
    [layer, unit]));
  bar_.neuron.replaceChildren(...units.map(([layer, unit]) => h("option", {
    value: `${cell.player}-${layer}-${unit}`, selected: cell.layer === layer && cell.unit === unit,
  }, BATCHED ? `${cell.player} ${columnName(layer, widths(cell.player))} ${unit + 1}`
    : unitName(cell.player, layer, unit))));
  const model = view().model;
  document.getElementById("model").textContent = BATCHED
    ? `${model.batch} image${model.batch > 1 ? "s" : ""} a batch, ${model.optimiser}, rate ${model.rate}`
    : `${widths("g")[2]}-${model.hidden_dim}-${model.latent_dim}, rate ${model.rate}`;
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
  if (BATCHED) renderModel(width, Math.max(260, inner(bar_.below)));
  else renderAVA(width, inner(bar_.below));
  if (focus) {
    const again = document.querySelector(`[data-focus="${CSS.escape(focus)}"]`);
    if (again) again.focus({preventScroll: true});
  }
  announce();
}
function renderAVA(width, below) {
  bar_.left.replaceChildren(
    h("section", {class: "panel", "aria-labelledby": "graph-title", id: "graph"},
      h("h2", {id: "graph-title", class: "unseen"}, "The networks"), drawGraph(width), legend()),
    imagesPanel());
  const equation = equationPanel(), note = unitWeightNote(), neuron = neuronPanel();
  bar_.right.replaceChildren(...[equation, note, note ? null : neuron, letters()].filter(Boolean));
  if (note && neuron) bar_.left.append(neuron);
  bar_.below.replaceChildren(comparePanel(Math.max(260, below)), curvesPanel(Math.max(240, below)));
}
function announce() {
  const p = phase(), path = BATCHED ? null : askedPath(p);
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

