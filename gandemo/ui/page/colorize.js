// Colorize: how strong the colour is, and dabs of colour that the network takes up.
const { make, photoBench, sliderSays } = window.gandemo;
const slider = element.querySelector(".gd-strength");
const group = element.querySelector(".gd-hints");
const how = element.querySelector(".gd-hints-how");
const palette = element.querySelector(".gd-palette");
const undo = element.querySelector(".gd-undo");
const clear = element.querySelector(".gd-clear");
const COLOURS = [
  ["Sky", "#6ea3d8"], ["Sea", "#2f6f86"], ["Leaves", "#4f7a35"], ["Straw", "#c8a75a"], ["Brick", "#a4523a"], ["Wood", "#7b5a3c"],
  ["Light skin", "#e0ac8b"], ["Dark skin", "#8a5a3f"], ["Red", "#b3262e"], ["Yellow", "#e2b632"], ["Navy", "#2b3f73"], ["Violet", "#76518e"],
];
let hints = [];
let chosen = null; // "#rrggbb"
let recolour = false;

const strength = () => Number(slider.value) / 100;
const request = () => ({ strength: strength(), hints, recolour, vivid: strength() > 1 });
const bench = photoBench({
  element, props, upload, watch, request, strength, send: Object.fromEntries(["ask", "take", "album", "stop"].map((name) => [name, (data) => trigger(name, data)])),
  fresh: () => {
    hints = [];
    recolour = false;
    group.disabled = true;
    pick(null);
    changed();
  },
  shown: (data) => {
    group.disabled = !data.takes_hints || !data.after;
    how.textContent = data.takes_hints || !data.after
      ? "Pick a colour, then dab it on the photo. The whole region follows."
      : "This network learned without hints; choose another to dab colours.";
    if (group.disabled) pick(null);
  },
  dab: (at) => {
    if (!chosen || group.disabled) return;
    hints = [...hints, { ...at, colour: [1, 3, 5].map((start) => parseInt(chosen.slice(start, start + 2), 16)) }];
    changed();
    bench.ask();
  },
  mark: () => {},
  ready: () => {
    recolour = true;
    bench.ask();
  },
});
const ours = make("input", { type: "color", value: "#c2410c", "aria-label": "Any other colour" });
const swatches = COLOURS.map(([name, colour]) => {
  const swatch = make("button", { type: "button", class: "gd-swatch", role: "radio", "aria-label": name, title: name, "aria-checked": "false", onclick: () => pick(chosen === colour ? null : colour) });
  swatch.style.background = colour;
  swatch.dataset.colour = colour;
  return swatch;
});
palette.append(...swatches, make("label", { class: "gd-swatch gd-any", title: "Any other colour" }, ours));
ours.addEventListener("input", () => pick(ours.value));
ours.addEventListener("click", () => pick(ours.value));
palette.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  const place = swatches.indexOf(event.target);
  if (!step || place < 0) return;
  event.preventDefault();
  swatches[(place + step + swatches.length) % swatches.length].focus();
});

function pick(colour) {
  chosen = colour;
  for (const swatch of swatches) swatch.setAttribute("aria-checked", String(swatch.dataset.colour === colour));
  ours.parentElement.classList.toggle("gd-chosen", Boolean(colour) && !swatches.some((swatch) => swatch.dataset.colour === colour));
  bench.view.use(colour ? { kind: "dab" } : null);
  if (colour) bench.seen();
}
function changed() {
  bench.view.dab(hints);
  undo.disabled = clear.disabled = !hints.length;
}
undo.addEventListener("click", () => {
  hints = hints.slice(0, -1);
  changed();
  bench.ask();
});
clear.addEventListener("click", () => {
  hints = [];
  changed();
  bench.ask();
});
slider.addEventListener("input", () => {
  sliderSays(slider, `${slider.value} %`);
  bench.view.mix(strength());
  if (strength() > 1 && bench.current()?.after && !bench.current().vivid) bench.ask(); // once; then it blends by itself
});
