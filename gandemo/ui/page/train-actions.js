// The buttons of a run, the same in the table and above its curves, and what happens when they are pressed.
window.gandemo.runButtons = (() => {
  const { make, tell } = window.gandemo;
  const { attempt, say, look, choose, confirm, dialogOf, ticket } = window.gandemo.train;
  const { label, why, tabs } = window.gandemo.words;
  const pressed = new Set(); // "verb run" that the server has not answered yet

  // Fills `place` with the buttons of `run`; buttons that stay are not touched.
  function draw(place, run, { long = false } = {}) {
    const wanted = [...run.verbs];
    if (long && run.has_judge && !["queued", "starting"].includes(run.state)) wanted.splice(1, 0, "slow");
    const seen = JSON.stringify([run.id, run.state, wanted, run.refused, [...pressed].filter((each) => each.endsWith(run.id))]);
    if (place.dataset.seen === seen) return;
    place.dataset.seen = seen;
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.verb : null;
    const first = run.refused ? "fork" : wanted.find((verb) => ["stop", "resume", "use"].includes(verb));
    place.replaceChildren(...wanted.map((verb) => make("button", {
      type: "button", "data-verb": verb, title: why[verb] || "", disabled: pressed.has(`${verb} ${run.id}`),
      class: `gd-button ${verb === first ? "gd-first" : ""} ${verb === "delete" || verb === "end" ? "gd-quiet" : ""}`,
      onclick: () => act(verb, run),
    }, verb === "slow" ? (run.state === "running" ? "Pause for slow motion" : "Slow motion") : label(verb, run))));
    if (focused) (place.querySelector(`[data-verb="${focused}"]`) || place.firstElementChild)?.focus();
  }

  async function act(verb, run) {
    const key = `${verb} ${run.id}`;
    if (pressed.has(key)) return;
    pressed.add(key);
    window.gandemo.train.refresh();
    try {
      await ACTS[verb](asOfNow(run));
    } finally {
      pressed.delete(key);
      await look();
      window.gandemo.train.refresh();
    }
  }

  // The buttons stay while a run goes on, and were made for what it was then.
  function asOfNow(run) {
    const { head, list } = window.gandemo.train.state;
    return head?.id === run.id ? head : list?.runs.find((one) => one.id === run.id) || run;
  }

  async function plain(verb, run) {
    const answer = await attempt("act", { verb, run: run.id });
    if (answer) say(`${answer.says}.`);
    return answer;
  }

  const ACTS = {
    stop: (run) => plain("stop", run),
    resume: (run) => plain("resume", run),
    end: async (run) => {
      if (await confirm(`End ${run.id} without saving? It goes back to its last saved state.`, "End it", "Let it save")) await plain("end", run);
    },
    delete: async (run) => {
      const asked = await attempt("act", { verb: "ask_delete", run: run.id });
      if (!asked || !(await confirm(asked.question, "Delete it", "Keep it"))) return;
      const answer = await attempt("act", { verb: "delete", run: run.id, token: asked.token });
      if (answer) say(`${answer.says}.`);
    },
    fork: async (run) => {
      if (run.refused) {
        const answer = await attempt("act", { verb: "fork", run: run.id, refused: true, ticket: ticket() });
        if (answer) choose(answer.run);
        return;
      }
      tell("train-start", "gd-fork");
      tell("train-start", "gd-fork-of", run);
    },
    use: (run) => chooseCheckpoint(run, tabs[run.task] ? `Try it in ${tabs[run.task]}` : "Use it", async (step) => use(run, step)),
    publish: (run) => publish(run),
    slow: async (run) => {
      if (run.state === "running" && !(await plain("stop", run))) return;
      tell("slow-motion", "gd-open", run.id);
    },
  };

  const stepName = (name) => (name === "best" ? "the best one" : `step ${Number(name.slice(5)).toLocaleString("en")}`);

  async function checkpointsOf(run) {
    if (run.checkpoints) return run.checkpoints;
    await choose(run.id);
    return window.gandemo.train.state.head?.checkpoints || [];
  }

  async function chooseCheckpoint(run, yes, then) {
    const names = await checkpointsOf(run);
    if (names.length === 1) return then(names[0]);
    const select = make("select", { "aria-label": "Checkpoint" }, names.map((name) => make("option", { value: name }, stepName(name))));
    return new Promise((resolve) => {
      const dialog = dialogOf(
        make("h3", {}, `Which checkpoint of ${run.recipe}?`), select,
        make("div", { class: "gd-toolbar" },
          make("button", { type: "button", class: "gd-button gd-first", onclick: async () => { const chosen = select.value; dialog.close(); await then(chosen); } }, yes),
          make("button", { type: "button", class: "gd-button", onclick: () => dialog.close() }, "Cancel")));
      dialog.addEventListener("close", resolve);
    });
  }

  // The tab of its task takes the checkpoint as if its card had been chosen there.
  function use(run, step) {
    const tab = tabs[run.task];
    if (!tab) {
      say(`${run.recipe} has no tab of its own; the others measure with it.`);
      return;
    }
    window.gandemo.openTab(tab, run.task === "digits" ? "checkpoint" : `${run.task}-checkpoint`, (cards) =>
      cards.dispatchEvent(new CustomEvent("gd-use", { detail: { name: `${run.id}/${step}`, text: `${run.recipe}, ${stepName(step)}` } })));
  }

  async function publish(run) {
    const names = await checkpointsOf(run);
    const select = make("select", { id: "publish-checkpoint" }, names.map((name) => make("option", { value: name }, stepName(name))));
    const name = make("input", { type: "text", id: "publish-name", value: run.leads_to ? run.recipe : `my-${run.recipe}`, maxlength: "96", autocomplete: "off", spellcheck: "false" });
    const replace = make("input", { type: "checkbox", id: "publish-replace" });
    const says = make("p", { class: "gd-note gd-wrong-text", role: "alert" });
    const go = async (event) => {
      event.preventDefault();
      try {
        const answer = await window.gandemo.train.ask("act", { verb: "publish", run: run.id, checkpoint: select.value, name: name.value, replace: replace.checked });
        dialog.close();
        say(`${answer.says}.`);
      } catch (error) {
        says.textContent = error.message;
      }
    };
    const dialog = dialogOf(make("form", { onsubmit: go },
      make("h3", {}, "Publish a checkpoint"),
      make("p", { class: "gd-note" }, "It is measured on test pictures first, which takes a few minutes; then every list has it under its name."),
      run.leads_to ? make("p", { class: "gd-note" }, `${run.leads_to} goes on from this design, and finds it under the name ${run.recipe}.`) : null,
      make("label", { for: "publish-checkpoint" }, "Checkpoint"), select,
      make("label", { for: "publish-name" }, "Name"), name,
      make("label", { class: "gd-check" }, replace, "replace one of that name"), says,
      make("div", { class: "gd-toolbar" },
        make("button", { type: "submit", class: "gd-button gd-first" }, "Publish"),
        make("button", { type: "button", class: "gd-button", onclick: () => dialog.close() }, "Cancel"))));
    name.select();
  }

  return draw;
})();
