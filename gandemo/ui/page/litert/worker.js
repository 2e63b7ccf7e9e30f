// Runs a .tflite file in a thread of its own, so that the page stays alive. One model at a time.
// Messages: { id, op: "load", model: ArrayBuffer } or { id, op: "run", signature, inputs: { name: { data, shape } } }.
importScripts("litert.js");

let model = null;
let runtime = null;

// The runtime is packed: a third of the bytes, on servers that compress nothing.
async function unpacked(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the runtime could not be fetched (${answer.status})`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] === 0) return bytes; // "\0asm": the server has unpacked it already
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function start() {
  const printErr = (text) => /^(INFO|WARNING)/.test(text) || console.error(text); // it tells its whole life as errors
  self.Module = { wasmBinary: await unpacked("litert.wasm.gz"), printErr };
  // The processor alone: what a graphics card makes of a network differs from card to card.
  Object.defineProperty(self.navigator, "gpu", { value: { requestAdapter: async () => null } });
  const warn = console.warn;
  console.warn = () => {};
  try {
    await LiteRT.loadLiteRt(new URL("litert-wasm.js", self.location).href);
  } finally {
    console.warn = warn;
  }
}

const OPS = {
  async load({ model: bytes }) {
    runtime ||= start();
    await runtime;
    model?.delete();
    model = await LiteRT.loadAndCompile(new Uint8Array(bytes), { accelerator: "wasm" });
    return {};
  },

  async run({ signature, inputs }) {
    const given = {};
    let outputs = {};
    try {
      for (const [name, { data, shape }] of Object.entries(inputs)) given[name] = new LiteRT.Tensor(data, shape);
      const began = performance.now();
      outputs = await model.run(signature, given);
      const values = {};
      for (const [name, tensor] of Object.entries(outputs)) values[name] = await tensor.data();
      return { values, milliseconds: performance.now() - began };
    } finally {
      for (const tensor of [...Object.values(given), ...Object.values(outputs)]) tensor.delete();
    }
  },
};

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ id: data.id, answer: await OPS[data.op](data) });
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message || error) });
  }
};
