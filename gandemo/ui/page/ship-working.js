// How far an export is, with a way to stop it; then what came of it.
const { make, tell, hear } = window.gandemo;
const place = element.querySelector(".gd-ship-working");
const bar = make("span", { class: "gd-progress-bar" });
const track = make("div", { class: "gd-progress", role: "progressbar", "aria-label": "Progress of the export", "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
const telling = make("p", { class: "gd-note" });
const halt = make("button", { type: "button", class: "gd-button", onclick: () => trigger("stop", { ticket: props.value.ticket }) }, "Stop");
const working = make("div", { class: "gd-working", hidden: true }, track, telling, halt);
const done = make("p", { class: "gd-note gd-ship-done", role: "status" });
place.append(working, done);

function draw() {
  const value = props.value;
  working.hidden = !value || value.kind !== "progress";
  done.textContent = value && value.kind === "done" ? value.text : value && value.kind === "stopped" ? "Stopped; nothing was kept." : "";
  if (value?.kind === "done") tell("ship-exports", "gd-changed");
  if (working.hidden) return;
  bar.style.width = `${100 * value.share}%`;
  track.setAttribute("aria-valuenow", String(Math.round(100 * value.share)));
  telling.textContent = value.text;
  halt.hidden = !value.ticket;
}

draw();
watch("value", draw);
hear(element, "ship-working", "gd-begun", () => {
  props.value = { kind: "progress", share: 0, text: "Waiting for its turn" };
  draw();
});
hear(element, "ship-working", "gd-failed", () => {
  props.value = null;
  draw();
});
