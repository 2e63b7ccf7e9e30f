// The server's values of what the device has made, handed to the part that asked for them.
watch("value", () => {
  if (props.value) document.getElementById("ship-device")?.dispatchEvent(new CustomEvent("gd-compared", { detail: props.value }));
});
