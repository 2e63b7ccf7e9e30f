// A photo before and after, under a slider that works with mouse, finger and keys; with dabs of colour or marks of a
// brush upon it. Before stands left of the line, after stands right of it.
window.gandemo.photoView = (on) => {
  const { make, picture, still } = window.gandemo;
  const LARGEST_MARKS = 1280;
  const STEP = 0.02; // of the photo, for the keyboard
  const layer = (name) => make("img", { class: `gd-layer ${name}`, alt: "", draggable: "false" });
  const [before, base, better, vivid] = ["gd-before", "gd-base", "gd-better", "gd-vivid"].map(layer);
  const after = make("div", { class: "gd-after" }, base, better, vivid);
  const slider = make("input", {
    type: "range", class: "gd-split-range", min: "0", max: "100", step: "1", value: "50", "aria-label": "Line between before and after",
  });
  const knob = make("span", { class: "gd-knob" });
  const line = make("span", { class: "gd-line", "aria-hidden": "true" }, knob);
  const dots = make("div", { class: "gd-dots", "aria-hidden": "true" });
  const board = make("canvas", { class: "gd-marks", tabindex: "-1", role: "img" });
  const cursor = make("span", { class: "gd-pen", "aria-hidden": "true" });
  const tags = ["Before", "After"].map((word) => make("span", { class: `gd-tag gd-tag-${word.toLowerCase()}`, "aria-hidden": "true" }, word));
  const sheet = make("div", { class: "gd-sheet" }, before, after, dots, board, cursor, tags, slider, line);
  const scroll = make("div", { class: "gd-scroll" }, sheet);
  const element = make("div", { class: "gd-mat gd-view" }, scroll);
  const pen = board.getContext("2d");
  let shown = null; // { width, height, before, base, after, vivid, grey, alt }
  let tool = null; // { kind: "dab" } or { kind: "brush", size: of the longer side }
  let strokes = [];
  let stamp = null; // marks that came with the photo
  let current = null;
  let tip = { x: 0.5, y: 0.5 };
  let close = false; // pixel by pixel
  let latest = 0;
  let moving = 0;

  // --- sizes ---
  function fitted() {
    const room = Math.max(120, scroll.parentElement.clientWidth - 24);
    const tallest = Math.max(260, Math.min(0.7 * window.innerHeight, 680));
    const ratio = shown.width / shown.height;
    const width = Math.max(24, Math.min(room, tallest * ratio));
    return { width, height: Math.min(tallest, width / ratio) };
  }
  function lay() {
    if (!shown) return;
    const fit = fitted();
    const natural = (better.naturalWidth || before.naturalWidth) / (window.devicePixelRatio || 1);
    const width = close ? Math.max(natural, fit.width) : fit.width;
    sheet.style.width = `${width}px`;
    sheet.style.height = `${close ? (width * fit.height) / fit.width : fit.height}px`;
    element.classList.toggle("gd-close", close);
  }
  function zoom(yes) {
    const middle = { x: Number(slider.value) / 100, y: 0.5 };
    close = yes;
    lay();
    scroll.scrollLeft = middle.x * sheet.clientWidth - scroll.clientWidth / 2;
    scroll.scrollTop = middle.y * sheet.clientHeight - scroll.clientHeight / 2;
  }
  const canZoom = () => Boolean(shown && (better.naturalWidth || 0) / (window.devicePixelRatio || 1) > 1.15 * fitted().width);

  // --- the line ---
  function place(position) {
    const value = Math.max(0, Math.min(100, position));
    slider.value = String(Math.round(value));
    slider.setAttribute("aria-valuetext", `${Math.round(100 - value)} % of the photo shows the result`);
    sheet.style.setProperty("--split", `${value}%`);
    tags[0].hidden = value < 14;
    tags[1].hidden = value > 86;
  }
  function glide(from, to) {
    const turn = ++moving;
    if (still.matches) {
      place(to);
      return;
    }
    const begun = performance.now();
    const step = (now) => {
      if (turn !== moving) return;
      const share = Math.min(1, (now - begun) / 900);
      place(from + (to - from) * (1 - (1 - share) ** 3));
      if (share < 1) requestAnimationFrame(step);
    };
    place(from);
    requestAnimationFrame(step);
  }
  slider.addEventListener("input", () => {
    moving++;
    place(Number(slider.value));
  });
  const across = (event) => {
    const area = sheet.getBoundingClientRect();
    return { x: (event.clientX - area.left) / area.width, y: (event.clientY - area.top) / area.height };
  };
  let dragged = null; // "line" or where the photo was taken hold of
  sheet.addEventListener("pointerdown", (event) => {
    if (event.button || !shown || event.target === board) return;
    const held = line.contains(event.target);
    if (!held && close) {
      if (event.pointerType !== "mouse") return; // fingers scroll by themselves
      dragged = { x: event.clientX + scroll.scrollLeft, y: event.clientY + scroll.scrollTop };
    } else {
      dragged = "line";
      moving++;
      place(100 * across(event).x);
      slider.focus({ preventScroll: true });
    }
    event.preventDefault();
    sheet.setPointerCapture(event.pointerId);
  });
  sheet.addEventListener("pointermove", (event) => {
    if (dragged === "line") place(100 * across(event).x);
    else if (dragged) {
      scroll.scrollLeft = dragged.x - event.clientX;
      scroll.scrollTop = dragged.y - event.clientY;
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) sheet.addEventListener(kind, () => (dragged = null));

  // --- layers ---
  function mix(strength) {
    const beyond = Math.max(0, strength - 1);
    better.style.opacity = String(Math.min(1, strength));
    vivid.style.opacity = vivid.getAttribute("src") && beyond ? String(Math.min(1, beyond / 0.5)) : "0";
  }
  async function set(data, strength) {
    const turn = ++latest;
    const urls = [data.before, data.base || data.before, data.after, data.vivid];
    await Promise.all(urls.filter(Boolean).map(picture));
    if (turn !== latest) return;
    const first = !shown || shown.before !== data.before;
    const revealed = data.after && (first || !shown.after);
    shown = data;
    [before, base, better, vivid].forEach((image, index) => {
      if (!urls[index]) image.removeAttribute("src");
      else if (image.getAttribute("src") !== urls[index]) image.src = urls[index];
    });
    before.alt = data.alt;
    base.style.filter = data.grey ? "grayscale(1)" : "";
    element.classList.toggle("gd-done", Boolean(data.after));
    slider.disabled = !data.after;
    if (first) {
      close = false;
      const scale = Math.min(1, LARGEST_MARKS / Math.max(data.width, data.height));
      board.width = Math.max(1, Math.round(data.width * scale));
      board.height = Math.max(1, Math.round(data.height * scale));
      strokes = [];
      stamp = null;
      paint();
    }
    mix(strength);
    lay();
    if (revealed && tool?.kind !== "dab") glide(100, 50);
  }

  // --- dabs and marks ---
  function dab(hints) {
    dots.replaceChildren(...hints.map((hint) => {
      const dot = make("span", { class: "gd-dot" });
      dot.style.left = `${100 * hint.x}%`;
      dot.style.top = `${100 * hint.y}%`;
      dot.style.background = `rgb(${hint.colour.join(" ")})`;
      return dot;
    }));
  }
  function paint() {
    pen.clearRect(0, 0, board.width, board.height);
    if (stamp) pen.drawImage(stamp, 0, 0, board.width, board.height);
    pen.strokeStyle = "#fb7a3c";
    pen.lineCap = "round";
    pen.lineJoin = "round";
    for (const stroke of strokes) {
      pen.lineWidth = Math.max(1, stroke.size * Math.max(board.width, board.height));
      pen.beginPath();
      const [start, ...rest] = stroke.points.map((point) => [point.x * board.width, point.y * board.height]);
      pen.moveTo(...start);
      for (const point of rest.length ? rest : [[start[0] + 0.01, start[1]]]) pen.lineTo(...point);
      pen.stroke();
    }
  }
  // Black and white, from a picture that is either; or the other way round.
  function recoloured(source, change) {
    const canvas = make("canvas", { width: source.width || source.naturalWidth, height: source.height || source.naturalHeight });
    const ink = canvas.getContext("2d", { willReadFrequently: true });
    ink.drawImage(source, 0, 0);
    const area = ink.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < area.data.length; i += 4) area.data.set(change(area.data[i], area.data[i + 3]), i);
    ink.putImageData(area, 0, 0);
    return canvas;
  }
  const isMarked = () => strokes.length > 0 || Boolean(stamp);
  const mask = () => (isMarked() ? recoloured(board, (_, alpha) => (alpha > 40 ? [255, 255, 255, 255] : [0, 0, 0, 255])).toDataURL("image/png") : null);
  async function stampMask(url) {
    const image = await picture(url);
    stamp = recoloured(image, (value) => (value > 127 ? [251, 122, 60, 255] : [0, 0, 0, 0]));
    paint();
  }
  function use(wanted) {
    tool = wanted;
    board.tabIndex = tool ? 0 : -1;
    element.classList.toggle("gd-dabbing", tool?.kind === "dab");
    element.classList.toggle("gd-brushing", tool?.kind === "brush");
    if (!tool) {
      board.removeAttribute("aria-label");
      return;
    }
    board.setAttribute("aria-label", tool.kind === "dab"
      ? "Photo to dab colour on. Click or tap it; or move with the arrow keys and dab with Enter."
      : "Photo to mark scratches on. Draw with the mouse or a finger; or move with the arrow keys, and lower or lift the brush with Space.");
    moving++;
    if (tool.kind === "dab") place(0);
  }
  board.addEventListener("pointerdown", (event) => {
    if (event.button || !tool || !shown) return;
    event.preventDefault();
    board.focus({ preventScroll: true });
    const at = across(event);
    if (tool.kind === "dab") {
      on.dab(at);
      return;
    }
    board.setPointerCapture(event.pointerId);
    current = { size: tool.size, points: [at] };
    strokes.push(current);
    paint();
  });
  board.addEventListener("pointermove", (event) => {
    if (!current || tool?.kind !== "brush") return;
    for (const part of event.getCoalescedEvents?.() || [event]) current.points.push(across(part));
    paint();
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    board.addEventListener(kind, () => {
      if (!current) return;
      current = null;
      on.mark();
    });
  }
  board.addEventListener("keydown", (event) => {
    if (!tool || !shown) return;
    const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (move) {
      tip = { x: Math.max(0, Math.min(1, tip.x + move[0])), y: Math.max(0, Math.min(1, tip.y + move[1])) };
      if (current) current.points.push({ ...tip });
    } else if (event.key === "Enter" && tool.kind === "dab") on.dab({ ...tip });
    else if (event.key === " " && tool.kind === "brush") {
      if (current) {
        current = null;
        on.mark();
      } else strokes.push((current = { size: tool.size, points: [{ ...tip }] }));
    } else return;
    event.preventDefault();
    cursor.style.left = `${100 * tip.x}%`;
    cursor.style.top = `${100 * tip.y}%`;
    cursor.classList.toggle("gd-down", Boolean(current));
    paint();
  });

  function undoMark() {
    if (strokes.length) strokes.pop();
    else stamp = null;
    paint();
  }
  function clearMarks() {
    strokes = [];
    stamp = null;
    paint();
  }

  new ResizeObserver(lay).observe(scroll.parentElement);
  place(50);
  return { element, set, mix, use, dab, zoom, canZoom, mask, stampMask, isMarked, undoMark, clearMarks, isClose: () => close };
};
