// This page's address, for a phone's camera; where no phone can reach it, what would change that.
const { whenSeen } = window.gandemo;
const box = element.querySelector(".gd-ship-qr");
const image = element.querySelector("img");

function draw() {
  const data = props.value;
  if (!data) return;
  image.hidden = !data.png;
  if (data.png) image.src = data.png;
  element.querySelector("p").textContent = data.text;
  box.hidden = false;
}

watch("value", draw);
whenSeen(element, () => trigger("seen", { url: location.origin + location.pathname }));
draw();
