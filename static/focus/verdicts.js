// Where the verdict is shown after the answer, an answer on its way has none to show yet: one goes on, and comes back for
// the look when it has arrived. Until then the list marks the item.
import { answerForm, hear, parse, screen } from "./page.js";
import { onItsWay } from "./queue.js";

const where = () => `annotator.looks.${screen().dataset.person}.${screen().dataset.session}`;
const panelOf = (root, { step, judge }) => root.getElementById(`focus-panel-${step}-${judge}`);
const asksForALook = (panel) => Boolean(panel?.querySelector("[data-panel-focus]"));

// The answers whose verdict has not been seen: step, judge and address.
export const unseen = () => JSON.parse(localStorage.getItem(where()) ?? "[]");

function keep(looks) {
  localStorage.setItem(where(), JSON.stringify(looks));
  mark();
}

function mark() {
  const steps = new Set(unseen().map((look) => look.step));
  for (const place of document.querySelectorAll("[data-place]")) {
    const note = place.querySelector("[data-look]");
    if (note) note.hidden = !steps.has(place.dataset.place);
  }
}

function isAsSent(form, { body }) {
  const [now, sent] = [new FormData(form), new URLSearchParams(body)];
  return ["value", "rationale"].every((field) => (now.get(field) ?? "") === (sent.get(field) ?? ""));
}

// In view beside the trace, where the column or sheet scrolls by itself; the page stays where it is.
export function showPanel() {
  const onward = document.querySelector("[data-panel-focus]");
  if (!onward) return;
  const panel = onward.closest("[data-panel]").getBoundingClientRect();
  const side = document.getElementById("focus-side");
  const frame = side.getBoundingClientRect();
  const below = panel.bottom + 8 - frame.bottom;
  if (below > 0) side.scrollTop += Math.min(below, panel.top - 8 - frame.top);
  onward.focus({ preventScroll: true });
}

function offerToGoOn() {
  const form = answerForm();
  const panel = panelOf(document, form.dataset);
  const later = panel?.querySelector("template[data-panel-later]");
  const entry = onItsWay(form.dataset);
  if (!later || !entry) return;
  if (isAsSent(form, entry)) delete form.dataset.changing; // Enter goes on then
  if (asksForALook(panel)) return;
  panel.replaceChildren(later, later.content.cloneNode(true));
  panel.hidden = false;
  if (!document.activeElement?.matches("textarea, input:not([type=radio])")) {
    showPanel();
  }
}

function onSent({ entry, html }) {
  const { step, judge, address } = entry;
  const { dataset } = answerForm();
  const isHere = dataset.step === step && dataset.judge === judge;
  const others = unseen().filter((look) => look.step !== step || look.judge !== judge);
  const isToBeSeen = !isHere && asksForALook(panelOf(parse(html), entry));
  keep(isToBeSeen ? [...others, { step, judge, address }] : others);
}

function onStart() {
  const { step, judge } = answerForm().dataset;
  offerToGoOn();
  if (!onItsWay({ step, judge }) && asksForALook(panelOf(document, { step, judge }))) {
    keep(unseen().filter((look) => look.step !== step || look.judge !== judge));
  } else mark();
}

export function startVerdicts() {
  hear("queue:waiting", offerToGoOn);
  hear("queue:sent", onSent);
  hear("step:start", onStart);
}
