import { mount } from "./litert/device.js";

const root = document.getElementById("device");

// What the checkpoint gives in PyTorch for seed 0, to compare with.
async function expected(seed, count, label) {
  if (seed !== 0 || label !== null) return null;
  return new Float32Array(await (await fetch("expected.bin")).arrayBuffer());
}

try {
  const description = await (await fetch("model.json")).json();
  const photo = description.task !== "digits";
  mount(root, {
    base: new URL("litert/device.js", location),
    model: "model.tflite",
    description,
    whose: "PyTorch's",
    example: photo ? "example.png" : "",
    expected: photo ? "expected.png" : "",
    digits: photo ? null : expected,
  });
} catch (error) {
  root.firstElementChild.textContent = "The files beside this page can't be read. Open it through a web server, for example: python -m http.server";
}

// After one visit the page works without a network; from then on it can be put on a phone's home screen.
if ("serviceWorker" in navigator && location.protocol.startsWith("http")) {
  navigator.serviceWorker.register("sw.js").catch(() => {});
}
