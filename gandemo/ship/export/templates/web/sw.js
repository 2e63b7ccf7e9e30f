// Keeps every file of the page on the device.
// One host may have several such pages, and all of a host's caches lie side by side: each knows its own by its address.
const OURS = `gandemo ${self.registration.scope} `;
const KEPT = `${OURS}__VERSION__`;
const FILES = __FILES__;

self.addEventListener("install", (event) => {
  const fresh = FILES.map((name) => new Request(name, { cache: "no-cache" })); // not what a browser keeps of older ones
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith(OURS) && name !== KEPT;
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name)))));
});

self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  const wanted = event.request.url.split(/[?#]/)[0] === self.registration.scope ? "index.html" : event.request;
  event.respondWith(caches.open(KEPT).then((cache) => cache.match(wanted, { ignoreSearch: true })).then((kept) => kept || fetch(event.request)));
});
