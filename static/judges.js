// Small comforts on the pages of judges and runs; each of them works without.
(() => {
  "use strict";

  // A part that is polled keeps its folds as the reader left them.
  const folds = new Map();
  document.addEventListener("htmx:beforeSwap", (event) => {
    for (const fold of event.detail.target.querySelectorAll("details[id]")) folds.set(fold.id, fold.open);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const [id, open] of folds) {
      const fold = document.getElementById(id);
      if (fold) fold.open = open;
    }
  });

  for (const notice of document.querySelectorAll("[data-focus-me]")) notice.focus();
})();
