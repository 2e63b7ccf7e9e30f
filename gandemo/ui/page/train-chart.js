// Small charts over one common axis, drawn on canvases that stay: new points never blink, and a zoom is kept.
//   const charts = gandemo.charts(element, { onzoom: (first, last) => … });
//   charts.draw({ unit, panels: [{ id, title, help, log, share, lines: [{ name, colour, x, y, low, high, dots }], marks: [{ x, y, text }] }] });
window.gandemo.charts = (root, { onzoom = () => {}, key = "" } = {}) => {
  const { make } = window.gandemo;
  const { figure, count, span } = window.gandemo.words;
  const LEFT = 44, RIGHT = 10, TOP = 8, BOTTOM = 20;
  const panels = new Map();
  let data = { unit: "step", panels: [] };
  let view = null; // [first, last] where somebody looks closer
  let hover = null; // a place on the axis
  let drag = null;
  let dirty = 0;

  const grid = make("div", { class: "gd-charts" });
  const back = make("button", { type: "button", class: "gd-button gd-small", hidden: true, onclick: () => zoom(null) }, "Whole run");
  const closer = make("button", { type: "button", class: "gd-button gd-small", "aria-label": "Look closer", onclick: () => scale(0.5) }, "+");
  const wider = make("button", { type: "button", class: "gd-button gd-small", "aria-label": "Look at more", onclick: () => scale(2) }, "−");
  const hint = make("span", { class: "gd-note" }, "Drag over a part to look closer.");
  root.replaceChildren(grid, make("div", { class: "gd-chart-tools" }, closer, wider, back, hint));

  function whole() {
    let first = Infinity, last = -Infinity;
    for (const panel of data.panels) for (const line of panel.lines) {
      if (!line.x.length) continue;
      first = Math.min(first, line.x[0]);
      last = Math.max(last, line.x[line.x.length - 1]);
    }
    if (first > last) return [0, 1];
    if (first > 0 && first < 0.1 * last) first = 0;
    return first === last ? [first - 1, last + 1] : [first, last];
  }
  const range = () => view || whole();

  function zoom(next) {
    if (next) {
      const [low, high] = whole();
      const [first, last] = [Math.max(low, next[0]), Math.min(high, next[1])];
      view = last - first > (high - low) / 5000 && (first > low || last < high) ? [first, last] : null;
    } else view = null;
    back.hidden = !view;
    hint.hidden = Boolean(view);
    later();
    onzoom(...(view || [null, null]));
  }

  function scale(factor) {
    const [first, last] = range();
    const middle = hover === null ? (first + last) / 2 : hover;
    zoom([middle - (middle - first) * factor, middle + (last - middle) * factor]);
  }

  function panelOf(spec) {
    let panel = panels.get(spec.id);
    if (!panel) {
      const canvas = make("canvas", { tabindex: "0", role: "img" });
      const legend = make("span", { class: "gd-chart-legend" });
      const title = make("span", { class: "gd-chart-title" });
      const box = make("figure", { class: "gd-chart", "data-chart": spec.id }, make("figcaption", {}, title, legend), canvas);
      panel = { canvas, legend, title, box, spec, names: "" };
      panels.set(spec.id, panel);
      listen(panel);
      sizes.observe(canvas);
    }
    panel.spec = spec;
    return panel;
  }

  function draw(next) {
    data = next;
    const shown = data.panels.map(panelOf);
    const boxes = shown.map((panel) => panel.box);
    if (boxes.length !== grid.children.length || boxes.some((box, i) => grid.children[i] !== box)) grid.replaceChildren(...boxes);
    for (const panel of shown) {
      panel.title.textContent = panel.spec.title;
      panel.title.title = panel.spec.help || "";
      const names = panel.spec.lines.map((line) => line.name).join("|");
      if (names !== panel.names) {
        panel.names = names;
        panel.legend.replaceChildren(...panel.spec.lines.map((line) => make("span", { class: `gd-key gd-line-${line.colour}` }, make("span", {}, line.name), make("b", {}))));
      }
    }
    later();
  }

  function later() {
    dirty = dirty || requestAnimationFrame(() => {
      dirty = 0;
      for (const spec of data.panels) paint(panels.get(spec.id));
    });
  }

  const said = (value, spec) => (value === null || value === undefined ? "–" : spec.share ? `${Math.round(100 * value)} %` : figure(value));
  const place = (x) => (data.unit === "time" ? span(x) : `step ${count(x)}`);

  function nearest(line, x) {
    let low = 0, high = line.x.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (line.x[middle] < x) low = middle + 1;
      else high = middle;
    }
    return low > 0 && x - line.x[low - 1] < line.x[low] - x ? low - 1 : low;
  }

  // The values' range in view, without the few wildest points.
  function extent(spec, first, last) {
    const values = [];
    for (const line of spec.lines) line.y.forEach((y, i) => {
      if (y !== null && line.x[i] >= first && line.x[i] <= last && (!spec.log || y > 0)) values.push(y);
    });
    if (!values.length) return null;
    values.sort((a, b) => a - b);
    let low = values[Math.floor(0.01 * (values.length - 1))], high = values[Math.ceil(0.985 * (values.length - 1))];
    for (const mark of spec.marks || []) { low = Math.min(low, mark.y); high = Math.max(high, mark.y); }
    if (spec.share) return [0, 1];
    if (spec.log) return high / low < 1.5 ? [low / 1.3, high * 1.3] : [low / 1.12, high * 1.12];
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - room, high + room];
  }

  const TIMES = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800];

  function ticks(low, high, most, { log = false, unit = "", least = 0 } = {}) {
    if (log && high / low > 4) {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
        for (const digit of [1, 2, 5]) { const tick = digit * 10 ** power; if (tick >= low && tick <= high) found.push(tick); }
      }
      const stride = Math.ceil(found.length / most);
      return found.filter((_, i) => i % stride === 0);
    }
    const rough = Math.max((high - low) / most, least);
    const power = 10 ** Math.floor(Math.log10(rough));
    const nice = unit === "time" && rough > 10 ? TIMES : [1, 2, 2.5, 5, 10].map((digit) => digit * power);
    const step = nice.find((each) => each >= rough && (!least || each % least === 0)) || nice.at(-1);
    const found = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) found.push(Math.abs(tick) < step * 1e-9 ? 0 : tick);
    return found;
  }

  function paint(panel) {
    const { canvas, spec } = panel;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--gd-${name}`).trim() || "#888";
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${style.fontFamily}`;
    const [first, last] = range();
    const bounds = extent(spec, first, last);
    const inner = { left: LEFT, right: width - RIGHT, top: TOP, bottom: height - BOTTOM };
    const across = (x) => inner.left + ((x - first) / (last - first)) * (inner.right - inner.left);
    panel.across = (pixel) => first + ((pixel - inner.left) / (inner.right - inner.left)) * (last - first);
    if (!bounds) {
      pen.fillStyle = colour("muted");
      pen.textAlign = "center";
      const isEmpty = spec.lines.every((line) => line.y.every((y) => y === null));
      pen.fillText(isEmpty ? spec.empty || "nothing measured yet" : "nothing was measured in this part", width / 2, height / 2);
      tell(panel, first, last);
      return;
    }
    const [low, high] = bounds;
    const level = spec.log ? (y) => Math.log(y / low) / Math.log(high / low) : (y) => (y - low) / (high - low);
    const down = (y) => inner.bottom - level(y) * (inner.bottom - inner.top);

    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const tick of ticks(low, high, 4, { log: spec.log })) {
      const y = Math.round(down(tick)) + 0.5;
      pen.strokeStyle = colour("line");
      pen.beginPath();
      pen.moveTo(inner.left, y);
      pen.lineTo(inner.right, y);
      pen.stroke();
      pen.fillStyle = colour("muted");
      pen.fillText(said(tick, spec), inner.left - 6, y);
    }
    pen.textBaseline = "alphabetic";
    const marks = ticks(first, last, Math.max(2, Math.floor(width / 90)), { unit: data.unit, least: data.unit === "time" ? 0 : 1 });
    marks.forEach((tick) => {
      const text = data.unit === "time" ? span(tick) : count(tick);
      const half = pen.measureText(text).width / 2;
      pen.textAlign = "left";
      pen.fillText(text, Math.min(Math.max(across(tick) - half, inner.left - 8), width - 2 * half - 2), height - 6);
    });

    pen.save();
    pen.beginPath();
    pen.rect(inner.left - 4, inner.top - 4, inner.right - inner.left + 8, inner.bottom - inner.top + 8); // whole dots at the ends
    pen.clip();
    if (spec.share) {
      pen.setLineDash([3, 4]);
      pen.strokeStyle = colour("muted");
      pen.beginPath();
      pen.moveTo(inner.left, down(0.5));
      pen.lineTo(inner.right, down(0.5));
      pen.stroke();
      pen.setLineDash([]);
    }
    for (const line of spec.lines) {
      const shade = colour(line.colour);
      if (line.low && line.x.length > 1) {
        pen.fillStyle = shade;
        pen.globalAlpha = 0.14;
        pen.beginPath();
        line.x.forEach((x, i) => { if (line.high[i] !== null) pen.lineTo(across(x), down(line.high[i])); });
        for (let i = line.x.length - 1; i >= 0; i--) if (line.low[i] !== null) pen.lineTo(across(line.x[i]), down(spec.log ? Math.max(line.low[i], low / 10) : line.low[i]));
        pen.fill();
        pen.globalAlpha = 1;
      }
      pen.strokeStyle = pen.fillStyle = shade;
      pen.lineWidth = 1.8;
      pen.lineJoin = "round";
      pen.beginPath();
      let isOn = false;
      line.x.forEach((x, i) => {
        const y = line.y[i];
        if (y === null || (spec.log && y <= 0)) { isOn = false; return; }
        if (isOn) pen.lineTo(across(x), down(y));
        else pen.moveTo(across(x), down(y));
        isOn = true;
      });
      pen.stroke();
      if (line.dots || line.x.length === 1) line.x.forEach((x, i) => {
        if (line.y[i] === null) return;
        pen.beginPath();
        pen.arc(across(x), down(line.y[i]), line.x.length > 60 ? 1.6 : 2.6, 0, 7);
        pen.fill();
      });
    }
    pen.restore();
    for (const mark of spec.marks || []) {
      if (mark.x < first || mark.x > last) continue;
      const [x, y] = [across(mark.x), down(mark.y)];
      pen.beginPath();
      pen.arc(x, y, 5.5, 0, 7);
      pen.fillStyle = colour("panel");
      pen.fill();
      pen.lineWidth = 2.5;
      pen.strokeStyle = colour(mark.colour || "ink");
      pen.stroke();
      pen.fillStyle = colour("ink");
      pen.font = `600 11px ${style.fontFamily}`;
      const room = pen.measureText(mark.text).width;
      pen.textAlign = "left";
      pen.lineWidth = 4;
      pen.lineJoin = "round";
      pen.strokeStyle = style.getPropertyValue("--body-background-fill").trim() || "#fff";
      const spot = [Math.max(inner.left + 2, Math.min(x - room / 2, inner.right - room)), y < inner.top + 22 ? y + 20 : y - 11];
      pen.strokeText(mark.text, ...spot);
      pen.fillText(mark.text, ...spot);
    }
    if (drag && drag.from !== drag.to) {
      pen.fillStyle = colour("inspector");
      pen.globalAlpha = 0.14;
      pen.fillRect(across(Math.min(drag.from, drag.to)), inner.top, Math.abs(across(drag.to) - across(drag.from)), inner.bottom - inner.top);
      pen.globalAlpha = 1;
    }
    if (hover !== null && hover >= first && hover <= last) {
      pen.strokeStyle = colour("muted");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(Math.round(across(hover)) + 0.5, inner.top);
      pen.lineTo(Math.round(across(hover)) + 0.5, inner.bottom);
      pen.stroke();
    }
    tell(panel, first, last);
  }

  // The values beside the names: under the pointer, else the last ones.
  function tell(panel, first, last) {
    const { spec } = panel;
    const values = spec.lines.map((line) => {
      if (!line.x.length) return null;
      const at = hover === null ? nearest(line, last) : nearest(line, hover);
      return { x: line.x[at], y: line.y[at] };
    });
    panel.legend.querySelectorAll("b").forEach((each, i) => { each.textContent = values[i] ? said(values[i].y, spec) : ""; });
    const words = spec.lines.map((line, i) => (values[i] ? `${line.name} ${said(values[i].y, spec)}` : "")).filter(Boolean).join(", ");
    const best = (spec.marks || []).map((mark) => mark.text).join(", ");
    const where = values.find(Boolean);
    panel.canvas.setAttribute("aria-label", `${spec.title}${where ? ` at ${place(where.x)}` : ""}: ${words || "nothing measured yet"}${best ? `; ${best}` : ""}`);
  }

  function listen(panel) {
    const { canvas } = panel;
    const at = (event) => panel.across && panel.across(event.clientX - canvas.getBoundingClientRect().left);
    canvas.addEventListener("pointermove", (event) => {
      hover = at(event) ?? null;
      if (drag) drag.to = hover;
      later();
    });
    canvas.addEventListener("pointerleave", () => { if (!drag) { hover = null; later(); } });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch" || !panel.across) return;
      canvas.setPointerCapture(event.pointerId);
      drag = { from: at(event), to: at(event) };
    });
    const end = () => {
      if (!drag) return;
      const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      const [first, last] = range();
      drag = null;
      if (to - from > (last - first) / 60) zoom([from, to]);
      else later();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("dblclick", () => zoom(null));
    canvas.addEventListener("blur", () => { hover = null; later(); });
    canvas.addEventListener("keydown", (event) => {
      const [first, last] = range();
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) hover = Math.max(first, Math.min(last, (hover ?? last) + (step * (last - first)) / 60));
      else if (event.key === "+" || event.key === "=") scale(0.5);
      else if (event.key === "-") scale(2);
      else if (event.key === "0" || event.key === "Escape") zoom(null);
      else return;
      event.preventDefault();
      later();
    });
  }

  const sizes = new ResizeObserver(later);
  new MutationObserver(later).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  return { draw, zoom, get view() { return view; } };
};
