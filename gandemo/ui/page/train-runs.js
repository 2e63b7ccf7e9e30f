// The table of all runs. Rows are kept and changed in place, so that nothing jumps while somebody aims at a button.
const { make, tell } = window.gandemo;
const { watch: follow, choose, rows: askFor, state, ask, attempt, dialogOf, look } = window.gandemo.train;
const { span, ago, count, figure, chip, bytes } = window.gandemo.words;
const list = element.querySelector(".gd-runs");
const empty = element.querySelector(".gd-runs-empty");
const tools = element.querySelector(".gd-runs-tools");
const more = element.querySelector(".gd-more");
const room = element.querySelector(".gd-room");
const total = element.querySelector(".gd-runs-count");
const publications = element.querySelector(".gd-publications");
const rows = new Map(); // a run's id to its row
const racers = []; // ids of the ticked runs, at most two
let wanted = 12;

function rowOf(id) {
  const tick = make("input", { type: "checkbox", "aria-label": `Race ${id}`, onchange: () => race(id, tick.checked) });
  const name = make("button", { type: "button", class: "gd-run-name", onclick: () => show(id) }, make("strong"), make("small"));
  const row = {
    tick, name,
    state: make("span", { class: "gd-run-state" }),
    score: make("span", { class: "gd-run-score" }, make("b"), make("small")),
    bar: make("span", { class: "gd-run-bar" }, make("span")),
    step: make("span", { class: "gd-run-step" }, make("b"), make("small")),
    time: make("span", { class: "gd-run-time" }, make("b"), make("small")),
    buttons: make("span", { class: "gd-run-buttons gd-toolbar" }),
  };
  row.box = make("div", { class: "gd-run", role: "listitem", "data-run": id }, make("label", { class: "gd-run-tick" }, tick), name, row.state, row.score,
    make("span", { class: "gd-run-progress" }, row.step, row.bar), row.time, row.buttons);
  return row;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function fill(row, run) {
  set(row.name.children[0], run.recipe);
  set(row.name.children[1], run.id.replace(`${run.recipe}-`, ""));
  row.name.title = run.id;
  if (row.state.dataset.of !== run.state) {
    row.state.dataset.of = run.state;
    row.state.replaceChildren(chip(run.state));
  }
  set(row.score.children[0], run.score === null ? "–" : figure(run.score));
  set(row.score.children[1], run.score === null ? "not measured yet" : run.score_name);
  set(row.step.children[0], count(run.step));
  set(row.step.children[1], `of ${count(run.steps)}`);
  row.bar.firstElementChild.style.width = `${Math.min(100, (100 * run.step) / run.steps)}%`;
  set(row.time.children[0], span(run.seconds));
  set(row.time.children[1], ago(Math.max(0, state.now - run.time)));
  row.tick.checked = racers.includes(run.id);
  row.box.classList.toggle("gd-chosen", run.id === state.run);
  window.gandemo.runButtons(row.buttons, run);
}

function show(id) {
  choose(id);
  const live = document.querySelector("#train-live .gd-live");
  live.scrollIntoView({ block: "start", behavior: window.gandemo.still.matches ? "auto" : "smooth" });
}

function race(id, on) {
  if (on) racers.push(id);
  else racers.splice(racers.indexOf(id), 1);
  while (racers.length > 2) racers.shift();
  for (const [other, row] of rows) row.tick.checked = racers.includes(other);
  tell("train-race", "gd-race", [...racers]);
}

function draw(data) {
  empty.hidden = data.count > 0;
  list.hidden = data.count === 0;
  const ids = data.runs.map((run) => run.id);
  for (const id of [...rows.keys()]) if (!ids.includes(id)) {
    rows.get(id).box.remove();
    rows.delete(id);
    if (racers.includes(id) && data.count <= ids.length) race(id, false);
  }
  data.runs.forEach((run, index) => {
    if (!rows.has(run.id)) rows.set(run.id, rowOf(run.id));
    const row = rows.get(run.id);
    fill(row, run);
    if (list.children[index] !== row.box) list.insertBefore(row.box, list.children[index] || null);
  });
  const isAll = data.count <= data.runs.length;
  more.hidden = total.hidden = isAll;
  room.hidden = !data.may_bound;
  tools.hidden = data.count === 0 || (isAll && room.hidden);
  set(total, `${count(data.runs.length)} of ${count(data.count)}`);
  set(room, data.limit ? `Disk space: at most ${bytes(data.limit)}` : "Disk space");
  publications.replaceChildren(...data.publications.map((one) => {
    const says = { waiting: "waits to be measured", measuring: "is being measured on test pictures …", done: `is in checkpoints/${one.name}: ${one.says}`, failed: `could not be published: ${one.says}` };
    return make("p", { class: `gd-note ${one.state === "failed" ? "gd-wrong-text" : ""}` }, make("strong", {}, one.name), ` ${says[one.state]}`);
  }));
}

// How much all trainings may take; what nobody would miss goes first.
room.addEventListener("click", async () => {
  const found = await attempt("room");
  if (!found) return;
  const limit = make("input", { type: "number", id: "room-limit", min: "0.01", step: "any", inputmode: "decimal", placeholder: "as much as there is", value: found.limit ? String(found.limit / 1e9) : "" });
  const says = make("p", { class: "gd-note gd-wrong-text", role: "alert" });
  const set = async (event) => {
    event.preventDefault();
    try {
      if (!limit.checkValidity()) throw new Error("The bound must be a number of GB, 0.01 or more.");
      const now = await ask("room", { limit: limit.value === "" ? null : Number(limit.value) });
      dialog.close();
      window.gandemo.train.say(`All trainings take ${bytes(now.taken)}${now.limit ? ` of at most ${bytes(now.limit)}` : "; there is no bound"}.`);
      look();
    } catch (error) {
      says.textContent = error.message;
    }
  };
  const dialog = dialogOf(make("form", { onsubmit: set, novalidate: true },
    make("h3", {}, "Disk space"),
    make("p", { class: "gd-note" }, `All trainings take ${bytes(found.taken)}; ${bytes(found.free)} are free. Over the bound, old saved states go first, then older checkpoints. The best and the last of each training stay.`),
    make("label", { for: "room-limit" }, "All trainings may take at most"),
    make("span", { class: "gd-with-unit" }, limit, make("small", {}, "GB")), says,
    make("div", { class: "gd-toolbar" },
      make("button", { type: "submit", class: "gd-button gd-first" }, "Set"),
      make("button", { type: "button", class: "gd-button", onclick: () => dialog.close() }, "Cancel"))));
  limit.select();
});

more.addEventListener("click", () => {
  wanted += 50;
  askFor(wanted);
});
follow((now, changed) => {
  if (now.list && (changed.list || changed.head)) draw(now.list);
});
