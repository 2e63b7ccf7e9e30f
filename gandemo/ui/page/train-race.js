// Two runs at equal wall-clock: their sheets after the same seconds of training, and their scores over time.
const { make, still } = window.gandemo;
const { ask, say } = window.gandemo.train;
const { span, figure, count, chip } = window.gandemo.words;
const { get: sheetOf } = window.gandemo.sheets;
const box = element.querySelector(".gd-race");
const pair = element.querySelector(".gd-racers");
const slider = element.querySelector("input");
const play = element.querySelector(".gd-play");
const caption = element.querySelector(".gd-caption");
const charts = window.gandemo.charts(element.querySelector(".gd-race-chart"));
const COLOURS = ["forger", "inspector"];
let racers = [];
let sides = null;
let stamp = null;
let timer = 0;
let playing = false;
let turn = 0;
const figures = COLOURS.map((colour) => {
  const one = { title: make("strong"), state: make("span"), id: make("small"), image: make("img", { alt: "" }), words: make("span", { class: "gd-race-words" }) };
  one.box = make("figure", { class: `gd-racer gd-racer-${colour}` }, make("div", { class: "gd-frame" }, one.image),
    make("figcaption", {}, one.title, one.state, one.id, one.words));
  return one;
});
pair.replaceChildren(...figures.map((one) => one.box));

const longest = () => Math.max(1, ...sides.map((side) => Math.max(side.seconds, side.sample_seconds.at(-1) || 0)));
const now = () => (Number(slider.value) / 1000) * longest();

async function look() {
  clearTimeout(timer);
  if (racers.length !== 2) return;
  const asked = racers.join();
  try {
    const answer = await ask("race", { runs: racers, known: stamp });
    if (asked !== racers.join()) return;
    if (answer.sides) {
      stamp = answer.stamp;
      sides = answer.sides;
      draw();
    }
  } catch (error) {
    if (!sides) {
      say(error.message, true);
      box.hidden = true;
      return;
    }
  }
  timer = setTimeout(() => (box.offsetParent && !document.hidden ? look() : (timer = setTimeout(look, 1500))), 1500);
}

function draw() {
  box.hidden = false;
  const names = sides.map((side, i) => (sides[0].recipe === sides[1].recipe ? `${side.recipe} ${i + 1}` : side.recipe));
  sides.forEach((side, i) => {
    figures[i].title.textContent = names[i];
    figures[i].id.textContent = side.id.startsWith(`${side.recipe}-`) ? side.id.slice(side.recipe.length + 1) : side.id;
    figures[i].state.replaceChildren(chip(side.state));
    figures[i].box.setAttribute("aria-label", side.id);
  });
  const log = sides[0].lower && sides.every((side) => side.scores.score.every((value) => value > 0));
  charts.draw({
    unit: "time",
    panels: [{
      id: "race", title: sides[0].score_name, log, help: `${sides[0].lower ? "Lower" : "Higher"} is better`,
      lines: sides.map((side, i) => ({ name: names[i], colour: COLOURS[i], x: side.scores.seconds, y: side.scores.score, dots: true })),
    }],
  });
  show();
}

// The newest sheet and the best score of each after so many seconds.
async function show() {
  if (!sides) return;
  const seconds = now();
  const mine = ++turn;
  caption.textContent = `after ${span(seconds)}`;
  slider.setAttribute("aria-valuetext", caption.textContent);
  await Promise.all(sides.map(async (side, i) => {
    const places = side.sample_seconds.map((each, place) => (each <= seconds ? place : -1)).filter((place) => place >= 0);
    const place = places.at(-1);
    let best = null;
    side.scores.seconds.forEach((each, at) => {
      const score = side.scores.score[at];
      if (each <= seconds && score !== null && (best === null || (side.lower ? score < best : score > best))) best = score;
    });
    const step = place === undefined ? undefined : side.samples[place];
    figures[i].words.textContent = `${step === undefined ? "" : `step ${count(step)}, `}best ${side.score_name} ${figure(best)}`;
    if (step === undefined) return;
    const sheet = await sheetOf(side.id, step);
    if (mine !== turn || !sheet || figures[i].image.src === sheet.src) return;
    figures[i].image.src = sheet.src;
    figures[i].image.alt = `${side.id} after ${span(seconds)}`;
    figures[i].image.classList.toggle("gd-smooth", side.task !== "digits");
  }));
}

function run(on) {
  playing = on;
  play.textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (Number(slider.value) >= 1000) slider.value = "0";
  for (const side of sides) side.samples.forEach((step) => sheetOf(side.id, step));
  let last = performance.now();
  const tick = (time) => {
    if (!playing) return;
    slider.value = String(Number(slider.value) + (time - last) / 8);
    last = time;
    show();
    if (Number(slider.value) >= 1000) run(false);
    else requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

play.addEventListener("click", () => run(!playing && Boolean(sides)));
slider.addEventListener("input", () => {
  run(false);
  show();
});
element.closest("#train-race").addEventListener("gd-race", ({ detail }) => {
  racers = detail;
  stamp = null;
  run(false);
  if (racers.length !== 2) {
    box.hidden = true;
    sides = null;
    return;
  }
  slider.value = "1000";
  look().then(() => box.hidden || box.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" }));
});
