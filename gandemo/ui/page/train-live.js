// The chosen run: what it does, its buttons, its samples over time, its curves, and what the doctor says.
// Everything is changed in place; nothing is built anew while it is looked at.
const { make, save, still, crispWidth } = window.gandemo;
const { watch: follow, zoom, attempt } = window.gandemo.train;
const { span, count, figure, chip } = window.gandemo.words;
const { get: sheetOf } = window.gandemo.sheets;
const box = element.querySelector(".gd-live");
const find = (selector) => element.querySelector(selector);
const title = find("h3"), from = find(".gd-live-from"), buttons = find(".gd-live-buttons"), facts = find(".gd-facts");
const progress = find(".gd-run-line"), fill = progress.firstElementChild;
const trouble = find(".gd-trouble"), image = find(".gd-sheet-image"), empty = find(".gd-sheet-empty");
const play = find(".gd-play"), slider = find("input[type=range]"), film = find(".gd-film-button"), caption = find(".gd-caption");
const frame = find(".gd-frame");
const OVER = ["stopped", "interrupted", "failed", "done"];
let run = null; // the id of the run that is shown
let head = null;
let curves = null;
let clock = { now: 0, at: 0 };
let follows = true; // the slider stays at the newest sheet
let playing = 0;
let shownSheet = "";
let turn = 0;

const charts = window.gandemo.charts(find(".gd-chart-box"), {
  onzoom: (first, last) => zoom(...(axis() === "step" ? [first, last] : [first, last].map(stepAt))),
});
const axis = () => element.querySelector(".gd-axis input:checked").value;

function stepAt(seconds) {
  if (seconds === null || !curves || !curves.steps.length) return null;
  const at = curves.seconds.findIndex((each) => each >= seconds);
  return curves.steps[at < 0 ? curves.steps.length - 1 : at];
}

// --- words ---

const secondsLeft = () => (head.seconds_left === null || head.told === null ? null : Math.max(0, head.seconds_left - Math.max(0, clock.now - head.told) - (performance.now() - clock.at) / 1000));

function fact(name, value, help = "") {
  return { name, value, help };
}

function showFacts() {
  if (!head) return;
  const list = [];
  const lives = head.state === "running" || head.state === "stopping";
  list.push(fact("Step", `${count(head.step)} of ${count(head.steps)}`));
  if (head.score !== null) list.push(fact(`Best ${head.score_name}`, `${figure(head.score)} at step ${count(head.best_step)}`, head.score_help));
  if (lives && head.images_per_second) list.push(fact("Speed", `${figure(head.images_per_second)} pictures a second`));
  if (head.state === "running" && head.seconds_left !== null) list.push(fact(head.stops_early ? "Stops in" : "Time left", span(secondsLeft())));
  list.push(fact("Trained", span(head.seconds)));
  list.push(fact("On", `${head.dataset_title}${head.pictures ? `, ${count(head.pictures)} pictures` : ""}`));
  if (facts.children.length !== list.length || [...facts.children].some((each, i) => each.firstChild.textContent !== list[i].name)) {
    facts.replaceChildren(...list.map((one) => make("div", { title: one.help }, make("dt", {}, one.name), make("dd", {}))));
  }
  list.forEach((one, i) => {
    const cell = facts.children[i].lastChild;
    if (cell.textContent !== one.value) cell.textContent = one.value;
  });
}

function showHead() {
  box.hidden = !head;
  if (!head) return;
  const share = head.state === "done" ? 1 : head.step / head.steps;
  if (title.dataset.of !== `${head.id} ${head.state}`) {
    title.dataset.of = `${head.id} ${head.state}`;
    title.replaceChildren(make("span", { class: "gd-live-recipe" }, head.recipe), chip(head.state), make("small", {}, head.id));
  }
  const told = [];
  if (head.from) told.push(`from ${head.from}`);
  if (head.changes.length) told.push(`with ${head.changes.join(", ")}`);
  if (head.given) told.push(`stopped after the ${span(head.given)} that it was given`);
  if (head.ahead) told.push(`${head.ahead} before it in the queue`);
  told.push(...head.remarks);
  from.textContent = told.join(" · ");
  fill.style.width = `${100 * Math.min(1, share)}%`;
  progress.classList.toggle("gd-runs", head.state === "running");
  progress.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  progress.setAttribute("aria-label", `step ${count(head.step)} of ${count(head.steps)}`);
  window.gandemo.runButtons(buttons, head, { long: true });
  trouble.hidden = !head.reason && head.state !== "interrupted";
  find(".gd-trouble-why").textContent = head.reason || "Its process ended without a word, as when the machine is switched off.";
  trouble.classList.toggle("gd-is-wrong", head.state === "failed");
  find(".gd-trouble details").hidden = !head.log;
  if (find("pre").textContent !== head.log) find("pre").textContent = head.log;
  showFacts();
}

// --- samples over time ---

function showSheets() {
  const steps = head ? head.samples : [];
  const last = steps.length - 1;
  slider.disabled = play.disabled = film.disabled = last < 1;
  if (Number(slider.max) !== Math.max(0, last)) {
    const kept = Number(slider.value);
    slider.max = String(Math.max(0, last));
    slider.value = String(follows ? last : Math.min(kept, last));
  } else if (follows) slider.value = slider.max;
  showSheet();
}

async function showSheet() {
  const index = Number(slider.value);
  const step = head?.samples[index];
  empty.hidden = step !== undefined;
  if (step === undefined) {
    turn += 1; // a sheet of another run may still be on its way
    empty.textContent = OVER.includes(head?.state) ? "It has shown no samples." : "The first samples are on their way.";
    image.removeAttribute("src");
    shownSheet = caption.textContent = "";
    return;
  }
  const wanted = `${head.id} ${step}`;
  slider.setAttribute("aria-valuetext", `step ${count(step)}`);
  caption.textContent = `Step ${count(step)}${head.sample_seconds[index] ? `, after ${span(head.sample_seconds[index])}` : ", before the first step"}: the same ${head.task === "digits" ? "noise" : "photos"} as always`;
  if (wanted === shownSheet) return;
  const mine = ++turn;
  const sheet = await sheetOf(head.id, step);
  if (mine !== turn || !sheet) return;
  shownSheet = wanted;
  image.src = sheet.src;
  image.alt = `Samples at step ${count(step)}`;
  lay(sheet);
}

function lay(sheet) {
  const natural = sheet || image;
  if (!natural.naturalWidth) return;
  const room = Math.max(160, frame.parentElement.clientWidth - 24);
  frame.style.setProperty("--gd-width", `${crispWidth(natural.naturalWidth, room, 620, natural.naturalHeight / natural.naturalWidth)}px`);
  image.classList.toggle("gd-smooth", head && head.task !== "digits");
}

function run_(on) {
  clearTimeout(playing);
  playing = 0;
  play.textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (Number(slider.value) >= Number(slider.max)) slider.value = "0";
  follows = false;
  const steps = head.samples;
  steps.forEach((step) => sheetOf(head.id, step)); // all that is to come
  const each = Math.max(60, Math.min(400, 7000 / steps.length));
  const next = async () => {
    if (!playing) return;
    await showSheet();
    if (Number(slider.value) >= Number(slider.max)) {
      follows = true;
      run_(false);
      return;
    }
    playing = setTimeout(() => {
      slider.value = String(Number(slider.value) + 1);
      next();
    }, each);
  };
  playing = setTimeout(next, 0);
}

slider.addEventListener("input", () => {
  run_(false);
  follows = slider.value === slider.max;
  showSheet();
  const index = Number(slider.value);
  head.samples.slice(Math.max(0, index - 4), index + 12).forEach((step) => sheetOf(head.id, step));
});
play.addEventListener("click", () => run_(!playing));
film.addEventListener("click", async () => {
  film.disabled = true;
  film.textContent = "Making it …";
  const made = await attempt("film", { run: head.id });
  film.textContent = "Save film";
  film.disabled = false;
  if (made) save(made.film, made.name);
});
new ResizeObserver(() => lay()).observe(frame.parentElement);

// --- curves ---

const line = (name, colour, series) => ({ name, colour, x: axis() === "step" ? curves.steps : curves.seconds, y: series.mean, low: series.low, high: series.high });

function showCurves() {
  if (!head || !curves || curves.run !== head.id) return;
  const { series, scores } = curves;
  const panels = [];
  const best = scores.best;
  const scoreX = axis() === "step" ? scores.steps : scores.seconds;
  panels.push({
    id: "score", title: head.score_name, help: `${head.score_help}; ${head.lower ? "lower" : "higher"} is better`,
    log: head.lower && scores.score.every((value) => value > 0), empty: OVER.includes(head.state) ? "not measured yet" : "measured for the first time soon",
    lines: [{ name: head.lower ? "lower is better" : "higher is better", colour: "score", x: scoreX, y: scores.score, dots: true }],
    marks: best === null ? [] : [{ x: scoreX[best], y: scores.score[best], text: `best ${figure(scores.score[best])}`, colour: "score" }],
  });
  const NAMES = { "loss.generator": ["forger", "forger"], "loss.discriminator": ["inspector", "inspector"] }; // the players first
  const losses = Object.keys(series).filter((key) => key.startsWith("loss.")).sort((a, b) => !NAMES[a] - !NAMES[b] || b.localeCompare(a));
  const others = losses.filter((key) => !NAMES[key]);
  panels.push({
    id: "losses", title: "Losses", help: "What each player tries to make small; they pull against each other, so neither goes to 0",
    empty: "the first steps will be here soon",
    lines: losses.map((key) => line(...(NAMES[key] || [key.slice(5).replaceAll("_", " "), `other${others.indexOf(key) % 3}`]), series[key])),
  });
  const real = series["signal.real_accuracy"], fake = series["signal.fake_accuracy"];
  const isCritic = head.loss === "wasserstein" || head.loss === "relativistic";
  if (real && fake && !isCritic) {
    panels.push({
      id: "verdicts", title: "The inspector", help: "How often it is right; near 50 % of both it can only guess", share: true,
      lines: [line("real known", "real", real), line("fakes caught", "fake", fake)],
    });
  } else if (series["signal.real_logit"]) {
    panels.push({
      id: "verdicts", title: "The inspector's scores", help: "The further apart, the better it tells real from fake",
      lines: [line("real", "real", series["signal.real_logit"]), line("fake", "fake", series["signal.fake_logit"])],
    });
  }
  const norms = [["forger", "generator"], ["inspector", "discriminator"]].filter(([, player]) => series[`signal.${player}_gradient_norm`]);
  if (!real && !series["signal.real_logit"] && head.plays) panels.push({ id: "verdicts", title: "The inspector", share: true, lines: [] });
  if (norms.length || head.plays) {
    panels.push({
      id: "gradients", title: "Gradient norms", help: "How hard each player is pushed; one that fades to nothing no longer learns", log: true,
      lines: norms.map(([name, player]) => line(name, name, series[`signal.${player}_gradient_norm`])),
    });
  }
  charts.draw({ unit: axis(), panels });
}

for (const choice of element.querySelectorAll(".gd-axis input")) {
  choice.addEventListener("change", () => {
    charts.zoom(null);
    showCurves();
  });
}

// --- the doctor ---

const doctor = find(".gd-doctor");

function showDoctor(data) {
  if (!head || !data || data.run !== head.id) return;
  const seen = JSON.stringify([data, head.verbs, head.state]);
  if (doctor.dataset.seen === seen) return;
  doctor.dataset.seen = seen;
  if (!data.found.length) {
    if (head.step === 0) doctor.replaceChildren();
    else if (data.waits_for) doctor.replaceChildren(make("p", { class: "gd-note" }, `Too early for the doctor, who looks from step ${count(data.waits_for)} on.`));
    else doctor.replaceChildren(make("p", { class: "gd-well" }, "None of the ills that the doctor knows shows in the figures."));
    return;
  }
  doctor.replaceChildren(
    make("h3", {}, data.found.some((one) => one.is_alarm) ? "The doctor is worried" : "The doctor has a hint"),
    ...data.found.map((one) => make("article", { class: `gd-diagnosis ${one.is_alarm ? "gd-is-alarm" : ""}` },
      make("h4", {}, one.title),
      make("p", {}, one.why),
      make("p", { class: "gd-evidence" }, `Seen: ${one.evidence}.`),
      make("p", { class: "gd-remedy" }, `Try ${one.remedy}.`),
      Object.keys(one.settings).length === 0 ? null : make("div", { class: "gd-toolbar" },
        make("button", { type: "button", class: "gd-button gd-cure", onclick: (event) => cure(event.target, one) }, "Fork with this fix"),
        make("code", {}, Object.entries(one.settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join(", ")),
        make("span", { class: "gd-note" }, one.anew ? "from fresh weights" : "from its best checkpoint")))));
}

async function cure(button, diagnosis) {
  button.disabled = true;
  const answer = await attempt("act", {
    verb: "fork", run: head.id, settings: diagnosis.settings, anew: diagnosis.anew || !head.checkpoints.length, ticket: window.gandemo.train.ticket(),
  });
  button.disabled = false;
  if (!answer) return;
  window.gandemo.train.say(`${answer.run} has begun, with ${diagnosis.remedy}`);
  window.gandemo.train.choose(answer.run);
}

// --- all of it ---

follow((state, changed) => {
  const isOther = state.head && state.head.id !== run;
  if (isOther) {
    run = state.head.id;
    follows = true;
    run_(false);
    charts.zoom && charts.view && charts.zoom(null);
    shownSheet = "";
  }
  head = state.head;
  clock = { now: state.now, at: state.at };
  if (changed.head || isOther || !head) {
    showHead();
    showSheets();
  }
  if (changed.curves) curves = state.curves;
  if (changed.curves || changed.head) showCurves();
  if (changed.doctor || changed.head) showDoctor(state.doctor);
});
setInterval(() => head && head.state === "running" && box.offsetParent && showFacts(), 1000);
