// Two players moved by hand: samples, the inspector's verdict on each, and the hint that it sends to every pixel.
const { make, shade, percent, still } = window.gandemo;
const { ask, watch: follow, state } = window.gandemo.train;
const find = (selector) => element.querySelector(selector);
const select = find("select"), fresh = find(".gd-fresh"), opener = find(".gd-slow-go"), says = find(".gd-slow-says"), board = find(".gd-game");
const stage = find(".gd-board-row");
const charts = window.gandemo.charts(find(".gd-slow-chart"));
const moves = [...element.querySelectorAll(".gd-move")];
let game = null;
let view = null;
let history = [];
let before = null; // verdicts before the last move
let busy = false;
let wanted = null; // a run that shall be opened as soon as it has stopped

function chips(place, name, choices, chosen, onchange = () => {}) {
  place.append(...choices.map(([value, label]) => make("label", {}, make("input", { type: "radio", name, value, checked: value === chosen, onchange }), make("span", {}, label))));
}
const chosen = (name) => element.querySelector(`input[name="${name}"]:checked`).value;
chips(find(".gd-count"), "gd-slow-count", [["1", "1"], ["5", "5"], ["25", "25"]], "5");
chips(find(".gd-pace"), "gd-slow-pace", [["1", "as in training"], ["5", "5 ×"], ["20", "20 ×"]], "1");
chips(find(".gd-see"), "gd-slow-see", [["picture", "pictures"], ["both", "with the hint"], ["heat", "the hint alone"]], "both", () => see());

const HELP = {
  picture: "What the forger makes of its noise.",
  both: "What the inspector tells the forger: brighter where it is orange, darker where it is blue, and it would have been less sure.",
  heat: "The gradient that comes back through the inspector to each pixel. Where there is none, the forger learns nothing.",
};

function see() {
  const what = chosen("gd-slow-see");
  find(".gd-fakes").dataset.see = what;
  find(".gd-see-help").textContent = HELP[what];
}
see();

// --- which game ---

async function offer() {
  let found;
  try {
    found = await ask("games");
  } catch (error) {
    says.textContent = error.message;
    return;
  }
  const kept = select.value;
  select.replaceChildren(
    ...(found.runs.length ? [make("optgroup", { label: "Trainings" }, found.runs.map((one) => make("option", { value: one.name, disabled: one.trains }, one.title)))] : []),
    ...(found.checkpoints.length ? [make("optgroup", { label: "Checkpoints" }, found.checkpoints.map((one) => make("option", { value: one.name }, one.title)))] : []));
  if ([...select.options].some((one) => one.value === kept && (game || !one.disabled))) select.value = kept;
  else {
    const simple = [...select.options].find((one) => one.value === "vanilla") || [...select.options].find((one) => !one.disabled);
    if (simple) select.value = simple.value;
  }
  opener.disabled = !select.options.length;
  if (!select.options.length) says.textContent = "There is nobody to play yet: train digits first.";
}

async function open(source) {
  if (busy) return;
  busy = true;
  opener.disabled = true;
  says.textContent = "The players take their seats …";
  try {
    if (game) await ask("play", { do: "end", game }).catch(() => {});
    const shown = await ask("play", { do: "open", source, fresh: fresh.checked });
    game = shown.game;
    history = [];
    before = null;
    says.textContent = "";
    lesson("open");
    board.hidden = false;
    draw(shown);
    board.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
  } catch (error) {
    says.textContent = error.message;
  }
  busy = false;
  opener.disabled = false;
}

opener.addEventListener("click", () => open(select.value));
element.closest("#slow-motion").addEventListener("gd-open", async ({ detail }) => {
  wanted = detail;
  fresh.checked = false;
  says.textContent = "The training saves and makes a pause …";
  element.scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" });
  openWanted();
});

// A run that was asked to stop is opened when it has.
async function openWanted() {
  const run = wanted && state.list && state.list.runs.find((one) => one.id === wanted);
  if (!run || busy || !["stopped", "done", "failed", "interrupted"].includes(run.state)) return;
  const name = wanted;
  wanted = null;
  await offer();
  select.value = name;
  if (select.value === name) await open(name);
  else says.textContent = `${name} has saved no players yet that could be moved.`;
}

// --- moves ---

async function move(values, what) {
  if (busy || !game) return;
  busy = true;
  stage.parentElement.classList.add("gd-busy");
  for (const button of [...moves, find(".gd-over")]) button.disabled = true;
  try {
    const shown = await ask("play", { game, ...values });
    before = what === "over" ? null : view;
    if (what === "over") history = [];
    draw(shown);
    lesson(what);
  } catch (error) {
    says.textContent = error.message;
    if (/ended/.test(error.message)) close();
  }
  stage.parentElement.classList.remove("gd-busy");
  for (const button of [...moves, find(".gd-over")]) button.disabled = false;
  busy = false;
}

for (const button of moves) {
  button.addEventListener("click", async () => {
    await move({ do: "move", player: button.dataset.player, count: Number(chosen("gd-slow-count")), pace: Number(chosen("gd-slow-pace")) }, button.dataset.player);
    button.focus({ preventScroll: true });
  });
}
find(".gd-over").addEventListener("click", () => move({ do: "over" }, "over"));
find(".gd-end").addEventListener("click", async () => {
  const old = game;
  close();
  if (old) await ask("play", { do: "end", game: old }).catch(() => {});
});

function close() {
  game = view = null;
  board.hidden = true;
}

// --- what is seen ---

function tablets(place, sheet, heat, verdicts, names, old) {
  while (place.children.length > verdicts.length) place.lastChild.remove();
  while (place.children.length < verdicts.length) {
    place.append(make("div", { class: "gd-tablet", role: "img" },
      make("span", { class: "gd-tablet-picture" }, make("span", { class: "gd-tablet-heat" })),
      make("span", { class: "gd-tile-bar" }, make("span", { class: "gd-tile-fill" })), make("span", { class: "gd-tile-share" })));
  }
  const columns = view.columns, rows = Math.ceil(verdicts.length / columns);
  [...place.children].forEach((tablet, index) => {
    const [picture, bar, share] = tablet.children;
    const spot = `${(100 * (index % columns)) / Math.max(1, columns - 1)}% ${rows > 1 ? (100 * Math.floor(index / columns)) / (rows - 1) : 0}%`;
    for (const [layer, url] of [[picture, sheet], [picture.firstChild, heat]]) {
      layer.style.backgroundImage = url ? `url(${url})` : "none";
      layer.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
      layer.style.backgroundPosition = spot;
    }
    const verdict = verdicts[index];
    bar.firstChild.style.width = `${Math.max(3, 100 * verdict)}%`;
    bar.firstChild.style.background = shade(verdict);
    const change = old ? Math.round(100 * verdict) - Math.round(100 * old[index]) : 0;
    share.textContent = `${Math.round(100 * verdict)}`;
    share.append(make("i", { class: change > 0 ? "gd-up" : change < 0 ? "gd-down" : "" }, change ? (change > 0 ? "▲" : "▼") : ""));
    tablet.setAttribute("aria-label", `${names ? `${names[index]}, ` : ""}${percent(verdict)} real${change ? `, ${change > 0 ? "up" : "down"} by ${Math.abs(change)}` : ""}`);
  });
}

function draw(shown) {
  view = shown;
  tablets(find(".gd-fakes"), shown.fakes, shown.heat, shown.fake_verdicts, shown.fake_names, before && before.fake_verdicts);
  tablets(find(".gd-reals"), shown.reals, null, shown.real_verdicts, null, before && before.real_verdicts);
  find(".gd-says-fake").textContent = `on average ${percent(shown.fake_mean)} real, says the inspector`;
  find(".gd-says-real").textContent = `on average ${percent(shown.real_mean)} real`;
  for (const player of ["generator", "discriminator"]) find(`.gd-turns-${player}`).textContent = String(shown.turns[player]);
  const push = find(".gd-push");
  push.querySelector(".gd-bar-fill").style.width = `${Math.min(100, 50 * shown.push)}%`;
  push.querySelector("b").textContent = percent(shown.push);
  history.push({ real: shown.real_mean, fake: shown.fake_mean });
  const x = history.map((_, i) => i);
  charts.draw({
    unit: "step",
    panels: [{
      id: "verdicts", title: "The inspector's mean verdict, move by move", share: true,
      lines: [{ name: "on real", colour: "real", x, y: history.map((each) => each.real), dots: true }, { name: "on fakes", colour: "fake", x, y: history.map((each) => each.fake), dots: true }],
    }],
  });
}

// One sentence on what has just been seen, from the numbers.
function lesson(what) {
  const place = find(".gd-lesson");
  if (what === "open") place.textContent = "Your move. Let the inspector learn first: it will get surer, and its hints will change.";
  else if (what === "over") place.textContent = "Back at the beginning.";
  else if (before) {
    const fake = view.fake_mean - before.fake_mean, apart = view.real_mean - view.fake_mean, was = before.real_mean - before.fake_mean;
    const words = [];
    if (what === "generator") words.push(fake > 0.01 ? `The forger fooled it better: ${percent(before.fake_mean)} → ${percent(view.fake_mean)}.` : fake < -0.01 ? "The forger overshot: it fools the inspector less than before." : "Hardly a change: the steps are small, or there was little to learn.");
    else if (what === "discriminator") words.push(apart > was + 0.01 ? "The inspector tells real from fake better now." : apart < was - 0.01 ? "On pictures it has not seen, the inspector got worse: it learns its own batches by heart." : "The inspector has learned little from these.");
    else words.push(apart > was + 0.01 ? "This round went to the inspector." : apart < was - 0.01 ? "This round went to the forger." : "A draw: each has undone the other's gain.");
    if (view.push < 0.35) words.push("Its hints have become faint: a forger that is told nothing learns nothing.");
    else if (view.push > 2) words.push("Its hints have become strong.");
    if (view.fake_mean > 0.8) words.push("It is fooled by nearly everything; its turn to learn.");
    place.textContent = words.join(" ");
  }
}

let asked = false;
window.gandemo.whenSeen(element, () => {
  asked = true;
  offer();
});
follow((_, changed) => {
  if (!changed.list) return;
  if (wanted) openWanted();
  else if (asked && document.activeElement !== select) offer();
});
