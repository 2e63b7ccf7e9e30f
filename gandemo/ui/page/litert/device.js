// "Try it on this device": a .tflite file in this browser, by itself or inside gandemo's page.
// mount(element, { base, model, description, example, expected, digits }) draws it and returns a function that ends it.
//   base         where this file lies
//   model        URL of the .tflite file
//   description  what the file says of itself: task, signatures, inputs, outputs, size, latent, class_names
//   example      URL of a photo, for photo tasks
//   expected     URL of the server's picture of that example
//   whose        whose results these are compared with, for people; "the server's" unless told
//   digits       async (seed, count, label) → float32 the server's values of these digits, or null
import { noise } from "./noise.js";
import { byTiles, chromaOf, colorize } from "./photo.js";

const COUNT = 20;
const LONGEST = 1600; // of a photo's sides; a phone would take minutes for more
const NARROWEST = 16; // sides to each other: the network sees a copy that is never narrower than a tile

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(key, value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const BROKEN = "this browser can't run the file, or the connection broke; load the page again";

// The file in its worker; calls are answered in order.
class Device {
  constructor(base, model) {
    this.worker = new Worker(new URL("worker.js", base));
    this.waiting = new Map();
    this.calls = 0;
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.answer);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.broken = true; // also for what is asked later
      for (const { reject } of this.waiting.values()) reject(new Error(BROKEN));
      this.waiting.clear();
    };
    this.ready = this.load(model);
  }

  async load(model) {
    const answer = await fetch(model);
    if (!answer.ok) throw new Error(`the model could not be fetched (${answer.status})`);
    const bytes = await answer.arrayBuffer();
    this.bytes = bytes.byteLength;
    const began = performance.now();
    await this.call({ op: "load", model: bytes }, [bytes]);
    this.seconds = (performance.now() - began) / 1000;
  }

  call(message, moved = []) {
    const id = ++this.calls;
    return new Promise((resolve, reject) => {
      if (this.broken) return reject(new Error(BROKEN));
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...message, id }, moved);
    });
  }

  async run(signature, inputs) {
    await this.ready;
    return this.call({ op: "run", signature, inputs });
  }

  end() {
    this.worker.terminate();
  }
}

export function mount(root, options) {
  const { description } = options;
  const device = new Device(options.base, options.model);
  const status = make("p", { class: "gd-device-status", role: "status" }, "Loading the file and its runtime …");
  const body = make("div", { class: "gd-device-body" });
  root.replaceChildren(make("div", { class: "gd-device" }, body, status));
  const say = (text) => (status.textContent = text);
  const controls = [];
  let busy = 0;
  const hold = () => controls.forEach((control) => (control.disabled = busy > 0));
  const add = (...more) => {
    controls.push(...more); // they may come in the middle of work
    hold();
  };
  const work = async (task) => {
    busy++;
    hold();
    root.firstChild.classList.add("gd-device-busy");
    try {
      await task();
    } catch (error) {
      say(`That did not work: ${error.message}.`);
    } finally {
      busy--;
      hold();
      root.firstChild?.classList.toggle("gd-device-busy", busy > 0);
    }
  };
  const parts = { device, description, options, body, say, add, work };
  work(async () => {
    await device.ready;
    say(`Ready: ${(device.bytes / 1e6).toFixed(1)} MB, prepared in ${device.seconds.toFixed(1)} s.`);
    await (description.task === "digits" ? digitsView(parts) : photoView(parts));
  });
  return () => device.end();
}

const milliseconds = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));

// --- digits -----------------------------------------------------------------------------------------------

async function digitsView({ device, description, options, body, say, add, work }) {
  const size = description.size;
  const canvas = make("canvas", { class: "gd-device-wall", width: 10 * (size + 2) - 2, height: 2 * (size + 2) - 2, role: "img" });
  const seed = make("input", { type: "number", min: "0", step: "1", value: "0", inputmode: "numeric", "aria-label": "Seed" });
  const label = make("select", { "aria-label": "Class" }, make("option", { value: "" }, "each class"));
  description.class_names.forEach((name, index) => label.append(make("option", { value: String(index) }, name)));
  const go = make("button", { type: "button", class: "gd-button gd-device-go" }, "Generate here");
  const dice = make("button", { type: "button", class: "gd-button" }, "Roll the dice");
  const bar = make("div", { class: "gd-device-controls" }, make("label", {}, "Seed ", seed), go, dice);
  if (description.class_names.length) bar.insertBefore(make("label", {}, "Class ", label), go);
  body.replaceChildren(bar, canvas);
  add(seed, label, go, dice);

  const draw = async () => {
    if (!/^\d{1,15}$/.test(seed.value)) {
      say("The seed must be a whole number from 0.");
      return;
    }
    const wanted = label.value === "" ? null : Number(label.value);
    const latents = noise(Number(seed.value), COUNT, description.latent);
    const values = new Float32Array(COUNT * size * size);
    const single = Object.entries(description.signatures).find(([, batch]) => batch === 1)[0];
    const times = [];
    for (let index = 0; index < COUNT; index++) {
      const inputs = { noise: { data: latents.slice(index * description.latent, (index + 1) * description.latent), shape: [1, description.latent] } };
      if (description.class_names.length) inputs.label = { data: Int32Array.of(wanted ?? index % description.class_names.length), shape: [1] };
      const { values: out, milliseconds: took } = await device.run(single, inputs);
      values.set(out.image, index * size * size);
      times.push(took);
    }
    paint(canvas, values, size);
    canvas.setAttribute("aria-label", `${COUNT} pictures made on this device from seed ${seed.value}`);
    const typical = times.sort((a, b) => a - b)[COUNT / 2];
    const made = `${COUNT} pictures, ${milliseconds(typical)} ms each on this device`;
    say(`${made}.`);
    const truth = await options.digits?.(Number(seed.value), COUNT, wanted);
    if (!truth) return;
    let largest = 0;
    for (let index = 0; index < values.length; index++) largest = Math.max(largest, Math.abs(values[index] - truth[index]));
    canvas.dataset.largest = String(largest);
    say(`${made}. Largest difference from ${whose(options)}: ${largest.toExponential(1)} on a scale from -1 to 1, ${levels(127.5 * largest)}.`);
  };
  const start = () => work(draw);
  go.addEventListener("click", start);
  seed.addEventListener("keydown", (event) => event.key === "Enter" && start());
  label.addEventListener("change", start);
  dice.addEventListener("click", () => {
    seed.value = String(Math.floor(Math.random() * 1000000));
    start();
  });
  await draw();
}

const whose = (options) => options.whose || "the server's";
const levels = (value) => (value < 0.5 ? "less than one grey level of 256" : `${value.toFixed(0)} grey level${value < 1.5 ? "" : "s"} of 256`);

function paint(canvas, values, size) {
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(size, size);
  for (let index = 0; index < COUNT; index++) {
    for (let pixel = 0; pixel < size * size; pixel++) {
      const grey = Math.round((values[index * size * size + pixel] + 1) * 127.5);
      picture.data.set([grey, grey, grey, 255], 4 * pixel);
    }
    pen.putImageData(picture, (index % 10) * (size + 2), Math.floor(index / 10) * (size + 2));
  }
}

// --- photos -----------------------------------------------------------------------------------------------

async function photoView({ device, description, options, body, say, add, work }) {
  const before = make("canvas", { role: "img", "aria-label": "The photo as it was" });
  const after = make("canvas", { role: "img", "aria-label": "The photo as this device made it" });
  const file = make("input", { type: "file", accept: "image/*", class: "gd-device-file", "aria-label": "Your photo" });
  const choose = make("label", { class: "gd-button gd-device-go" }, "Choose a photo", file);
  const again = make("button", { type: "button", class: "gd-button" }, "The example");
  const keep = make("button", { type: "button", class: "gd-button" }, "Save PNG");
  const bar = make("progress", { max: "1", value: "0", "aria-label": "Progress" });
  const pair = make("div", { class: "gd-device-pair" }, make("figure", {}, before, make("figcaption", {}, "Before")), make("figure", {}, after, make("figcaption", {}, "On this device")));
  body.replaceChildren(make("div", { class: "gd-device-controls" }, choose, again, keep), bar, pair);
  add(file, again, keep);

  const show = async (source, expected) => {
    const bitmap = await createImageBitmap(source).catch(() => {
      throw new Error("this is no picture that the browser can read");
    });
    const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    if (Math.max(bitmap.width, bitmap.height) > NARROWEST * Math.min(bitmap.width, bitmap.height)) {
      throw new Error(`a photo may be up to ${NARROWEST} times as long as it is wide here; cut it first`);
    }
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    for (const canvas of [before, after]) Object.assign(canvas, { width, height });
    const pen = before.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingQuality = "high";
    pen.drawImage(bitmap, 0, 0, width, height);
    after.getContext("2d").drawImage(before, 0, 0);
    const pixels = pen.getImageData(0, 0, width, height).data;
    bar.value = 0;
    const began = performance.now();
    const times = [];
    const run = async (inputs) => {
      const { values, milliseconds: took } = await device.run(Object.keys(description.signatures)[0], inputs);
      times.push(took);
      return values[Object.keys(description.outputs)[0]];
    };
    const told = (share) => (bar.value = share);
    const { size } = description;
    const made = description.task === "colorize"
      ? await colorize(pixels, width, height, size, description.predicts === "rgb", (tile) => chroma(tile, description, run), told)
      : await byTiles(pixels, width, height, size, (tile) => run({ image: { data: tile, shape: [1, size, size, 3] } }), told);
    bar.value = 1;
    after.getContext("2d").putImageData(new ImageData(made, width, height), 0, 0);
    const middle = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
    const words = [`${width}×${height} pixels in ${((performance.now() - began) / 1000).toFixed(1)} s, ${milliseconds(middle)} ms for each of ${times.length} run${times.length > 1 ? "s" : ""} on this device.`];
    if (scale < 1) words.push(`Scaled down to ${LONGEST} pixels.`);
    if (expected) {
      const { largest, mean } = await difference(made, width, height, expected);
      after.dataset.largest = String(largest);
      words.push(`Largest difference from ${whose(options)}: ${largest} of 255 (mean ${mean.toFixed(3)}).`);
    } else words.push("It never left this device.");
    say(words.join(" "));
  };
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = ""; // so that the same photo can be chosen again
    if (chosen) work(() => show(chosen, null));
  });
  const example = () => work(async () => show(await (await fetch(options.example)).blob(), options.expected));
  again.addEventListener("click", example);
  keep.addEventListener("click", () => {
    const link = make("a", { href: after.toDataURL("image/png"), download: `${description.name.replace(/\W+/g, "-")}.png` });
    document.body.append(link);
    link.click();
    link.remove();
  });
  if (options.example) await show(await (await fetch(options.example)).blob(), options.expected);
}

// The colour of one square tile of grey or of lightness; where the network would take hints, it is given none.
async function chroma(tile, description, run) {
  const { size, inputs, predicts } = description;
  const given = { [predicts === "rgb" ? "grey" : "lightness"]: { data: tile, shape: [1, size, size, 1] } };
  if (inputs.hints) given.hints = { data: new Float32Array(3 * size * size), shape: [1, size, size, 3] };
  const out = await run(given);
  return predicts === "rgb" ? chromaOf(out) : out;
}

async function difference(made, width, height, expected) {
  const bitmap = await createImageBitmap(await (await fetch(expected)).blob());
  const canvas = make("canvas", { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0);
  const truth = pen.getImageData(0, 0, width, height).data;
  let [largest, sum] = [0, 0];
  for (let p = 0; p < made.length; p++) {
    const away = Math.abs(made[p] - truth[p]);
    largest = Math.max(largest, away);
    sum += away;
  }
  return { largest, mean: sum / (0.75 * made.length) };
}
