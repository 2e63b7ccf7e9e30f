// How the tab Train says things: times, counts, states, and the buttons that a run has.
window.gandemo.words = (() => {
  const { make } = window.gandemo;

  function span(seconds) {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
    const whole = Math.round(seconds);
    if (whole < 90) return `${whole} s`;
    if (whole < 90 * 60) return `${Math.round(whole / 60)} min`;
    const hours = whole / 3600;
    return hours < 36 ? `${Math.floor(hours)} h ${Math.round((hours % 1) * 60)} min` : `${(hours / 24).toFixed(1)} days`;
  }

  // How long ago, in one unit.
  function ago(seconds) {
    if (seconds < 5) return "now";
    const [size, unit] = [[86400, "days"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => seconds >= 1.5 * size || size === 1);
    return `${Math.round(seconds / size)} ${unit} ago`;
  }

  const count = (number) => Math.round(number).toLocaleString("en");

  function figure(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    return size >= 1000 ? count(value) : size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 0.1 || size === 0 ? value.toFixed(2) : value.toPrecision(2);
  }

  function bytes(size) {
    return size >= 1e9 ? `${(size / 1e9).toFixed(1)} GB` : `${Math.max(1, Math.round(size / 1e6))} MB`;
  }

  const STATES = {
    queued: "in the queue", starting: "starting", running: "training", stopping: "saving and stopping",
    stopped: "paused", interrupted: "interrupted", failed: "failed", done: "done",
  };
  const chip = (state) => make("span", { class: `gd-state gd-is-${state}` }, STATES[state] || state);

  // Which buttons a run has: verb, label, whether it is the first thing to do.
  const LABELS = {
    stop: "Stop", end: "End without saving", resume: "Resume", fork: "Fork", use: "Use it", publish: "Publish", delete: "Delete",
  };
  const label = (verb, run) => (verb === "stop" && run.state === "queued" ? "Leave the queue" : LABELS[verb]);
  const why = {
    stop: "Saves first; Resume goes on from there", end: "Goes back to the last saved state", resume: "Goes on from the last saved state",
    fork: "A new run from its weights, with other settings", use: "Try a checkpoint of it in its tab",
    publish: "Measure a checkpoint and lay it into checkpoints/ under a name", delete: "Asks first",
  };

  const tabs = { digits: "Digits", colorize: "Colorize", enhance: "Enhance" };

  return { span, ago, count, figure, bytes, chip, label, why, tabs, STATES };
})();
