// What the parts of the tab Train share: the line to the server, and the state of all runs as it was last seen.
// All that is shown of runs comes from `look`; a second browser or a restarted server shows the same.
window.gandemo.train = (() => {
  const FAST = 900; // milliseconds between two looks while something trains
  const SLOW = 1700;
  const state = { list: null, head: null, curves: null, doctor: null, now: 0, offline: false, run: null };
  const followers = [];
  const wish = { first: null, last: null, rows: 12 };
  let stamps = {};
  let server = null;
  let anchor = null;
  let looking = null;
  let timer = 0;
  let connected;
  const ready = new Promise((resolve) => { connected = resolve; });

  // A secret of this browser's own making: on a public server it is what tells whose run it is.
  const owner = remembered("gandemo-owner", () => {
    const bytes = crypto.getRandomValues(new Uint8Array(24));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  });

  function remembered(key, make) {
    try {
      const known = localStorage.getItem(key);
      if (known) return known;
      const made = make();
      if (made !== null) localStorage.setItem(key, made);
      return made;
    } catch {
      return make(); // a browser that keeps nothing
    }
  }

  function ticket() {
    return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Asks the server; what went wrong there is an Error with a sentence for people.
  async function ask(name, values = {}) {
    await ready;
    const answer = await server[name]({ ...values, owner });
    if (answer === undefined) throw new Error("The server does not answer. Is it still running?");
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  // The same, with the error said on the page; the answer is null then.
  async function attempt(name, values) {
    try {
      return await ask(name, values);
    } catch (error) {
      say(error.message, true);
      return null;
    }
  }

  const isSeen = () => !document.hidden && anchor && anchor.isConnected && anchor.offsetParent !== null;

  function look() {
    looking = looking || once().finally(() => { looking = null; });
    return looking;
  }

  async function once() {
    clearTimeout(timer);
    try {
      const wanted = state.run;
      const answer = await ask("look", { run: wanted, ...wish, known: stamps });
      if (wanted !== state.run) return; // another run was chosen meanwhile: the next look is for it
      state.offline = false;
      state.now = answer.now;
      state.at = performance.now();
      for (const part of ["list", "head", "curves", "doctor"]) if (answer[part] !== undefined) state[part] = answer[part];
      if (state.list && state.list.count === 0) state.head = state.curves = state.doctor = null;
      stamps = answer.stamps;
      if (state.head && state.run === null) state.run = state.head.id;
      tellAll(answer);
    } catch (error) {
      state.offline = true;
      tellAll({});
    }
    plan();
  }

  function plan() {
    clearTimeout(timer);
    const busy = state.list && (state.list.active.length || state.list.queue.length || state.list.publications.some(isUnderWay));
    timer = setTimeout(() => (isSeen() ? look() : plan()), busy ? FAST : SLOW);
  }

  const isUnderWay = (one) => one.state === "waiting" || one.state === "measuring";

  function tellAll(answer) {
    for (const follower of followers) follower(state, answer);
  }

  // Shows everything again, as when a button was pressed.
  function refresh() {
    tellAll({ list: state.list, head: state.head });
  }

  function watch(follower) {
    followers.push(follower);
    follower(state, {});
  }

  async function choose(run) {
    state.run = run;
    wish.first = wish.last = null;
    stamps = { list: stamps.list };
    try {
      sessionStorage.setItem("gandemo-run", run);
    } catch { /* a browser that keeps nothing */ }
    if (looking) await looking;
    return look();
  }

  // Curves between two steps, finer; null for the whole run.
  function zoom(first, last) {
    wish.first = first;
    wish.last = last;
    look();
  }

  function rows(count) {
    wish.rows = count;
    look();
  }

  function connect(line, element) {
    server = line;
    anchor = element;
    connected();
    try {
      state.run = sessionStorage.getItem("gandemo-run");
    } catch { /* a browser that keeps nothing */ }
    look();
    document.addEventListener("visibilitychange", () => isSeen() && look());
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && look()).observe(element);
  }

  // One sentence at the page's edge, read out as well.
  let toast = null;
  let vanishes = 0;
  function say(text, isError = false) {
    const { make } = window.gandemo;
    if (!toast) {
      toast = make("div", { class: "gd-toast", role: "status" });
      document.body.append(toast);
    }
    toast.replaceChildren(make("p", {}, text), make("button", { type: "button", "aria-label": "Close", onclick: () => toast.classList.remove("gd-shown") }, "×"));
    toast.classList.toggle("gd-wrong", isError);
    toast.classList.add("gd-shown");
    clearTimeout(vanishes);
    vanishes = setTimeout(() => toast.classList.remove("gd-shown"), isError ? 12000 : 5000);
  }

  // A window before everything else, gone once it is closed.
  function dialogOf(...parts) {
    const dialog = window.gandemo.make("dialog", { class: "gd-dialog", onclose: () => dialog.remove() }, ...parts);
    document.querySelector(".gradio-container .contain").append(dialog); // where the page's styles hold
    dialog.showModal();
    return dialog;
  }

  // A question that must be answered before something happens; true if it was.
  function confirm(question, yes, no = "Cancel") {
    const { make } = window.gandemo;
    return new Promise((resolve) => {
      let answer = false;
      const close = (said) => { answer = said; dialog.close(); };
      const dialog = dialogOf(
        make("p", {}, question),
        make("div", { class: "gd-toolbar" },
          make("button", { type: "button", class: "gd-button gd-danger", onclick: () => close(true) }, yes),
          make("button", { type: "button", class: "gd-button", autofocus: true, onclick: () => close(false) }, no)));
      dialog.addEventListener("close", () => resolve(answer));
    });
  }

  return { state, ask, attempt, watch, refresh, choose, zoom, rows, look, connect, say, confirm, dialogOf, ticket };
})();
