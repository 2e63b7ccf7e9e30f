// The files that a checkpoint became: figures, downloads, and what can be done with each.
const { make, whenSeen, save } = window.gandemo;
const place = element.querySelector(".gd-ship-exports");
let saved = null;

function address(path) {
  const { root = "", api_prefix = "/gradio_api" } = window.gradio_config || {};
  return `${root}${api_prefix}/file=${path.split("/").map(encodeURIComponent).join("/")}`;
}

function figure(name, value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, value));
}

function row(data, one) {
  const wish = { checkpoint: data.checkpoint, format: one.format };
  const actions = [make("a", { class: "gd-button", href: address(one.path), download: one.file }, "Download")];
  if (one.runs_here) {
    actions.push(
      make("button", { type: "button", class: "gd-button gd-ship-run", onclick: () => trigger("run", wish) }, "Run it on this device"),
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
  if (data.zip && data.zip !== saved) {
    saved = data.zip;
    save(address(data.zip), data.zip_name);
  }
  const empty = make("p", { class: "gd-note gd-ship-empty" }, `${data.checkpoint} was not exported yet. Choose a format and press Export.`);
  const told = data.rows.length ? [make("p", { class: "gd-note" }, `Differences from PyTorch's output, on a scale from -1 to 1, over 32 real inputs. Time for one input on ${data.machine}.`)] : [];
  place.replaceChildren(...(data.rows.length ? data.rows.map((one) => row(data, one)) : [empty]), ...told, ...data.notes.map((text) => make("p", { class: "gd-note" }, text)));
}

watch("value", draw);
whenSeen(element, () => trigger("seen"));
draw();
