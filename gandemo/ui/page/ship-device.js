// An exported file in this browser; the scripts that run it are fetched when somebody asks for it, from this server.
const { make, hear, address, still } = window.gandemo;
const place = element.querySelector(".gd-ship-device");
const home = element.closest("#ship-device");
let end = null;
let shown = null;
let wanted = null; // which request's answer is shown: an older one, or of another checkpoint, comes too late
let asks = 0;

function empty() {
  end?.();
  end = shown = wanted = null;
  tell("Press “Run it on this device” beside a TFLite file above. The first time, 3 MB of runtime are fetched from this server.");
}

function tell(text) {
  place.replaceChildren(make("p", { class: "gd-note", role: "status" }, text));
}

// Seen at once, wherever the button was: what it takes until the file runs is told here.
function asked({ detail }) {
  empty();
  wanted = detail;
  tell("Fetching the file …");
  home.closest(".gd-section").scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" });
}

// The server's values of the same digits, or null where it refuses: asked for by an event, answered by another part of
// the page.
function digits(checkpoint) {
  return (seed, count, label) => new Promise((resolve) => {
    const ask = String(++asks);
    const answered = ({ detail }) => {
      if (detail && detail.ask !== ask) return;
      home.removeEventListener("gd-compared", answered);
      if (!detail) return resolve(null); // why is told in a corner of the page
      const bytes = Uint8Array.from(atob(detail.values), (letter) => letter.charCodeAt(0));
      resolve(new Float32Array(bytes.buffer));
    };
    home.addEventListener("gd-compared", answered);
    trigger("compare", { ask, checkpoint, seed, count, label });
  });
}

async function draw() {
  const data = props.value;
  if (!data || data === shown || data.ask !== wanted) return;
  end?.();
  shown = data;
  tell("Fetching the runtime …");
  const base = address(props.runtime);
  const scripts = await import(base).catch(() => null);
  if (shown !== data) return;
  if (!scripts) return tell("The runtime could not be fetched: the connection broke. Load the page again.");
  const title = make("h3", {}, `${data.checkpoint}, ${data.format}`);
  const box = make("div", {});
  place.replaceChildren(title, box);
  end = scripts.mount(box, { base, model: address(data.path), description: data.description, example: data.example, expected: data.expected, digits: digits(data.checkpoint) });
}

watch("value", draw);
hear(element, "ship-device", "gd-asked", asked);
hear(element, "ship-device", "gd-failed", () => shown || empty()); // why is told in a corner of the page
hear(element, "ship-device", "gd-changed", empty);
empty();
