// Plays a walk from one sheet of frames; the slider moves through it without asking the server again.
const { make, picture, crispWidth, whenSeen, hear, save, still } = window.gandemo;
const canvas = element.querySelector("canvas");
const pen = canvas.getContext("2d");
const play = element.querySelector(".gd-play");
const slider = element.querySelector("input");
const keep = element.querySelector(".gd-keep");
const caption = element.querySelector(".gd-caption");
const SECONDS = 4; // from one end to the other
let walk = null;
let sheet = null;
let place = 0; // 0 at the start seed, 1 at the end seed
let forward = true;
let playing = false;
let last = 0;
let saved = null;

const nameOf = (wish) => `gandemo-${wish.checkpoint}-walk-${wish.start}-${wish.end}.png`;

function paint() {
  if (!sheet) return;
  const { width, height, frames, columns } = walk;
  const exact = place * (frames - 1);
  const first = Math.min(Math.floor(exact), frames - 2);
  [[first, 1], [first + 1, exact - first]].forEach(([index, alpha]) => {
    pen.globalAlpha = alpha;
    pen.drawImage(sheet, (index % columns) * width, Math.floor(index / columns) * height, width, height, 0, 0, width, height);
  });
  slider.value = String(Math.round(1000 * place));
  slider.setAttribute("aria-valuetext", `${Math.round(100 * place)} % of the way`);
}

function tick(now) {
  if (!playing) return;
  const step = Math.min(0.1, (now - last) / 1000) / SECONDS;
  last = now;
  place += forward ? step : -step;
  if (place >= 1 || place <= 0) {
    place = Math.max(0, Math.min(1, place));
    forward = place === 0;
  }
  paint();
  requestAnimationFrame(tick);
}

function run(on) {
  playing = on && Boolean(sheet);
  play.textContent = playing ? "Pause" : "Play";
  play.classList.toggle("gd-playing", playing);
  if (!playing) return;
  last = performance.now();
  requestAnimationFrame(tick);
}

function lay() {
  if (!walk) return;
  const room = canvas.parentElement.parentElement.clientWidth - 24;
  canvas.style.width = `${crispWidth(walk.width, room, 300, walk.height / walk.width)}px`;
}

async function show() {
  const data = props.value;
  if (!data) return;
  if (data.film && data.film !== saved) {
    saved = data.film;
    save(data.film, nameOf(data.wish));
  }
  if (!data.sheet || (walk && walk.sheet === data.sheet)) return;
  const image = await picture(data.sheet);
  if (props.value !== data) return;
  [walk, sheet, place, forward] = [data, image, 0, true];
  canvas.width = data.width;
  canvas.height = data.height;
  canvas.setAttribute("aria-label", data.alt);
  canvas.parentElement.classList.remove("gd-waiting");
  caption.textContent = data.caption;
  for (const control of [play, slider, keep]) control.disabled = false;
  lay();
  paint();
  run(!still.matches);
}

play.addEventListener("click", () => run(!playing));
slider.addEventListener("input", () => {
  run(false);
  place = Number(slider.value) / 1000;
  paint();
});
keep.addEventListener("click", () => {
  if (props.value.film) save(props.value.film, nameOf(props.value.wish));
  else trigger("keep", walk.wish);
});
new ResizeObserver(lay).observe(canvas.parentElement.parentElement);
watch("value", show);
let wanted = false;
whenSeen(element, () => {
  wanted = true;
  trigger("seen");
});
hear(element, "walk", "gd-changed", () => wanted && trigger("seen"));
show();
