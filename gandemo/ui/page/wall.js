// The wall: one PNG, with a button over each picture. The roving tab stop makes it one stop for the Tab key.
const { make, picture, crispWidth, percent, shade, tell, hear, save } = window.gandemo;
const frame = element.querySelector(".gd-frame");
const image = element.querySelector(".gd-wall-image");
const tiles = element.querySelector(".gd-tiles");
const caption = element.querySelector(".gd-caption");
const ask = element.querySelector(".gd-ask");
const why = element.querySelector(".gd-why");
const legend = element.querySelector(".gd-legend");
const download = element.querySelector(".gd-download");
const title = document.querySelector("#digits h2");
let shown = null;
let latest = 0;
let unchanged = true; // since Generate was last pressed

const isAsked = () => ask.getAttribute("aria-pressed") === "true";
const rows = (data) => Math.ceil(data.count / data.columns);
const size = (data) => ({ width: data.columns * 30 - 2, height: rows(data) * 30 - 2 });

function nameOf(data, index) {
  const label = data.labels ? `${data.names[data.labels[index]]}, ` : "";
  return `${label}${index + 1} of ${data.count}`;
}

function lay() {
  if (!shown) return;
  const { width, height } = size(shown);
  const room = Math.max(160, frame.parentElement.clientWidth - 24);
  frame.style.setProperty("--gd-width", `${crispWidth(width, room, 640, height / width)}px`);
}

function cover(data) {
  const { width, height } = size(data);
  while (tiles.children.length > data.count) tiles.lastChild.remove();
  while (tiles.children.length < data.count) tiles.append(make("button", { type: "button", class: "gd-tile", tabindex: "-1" }));
  [...tiles.children].forEach((tile, index) => {
    tile.style.left = `${(100 * 30 * (index % data.columns)) / width}%`;
    tile.style.top = `${(100 * 30 * Math.floor(index / data.columns)) / height}%`;
    tile.style.width = `${2800 / width}%`;
    tile.style.height = `${2800 / height}%`;
    tile.setAttribute("aria-label", nameOf(data, index));
    tile.title = nameOf(data, index);
    tile.dataset.index = index;
    tile.classList.remove("gd-chosen");
  });
  if (!tiles.querySelector('[tabindex="0"]') && tiles.firstChild) tiles.firstChild.tabIndex = 0;
  tiles.classList.toggle("gd-crowded", data.columns > 10);
  tiles.setAttribute("aria-label", `${data.count} pictures; arrow keys move, Enter shows one large`);
}

// With verdicts each button carries its own part of the picture, so that there is room for a bar and a number below it.
function mark(data) {
  const judged = Boolean(isAsked() && data.probabilities);
  const { width, height } = size(data);
  tiles.classList.toggle("gd-judged", judged);
  tiles.style.gridTemplateColumns = judged ? `repeat(${data.columns}, 1fr)` : "";
  frame.style.aspectRatio = judged ? "auto" : `${width} / ${height}`;
  legend.hidden = !judged;
  [...tiles.children].forEach((tile, index) => {
    tile.replaceChildren();
    if (!judged) return;
    const share = data.probabilities[index];
    const cut = make("span", { class: "gd-tile-picture" });
    cut.style.background = `url(${data.png}) no-repeat`;
    cut.style.backgroundSize = `${(100 * width) / 28}% ${(100 * height) / 28}%`;
    cut.style.backgroundPosition =
      `${(3000 * (index % data.columns)) / Math.max(1, width - 28)}% ${(3000 * Math.floor(index / data.columns)) / Math.max(1, height - 28)}%`;
    const fill = make("span", { class: "gd-tile-fill" });
    fill.style.width = `${Math.max(4, 100 * share)}%`;
    fill.style.background = shade(share);
    tile.append(cut, make("span", { class: "gd-tile-bar" }, fill), make("span", { class: "gd-tile-share" }, String(Math.round(100 * share))));
    tile.setAttribute("aria-label", `${nameOf(data, index)}: ${percent(share)} real`);
  });
}

async function show() {
  const data = props.value;
  if (!data || !data.png) {
    why.textContent = (data && data.why) || "";
    return;
  }
  if (data.probabilities && shown && JSON.stringify(data.wish) !== JSON.stringify(shown.wish)) return; // an older wall's
  const turn = ++latest;
  unchanged = false;
  await picture(data.png);
  if (turn !== latest) return; // a newer wall came in between
  const fresh = !shown || shown.png !== data.png;
  shown = data;
  if (fresh) {
    image.src = data.png;
    title.textContent = data.headline;
    tell("inspector", "gd-clear");
  }
  image.alt = data.alt;
  frame.classList.remove("gd-waiting", "gd-hello");
  image.style.aspectRatio = "";
  cover(data);
  lay();
  caption.textContent = data.caption;
  ask.disabled = !data.can_judge;
  download.disabled = false;
  why.textContent = data.can_judge ? "" : data.why;
  mark(data);
  if (isAsked() && data.can_judge && !data.probabilities) trigger("ask", data.wish);
}

function choose(tile) {
  tiles.querySelector(".gd-chosen")?.classList.remove("gd-chosen");
  tile.classList.add("gd-chosen");
  trigger("select", { ...shown.wish, index: Number(tile.dataset.index) });
}

tiles.addEventListener("click", (event) => {
  const tile = event.target.closest(".gd-tile");
  if (tile && shown) choose(tile);
});
tiles.addEventListener("focusin", (event) => {
  const tile = event.target.closest(".gd-tile");
  if (!tile) return;
  const old = tiles.querySelector('[tabindex="0"]');
  if (old) old.tabIndex = -1;
  tile.tabIndex = 0;
});
tiles.addEventListener("keydown", (event) => {
  const tile = event.target.closest(".gd-tile");
  if (!tile || !shown) return;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -shown.columns, ArrowDown: shown.columns }[event.key];
  const index = Number(tile.dataset.index);
  const next = event.key === "Home" ? 0 : event.key === "End" ? shown.count - 1 : step === undefined ? -1 : index + step;
  if (step === undefined && next < 0) return;
  event.preventDefault();
  tiles.children[next]?.focus();
});
ask.addEventListener("click", () => {
  ask.setAttribute("aria-pressed", String(!isAsked()));
  if (!shown) return;
  if (isAsked() && !shown.probabilities) trigger("ask", shown.wish);
  mark(shown);
});
download.addEventListener("click", async () => {
  if (!shown) return;
  const source = await picture(shown.png);
  const scale = Math.max(1, Math.round(1200 / source.naturalWidth));
  const canvas = make("canvas", { width: source.naturalWidth * scale, height: source.naturalHeight * scale });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  if (isAsked() && shown.probabilities) {
    shown.probabilities.forEach((share, index) => {
      const left = 30 * scale * (index % shown.columns);
      const top = 30 * scale * Math.floor(index / shown.columns) + 27 * scale;
      pen.fillStyle = "#444";
      pen.fillRect(left, top, 28 * scale, 1.5 * scale);
      pen.fillStyle = shade(share);
      pen.fillRect(left, top, Math.max(1, 28 * share) * scale, 1.5 * scale);
    });
  }
  const { checkpoint, seed } = shown.wish;
  save(canvas.toDataURL("image/png"), `gandemo-${checkpoint}-seed-${seed}.png`);
});

// Generate was pressed and nothing changed: say why, and point at the dice.
hear(element, "wall", "gd-made", () => {
  if (unchanged && shown) {
    caption.textContent = `Seed ${shown.wish.seed} always gives these. Roll the dice for others.`;
    const dice = document.getElementById("dice");
    dice.classList.remove("gd-wiggle");
    void dice.offsetWidth; // so that the movement starts again
    dice.classList.add("gd-wiggle");
  }
  unchanged = true;
});

// Until the first wall is made, the checkpoint's own preview: the first rows of that very wall.
if (props.hello && !(props.value && props.value.png)) {
  picture(props.hello).then((hello) => {
    if (shown) return;
    image.src = props.hello;
    frame.classList.add("gd-hello");
    frame.style.aspectRatio = "1";
    frame.style.setProperty("--gd-width", `${crispWidth(298, Math.max(160, frame.parentElement.clientWidth - 24), 640)}px`);
    image.style.aspectRatio = `${hello.naturalWidth} / ${hello.naturalHeight}`;
  });
}

new ResizeObserver(lay).observe(frame.parentElement);
watch("value", show);
show();
