// A page of static files, saved as soon as the server has packed it.
const { address, save } = window.gandemo;
watch("value", () => {
  if (props.value) save(address(props.value.path), props.value.name);
});
