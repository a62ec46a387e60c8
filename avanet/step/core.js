"use strict";
// Formats, lays out and draws. Every number is looked up in the data by its path; the paths stand
// in data-at attributes, a leading "-" meaning the opposite sign (the engine descends, the paper
// ascends).

const DATA = JSON.parse(document.getElementById("data").textContent);
const APP = document.getElementById("app");
const BATCHED = DATA.kind === "batched";  // a model of another paper, see models.js
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
  view: 0, step: 0, phase: 0, player: "all", neuron: null,
  predict: false, revealed: false, guess: "", pinned: "", playing: false, slow: false,
};
const view = () => DATA.views[state.view];
const here = () => `steps.${state.step}`;
const record = () => view().steps[state.step];
const phases = (step = state.step) => (BATCHED ? view().phases[step] : view().phases).filter(
  (p) => state.player === "all" || p.player === "" || p.player === state.player);
const phase = () => phases()[state.phase];
const hidden = () => state.predict && !state.revealed;
const firstNeuron = () => {  // the first output of the decoder, or of the first network
  const player = "g" in view().model.players ? "g" : Object.keys(view().model.players)[0];
  return {player, layer: widths(player).length - 1, unit: 0};
};
const widths = (player) => view().model.players[player].widths;
const framed = window.self !== window.top;

function eventPath(k) { return `${here()}.events.${k}`; }

function address() {
  const n = state.neuron;
  const parts = {
    ...(view().model.rules ? {rule: view().model.rules} : {}), step: record().step, phase: phase().key, player: state.player,
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
  if (name in view().model.players && Number(layer) >= 1 && Number(layer) < widths(name).length
      && Number(unit) >= 1 && Number(unit) <= widths(name)[layer]) {
    state.neuron = {player: name, layer: Number(layer), unit: Number(unit) - 1};
  } else if (!state.neuron || !(state.neuron.player in view().model.players)) {
    state.neuron = firstNeuron();
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
    if (!(state.neuron.player in view().model.players)) state.neuron = firstNeuron();
  }
  if ("step" in changes && !("phase" in changes)) {  // steps of a batched model may differ
    state.phase = Math.max(0, phases().findIndex((p) => p.key === key));
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
  if (k < 0 && step > 0) { step -= 1; k = phases(step).length - 1; }
  if (k >= phases().length) { step += 1; k = 0; }
  if (k < 0 || step >= view().steps.length) { pause(); return undefined; }
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

