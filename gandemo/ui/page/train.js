// The tab's one line to the server; every other part of it asks through the store.
const { connect, watch: follow } = window.gandemo.train;
const offline = element.querySelector(".gd-offline");
follow((state) => { offline.hidden = !state.offline; });
connect(server, element);
