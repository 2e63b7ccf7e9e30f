// A table of measured figures.
const box = element.querySelector("div");

function show() {
  box.replaceChildren(...(props.value ? [window.gandemo.figures(props.value)] : []));
}

watch("value", show);
show();
