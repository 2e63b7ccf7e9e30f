element.querySelector(".gd-hub-note").textContent = props.value || "";
