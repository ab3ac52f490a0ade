// What the review screen keeps for work without a connection (focus/offline.js) is one person's, of one batch. It goes when
// somebody signs out, as soon as anybody else is seen here, and when the batch is over. Answers on their way stay.
"use strict";

(() => {
  if (!("caches" in window)) return;

  async function forget({ besides = "" } = {}) {
    for (const name of await caches.keys()) {
      const isTheirs = besides && name.startsWith(`annotator.review.${besides}.`);
      if (name.startsWith("annotator.review.") && !isTheirs) await caches.delete(name);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const isOver = document.querySelector("[data-batch-over]");
    void forget({ besides: isOver ? "" : document.body.dataset.person });
  });
  document.addEventListener("submit", (event) => { if (event.target.matches("[data-sign-out]")) void forget(); });
})();
