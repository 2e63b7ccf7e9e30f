// What comes of a push or a pull: null, progress, done (with a way on), or failed.
const { make, hear, openTab } = window.gandemo;
const place = element.querySelector(".gd-hub-told");
const id = element.closest("[id]").id;

const bar = make("span", { class: "gd-progress-bar" });
const track = make("div", { class: "gd-progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
const telling = make("p", { class: "gd-note" });
const working = make("div", { class: "gd-working", hidden: true }, track, telling);
const alarm = make("p", { class: "gd-alarm", role: "alert" });
const done = make("div", { class: "gd-hub-done", role: "status" });
place.append(working, alarm, done);

function onward(value) {
  if (value.url) return make("a", { class: "gd-button", href: value.url, target: "_blank", rel: "noopener noreferrer" }, value.label);
  if (!value.tab) return null;
  const use = (cards) => cards.dispatchEvent(new CustomEvent("gd-use", { detail: { name: value.name, text: value.about, from: value.from } }));
  return make("button", { type: "button", class: "gd-button gd-primary", onclick: () => openTab(value.tab, value.part, use) }, "Try it");
}

function draw() {
  const value = props.value;
  const kind = value ? value.kind : "";
  working.hidden = kind !== "progress";
  alarm.textContent = kind === "failed" ? value.text : "";
  done.replaceChildren();
  if (kind === "progress") {
    bar.style.width = `${100 * value.share}%`;
    track.setAttribute("aria-valuenow", String(Math.round(100 * value.share)));
    telling.textContent = value.text;
  }
  if (kind === "done") {
    const way = onward(value);
    done.append(make("p", {}, value.text), ...(way ? [way] : []));
  }
}

draw();
watch("value", draw);
hear(element, id, "gd-begun", () => {
  props.value = { kind: "progress", share: 0, text: "Waiting for its turn" };
  draw();
});
hear(element, id, "gd-failed", () => {
  props.value = null;
  draw();
});
