// A drawing board of 112×112 grey values; every finished stroke is sent to be judged. With the keyboard: arrow keys move
// the pen, Space lowers and lifts it.
const { make, verdict, hear } = window.gandemo;
const SIDE = 112;
const STEP = 4;
const board = element.querySelector("canvas");
const pen = board.getContext("2d", { willReadFrequently: true });
const cursor = element.querySelector(".gd-pen");
const box = element.querySelector(".gd-judged-drawing");
const undo = element.querySelector(".gd-undo");
let strokes = [];
let current = null;
let drawing = 0; // counts what was asked, and what was wiped out: an older answer is not shown
let tip = { x: SIDE / 2, y: SIDE / 2 };

board.width = SIDE;
board.height = SIDE;

function paint() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, SIDE, SIDE);
  pen.strokeStyle = "#fff";
  pen.fillStyle = "#fff";
  pen.lineCap = "round";
  pen.lineJoin = "round";
  pen.lineWidth = 9;
  for (const stroke of strokes) {
    pen.beginPath();
    pen.moveTo(stroke[0].x, stroke[0].y);
    // through the middles of the pointer's jumps, so that a quick line is round
    for (let i = 1; i < stroke.length; i++) {
      const [a, b] = [stroke[i - 1], stroke[i]];
      pen.quadraticCurveTo(a.x, a.y, (a.x + b.x) / 2, (a.y + b.y) / 2);
    }
    const end = stroke[stroke.length - 1];
    pen.lineTo(end.x + 0.01, end.y);
    pen.stroke();
  }
  undo.disabled = !strokes.length;
  element.querySelector(".gd-drawing").classList.toggle("gd-blank", !strokes.length);
}

function pixels() {
  const data = pen.getImageData(0, 0, SIDE, SIDE).data;
  const grey = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i];
  let text = "";
  for (let i = 0; i < grey.length; i += 4096) text += String.fromCharCode(...grey.subarray(i, i + 4096));
  return btoa(text);
}

function ask() {
  drawing += 1;
  trigger("judge", { pixels: pixels(), side: SIDE, drawing });
}

function at(event) {
  const area = board.getBoundingClientRect();
  return { x: ((event.clientX - area.left) * SIDE) / area.width, y: ((event.clientY - area.top) * SIDE) / area.height };
}

board.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  event.preventDefault();
  board.setPointerCapture(event.pointerId);
  board.focus({ preventScroll: true });
  current = [at(event)];
  strokes.push(current);
  paint();
});
board.addEventListener("pointermove", (event) => {
  if (!current) return;
  for (const part of event.getCoalescedEvents?.() || [event]) current.push(at(part));
  paint();
});
for (const kind of ["pointerup", "pointercancel"]) {
  board.addEventListener(kind, () => {
    if (!current) return;
    current = null;
    ask();
  });
}
board.addEventListener("keydown", (event) => {
  const move = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
  if (move) {
    tip = { x: Math.max(4, Math.min(SIDE - 4, tip.x + move[0])), y: Math.max(4, Math.min(SIDE - 4, tip.y + move[1])) };
    if (current) current.push({ ...tip });
  } else if (event.key === " ") {
    if (current) {
      current = null;
      ask();
    } else {
      current = [{ ...tip }];
      strokes.push(current);
    }
  } else return;
  event.preventDefault();
  cursor.style.left = `${(100 * tip.x) / SIDE}%`;
  cursor.style.top = `${(100 * tip.y) / SIDE}%`;
  cursor.classList.toggle("gd-down", Boolean(current));
  paint();
});

element.querySelector(".gd-judge").addEventListener("click", ask);
undo.addEventListener("click", () => {
  strokes.pop();
  current = null;
  paint();
  if (strokes.length) ask();
  else forget();
});
element.querySelector(".gd-clear").addEventListener("click", () => {
  strokes = [];
  current = null;
  paint();
  forget();
});

function forget() {
  drawing += 1;
  box.replaceChildren(hint());
}

const hint = () => make("p", { class: "gd-note" }, props.hint);

function show() {
  const data = props.value;
  if (!data) {
    box.replaceChildren(hint());
    return;
  }
  if (data.drawing !== drawing) return;
  box.replaceChildren(
    make("figure", {}, make("img", { src: data.png, alt: "Your drawing on 28 by 28 pixels", class: "gd-large" }),
      make("figcaption", { class: "gd-note" }, "As the network sees it: 28 × 28 pixels")),
    make("div", {}, make("h3", {}, data.title), make("p", { class: "gd-reads" }, data.reads), verdict(data.verdict)),
  );
}

paint();
hear(element, "draw", "gd-changed", () => strokes.length && ask());
watch("value", show);
show();
