// In the trace: find, go from turn to turn, and quote what decided it, with where it stands.
import { answerForm, hear, hit } from "./page.js";

const LONG = 12; // turns from which on a map beside them helps
const text = () => document.querySelector("[data-text]");
const turns = () => [...document.querySelectorAll("[data-turn]")];
let found = [];
let at = -1;

// Find

function ranges(query) {
  const wanted = query.toLowerCase();
  const walker = document.createTreeWalker(text(), NodeFilter.SHOW_TEXT);
  const all = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const content = node.data.toLowerCase();
    for (let start = content.indexOf(wanted); start >= 0 && all.length < 500; start = content.indexOf(wanted, start + wanted.length)) {
      const range = new Range();
      range.setStart(node, start);
      range.setEnd(node, start + wanted.length);
      all.push(range);
    }
  }
  return all;
}

function find(query) {
  found = query ? ranges(query) : [];
  at = -1;
  CSS.highlights?.set("found", new Highlight(...found));
  CSS.highlights?.delete("found-here");
  sayFound(query);
}

function sayFound(query) {
  const count = document.querySelector("[data-find-count]");
  count.textContent = !query ? "" : !found.length ? "none" : at < 0 ? `${found.length}` : `${at + 1} of ${found.length}`;
}

function showFound(step, query) {
  if (!found.length) return;
  at = (at + step + found.length) % found.length;
  const range = found[at];
  for (let fold = range.startContainer.parentElement.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  CSS.highlights?.set("found-here", new Highlight(range));
  range.startContainer.parentElement.scrollIntoView({ block: "center" });
  sayFound(query);
}

// Turns

function stepTurn(step) {
  const all = turns();
  const top = document.querySelector(".focus-bar").offsetHeight + 12;
  const passed = all.filter((turn) => turn.getBoundingClientRect().top <= top + 2).length - 1;
  const next = all[Math.max(0, Math.min(all.length - 1, passed + step))];
  next?.scrollIntoView({ block: "start" });
}

function drawMap() {
  const map = document.querySelector("[data-mini-map]");
  const all = turns();
  map.hidden = all.length < LONG;
  document.querySelector("[data-turn-keys]").hidden = all.length < 2;
  if (map.hidden) return;
  const quotes = quoted();
  map.replaceChildren(...all.map((turn) => {
    const mark = document.createElement("li");
    mark.className = turn.className;
    mark.title = `Turn ${turn.dataset.turn}`;
    if (quotes.some((quote) => turn.textContent.includes(quote))) mark.classList.add("is-quoted");
    mark.addEventListener("click", () => turn.scrollIntoView({ block: "start" }));
    return mark;
  }));
}

// What the judge's reason takes from the trace word for word, as far as the reader may see it.
function quoted() {
  const reason = document.querySelector('[data-panel="verdict"] .prose')?.textContent ?? "";
  return [...reason.matchAll(/[“"«]([^”"»]{8,200})[”"»]/g)].map((match) => match[1]);
}

// Quotes

function selected() {
  const selection = getSelection();
  const words = selection.toString().replace(/\s+/g, " ").trim();
  if (!words || !selection.rangeCount || !text()?.contains(selection.getRangeAt(0).commonAncestorContainer)) return null;
  return { words, range: selection.getRangeAt(0) };
}

function placeOf(node) {
  const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
  const turn = element.closest("[data-turn]");
  if (turn) return `turn ${turn.dataset.turn}`;
  const step = element.closest(".trace-step")?.querySelector(".step-name .strong");
  if (step) return `step ${step.textContent}`;
  const document = element.closest("[data-document]");
  if (document) return `document ${document.dataset.document}`;
  const field = element.closest(".named-field")?.querySelector(".named-field-name")?.textContent;
  const part = element.closest(".part-request") ? "request" : element.closest(".part-response") ? "response" : "trace";
  return field ? `${part}, ${field}` : part;
}

function offerQuote() {
  const button = document.querySelector("[data-quote]");
  const choice = selected();
  if (!button) return;
  button.hidden = !choice;
  if (!choice) return;
  const box = choice.range.getBoundingClientRect();
  button.style.left = `${Math.max(8, Math.min(innerWidth - button.offsetWidth - 8, box.left))}px`;
  button.style.top = `${box.top > 110 ? box.top - button.offsetHeight - 8 : box.bottom + 8}px`;
}

export function quote() {
  const choice = selected();
  const box = answerForm().querySelector("[name=rationale]");
  if (!choice || box.readOnly) return false;
  const line = `“${choice.words}” (${placeOf(choice.range.startContainer)})`;
  box.value = box.value.trim() ? `${box.value.trimEnd()}\n${line}\n` : `${line}\n`;
  getSelection().removeAllRanges();
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
  box.setSelectionRange(box.value.length, box.value.length);
  hit(box);
  return true;
}

export function startReading() {
  document.addEventListener("input", (event) => { if (event.target.matches(".find-text")) find(event.target.value.trim()); });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches(".find-text") || event.key !== "Enter") return;
    event.preventDefault();
    showFound(event.shiftKey ? -1 : 1, event.target.value.trim());
  });
  document.addEventListener("selectionchange", offerQuote);
  // The button must not take the selection away before it is read.
  document.addEventListener("pointerdown", (event) => { if (event.target.closest("[data-quote]")) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-quote]")) quote();
    if (event.target.closest('[data-do="turn_back"]')) stepTurn(-1);
    if (event.target.closest('[data-do="turn_on"]')) stepTurn(1);
  });
  hear("step:start", () => {
    document.querySelector("[data-find]").hidden = false;
    find("");
    drawMap();
  });
  hear("queue:sent", drawMap);
}
