// One picture of the wall, large, with what the discriminator thinks of it.
const { make, verdict, hear, still } = window.gandemo;
const box = element.querySelector(".gd-inspector");

function show() {
  const data = props.value;
  box.classList.toggle("gd-empty", !data);
  if (!data) {
    box.replaceChildren(make("p", { class: "gd-note" }, props.hint));
    return;
  }
  box.replaceChildren(
    make("img", { src: data.png, alt: data.title, class: "gd-large" }),
    make("div", {}, make("h3", {}, data.title), make("p", { class: "gd-reads" }, data.reads), verdict(data.verdict)),
  );
  box.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
}

hear(element, "inspector", "gd-clear", () => {
  props.value = null;
  show();
});
watch("value", show);
show();
