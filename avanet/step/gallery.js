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
      h("table", {}, h("caption", {}, "What each rule raises, before and after its update; the update's cosine with "
        + "the true gradient"), headings("player", "before", "after", "cosine"),
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
