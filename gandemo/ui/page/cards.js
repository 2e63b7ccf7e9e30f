// Checkpoints as a row of cards; each is a radio button, so arrow keys and screen readers work as they do elsewhere.
const { make } = window.gandemo;
const group = element.querySelector("fieldset");
let drawn = "";

function draw() {
  const wanted = JSON.stringify(props.choices || []);
  if (wanted === drawn) return; // whoever stands on a card with the keyboard stays there
  drawn = wanted;
  const legend = make("legend", {}, props.legend);
  const cards = (props.choices || []).map((choice) => {
    const input = make("input", {
      type: "radio", name: props.group, value: choice.name, checked: choice.name === props.value,
      onchange: () => {
        props.value = choice.name;
        trigger("input");
      },
    });
    const strip = choice.strip
      ? make("img", { src: choice.strip, alt: "", class: `gd-card-strip${choice.photos ? " gd-card-photos" : ""}` })
      : make("span", { class: `gd-card-strip gd-card-empty${choice.photos ? " gd-card-photos" : ""}` });
    return make("label", { class: "gd-card", title: choice.text }, input, strip,
      make("span", { class: "gd-card-title" }, choice.name),
      make("span", { class: "gd-card-facts" }, choice.facts.map((fact) => make("span", {}, fact))));
  });
  const empty = cards.length ? [] : [make("p", { class: "gd-note" }, props.empty)];
  group.replaceChildren(legend, make("div", { class: "gd-cards" }, cards, empty));
}

function mark() {
  for (const input of group.querySelectorAll("input")) input.checked = input.value === props.value;
}

draw();
watch(["choices"], draw);
watch("value", mark);

// A checkpoint that has no card yet, such as one of a run or one that was just pulled: it gets one, and is chosen.
element.closest('[id$="checkpoint"]').addEventListener("gd-use", ({ detail }) => {
  const others = (props.choices || []).filter((choice) => choice.name !== detail.name);
  props.choices = [{ name: detail.name, text: detail.text, facts: [detail.from || "from a training"], strip: null }, ...others];
  props.value = detail.name;
  draw();
  trigger("input");
  element.scrollIntoView({ block: "center", behavior: "instant" });
});
