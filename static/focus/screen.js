// The next item is there before one asks: fetched while this one is read, and put in its place without a new page.
import { answerForm, ask, hear, isSignedOut, parse, place, screen, tell } from "./page.js";
import { isKeptPage, keepAhead, keepStep, keptParts, keptStep } from "./offline.js";
import { onItsWay, waiting } from "./queue.js";
import { unseen } from "./verdicts.js";
import { say } from "./words.js";

const AHEAD = 3;
const QUIET_MS = 1_500; // on an item, before more are kept for work offline: who answers quickly is not to wait for it
const WAITING = ["todo", "draft"];
const ahead = new Map(); // address -> promise of HTML
const wished = new Map(); // pk of an item that an answer on its way is to bring along -> its address and who waits for it
let wanted = ""; // where to go as soon as the connection is back
let quiet = 0;
let isLeaving = false; // as soon as the last answer is sent

const places = () => [...document.querySelectorAll("[data-place]")];

// What was done on this page. Parts that the server drew before it heard of it are put right by it.
const marks = new Map();

export function markState(step, judge, state) {
  const tabs = [...document.querySelectorAll(`#focus-tabs-${step} [data-judge-tab]`)];
  const isOpen = tabs.some((tab) => tab.dataset.judgeTab !== judge && WAITING.includes(tab.dataset.state));
  marks.set(`${step}.${judge}`, { step, judge, state, whole: state === "done" && isOpen ? "draft" : state });
  remark();
}

function remark() {
  const here = answerForm().dataset.step;
  for (const link of document.querySelectorAll("[data-place] a")) {
    if (link.closest("[data-place]").dataset.place === here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const { step, judge, state, whole } of marks.values()) {
    const tab = document.querySelector(`#focus-tabs-${step} [data-judge-tab="${judge}"]`);
    const place = document.querySelector(`[data-place="${step}"]`);
    if (tab) setState(tab, state);
    if (place) setState(place, whole);
  }
}

function setState(element, state) {
  element.classList.remove(...[...element.classList].filter((name) => /^place-(todo|draft|done|skipped|flagged)$/.test(name)));
  if (element.dataset.place) element.classList.add(`place-${state}`);
  element.dataset.state = state;
  const word = element.querySelector("[data-state-word]");
  if (word) word.textContent = { todo: "to do", draft: "draft" }[state] ?? state;
}

// What waits after this: the other judges of this trace, the items below it, those above, then verdicts that came later.
function following() {
  const { step, judge } = answerForm().dataset;
  const tabs = [...document.querySelectorAll("[data-judge-tab]:not([aria-current])")].map((tab) => [tab.dataset.state, tab.href]);
  const all = places();
  const here = all.findIndex((place) => place.dataset.place === step);
  const others = [...all.slice(here + 1), ...all.slice(0, Math.max(here, 0))];
  const open = [...tabs, ...others.map((place) => [place.dataset.state, place.querySelector("a").href])]
    .filter(([state]) => WAITING.includes(state))
    .map(([, address]) => address);
  const looks = unseen().filter((look) => look.step !== step || look.judge !== judge);
  return [...open, ...looks.map((look) => look.address)];
}

export function goNext({ isSubmitted = false } = {}) {
  void go(following()[0] ?? screen().dataset.end, { isSubmitted });
}

function fetchAhead() {
  for (const address of following().slice(0, AHEAD)) {
    if (!ahead.has(address)) expect(address, fetchStep(address, { ahead: true }));
  }
  clearTimeout(quiet);
  quiet = setTimeout(() => void Promise.allSettled(ahead.values()).then(() => keepAhead(following(), fetchStep)), QUIET_MS);
}

function expect(address, coming) {
  ahead.set(address, coming);
  coming.catch(() => ahead.delete(address));
}

// The item that will be missing once the screen has moved on, by its pk, or "": an answer brings it along.
export function wishAhead() {
  const address = following().slice(1, AHEAD + 1).find((each) => !ahead.has(each));
  const pk = places().find((place) => place.querySelector("a").href === address)?.dataset.place ?? "";
  if (pk) expect(address, new Promise((resolve) => { wished.set(pk, { address, resolve }); }));
  return pk;
}

function takeWhatCame(html) {
  for (const pk of wished.keys()) {
    if (!waiting().some((entry) => entry.ahead === pk)) take(pk, html);
  }
}

// What did not come along, because the answer was refused, replaced or has to wait, is asked for.
function take(pk, html) {
  const wish = wished.get(pk);
  wished.delete(pk);
  const brought = parse(html).querySelector(`[data-ahead="${pk}"]`)?.innerHTML;
  if (brought) void keepStep(wish.address, brought);
  wish?.resolve(brought ?? fetchStep(wish.address, { ahead: true }));
}

async function fetchStep(address, options) {
  let response;
  try {
    response = await ask(address, options);
  } catch (error) {
    const html = error instanceof TypeError && (await keptStep(address));
    if (html) return html;
    throw error;
  }
  if (isSignedOut(response) || !response.ok || new URL(response.url).pathname !== new URL(address, location.href).pathname) {
    throw new RangeError(response.url); // no item: the whole page has to be opened
  }
  const html = await response.text();
  void keepStep(address, html);
  return html;
}

export async function go(address, { isSubmitted = false, isReplacing = false } = {}) {
  const old = answerForm();
  isLeaving = false;
  if (address === screen().dataset.end) { leaveWhenSent(address); return; }
  try {
    const coming = (!isReplacing && ahead.get(address)) || fetchStep(address);
    ahead.delete(address);
    const html = await coming;
    if (old !== answerForm()) return; // somebody was quicker
    const isSameTrace = parse(html).querySelector("[data-answer]").dataset.step === old.dataset.step;
    const scroll = scrollY;
    tell("step:leave", { form: old, isSubmitted });
    place(html);
    if (!isReplacing) history.pushState({}, "", address);
    if (isSameTrace) scrollTo(0, scroll); else scrollTo(0, 0);
    wanted = "";
    start({ isFirst: false });
  } catch (error) {
    if (error instanceof RangeError) { location.assign(address); return; }
    if (!(error instanceof TypeError)) throw error;
    wanted = address;
    say("Offline; this opens when the connection is back");
  }
}

// The last page comes once the last answer is there, so that its figures are true.
function leaveWhenSent(address) {
  if (!waiting().length) { location.assign(address); return; }
  isLeaving = true;
}

function start({ isFirst }) {
  const form = answerForm();
  remark();
  document.querySelector("[data-judge-name]").textContent = form.dataset.judgeName;
  tell("step:start", { isFirst });
  if (!isFirst) document.querySelector(".focus-title").focus({ preventScroll: true });
  fetchAhead();
}

// The page comes from this browser, as it was some items ago: put the list right, and the item of the address in its place.
async function startKept() {
  place(await keptParts());
  for (const { step, judge, state } of waiting()) markState(step, judge, state);
  const here = parse(await keptStep(location.href)).querySelector("[data-answer]");
  const isAnswered = here && onItsWay(here.dataset);
  for (const address of isAnswered ? [...following(), location.href] : [location.href, ...following()]) {
    if (!(await keptStep(address))) continue;
    await go(address, { isReplacing: true });
    delete screen().dataset.kept;
    document.querySelector(".focus-title").focus({ preventScroll: true });
    history.replaceState({}, "", address);
    return;
  }
  delete screen().dataset.kept;
  start({ isFirst: true });
  say("Offline; no more items are kept here. Reload when the connection is back");
}

function filter(name) {
  screen().dataset.filter = name;
  let shown = 0;
  for (const place of places()) {
    place.hidden = Boolean(name) && place.dataset.state !== name;
    shown += place.hidden ? 0 : 1;
  }
  document.querySelector("[data-places-none]").hidden = shown > 0;
  const word = [...document.querySelectorAll(".filter-chip")].find((chip) => chip.dataset.filter === name);
  document.querySelector("[data-filter-word]").textContent = word?.textContent.toLowerCase() ?? "";
  for (const chip of document.querySelectorAll(".filter-chip")) {
    if (chip.dataset.filter === name) chip.setAttribute("aria-current", "true"); else chip.removeAttribute("aria-current");
  }
}

export function startScreen() {
  screen().classList.add("is-live");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (link.dataset.filter !== undefined) { event.preventDefault(); filter(link.dataset.filter); return; }
    const isStep = link.closest("[data-place], [data-judge-tab], .step-nav") || link.matches("[data-view], [data-about]");
    if (!isStep) return;
    event.preventDefault();
    const rail = document.getElementById("focus-rail");
    if (rail.matches(":popover-open")) rail.hidePopover();
    void go(link.href);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".focus-rail-button");
    // Beside the trace the list is folded away, over it the browser opens and closes it.
    if (!button || !matchMedia("(min-width: 1100px)").matches) return;
    event.preventDefault();
    const isFolded = screen().classList.toggle("is-rail-folded");
    localStorage.setItem("annotator.rail", isFolded ? "folded" : "open");
  });
  screen().classList.toggle("is-rail-folded", localStorage.getItem("annotator.rail") === "folded");
  window.addEventListener("popstate", () => void go(location.href, { isReplacing: true }));
  window.addEventListener("online", () => { if (wanted) void go(wanted); });
  hear("queue:waiting", () => { for (const pk of wished.keys()) take(pk, ""); });
  hear("queue:refused", ({ html }) => takeWhatCame(html));
  hear("queue:sent", ({ entry, html }) => {
    takeWhatCame(html);
    // The server knows better whether the item is done: a reason may still be owed.
    const mark = marks.get(`${entry.step}.${entry.judge}`);
    const drawn = parse(html).querySelector(`[data-place="${entry.step}"]`);
    if (mark && drawn) mark.whole = drawn.dataset.state;
    remark();
    if (screen().dataset.filter) filter(screen().dataset.filter);
    fetchAhead();
    if (!isLeaving || waiting().length) return;
    // A verdict that has just come here is to be seen before the end.
    const { step, judge, after } = answerForm().dataset;
    if (after === "panel" && entry.step === step && entry.judge === judge) isLeaving = false;
    else goNext({ isSubmitted: true });
  });
  if (isKeptPage) { void startKept(); return; }
  for (const { step, judge, state } of waiting()) markState(step, judge, state);
  start({ isFirst: true });
  // It was answered before the page was left, and the server has yet to hear of it.
  const { step, judge } = answerForm().dataset;
  if (waiting().some((entry) => entry.step === step && entry.judge === judge)) goNext({ isSubmitted: true });
}

