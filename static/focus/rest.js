// After a long stretch, a word about a break: once, quietly, and only for who reads it.
const LONG_SECONDS = 45 * 60;
const BREAK_SECONDS = 10 * 60;
const TICK_SECONDS = 15;
const where = "annotator.stretch";

export function startRest() {
  const note = document.querySelector("[data-break]");
  const tick = () => {
    if (document.hidden) return;
    const now = Date.now() / 1_000;
    const kept = JSON.parse(sessionStorage.getItem(where) ?? "null");
    const goesOn = kept && now - kept.at < BREAK_SECONDS;
    const seconds = goesOn ? kept.seconds + Math.min(now - kept.at, TICK_SECONDS) : 0;
    sessionStorage.setItem(where, JSON.stringify({ at: now, seconds }));
    note.hidden = seconds < LONG_SECONDS;
  };
  document.querySelector("[data-break-over]").addEventListener("click", () => {
    sessionStorage.removeItem(where);
    note.hidden = true;
  });
  setInterval(tick, TICK_SECONDS * 1_000);
  tick();
}
