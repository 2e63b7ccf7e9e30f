// Gradio leaves a password's `autocomplete` empty, whatever it is told: no browser is to keep the token.
const forget = () => {
  const token = document.querySelector("#hub-token input");
  if (token && token.getAttribute("autocomplete") !== "off") token.setAttribute("autocomplete", "off");
};
const all = { childList: true, subtree: true, attributes: true, attributeFilter: ["autocomplete"] };
new MutationObserver(forget).observe(element.closest(".gd-hub") || document.body, all);
forget();
