// Without a connection, the review page of the open batch and its files come from what static/focus/offline.js has kept.
// With one, nothing does: the network is always asked first.
const REVIEW = /^(.*\/sessions\/\d+\/review\/)(?:\d+\/)?$/;
const FILES = ["script", "style", "image", "font"];

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  const review = request.mode === "navigate" ? REVIEW.exec(pathname) : null;
  if (!review && !FILES.includes(request.destination)) return;
  event.respondWith(fromNetworkFirst(request, review ? `${review[1]}kept/page` : request));
});

async function fromNetworkFirst(request, kept) {
  try {
    return await fetch(request);
  } catch (failure) {
    const found = await caches.match(kept, { ignoreVary: true });
    if (found) return found;
    throw failure;
  }
}
