// Two walls made from the same seed, side by side, with their figures.
const { make, picture, crispWidth, figures, whenSeen } = window.gandemo;
const pair = element.querySelector(".gd-pair");
const below = element.querySelector(".gd-below");

function lay() {
  for (const image of pair.querySelectorAll("img")) {
    const room = image.closest("figure").clientWidth - 24;
    image.style.width = `${crispWidth(image.naturalWidth, room)}px`;
  }
}

async function show() {
  const data = props.value;
  if (!data) return;
  const images = await Promise.all(data.sides.map((side) => picture(side.png)));
  if (props.value !== data) return;
  pair.replaceChildren(...data.sides.map((side, i) => {
    images[i].alt = side.alt;
    return make("figure", {}, make("div", { class: "gd-frame" }, images[i]),
      make("figcaption", {}, make("strong", {}, side.name), ` ${side.text}`));
  }));
  below.replaceChildren(figures(data.figures));
  lay();
}

new ResizeObserver(lay).observe(pair);
watch("value", show);
whenSeen(element, () => trigger("seen"));
show();
