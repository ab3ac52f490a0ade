// One key, one action. The keys are the person's own and stand on the controls; a control asks for its key by data-do.
import { hit, isVisible, screen, TEXT_INPUTS } from "./page.js";
import { choose, disarm, submit } from "./answer.js";
import { quote } from "./reading.js";

// Where the arrows have a meaning of their own already: choices, the text of the trace, what scrolls or opened by itself.
const KEEPS_ARROWS = 'input[type=radio], [data-text], [data-text] *, [role="group"][tabindex], [popover]:popover-open *';

let actions = {};

// Layouts without Latin letters give none in event.key; there the place of the key counts.
function keyOf(event) {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
  if (digit && !event.shiftKey && !(event.key in actions && event.key !== digit && /^[a-z]$/i.test(event.key))) return digit;
  if (event.key.length !== 1) return event.key;
  if (event.key.toLowerCase() in actions || /^[\x20-\x7e]$/.test(event.key)) return event.key.toLowerCase();
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  const sign = { Slash: event.shiftKey ? "?" : "/", BracketLeft: "[", BracketRight: "]" }[event.code];
  return letter?.toLowerCase() ?? sign ?? event.key;
}

function perform(action) {
  const choice = /^choose_([1-9])$/.exec(action)?.[1];
  if (choice) return choose(Number(choice));
  if (action === "submit") return submit();
  if (action === "quote") return quote(); // its button comes up a moment after the words are selected
  const controls = [...document.querySelectorAll(`[data-do="${action}"]`)].filter(isVisible);
  // What is asked beside the verdict goes before the same field of the answer.
  const control = controls.find((each) => each.closest("[data-keep]")) ?? controls[0];
  if (!control || control.disabled) return false;
  hit(control);
  if (control.matches(TEXT_INPUTS)) control.focus();
  else control.click();
  return true;
}

function chooseReason(panel, event) {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  const button = digit && panel.querySelectorAll("button.reason")[Number(digit) - 1];
  if (!button) return;
  event.preventDefault();
  hit(button);
  button.click();
}

function movesInRail(focus, event) {
  const links = [...document.querySelectorAll("#focus-rail a")].filter(isVisible);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const here = links.indexOf(focus);
  if (!step || here < 0) return false;
  links[Math.max(0, Math.min(links.length - 1, here + step))].focus();
  return true;
}

function onKey(event) {
  if (event.isComposing || event.repeat) return;
  const focus = document.activeElement ?? document.body;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !focus.closest("dialog")) {
    event.preventDefault();
    submit();
    return;
  }
  // AltGr types characters such as [ on many keyboards; other combinations are the browser's.
  const isAltGr = event.getModifierState("AltGraph");
  if (!isAltGr && (event.ctrlKey || event.metaKey || event.altKey)) return;
  if (event.key === "Escape" && focus.matches(TEXT_INPUTS) && !focus.closest("[popover]:popover-open, dialog")) { focus.blur(); return; }
  if (focus.matches(TEXT_INPUTS) || focus.closest("dialog[open], details.menu[open]")) return;
  const panel = document.querySelector("[data-reasons]:popover-open");
  if (panel) { chooseReason(panel, event); return; }
  if (movesInRail(focus, event)) { event.preventDefault(); return; }
  if (event.key.startsWith("Arrow") && focus.matches(KEEPS_ARROWS)) return;
  const action = actions[keyOf(event)];
  if (!action) return;
  // Enter belongs to the link or button that has the focus.
  if (event.key === "Enter" && focus.matches("a, button, summary")) return;
  if (!action.startsWith("choose_")) disarm();
  if (perform(action)) event.preventDefault();
}

export function startKeys() {
  actions = JSON.parse(screen().dataset.keys);
  // Before the keys of the other pages, which stay silent when this one has taken the key.
  document.addEventListener("keydown", onKey, { capture: true });
}
