// "I am at this item": a heartbeat while the page can be seen, and a word on leaving, so that nothing is done twice.
import { addressOf, answerForm, ask, hear, screen } from "./page.js";
import { waiting } from "./queue.js";
import { say } from "./words.js";

let seconds = 0; // that this item was in front of the reader since the last beat
let isNew = false; // what is in front of the reader, and not yet held

export const activeSeconds = () => seconds;
const part = (form, name) => `${addressOf(form).split("?")[0]}${name}/`;

async function beat() {
  isNew = false;
  const form = answerForm();
  if (document.hidden || !form || form.dataset.state === "done" || "readOnly" in form.dataset) return;
  try {
    const counted = seconds;
    const response = await ask(part(form, "beat"), { body: `seconds=${counted}` });
    if (form.isConnected) seconds -= counted;
    if (response.status === 200 && form.isConnected) say(await response.text());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // offline: the hold runs out, and answers are kept all the same
  }
}

function leave(form) {
  if (form.dataset.state === "done" || "readOnly" in form.dataset) return;
  const data = new FormData();
  data.set("csrfmiddlewaretoken", form.querySelector("[name=csrfmiddlewaretoken]").value);
  navigator.sendBeacon(part(form, "leave"), data);
}

export function startHold() {
  hear("step:start", ({ isFirst }) => {
    seconds = 0;
    isNew = !isFirst; // the page itself has taken the hold for its first item
    if (isNew && !waiting().length) void beat();
  });
  // An answer on its way comes first; the server is not to be busy with both at once.
  hear("queue:sent", () => { if (isNew) void beat(); });
  hear("step:leave", ({ form, isSubmitted }) => { if (!isSubmitted) leave(form); });
  window.addEventListener("pagehide", () => leave(answerForm()));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) void beat(); });
  setInterval(beat, Number(screen().dataset.beat) * 1_000);
  setInterval(() => { if (!document.hidden) seconds += 1; }, 1_000);
}
