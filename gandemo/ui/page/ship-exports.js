// The files that a checkpoint became: figures, downloads, and what can be done with each.
const { make, whenSeen, tell, hear } = window.gandemo;
const place = element.querySelector(".gd-ship-exports");
let asks = 0;

function run(wish) {
  const ask = String(++asks);
  tell("ship-device", "gd-asked", ask);
  trigger("run", { ...wish, ask });
}

function figure(name, value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, value));
}

function row(data, one) {
  const wish = { checkpoint: data.checkpoint, format: one.format };
  const actions = [make("button", { type: "button", class: "gd-button", onclick: () => trigger("take", wish) }, "Download")];
  if (one.runs_here) {
    actions.push(
      make("button", { type: "button", class: "gd-button gd-ship-run", onclick: () => run(wish) }, "Run it on this device"),
      make("button", { type: "button", class: "gd-button", onclick: () => trigger("pack", wish) }, "Download as a web page"),
    );
  }
  return make("article", { class: "gd-ship-export", "data-format": one.format },
    make("h3", {}, one.file),
    make("p", { class: "gd-note" }, one.title),
    make("dl", {},
      figure("Size", one.size),
      figure("Max error", one.max_error),
      figure("Mean error", one.mean_error),
      figure("PSNR", one.psnr),
      figure("Time", one.runtime),
      figure("PyTorch", one.torch)),
    make("div", { class: "gd-toolbar" }, actions));
}

function draw() {
  const data = props.value;
  if (!data) return;
  const empty = make("p", { class: "gd-note gd-ship-empty" }, `${data.checkpoint} was not exported yet. Choose a format and press Export.`);
  const told = data.rows.length ? [make("p", { class: "gd-note" }, `Differences from PyTorch's output, on a scale from -1 to 1, over 32 real inputs. Time for one input on ${data.machine}.`)] : [];
  place.replaceChildren(...(data.rows.length ? data.rows.map((one) => row(data, one)) : [empty]), ...told, ...data.notes.map((text) => make("p", { class: "gd-note" }, text)));
}

watch("value", draw);
const look = () => trigger("look"); // one event for all, so that the last answer is of the last checkpoint
hear(element, "ship-exports", "gd-changed", look);
whenSeen(element, look);
draw();
