// The server's values of what the device has made, handed to the part that asked for them.
watch("value", () => {
  if (props.value) window.gandemo.tell("ship-device", "gd-compared", props.value);
});
