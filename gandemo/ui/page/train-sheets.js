// A run's sheets of samples: fetched a few at a time, kept, and shown without a blink.
window.gandemo.sheets = (() => {
  const { ask } = window.gandemo.train;
  const { picture } = window.gandemo;
  const AT_ONCE = 16;
  const MOST = 400;
  const kept = new Map(); // "run step" to a promise of a decoded picture, or null where it is gone
  let waiting = new Map();
  let timer = 0;

  const keyOf = (run, step) => `${run} ${step}`;

  function get(run, step) {
    const key = keyOf(run, step);
    if (!kept.has(key)) {
      let give;
      kept.set(key, new Promise((resolve) => { give = resolve; }));
      waiting.set(key, { run, step, give });
      clearTimeout(timer);
      timer = setTimeout(fetchAll, 0);
      while (kept.size > MOST) kept.delete(kept.keys().next().value);
    }
    return kept.get(key);
  }

  async function fetchAll() {
    const wanted = [...waiting.values()];
    waiting = new Map();
    const byRun = Map.groupBy ? Map.groupBy(wanted, (one) => one.run) : wanted.reduce((map, one) => map.set(one.run, [...(map.get(one.run) || []), one]), new Map());
    for (const [run, ones] of byRun) {
      for (let start = 0; start < ones.length; start += AT_ONCE) {
        const part = ones.slice(start, start + AT_ONCE);
        let found = {};
        try {
          found = (await ask("pictures", { run, steps: part.map((one) => one.step) })).pictures;
        } catch {
          part.forEach((one) => kept.delete(keyOf(run, one.step))); // asked for again next time
        }
        for (const one of part) one.give(found[one.step] ? await picture(found[one.step]).catch(() => null) : null);
      }
    }
  }

  return { get };
})();
