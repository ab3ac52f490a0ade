// Choosing, checking, submitting. One key is one answer where one choice is all that is asked.
import { activeSeconds } from "./hold.js";
import { forget, keepAsDraft, save } from "./drafts.js";
import { addressOf, answerForm, ask, hear, hit, newId, parse, place, screen, tell } from "./page.js";
import { enqueue, waiting } from "./queue.js";
import { goNext, go, markState, wishAhead } from "./screen.js";
import { showPanel } from "./verdicts.js";
import { say } from "./words.js";

const PAUSE_MS = 350;
let armed = 0;

const isOn = (name) => screen().dataset[name] === "on";
const chosen = (form) => form.querySelector("[name=value]:checked")?.closest(".radio-card");

export function disarm() {
  clearTimeout(armed);
  armed = 0;
  for (const card of document.querySelectorAll(".is-chosen")) card.classList.remove("is-chosen");
}

export function choose(position) {
  const form = answerForm();
  const option = form?.querySelector(`[data-choice="${position}"]`);
  if (!option || option.matches(":disabled")) return false;
  option.checked = true;
  option.focus({ preventScroll: true });
  option.dispatchEvent(new Event("input", { bubbles: true }));
  arm(form);
  return true;
}

// The chosen card stays lit for a moment before it is submitted: time to see it, and to stop it with any key.
function arm(form) {
  disarm();
  const card = chosen(form);
  showProblem(form, "value", false);
  if (!("oneKey" in form.dataset) || form.dataset.state === "done" || !isOn("autoSubmit")) { hit(card); return; }
  card.classList.add("is-chosen");
  armed = setTimeout(() => { armed = 0; if (form.isConnected) submit(); }, PAUSE_MS);
}

function showProblem(form, name, isShown) {
  const text = form.querySelector(`[data-error="${name}"]`);
  if (!text) return;
  text.hidden = !isShown;
  for (const box of form.querySelectorAll(`[name="${name}"]`)) {
    if (isShown) box.setAttribute("aria-invalid", "true");
    else box.removeAttribute("aria-invalid");
  }
}

// The first field that is missing, or nothing.
function firstProblem(form) {
  const data = new FormData(form);
  const differs = "verdict" in form.dataset && data.get("value") !== form.dataset.verdict;
  const missing = { value: !data.get("value"), rationale: ("needsReason" in form.dataset || differs) && !data.get("rationale").trim() };
  for (const name of Object.keys(missing)) showProblem(form, name, missing[name]);
  const name = Object.keys(missing).find((field) => missing[field]);
  return name && form.querySelector(`[name="${name}"]`);
}

export function submit() {
  disarm();
  const panel = document.querySelector("[data-panel-focus]");
  if (panel && answerForm().dataset.state === "done" && !("changing" in answerForm().dataset)) { hit(panel); panel.click(); return true; }
  const form = answerForm();
  if (!form || "readOnly" in form.dataset) return false;
  // An answer that stands as it was given is not given again.
  const stands = form.dataset.state === "done" && !("changing" in form.dataset) && !form.querySelector("[name=about]");
  if (stands) { hit(form.querySelector('[data-do="submit"]')); goNext({ isSubmitted: true }); return true; }
  const problem = firstProblem(form);
  if (problem) { problem.focus(); return true; }
  const button = form.querySelector('[data-do="submit"]');
  hit(button);
  send(form, { action: "submit" });
  return true;
}

function send(form, extra) {
  const data = new FormData(form);
  const ahead = wishAhead();
  for (const [name, value] of Object.entries({ ...extra, ahead, submission: newId(), seconds: activeSeconds() })) data.set(name, value);
  const { step, judge, number } = form.dataset;
  const isAbout = data.has("about");
  const state = { skip: "skipped", flag: "flagged" }[Object.keys(extra)[0]] ?? "done";
  if (!isAbout) forget(form);
  say("Submitting…");
  enqueue({ id: data.get("submission"), address: addressOf(form), body: new URLSearchParams(data).toString(), step, judge, number, ahead, state: isAbout ? form.dataset.state : state });
  if (isAbout) return;
  form.dataset.state = state;
  markState(step, judge, state);
  if (form.dataset.after === "advance" || state !== "done") {
    if (isOn("autoAdvance") || state !== "done") goNext({ isSubmitted: true });
  }
}

function onSent({ entry, html }) {
  const form = answerForm();
  const isHere = form.dataset.step === entry.step && form.dataset.judge === entry.judge;
  place(html);
  const result = parse(html).getElementById("focus-result")?.dataset;
  if (!result) return;
  say(result.text, result.at);
  if (new URLSearchParams(entry.body).has("about")) { if (isHere) void go(addressOf(form), { isReplacing: true }); return; }
  if (!isHere) return;
  delete form.dataset.changing;
  form.dataset.state = result.state;
  showPanel();
}

// A refused answer is a draft again: here with what is wrong beside the field, elsewhere with the way to it.
function onRefused({ entry, html, status }) {
  const form = answerForm();
  const isHere = form.dataset.step === entry.step && form.dataset.judge === entry.judge;
  keepAsDraft(entry);
  markState(entry.step, entry.judge, "draft");
  if (isHere && status === 422) {
    place(html);
    tell("step:start", { isFirst: true });
    answerForm().querySelector('[aria-invalid="true"]')?.focus();
    say("Not submitted: see beside the field");
  } else {
    say(`Item ${entry.number} was not taken; it is kept as a draft. Open it to see why`);
  }
}

function grow(box) {
  const count = box.closest(".field").querySelector("[data-counter]");
  if (count) count.textContent = box.value.length ? `${box.value.length} characters` : "";
}

export function startAnswer() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-answer]");
    const button = event.submitter;
    if (event.target.closest("[data-keep]") && button?.value === "keep") { onKeep(event); return; }
    if (event.target.closest("[data-undo]") && waiting().length) {
      event.preventDefault();
      say("Wait until your answers are sent; then undo");
    }
    if (!form) return;
    event.preventDefault();
    if (button?.name === "skip" || button?.name === "flag") {
      button.closest("[popover]").hidePopover();
      send(form, { [button.name]: button.value, action: button.name });
    } else if (button?.value === "draft") void save(form);
    else submit();
  });
  document.addEventListener("click", (event) => {
    const change = event.target.closest("[data-change]");
    if (change) { event.preventDefault(); startChange(change); return; }
    if (event.target.closest("[data-onward]")) { event.preventDefault(); goNext({ isSubmitted: true }); return; }
    const option = event.target.closest("[data-choice]");
    // Arrow keys move through the choices with a click of their own, which has no detail; they only look.
    if (option && event.detail > 0) arm(option.form);
  });
  // A click on a card clicks its radio button without detail.
  document.addEventListener("pointerup", (event) => {
    const option = event.target.closest(".radio-card")?.querySelector("[data-choice]:not(:disabled)");
    if (option && event.button === 0) setTimeout(() => { if (option.checked) arm(option.form); });
  });
  document.addEventListener("pointerdown", disarm);
  document.addEventListener("input", (event) => {
    if (event.target.matches(".reason-box")) grow(event.target);
    // An answer that was given and is touched again is being changed; Enter then submits it and does not keep the first.
    const form = event.target.closest("[data-answer]");
    if (form?.dataset.state === "done") form.dataset.changing = "";
  });
  hear("step:start", () => { const box = answerForm().querySelector(".reason-box"); if (box) grow(box); });
  hear("step:leave", disarm);
  hear("queue:sent", onSent);
  hear("queue:refused", onRefused);
}

// Changing one's mind once the verdict is seen keeps the first answer: the form opens again, and a second one is submitted.
function startChange(button) {
  const form = answerForm();
  form.dataset.changing = "";
  button.closest("[data-keep]").hidden = true;
  (form.querySelector("[name=value]:checked") ?? form.querySelector("[name=value]")).focus();
  say("Choose again and submit; your first answer is kept");
}

async function onKeep(event) {
  event.preventDefault();
  const form = event.target;
  const box = form.querySelector("[name=rationale]");
  if (box && !box.value.trim()) { showProblem(form, "rationale", true); box.focus(); return; }
  if (!box) { goNext({ isSubmitted: true }); return; }
  const data = new URLSearchParams(new FormData(form));
  data.set("action", "keep");
  try {
    const response = await ask(addressOf(form), { body: data.toString() });
    place(await response.text());
    if (response.ok) goNext({ isSubmitted: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say("Offline; try again when the connection is back");
  }
}
