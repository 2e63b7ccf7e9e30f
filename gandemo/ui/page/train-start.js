// The form of a new training. What it offers comes from the server, made from the recipes and from the Recipe model.
const { make, notSent, still } = window.gandemo;
const { ask, watch: follow, choose, say, ticket, state } = window.gandemo.train;
const { span, bytes, figure, count } = window.gandemo.words;
const find = (selector) => element.querySelector(selector);
const form = find("form"), opener = find(".gd-open-form"), closer = find(".gd-close-form");
const tasks = find(".gd-tasks .gd-choices"), cards = find(".gd-recipes .gd-cards"), text = find(".gd-recipe-text");
const data = find(".gd-data"), begins = find(".gd-begins"), minutes = find(".gd-minutes input");
const noStart = find(".gd-no-start"), FRESH = "*";
const few = find(".gd-few"), drawer = find(".gd-drawer"), groups = find(".gd-groups");
const go = find(".gd-go"), take = find(".gd-take"), wrong = find(".gd-form-error"), forkOf = find(".gd-fork-of");
let offer = null;
let fields = new Map(); // a setting's key to { spec, read }
let source = null; // { run, checkpoint } of a fork
let recipe = null;
let card = ticket(); // good for one run: pressing twice starts one
let measured = "";
let asking = Promise.resolve(); // the last question of what a training will take
let timer = 0;
let filling = 0; // the last wish for a recipe's settings: an earlier one's answer may come later
let opened = null; // whether somebody opened or closed the form by hand

function open(on) {
  form.hidden = !on;
  opener.hidden = on;
  opener.setAttribute("aria-expanded", String(on));
  if (on && !offer) prepare();
}

opener.addEventListener("click", () => {
  opened = true;
  leaveFork();
  open(true);
  form.querySelector(".gd-form-head").focus({ preventScroll: true });
});
closer.addEventListener("click", () => {
  opened = false;
  open(false);
  opener.focus();
});

async function prepare() {
  try {
    offer = await ask("offer");
  } catch (error) {
    wrong.textContent = error.message;
    return;
  }
  tasks.replaceChildren(...offer.tasks.map((task, i) => make("label", { class: "gd-task" },
    make("input", { type: "radio", name: "gd-task", value: task.name, checked: i === 0, onchange: () => chooseTask(task) }),
    make("span", {}, make("strong", {}, task.title), make("small", {}, task.text)))));
  if (offer.bounds) {
    minutes.max = String(offer.bounds.minutes);
    minutes.placeholder = String(offer.bounds.minutes);
  }
  if (!source) chooseTask(offer.tasks[0]);
}

function chooseTask(task) {
  leaveFork();
  cards.replaceChildren(...task.recipes.map((one, i) => make("label", { class: "gd-card", title: one.text },
    make("input", { type: "radio", name: "gd-recipe", value: one.name, checked: i === 0, onchange: () => chooseRecipe(one.name) }),
    one.strip ? make("img", { src: one.strip, alt: "", class: `gd-card-strip${one.photos ? " gd-card-photos" : ""}` }) : make("span", { class: `gd-card-strip gd-card-empty${one.photos ? " gd-card-photos" : ""}` }),
    make("span", { class: "gd-card-title" }, one.name),
    make("span", { class: "gd-card-facts" }, one.facts.map((fact) => make("span", {}, fact))))));
  chooseRecipe(task.recipes[0].name);
}

async function chooseRecipe(name) {
  recipe = name;
  await fill({ recipe: name });
}

// Everything that depends on the recipe, or on the checkpoint that is forked.
async function fill(wish, settings = {}) {
  wrong.textContent = "";
  filling += 1;
  const turn = filling;
  let found;
  try {
    found = await ask("choices", wish);
  } catch (error) {
    if (turn === filling) wrong.textContent = error.message;
    return;
  }
  if (turn !== filling) return; // another one was chosen meanwhile
  text.textContent = found.text;
  data.replaceChildren(...found.datasets.map((one) => make("option", { value: one.name, selected: one.name === found.dataset, title: one.licence }, one.title)));
  if (!found.datasets.some((one) => one.name === found.dataset)) data.prepend(make("option", { value: found.dataset, selected: true }, found.dataset_title));
  if (own.chosen && own.chosen.name !== found.dataset && SMALL.includes(own.chosen.task) === SMALL.includes(found.task)) {
    data.prepend(make("option", { value: own.chosen.name }, own.chosen.title));
    if (!source) data.value = own.chosen.name;
  }
  if (own.task !== found.task) forgetOwn(found.task);
  begins.replaceChildren(...found.begins.map((one) => make("option", { value: one.name }, one.title)));
  noStart.textContent = found.missing && `This design means to go on from ${found.missing}, which is not here. Train that one first and publish it under this name, or begin with what the list has.`;
  noStart.hidden = !found.missing;
  fields = new Map();
  few.replaceChildren(...found.few.map((spec) => row(spec, settings[spec.key])));
  groups.replaceChildren(...found.drawer.map((group) => make("fieldset", {}, make("legend", {}, group.title), group.fields.map((spec) => row(spec, settings[spec.key])))));
  drawer.hidden = !found.drawer.length;
  changed();
}

// --- one setting ---

const SCALE = 200;

function row(spec, given) {
  const id = `set-${spec.key.replaceAll(".", "-")}`;
  const value = given === undefined ? spec.value : given;
  let input;
  if (spec.kind === "bool") input = make("input", { type: "checkbox", id, checked: value === true });
  else if (spec.kind === "choice") input = make("select", { id }, spec.choices.map((one) => make("option", { value: one, selected: one === value }, one)));
  else if (spec.kind === "int" || spec.kind === "float") {
    input = make("input", { type: "number", id, value: String(value), step: spec.kind === "int" ? "1" : "any", min: spec.min, max: spec.max, inputmode: spec.kind === "int" ? "numeric" : "decimal" });
  } else input = make("input", { type: "text", id, value: spec.kind === "text" ? value : JSON.stringify(value), spellcheck: "false", autocomplete: "off" });
  const read = () => {
    if (spec.kind === "bool") return input.checked;
    if (spec.kind === "int" || spec.kind === "float") return input.value === "" ? null : Number(input.value);
    if (spec.kind !== "json") return input.value;
    try {
      return JSON.parse(input.value);
    } catch {
      return input.value;
    }
  };
  fields.set(spec.key, { spec, read, input });
  const parts = [input];
  if (spec.low !== undefined) parts.unshift(slide(spec, input));
  if (spec.key === "seed") parts.push(make("button", { type: "button", class: "gd-button gd-dice gd-small", onclick: () => { input.value = String(Math.floor(Math.random() * 1e6)); changed(); } }, "Roll"));
  const back = make("button", { type: "button", class: "gd-undo", hidden: true, "aria-label": `${spec.label}: back to the recipe's own`, title: "back to the recipe's own" }, "↺");
  const box = make("div", { class: `gd-setting gd-kind-${spec.kind}` },
    make("label", { for: id }, make("span", {}, spec.label), spec.help ? make("small", {}, spec.help) : null),
    make("span", { class: "gd-setting-input" }, ...parts, back));
  const mark = () => {
    const differs = JSON.stringify(read()) !== JSON.stringify(spec.default ?? spec.value);
    box.classList.toggle("gd-changed", differs);
    back.hidden = !differs;
  };
  input.addEventListener("input", () => { mark(); changed(); });
  back.addEventListener("click", () => {
    const own = spec.default ?? spec.value;
    if (spec.kind === "bool") input.checked = own;
    else input.value = ["int", "float", "choice", "text"].includes(spec.kind) ? String(own) : JSON.stringify(own);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  mark();
  return box;
}

// A slider beside a number: by factors, since what matters here is "twice as much".
function slide(spec, input) {
  const { low, high } = spec;
  const place = (value) => String(Math.round((SCALE * Math.log(value / low)) / Math.log(high / low)));
  const slider = make("input", { type: "range", min: "0", max: String(SCALE), value: place(Number(input.value)), "aria-label": spec.label });
  slider.addEventListener("input", () => {
    const value = low * (high / low) ** (Number(slider.value) / SCALE);
    const digits = 10 ** (Math.floor(Math.log10(value)) - 1);
    input.value = String(spec.kind === "int" ? Math.max(spec.min ?? 1, value < 10 ? Math.round(value) : Math.round(value / digits) * digits) : Number(value.toPrecision(2)));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  input.addEventListener("input", () => { if (document.activeElement !== slider && Number(input.value) > 0) slider.value = place(Number(input.value)); });
  return slider;
}

// --- own pictures ---

const own = { box: find(".gd-own"), help: find(".gd-own-help"), file: find(".gd-upload input"), folder: find(".gd-folder"), says: find(".gd-own-says"), report: find(".gd-own-report"), preview: find(".gd-own-preview"), task: "", turn: 0, chosen: null };
const SMALL = ["digits", "classify"];
const WANTED = {
  digits: "A zip with a folder for each class, such as 0/ 1/ 2/: any sizes, they become 28×28.", classify: "A zip with a folder for each class: any sizes, they become 28×28.",
  other: "A zip of colour photos, the more the better. What is made worse to learn from is made here.",
};

function forgetOwn(task = own.task) {
  own.task = task;
  own.turn += 1;
  own.help.textContent = WANTED[own.task] || WANTED.other;
  own.folder.hidden = !offer?.local;
  own.says.textContent = "";
  own.report.replaceChildren();
  own.preview.hidden = true;
}

// How far pictures are on their way here.
function fetching({ done, total, seconds }) {
  if (!done || !seconds) return "Asking the Hub …";
  if (done >= total) return "Looking at every picture …";
  return `Fetching ${bytes(done)} of ${bytes(total)}, ${bytes(done / seconds)} a second, about ${span(((total - done) * seconds) / done)} left …`;
}

async function examine(asked) {
  forgetOwn();
  const turn = own.turn;
  const values = { ...asked(), ...(source ? { source: source.run } : { recipe }) };
  own.says.textContent = values.hub ? "Asking the Hub …" : "Looking at every picture …";
  let found;
  try {
    while (!found || found.fetching) {
      if (found) await new Promise((resolve) => { setTimeout(resolve, 500); });
      if (turn !== own.turn) return;
      found = await ask("own", values);
      if (turn !== own.turn) return;
      if (found.fetching) own.says.textContent = fetching(found.fetching);
    }
  } catch (error) {
    if (turn === own.turn) own.says.textContent = error.message;
    return;
  }
  const { report } = found;
  const by = (size) => `${size[0]}×${size[1]}`;
  own.says.textContent = `${count(report.count)} pictures can be used: ${count(report.splits.train)} to learn from, ${count(report.splits.validation)} to pick the best, ${count(report.splits.test)} for the final figures.`;
  const lines = [report.smallest.join() === report.largest.join() ? `All are ${by(report.smallest)}.` : `From ${by(report.smallest)} to ${by(report.largest)}, in the middle ${by(report.median)}.`];
  const classes = Object.entries(report.classes);
  if (classes.length > 1) lines.push(`${count(classes.length)} classes: ${classes.slice(0, 12).map(([name, number]) => `${name} (${count(number)})`).join(", ")}${classes.length > 12 ? " …" : ""}.`);
  lines.push(...report.remarks);
  const skipped = Object.entries(report.skipped);
  if (report.left_out) lines.push(`${count(report.left_out)} ${report.left_out === 1 ? "file is" : "files are"} left out: ${skipped.map(([, why]) => why).join("; ")}${report.left_out > skipped.length ? " …" : ""}`);
  own.report.replaceChildren(...lines.map((line) => make("li", {}, line)));
  own.preview.src = found.preview;
  own.preview.alt = `What ${found.title} looks like to the network`;
  own.preview.classList.toggle("gd-smooth", !SMALL.includes(own.task));
  own.preview.hidden = false;
  for (const option of [...data.options]) if (option.value === found.name) option.remove();
  data.prepend(make("option", { value: found.name, selected: true }, found.title));
  data.value = found.name;
  own.chosen = { name: found.name, title: found.title, task: own.task };
  changed();
}

own.file.addEventListener("change", async () => {
  const file = own.file.files[0];
  own.file.value = "";
  if (!file) return;
  forgetOwn();
  own.says.textContent = `Sending ${file.name} …`;
  let sent;
  try {
    sent = await upload(file);
  } catch (error) {
    own.says.textContent = notSent(file.name, error);
    return;
  }
  await examine(() => ({ sent: sent.path, name: file.name }));
});
find(".gd-upload").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    own.file.click();
  }
});
for (const [box, name] of [[own.folder, "folder"], [find(".gd-from-hub"), "hub"]]) {
  const input = box.querySelector("input");
  const lookThere = () => {
    if (input.value.trim()) examine(() => ({ [name]: input.value.trim() }));
    else input.focus();
  };
  box.querySelector("button").addEventListener("click", lookThere);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      lookThere();
    }
  });
}

// --- what it will take ---

function wish() {
  const settings = {};
  for (const [key, { spec, read }] of fields) {
    const value = read();
    if (JSON.stringify(value) !== JSON.stringify(spec.default ?? spec.value)) settings[key] = value;
  }
  const asked = { settings, dataset: data.value || undefined, minutes: minutes.value === "" ? null : Number(minutes.value) };
  if (source) return { ...asked, source: source.checkpoint ? `${source.run}/${source.checkpoint}` : source.run, anew: begins.value === "" };
  if (begins.value === FRESH) return { ...asked, recipe, anew: true };
  return { ...asked, recipe, begins: begins.value || undefined };
}

function changed() {
  wrong.textContent = "";
  clearTimeout(timer);
  timer = setTimeout(measure, 500);
}

async function measure() {
  if (form.hidden || !form.offsetParent) return;
  const asked = wish();
  const key = JSON.stringify(asked);
  if (key !== measured) take.replaceChildren(make("span", { class: "gd-measuring" }, "Measuring a few steps …"));
  measured = key;
  let found;
  try {
    asking = ask("take", asked);
    found = await asking;
  } catch (error) {
    if (key === measured) {
      wrong.textContent = error.message;
      take.replaceChildren();
    }
    return;
  }
  if (key !== measured || JSON.stringify(wish()) !== key) return;
  if (found.state === "measuring" && !found.seconds) {
    clearTimeout(timer);
    timer = setTimeout(measure, 700);
    return;
  }
  if (found.state === "failed") {
    take.replaceChildren();
    wrong.textContent = found.why;
    return;
  }
  take.replaceChildren(
    make("strong", {}, `About ${span(found.seconds)}`),
    found.cut ? " until it stops by itself" : "",
    ` at ${figure(found.images_per_second)} pictures a second, ${found.memory ? `${bytes(found.memory)} of memory, ` : ""}${bytes(found.disk)} of disk`,
    ...(found.beside ? [make("small", {}, "Measured while another training has the machine; alone it goes faster.")] : []));
}

begins.addEventListener("input", () => { if (source) source.checkpoint = begins.value; });
for (const input of [data, begins, minutes]) input.addEventListener("input", changed);

// --- start ---

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (go.disabled) return;
  go.disabled = true;
  wrong.textContent = "";
  clearTimeout(timer);
  measured = ""; // what is being asked for must not be measured beside the training
  try {
    await asking.catch(() => {});
    const started = await ask("start", { ...wish(), ticket: card });
    card = ticket();
    opened = false;
    open(false);
    leaveFork();
    say(started.state === "queued" && busy() ? `${started.run} waits in the queue` : `${started.run} starts`);
    await choose(started.run);
    document.querySelector("#train-live .gd-live")?.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
  } catch (error) {
    wrong.textContent = error.message;
  } finally {
    go.disabled = false;
  }
});

const busy = () => Boolean(state.list && state.list.active.length);

// --- forks ---

function leaveFork() {
  if (!source) return;
  source = null;
  forkOf.hidden = true;
  for (const part of element.querySelectorAll(".gd-tasks, .gd-recipes")) part.hidden = false;
  find("h3").textContent = "A new training";
  card = ticket();
}

element.closest("#train-start").addEventListener("gd-fork-of", async ({ detail: run }) => {
  source = { run: run.id, checkpoint: run.best_step !== null ? "" : run.checkpoints?.[0] || "" };
  card = ticket();
  opened = true;
  open(true);
  for (const part of element.querySelectorAll(".gd-tasks, .gd-recipes")) part.hidden = true;
  find("h3").textContent = `A fork of ${run.recipe}`;
  forkOf.hidden = false;
  forkOf.textContent = `A new run with the settings of ${run.id}; change what you like.`;
  await fill({ source: run.id });
  if (!source || source.run !== run.id) return;
  const names = run.checkpoints || (run.best_step !== null ? ["best"] : []);
  begins.replaceChildren(
    ...names.map((name) => make("option", { value: name }, name === "best" ? "its best checkpoint" : `its checkpoint of step ${count(Number(name.slice(5)))}`)),
    make("option", { value: "" }, "fresh weights, from nothing"));
  source.checkpoint = begins.value;
  changed();
  element.scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" });
});

follow((now) => {
  if (!now.list) return;
  go.textContent = busy() ? "Put it in the queue" : "Start training";
  if (opened === null) open(now.list.count === 0);
  else if (!form.hidden && !offer) prepare();
});
