// What all modules ask of the page.
export const screen = () => document.querySelector("[data-focus-screen]");
export const answerForm = () => document.querySelector("[data-answer]");
// Not form.action: that is the button of this name.
export const addressOf = (form) => form.getAttribute("action");
export const isVisible = (element) => element.checkVisibility();
export const tell = (name, detail = {}) => document.dispatchEvent(new CustomEvent(name, { detail }));
export const hear = (name, react) => document.addEventListener(name, (event) => react(event.detail));
export const TEXT_INPUTS = 'textarea, select, [contenteditable="true"], input:not([type=radio]):not([type=checkbox])';

// Random in every browser, also where a page without https may not ask for a UUID.
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function csrfToken() {
  const cookie = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];
  return cookie ?? JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}

// Ask the server for parts of the page. Rejects when the server cannot be reached.
export function ask(address, { body, ahead = false } = {}) {
  const headers = { "HX-Request": "true" };
  if (ahead) headers["X-Ahead"] = "1";
  if (body === undefined) return fetch(address, { headers });
  headers["X-CSRFToken"] = csrfToken();
  headers["Content-Type"] = "application/x-www-form-urlencoded";
  return fetch(address, { method: "POST", headers, body, keepalive: body.length < 60_000 });
}

export const isSignedOut = (response) => response.redirected && new URL(response.url).pathname === "/login/";

export const parse = (html) => new DOMParser().parseFromString(html, "text/html");

// Put the parts that came in the place of those with the same id; the others are for a page left already.
export function place(html) {
  const parts = parse(html).body;
  for (const part of [...parts.children]) document.getElementById(part.id)?.replaceWith(part);
}

export function hit(element) {
  element.classList.add("is-hit");
  setTimeout(() => element.classList.remove("is-hit"), 250);
}
