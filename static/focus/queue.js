// Answers on their way. They are kept in this browser until the server has them, sent one after the other, and sent again
// after a reload or a lost connection; each carries its own id, so that sending it twice is answering once.
import { ask, hear, isSignedOut, screen, tell } from "./page.js";

const RETRY_MS = 5_000;
const where = () => `annotator.queue.${screen().dataset.person}`;

let isSending = false;
let retry = 0;
let stuck = ""; // why nothing can be sent now

export const waiting = () => JSON.parse(localStorage.getItem(where()) ?? "[]");
const keep = (entries) => localStorage.setItem(where(), JSON.stringify(entries));
const drop = (id) => keep(waiting().filter((entry) => entry.id !== id));

const isAbout = (entry) => new URLSearchParams(entry.body).has("about");
const isOf = ({ step, judge }) => (entry) => entry.step === step && entry.judge === judge && !isAbout(entry);

// What is on its way for the whole of one item under one judge's name: the entry, or nothing.
export const onItsWay = (form) => waiting().find(isOf(form));

// An entry: id, address, body, step, judge, number (of the item in the batch), ahead (the pk of the item that
// it is to bring along), state (that the answer brings about).
export function enqueue(entry) {
  // What was changed before it was sent was never given.
  const isReplaced = isAbout(entry) ? () => false : isOf(entry);
  keep([...waiting().filter((each) => !isReplaced(each)), entry]);
  void flush();
}

async function flush() {
  clearTimeout(retry);
  if (isSending || !waiting().length) return;
  isSending = true;
  try {
    // Two tabs of one person take turns. Without https there are no locks, and the ids alone must do.
    if (navigator.locks) await navigator.locks.request("annotator.queue", sendAll);
    else await sendAll();
  } finally {
    isSending = false;
  }
}

async function sendAll() {
  for (let entry = waiting()[0]; entry; entry = waiting()[0]) {
    stuck = await send(entry);
    if (stuck) {
      keep(waiting().map(withoutWish));
      tellWaiting(stuck);
      retry = setTimeout(flush, RETRY_MS);
      return;
    }
  }
}

// What it was to bring along is asked for by itself now; an item that cannot be drawn must not keep an answer from arriving.
function withoutWish(entry) {
  const body = new URLSearchParams(entry.body);
  body.delete("ahead");
  return { ...entry, body: body.toString(), ahead: "" };
}

const tellWaiting = (why) => tell("queue:waiting", { count: waiting().length, why });

// Sends one; returns why it must wait, or nothing when it is off the queue.
async function send(entry) {
  let response, html;
  try {
    response = await ask(entry.address, { body: entry.body });
    html = await response.text();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return "Offline";
  }
  if (isSignedOut(response)) return "Signed out; sign in in another tab";
  if (response.status === 429 || response.status >= 500) return "The server does not answer";
  drop(entry.id);
  if (response.ok) tell("queue:sent", { entry, html });
  else tell("queue:refused", { entry, html, status: response.status });
  return "";
}

export function startQueue() {
  window.addEventListener("online", flush);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) void flush(); });
  hear("step:start", () => { if (stuck && waiting().length) tellWaiting(stuck); });
  if (waiting().length) {
    tellWaiting("Sending");
    void flush();
  }
}
