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
  const many = formula.carried ? ["W", "delta"] : formula.summed ? Object.keys(event.terms).filter((name) =>
    Array.isArray(event.terms[name]) && event.terms[name][0].length > 1) : [];
  const numbers = formula.carried
    ? sumOf(event.terms.delta[0].map((_, j) => {
      const row = m("mrow", {});
      row.append(...filled(formula.computed, (name) => name === "W" ? `${eventPath(k)}.terms.W.${i}.${j}`
        : `${eventPath(k)}.terms.delta.0.${j}`).childNodes);
      return row;
    })) : formula.summed
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
      }, parsed(formula.terms[name]), " = ", many.includes(name)
        ? `one for each ${formula.carried ? "j" : "i"}` : num(termPath(k, name, i))), name));
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
    paperLoss(p, path),
  ];
}
function paperLoss(p, path) {  // did it go the way the paper says?
  const loss = record().players[p.of].loss;
  if (!loss) return h("p", {id: "loss"}, "No term of the paper's own loss is left under these rules.");
  const up = loss.direction === "up", gain = (loss.after - loss.before) * (up ? 1 : -1);
  return [
    h("h3", {}, `The paper's own, Eq. ${loss.equation}, which ${GREEK[p.of]} should ${up ? "raise" : "lower"}`),
    scroller("the paper's loss", parsed(view().losses[p.of])),
    h("p", {id: "loss"}, "before ", num(`${path}.loss.before`), " → after ",
      num(`${path}.loss.after`, hidden()), " ",
      hidden() ? "" : gain > 0 ? h("span", {class: "good"}, `${up ? "↑" : "↓"} as the paper says`)
        : gain < 0 ? h("span", {class: "bad"}, `${up ? "↓" : "↑"} the other way: the rule is not this `
          + "loss's gradient, or the step was too long") : "it stayed"),
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
  if (["pull_d", "decoder_error", "carried_q", "exact_image_error", "exact_decoder_error"].includes(rule)) {
    return "g";
  }
  return ["pull_D", "assessed_mean_error", "carried_Q"].includes(rule) ? "f" : null;
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
        h("th", {scope: "row"}, `${y}${"₁₂₃₄₅₆₇₈₉"[k] || k + 1}`),
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

