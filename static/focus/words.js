// One place says how saving stands: a polite live region in the top bar, never a pop-up.
import { answerForm, hear } from "./page.js";

export const clock = (moment) =>
  new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function say(text, moment) {
  const line = document.getElementById("focus-save");
  const words = moment ? `${text} ${clock(moment)}` : text;
  if (line.textContent.trim() !== words) line.textContent = words;
}

// The server writes times in the session's zone; the reader's own is better.
function localise() {
  for (const time of document.querySelectorAll("time[data-clock]")) time.textContent = clock(time.dateTime);
}

function tick() {
  const left = document.querySelector("[data-until]");
  if (!left) return;
  const minutes = Math.ceil((new Date(left.dataset.until) - Date.now()) / 60_000);
  left.hidden = Number.isNaN(minutes) || minutes > 60;
  left.textContent = minutes > 0 ? `${minutes} min left` : "Time is up";
}

export function startWords() {
  hear("step:start", ({ isFirst }) => {
    localise();
    if (!isFirst) say(answerForm().dataset.saveText, answerForm().dataset.savedAt);
  });
  hear("queue:waiting", ({ count, why }) => say(`${why} – ${count} answer${count === 1 ? "" : "s"} waiting`));
  setInterval(tick, 30_000);
  tick();
}
