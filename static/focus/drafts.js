// What was typed and not submitted: with the server after two seconds of silence, and in this browser until then.
import { addressOf, answerForm, ask, hear, isSignedOut, screen, tell } from "./page.js";
import { onItsWay } from "./queue.js";
import { say } from "./words.js";

const SILENCE_MS = 2_000;
const FIELDS = ["value", "rationale", "confidence", "expected"];
let timer = 0;
let isDirty = false;

const where = ({ step, judge }) => `annotator.draft.${screen().dataset.person}.${step}.${judge}`;

export function forget(form = answerForm()) {
  clearTimeout(timer);
  isDirty = false;
  localStorage.removeItem(where(form.dataset));
}

// An answer that the server refused is a draft again.
export function keepAsDraft({ step, judge, body }) {
  const data = new URLSearchParams(body);
  localStorage.setItem(where({ step, judge }), JSON.stringify(FIELDS.map((name) => data.get(name) ?? "")));
}

function keep(form) {
  const data = new FormData(form);
  localStorage.setItem(where(form.dataset), JSON.stringify(FIELDS.map((name) => data.get(name) ?? "")));
}

export async function save(form = answerForm()) {
  clearTimeout(timer);
  isDirty = false;
  const data = new FormData(form);
  data.set("action", "draft");
  const kept = localStorage.getItem(where(form.dataset));
  try {
    const response = await ask(addressOf(form), { body: new URLSearchParams(data).toString() });
    if (!response.ok || isSignedOut(response)) throw new TypeError(`status ${response.status}`);
    if (localStorage.getItem(where(form.dataset)) === kept) localStorage.removeItem(where(form.dataset));
    tell("draft:saved", { address: addressOf(form) });
    if (form.isConnected && !isDirty) say("Draft saved", new Date());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    if (form.isConnected) say("Not saved yet; your draft is kept in this browser");
  }
}

function fill(form, texts) {
  FIELDS.forEach((name, position) => {
    for (const box of form.querySelectorAll(`[name="${name}"]`)) {
      if (box.type === "radio") box.checked = box.value === texts[position];
      else box.value = texts[position];
    }
  });
}

function restore(form) {
  if (form.querySelector("[name=about]")) return;
  const sent = onItsWay(form.dataset);
  const kept = JSON.parse(localStorage.getItem(where(form.dataset)) ?? "null");
  if (sent) {
    const data = new URLSearchParams(sent.body);
    fill(form, FIELDS.map((name) => data.get(name) ?? ""));
    form.dataset.state = sent.state;
    say("Not sent yet; your answer is kept in this browser");
  } else if (kept) {
    fill(form, kept);
    void save(form);
  }
}

export function startDrafts() {
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-answer]");
    // What is typed about a turn, or in the reasons for skipping, is sent at once or not at all.
    if (!form || form.querySelector("[name=about]") || event.target.closest("[data-reasons]")) return;
    isDirty = true;
    keep(form);
    clearTimeout(timer);
    // An answer that was submitted changes by submitting again.
    if (form.dataset.state !== "done") timer = setTimeout(() => save(form), SILENCE_MS);
  });
  hear("step:start", () => restore(answerForm()));
  hear("step:leave", ({ form }) => { if (isDirty && form.dataset.state !== "done") void save(form); });
  window.addEventListener("pagehide", () => {
    const form = answerForm();
    if (isDirty && form.dataset.state !== "done") void save(form);
  });
}
