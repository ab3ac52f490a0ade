// Keys, focus and small comforts. Everything works without this file; nothing here holds state that matters.
// Elements ask for it by data- attributes: data-key, data-copy, data-dialog, data-autosubmit, data-announce,
// data-feedback-form, data-letter-keys, data-draft, data-row, data-tick, data-tick-all, data-tick-count.
"use strict";

(() => {
  const LETTER_KEYS = "annotator.letter-keys";
  const TEXT_INPUTS = 'textarea, select, [contenteditable="true"], input:not([type=radio]):not([type=checkbox])';

  const letterKeysAreOn = () => localStorage.getItem(LETTER_KEYS) !== "off";
  const isVisible = (element) => element.checkVisibility();
  const firstVisible = (selector, root = document) => [...root.querySelectorAll(selector)].find(isVisible);

  function hit(element) {
    element.classList.add("is-hit");
    setTimeout(() => element.classList.remove("is-hit"), 250);
  }

  // The feedback form that keys are meant for: the one with the focus, else the first that can be seen.
  function activeForm() {
    return document.activeElement?.closest("[data-feedback-form]") ?? firstVisible("[data-feedback-form]");
  }

  function submit(form) {
    // Within "Cannot judge" it is that part's own button.
    const part = document.activeElement?.closest("[data-decline]") ?? form;
    const button = part.querySelector("[data-submit]") ?? form.querySelector("button:not([type=button])");
    if (!button) { form.requestSubmit(); return; }
    hit(button);
    button.click(); // and not requestSubmit(button): htmx sends the button along only when it was clicked
  }

  function choose(position) {
    const form = activeForm();
    if (!form) return false;
    if (position === 0) {
      const fold = form.querySelector("[data-decline]");
      if (!fold) return false;
      fold.open = true;
      fold.querySelector("input")?.focus();
      return true;
    }
    const option = form.querySelectorAll("input[type=radio][name=value]")[position - 1];
    if (!option) return false;
    option.checked = true;
    option.focus();
    option.dispatchEvent(new Event("change", { bubbles: true }));
    hit(option.closest(".radio-card") ?? option);
    return true;
  }

  function press(key) {
    const element = firstVisible(`[data-key="${CSS.escape(key)}"]`);
    if (!element) return false;
    hit(element);
    if (element.matches(TEXT_INPUTS)) element.focus();
    else element.click();
    return true;
  }

  function stepInList(step) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return false;
    const now = rows.indexOf(document.activeElement);
    rows[Math.max(0, Math.min(rows.length - 1, now + step))].focus();
    return true;
  }

  // Layouts without Latin letters give none in event.key; there the place of the key counts.
  function letterOf(event) {
    if (/^[a-z/]$/i.test(event.key)) return event.key.toLowerCase();
    return /^Key[A-Z]$/.test(event.code) ? event.code[3].toLowerCase() : "";
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const focus = document.activeElement ?? document.body;
    const form = activeForm();
    // Enter in a tick box would press the first button of its form, which starts a job.
    if (event.key === "Enter" && focus.matches("[data-tick]")) { event.preventDefault(); focus.click(); return; }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const target = (focus.matches(TEXT_INPUTS) && focus.closest("form")) || form;
      if (target) { event.preventDefault(); submit(target); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && focus.matches(TEXT_INPUTS)) { focus.blur(); return; }
    if (event.key === "Enter" && focus.matches("[data-decline] input")) { event.preventDefault(); submit(form); return; }
    if (focus.closest("dialog") || focus.matches(TEXT_INPUTS)) return;
    if (event.key === "Enter") {
      if (focus.matches("a, button, summary, input") || !form) return;
      event.preventDefault();
      submit(form);
      return;
    }
    if (event.key !== "?" && !letterKeysAreOn()) return;
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
    const letter = letterOf(event);
    let done = false;
    if (digit !== undefined && !event.shiftKey) done = choose(Number(digit));
    else if (event.key === "?") { document.getElementById("key-sheet")?.showModal(); done = true; }
    else if (letter === "r" && form) {
      const box = form.querySelector("textarea[name=rationale]");
      if (box) { box.focus(); done = true; }
    } else if (letter) {
      done = press(letter) || (letter === "j" && stepInList(1)) || (letter === "k" && stepInList(-1));
    }
    if (done) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-dialog], [data-copy]");
    if (!element) {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
      }
      return;
    }
    if (element.dataset.dialog) document.getElementById(element.dataset.dialog)?.showModal();
    if (element.dataset.copy !== undefined) {
      navigator.clipboard?.writeText(element.dataset.copy).then(() => announce("Copied"));
      hit(element);
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick]")) countTicks();
    if (event.target.closest("[data-tick-all]")) {
      for (const tick of document.querySelectorAll("[data-tick]")) tick.checked = event.target.checked;
      countTicks();
    }
    if (event.target.matches("[data-autosubmit]")) event.target.form?.requestSubmit();
    if (event.target.matches("[data-letter-keys]")) {
      localStorage.setItem(LETTER_KEYS, event.target.checked ? "on" : "off");
    }
  });

  function countTicks() {
    const ticks = [...document.querySelectorAll("[data-tick]")];
    const ticked = ticks.filter((tick) => tick.checked).length;
    const all = document.querySelector("[data-tick-all]");
    const said = document.querySelector("[data-tick-count]");
    if (!all || !said) return;
    all.hidden = false;
    all.querySelector("input").checked = ticked === ticks.length;
    said.textContent = ticked ? `${ticked} ticked` : "";
  }

  function announce(text) {
    const region = document.getElementById("announcer");
    if (!region) return;
    region.textContent = "";
    requestAnimationFrame(() => { region.textContent = text; });
  }

  // What somebody typed survives a look at the next trace or a closed tab, until it is submitted.
  const draftKey = (form) => `annotator.draft.${form.dataset.draft}`;

  function restoreDraft(form) {
    const kept = JSON.parse(localStorage.getItem(draftKey(form)) ?? "null");
    if (!kept || form.querySelector("[aria-invalid]")) return;
    const option = [...form.querySelectorAll("input[type=radio][name=value]")].find((radio) => radio.value === kept.value);
    if (option) option.checked = true;
    for (const name of ["rationale", "value"]) {
      const box = form.querySelector(`textarea[name=${name}], input[type=text][name=${name}]`);
      if (box && !box.value) box.value = kept[name] ?? "";
    }
    const note = form.querySelector("[data-draft-note]");
    if (note) note.hidden = false;
  }

  function keepDraft(form) {
    const data = new FormData(form);
    const draft = { value: data.get("value") ?? "", rationale: data.get("rationale") ?? "" };
    if (draft.value || draft.rationale) localStorage.setItem(draftKey(form), JSON.stringify(draft));
    else localStorage.removeItem(draftKey(form));
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-draft]");
    if (form) keepDraft(form);
  });

  function settle(root) {
    for (const box of root.querySelectorAll("[data-letter-keys]")) box.checked = letterKeysAreOn();
    // Feedback that was saved needs no draft any more; the server says so with the page or the part.
    for (const saved of root.querySelectorAll("[data-draft-done]")) {
      localStorage.removeItem(`annotator.draft.${saved.dataset.draftDone}`);
    }
    for (const form of root.querySelectorAll("form[data-draft]")) restoreDraft(form);
    for (const news of root.querySelectorAll("[data-announce]")) announce(news.textContent.trim());
  }

  document.addEventListener("DOMContentLoaded", () => { settle(document); countTicks(); });
  document.addEventListener("htmx:afterSettle", (event) => {
    const swapped = event.detail.elt;
    settle(swapped.parentElement ?? swapped);
    swapped.querySelector("[data-focus]")?.focus();
  });
  document.addEventListener("htmx:beforeRequest", () => {
    const note = document.getElementById("failure-note");
    if (note) note.hidden = true;
  });
  for (const failure of ["htmx:sendError", "htmx:responseError"]) {
    document.addEventListener(failure, () => {
      const note = document.getElementById("failure-note");
      if (!note) return;
      note.hidden = false;
      announce(note.textContent);
    });
  }
})();
