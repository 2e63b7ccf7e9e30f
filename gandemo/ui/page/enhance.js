// Enhance: how large, how crisp, how strong; a brush for what is to be painted in; and all of it with one button.
const { photoBench, sliderSays } = window.gandemo;
const find = (selector) => element.querySelector(selector);
const [strengthSlider, crispSlider, sizeSlider] = [".gd-strength", ".gd-crisp", ".gd-size"].map(find);
const [restore, brush, undo, clear, paint, group] = [".gd-restore", ".gd-mark", ".gd-undo", ".gd-clear", ".gd-paint", ".gd-brush"].map(find);
const how = find(".gd-brush-how");
const scales = [...element.querySelectorAll("input[name='gd-scale']")];
let crisp = null; // the checkpoint's own, until somebody moves the slider
let asked = null; // the mask that the shown result was made with
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

const strength = () => Number(strengthSlider.value) / 100;
const request = () => ({
  strength: strength(),
  crisp,
  scale: Number(scales.find((one) => one.checked).value),
  mask: asked,
  restore: pressed(restore),
});
const bench = photoBench({
  element, props, upload, watch, request, strength, send: Object.fromEntries(["ask", "take", "album", "stop"].map((name) => [name, (data) => trigger(name, data)])),
  fresh: (next) => {
    asked = null;
    const example = props.examples.find((one) => one.name === next?.example);
    for (const one of scales) one.checked = one.value === String(example?.scale || 1);
    press(restore, Boolean(example?.restore));
    asked = example?.mask || null;
    restore.disabled = group.disabled = true;
    take(false);
    bench?.view.clearMarks();
    marked();
  },
  shown: async (data) => {
    restore.disabled = !data.after;
    group.disabled = !data.can_paint;
    how.textContent = data.can_paint ? props.how_to_paint : props.why_not_paint;
    crispSlider.disabled = !data.can_blend;
    if (crisp === null || !data.can_blend) tellCrisp(data.crisp);
    if (!data.can_blend) crisp = null; // of this checkpoint there is one end alone
    const example = props.examples.find((one) => one.name === bench.example());
    if (asked && example?.mask === asked && !bench.view.isMarked()) await bench.view.stampMask(asked);
    take(false);
    marked();
  },
  dab: () => {},
  mark: () => marked(),
  ready: () => {},
});

function tellCrisp(value) {
  crispSlider.value = String(Math.round(100 * value));
  const words = value <= 0.2 ? "faithful" : value >= 0.8 ? "crisp" : "in between";
  sliderSays(crispSlider, words);
}
function take(on) {
  press(brush, on);
  bench?.view.use(on ? { kind: "brush", size: Number(sizeSlider.value) / 1000 } : null);
  element.classList.toggle("gd-marks-shown", on);
}
function marked() {
  const any = Boolean(bench?.view.isMarked());
  undo.disabled = clear.disabled = !any;
  paint.disabled = !any;
}
how.textContent = props.how_to_paint;
tellCrisp(0.5);
restore.addEventListener("click", () => {
  press(restore, !pressed(restore));
  asked = bench.view.mask();
  bench.ask();
});
for (const one of scales) one.addEventListener("change", () => bench.ask());
crispSlider.addEventListener("input", () => tellCrisp(Number(crispSlider.value) / 100));
crispSlider.addEventListener("change", () => {
  crisp = Number(crispSlider.value) / 100;
  bench.ask();
});
strengthSlider.addEventListener("input", () => {
  sliderSays(strengthSlider, `${strengthSlider.value} %`);
  bench.view.mix(strength());
});
sizeSlider.addEventListener("input", () => {
  sliderSays(sizeSlider, `${Number(sizeSlider.value) / 10} %`);
  take(pressed(brush));
});
brush.addEventListener("click", () => {
  take(!pressed(brush));
  if (pressed(brush)) bench.seen();
});
undo.addEventListener("click", () => {
  bench.view.undoMark();
  marked();
});
clear.addEventListener("click", () => {
  bench.view.clearMarks();
  marked();
  if (!asked) return;
  asked = null;
  bench.ask();
});
paint.addEventListener("click", () => {
  asked = bench.view.mask();
  bench.ask();
});
