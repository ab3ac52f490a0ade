// A batch without a connection: its page, the files of the page and the next items are kept in this browser, for one person
// and one batch. The service worker (templates/batches/offline_worker.js) hands out the page and its files; the items are
// looked up here. Only what the network did not give is taken from there. It goes when the person does: static/kept.js.
// Browsers allow it over https and on this machine only; elsewhere all is as before, but for a reload while offline.
import { addressOf, hear, parse, screen } from "./page.js";
import { onItsWay } from "./queue.js";

const MOST_ITEMS = 12;
const name = () => `annotator.review.${screen().dataset.person}.${screen().dataset.session}`;
const kept = (part) => `${screen().dataset.end}kept/${part}`;

let opened = Promise.resolve(null); // the cache; held, so that what comes after a sign-out lands nowhere
let isFilling = false;

// Whether this page came from the browser; it stays out of sight until its list and its item are put right.
export const isKeptPage = "kept" in screen().dataset;

async function textOf(address) {
  if (!("caches" in window)) return "";
  const found = await caches.match(address, { cacheName: name(), ignoreVary: true });
  return found ? found.text() : "";
}

// The item as it was fetched last, or nothing.
export const keptStep = (address) => textOf(address);

// The list and the progress as of the last answer that was sent, or nothing.
export const keptParts = () => textOf(kept("parts"));

export async function keepStep(address, html) {
  await put(address, new Response(html));
}

async function put(address, response) {
  const cache = await opened;
  try {
    await cache?.put(address, response);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // no room: it is not kept
  }
}

// An item that changed on the server is not what was kept, whatever its tab or view.
async function forget(address) {
  const cache = await opened;
  await cache?.delete(address, { ignoreSearch: true, ignoreVary: true });
}

// Fetch, one after the other, what is not kept yet of the items to come, under each judge.
export async function keepAhead(addresses, fetchStep) {
  if (isFilling || !(await opened)) return;
  isFilling = true;
  try {
    for (const address of addresses.slice(0, MOST_ITEMS)) {
      const step = parse((await keptStep(address)) || (await fetchStep(address, { ahead: true })));
      for (const tab of step.querySelectorAll("[data-judge-tab]:not([aria-current])")) {
        const other = tab.getAttribute("href");
        if (!(await keptStep(other))) await fetchStep(other, { ahead: true });
      }
    }
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error; // offline, or no item any more
  } finally {
    isFilling = false;
  }
}

const drawn = (root, ids) => ids.map((id) => root.getElementById(id)?.outerHTML ?? "").join("");

// The page as the server draws it now, before anything was typed into it.
async function keepPage() {
  if (document.readyState !== "complete") await new Promise((done) => { addEventListener("load", done, { once: true }); });
  const address = location.href;
  const answer = await fetch(address, { headers: { "X-Ahead": "1" } });
  if (!answer.ok || answer.redirected) return null;
  const html = await answer.text();
  for (const other of await caches.keys()) if (other.startsWith("annotator.review.")) await caches.delete(other);
  const cache = await caches.open(name());
  const headers = new Headers(answer.headers);
  for (const spent of ["Content-Encoding", "Content-Length"]) headers.delete(spent);
  await cache.put(address, new Response(drawn(parse(html), ["focus-read", "focus-side"])));
  const files = new URL("../", import.meta.url).href;
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  await cache.addAll([...new Set(loaded.filter((file) => file.startsWith(files)))]);
  await cache.put(kept("page"), new Response(html.replace("data-focus-screen", "data-focus-screen data-kept"), { headers }));
  return cache;
}

async function openCache() {
  try {
    await navigator.serviceWorker.register(screen().dataset.worker);
    return isKeptPage ? await caches.open(name()) : await keepPage();
  } catch (error) {
    // The browser forbids it, has no room, or the connection went meanwhile: then nothing is kept.
    if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
    return null;
  }
}

export function startOffline() {
  if (!("caches" in window && "serviceWorker" in navigator)) return;
  opened = openCache();
  hear("queue:sent", ({ entry, html }) => {
    void forget(entry.address);
    const parts = drawn(parse(html), ["focus-progress", "focus-places"]);
    if (parts) void put(kept("parts"), new Response(parts));
  });
  hear("draft:saved", ({ address }) => void forget(address));
  hear("step:leave", ({ form }) => { if (form.dataset.state === "done" && !onItsWay(form.dataset)) void forget(addressOf(form)); });
}
