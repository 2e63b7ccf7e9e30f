// The bench of the tabs Colorize and Enhance: photos come in by drop, paste, file, camera or example, and leave as PNGs.
//
//   send           the component's events: ask, take, album, stop
//   request()      the tab's settings, as the server wants them
//   strength()     what the result is blended with
//   shown(data)    called when a photo is there
//   fresh()        called before a new photo comes
window.gandemo.photoBench = ({ element, props, send, upload, watch, request, strength, shown, fresh, dab, mark, ready }) => {
  const { make, picture, busy, hear, address, save, photoView, notSent, still } = window.gandemo;
  const byTouch = matchMedia("(pointer: coarse)").matches;
  const main = element.querySelector(".gd-bench-main");
  let photo = null; // what the server is asked about: { path, name } or { example }
  let data = null; // what it said of it
  let album = null; // what became of several
  let batch = []; // what the album was made of
  let ticket = ""; // of the request whose answer is wanted; what comes for another is out of date
  let running = ""; // of the request that the server is at
  let next = null; // the request that goes out once that has ended: { event, wish }
  let uploading = 0;

  const button = (text, classes, click) => make("button", { type: "button", class: `gd-button ${classes}`, onclick: click }, text);
  const files = make("input", { type: "file", multiple: true, accept: "image/*,.tif,.tiff,.avif,.zip", hidden: true, "aria-label": "Choose photos" });
  const camera = make("input", { type: "file", accept: "image/*", capture: "environment", hidden: true, "aria-label": "Take a photo" });
  const choose = button("Choose photos", "gd-choose gd-primary", () => files.click());
  const shoot = button("Take a photo", "gd-shoot", () => (byTouch ? camera.click() : look()));
  const drop = make("div", { class: "gd-drop" },
    make("span", { class: "gd-drop-icon", "aria-hidden": "true" }),
    make("h3", {}, `${byTouch ? "Choose" : "Drop"} ${props.invitation}`),
    make("div", { class: "gd-toolbar" }, choose, shoot),
    make("p", { class: "gd-note" }, `${byTouch ? "" : "Or paste one. "}Several photos come back as a zip. Up to ${Math.round(props.most_bytes / 1e6)} MB a file; all are deleted within two hours.`));
  const view = photoView({ dab, mark });
  const live = make("video", { playsinline: true, muted: true, "aria-label": "What the camera sees" });
  const lens = make("div", { class: "gd-mat gd-lens", hidden: true }, live,
    make("div", { class: "gd-toolbar" }, button("Shoot", "gd-primary", snap), button("Never mind", "", () => only(drop))));
  const bar = make("span", { class: "gd-progress-bar" });
  const track = make("div", { class: "gd-progress", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
  const telling = make("span", { class: "gd-progress-text" });
  const stop = button("Stop", "gd-stop", () => {
    uploading++;
    halt();
    if (!data && !album) reset();
  });
  const progress = make("div", { class: "gd-working", hidden: true }, track, make("div", { class: "gd-toolbar" }, telling, stop));
  const alarm = make("p", { class: "gd-alarm", role: "alert" });
  const question = make("div", { class: "gd-question", role: "status", hidden: true });
  const caption = make("span", { class: "gd-caption", role: "status" });
  const download = button("Download PNG", "gd-download gd-primary", take);
  const closer = button("Every pixel", "gd-closer", () => {
    view.zoom(!view.isClose());
    closer.setAttribute("aria-pressed", String(view.isClose()));
  });
  closer.setAttribute("aria-pressed", "false");
  const again = button("Another photo", "gd-again", reset);
  const tools = make("div", { class: "gd-toolbar", hidden: true }, download, closer, again, caption);
  const notes = make("p", { class: "gd-note gd-photo-notes" });
  const pack = make("div", { class: "gd-album", hidden: true });
  const examples = make("div", { class: "gd-examples" }, make("h3", {}, "Or try one of these"),
    make("div", { class: "gd-example-row" }, props.examples.map((one) =>
      make("button", { type: "button", class: "gd-example", "data-name": one.name, title: one.about, onclick: () => example(one) },
        make("img", { src: one.thumb, alt: "", loading: "lazy" }), make("span", {}, one.title)))));
  view.element.hidden = true;
  main.append(drop, lens, view.element, progress, alarm, question, tools, notes, pack, examples, files, camera);
  shoot.hidden = !(byTouch || navigator.mediaDevices?.getUserMedia);

  // --- what is seen ---
  const isBusy = () => Boolean(ticket);
  const only = (part) => {
    for (const one of [drop, lens, view.element, pack]) one.hidden = one !== part;
    if (part !== lens) shut();
    tools.hidden = part !== view.element || Boolean(data?.asks);
    examples.classList.toggle("gd-after-photo", part === view.element || part === pack);
  };
  function work(share, text) {
    progress.hidden = false;
    bar.style.width = `${100 * share}%`;
    track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    track.setAttribute("aria-valuetext", text);
    telling.textContent = text;
  }
  function idle() {
    progress.hidden = true;
    busy(props.id, false);
    download.disabled = !data?.after;
  }
  function say(text) {
    alarm.textContent = text;
  }
  // One request at a time: two at once would overtake each other, and a visitor needs no more than one place.
  function demand(event, wish) {
    ticket = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    next = { event, wish: { ...wish, ...request(), ticket } };
    busy(props.id, true);
    if (running) send.stop({ ticket: running });
    else go();
  }
  function go() {
    if (!next) return;
    running = next.wish.ticket;
    send[next.event](next.wish);
    next = null;
  }
  function ended() {
    running = "";
    go();
  }
  function halt() {
    if (running) send.stop({ ticket: running });
    next = null;
    ticket = "";
    idle();
  }
  function reset() {
    photo = data = album = null;
    uploading++;
    halt();
    say("");
    question.hidden = true;
    notes.textContent = "";
    fresh();
    only(drop);
  }

  // --- photos come in ---
  function begin(next) {
    uploading++;
    halt(); // what is made of the photo before is not wanted, least of all while this one is on its way
    if (!lens.hidden) only(drop);
    photo = next;
    data = album = null;
    say("");
    question.hidden = true;
    notes.textContent = "";
    fresh(next);
  }
  async function deliver(list) {
    const turn = uploading;
    const sent = [];
    for (const [index, file] of list.entries()) {
      work(index / list.length, list.length > 1 ? `Uploading ${index + 1} of ${list.length}` : "Uploading");
      try {
        const { path } = await upload(file);
        sent.push({ path, name: file.name });
      } catch (error) {
        say(notSent(file.name, error));
      }
      if (turn !== uploading) return null; // another photo was chosen meanwhile
    }
    return sent;
  }
  async function open(list) {
    const all = [...list];
    if (!all.length) return;
    begin(null);
    const large = all.filter((file) => file.size > props.most_bytes);
    if (large.length) say(large.map((file) => `${file.name} is larger than ${Math.round(props.most_bytes / 1e6)} MB; scale it down first.`).join(" "));
    const fitting = all.filter((file) => file.size <= props.most_bytes);
    const sent = fitting.length ? await deliver(fitting) : [];
    if (sent === null) return;
    idle();
    if (!sent.length) {
      only(drop);
      return;
    }
    if (sent.length > 1 || sent[0].name.toLowerCase().endsWith(".zip")) {
      batch = sent;
      together();
    } else {
      [photo] = sent;
      ask();
      glance(URL.createObjectURL(fitting[0]));
    }
  }
  function together() {
    only(pack);
    pack.replaceChildren();
    work(0, "Waiting for a free place");
    demand("album", { photos: batch });
  }
  function example(one) {
    begin({ example: one.name });
    ask();
    glance(one.thumb);
    element.scrollIntoView({ block: "start", behavior: still.matches ? "auto" : "smooth" });
  }
  function ask() {
    if (!photo) return;
    if (props.slow) work(0, "Waiting for a free place");
    demand("ask", { photo, fresh: !data });
  }
  files.addEventListener("change", () => open(files.files).finally(() => (files.value = "")));
  camera.addEventListener("change", () => open(camera.files).finally(() => (camera.value = "")));
  const visible = () => element.isConnected && element.offsetParent !== null;
  const carried = (event) => visible() && [...(event.dataTransfer?.types || [])].includes("Files");
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (!carried(event)) return;
      event.preventDefault();
      element.classList.add("gd-over");
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget || element.classList.remove("gd-over"));
  document.addEventListener("drop", (event) => {
    element.classList.remove("gd-over");
    if (!carried(event)) return;
    event.preventDefault();
    open(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files || [])];
    if (!visible() || !pasted.length) return;
    event.preventDefault();
    open(pasted);
  });

  // --- the camera of a computer; a phone opens its own ---
  async function look() {
    const turn = uploading;
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 4096 }, facingMode: "environment" } });
    } catch {
      say("The camera can't be used: allow it in the browser, or choose a photo.");
      return;
    }
    shut();
    live.srcObject = stream;
    if (turn !== uploading) { // a photo was chosen meanwhile
      shut();
      return;
    }
    say("");
    only(lens);
    await live.play().catch(() => {}); // it was closed at once
  }
  function shut() {
    live.srcObject?.getTracks().forEach((one) => one.stop());
    live.srcObject = null;
  }
  function snap() {
    const canvas = make("canvas", { width: live.videoWidth, height: live.videoHeight });
    canvas.getContext("2d").drawImage(live, 0, 0);
    only(drop);
    canvas.toBlob((blob) => open([new File([blob], "camera.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.95);
  }

  // The photo itself, until the server's picture of it comes; not every browser can show every kind.
  async function glance(url) {
    const turn = uploading;
    const image = await picture(url).catch(() => null);
    if (!image || turn !== uploading || data || !isBusy()) return;
    await view.set({ before: url, after: null, width: image.naturalWidth, height: image.naturalHeight, alt: "The photo" }, 0);
    if (turn === uploading && !data) {
      only(view.element);
      tools.hidden = true;
    }
  }

  // --- what the server says ---
  async function show() {
    const value = props.value;
    if (!value) return;
    if (value.kind !== "progress" && value.ticket === running) ended();
    if (!ticket || value.ticket !== ticket) return;
    if (value.kind === "progress") {
      work(value.share, value.text);
      return;
    }
    ticket = "";
    if (value.kind === "stopped") {
      idle();
      return;
    }
    if (value.kind === "file") {
      idle();
      save(address(value.path), value.name);
      return;
    }
    if (value.kind === "album") {
      album = value;
      idle();
      fill(value);
      return;
    }
    const turn = uploading;
    data = { ...value, before: value.before ? address(value.before) : data?.before };
    for (const key of ["base", "after", "vivid"]) data[key] = value[key] ? address(value[key]) : null;
    await view.set({ ...data, grey: props.task === "colorize", alt: `${data.name} before and after` }, strength());
    if (turn !== uploading) return; // another photo was chosen meanwhile
    only(view.element);
    caption.textContent = [data.caption, data.result_size && `now ${data.result_size}`].filter(Boolean).join(", ");
    notes.textContent = (data.notes || []).join(" ");
    question.hidden = !data.asks;
    question.replaceChildren(make("p", {}, data.asks || ""), button("Recolour it", "gd-primary", () => ready("recolour")), button("Another photo", "", reset));
    closer.hidden = !view.canZoom();
    closer.setAttribute("aria-pressed", "false");
    idle();
    shown(data);
  }
  function fill(value) {
    pack.replaceChildren(
      make("h3", {}, value.text),
      make("div", { class: "gd-toolbar" },
        value.path ? button("Download the zip", "gd-primary gd-download-zip", () => save(address(value.path), value.name)) : null,
        button("Once more with these settings", "gd-more", together),
        button("Other photos", "gd-again", reset)),
      make("ul", { class: "gd-problems" }, value.problems.map((text) => make("li", {}, text))),
      make("div", { class: "gd-album-row" }, value.items.map((one) => make("figure", {}, make("img", { src: one.thumb, alt: "" }), make("figcaption", {}, one.name)))),
    );
    only(pack);
  }
  function take() {
    if (!data?.after) return;
    if (data.file && data.file.strength === strength()) {
      save(address(data.file.path), data.file.path.split("/").pop());
      return;
    }
    download.disabled = true;
    work(0, "Making it at full size");
    demand("take", { photo });
  }
  hear(element, props.id, "gd-failed", () => {
    if (running === ticket) {
      ticket = "";
      idle();
      if (!data && !album) only(drop);
    }
    ended();
  });
  hear(element, props.id, "gd-changed", () => photo && ask());
  watch("value", show);
  only(drop);
  show();
  const seen = () => view.element.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
  return { view, ask, seen, current: () => data, example: () => photo?.example };
};
