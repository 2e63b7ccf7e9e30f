// An exported file, or a page of static files made of it: saved as soon as the server has it ready.
const { address, save } = window.gandemo;
watch("value", () => {
  if (props.value) save(address(props.value.path), props.value.name);
});
