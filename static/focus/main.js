// The review screen. The server draws every part of it; these modules save the waiting:
//   keys     one key, one action         answer   choosing, checking, submitting
//   queue    answers on their way        drafts   what was typed and not submitted
//   screen   the next item, beforehand   hold     "I am at this item", for the others
//   reading  find, turns, quotes         words    the one line that says how saving stands
//   verdicts what there is to see later   offline  what is kept for work without a connection
//   rest     a word about a break
// They talk by events on the document: step:start, step:leave, queue:sent, queue:refused, queue:waiting, draft:saved.
import { startAnswer } from "./answer.js";
import { startDrafts } from "./drafts.js";
import { startHold } from "./hold.js";
import { startKeys } from "./keys.js";
import { startOffline } from "./offline.js";
import { startQueue } from "./queue.js";
import { startReading } from "./reading.js";
import { startRest } from "./rest.js";
import { startScreen } from "./screen.js";
import { startVerdicts } from "./verdicts.js";
import { startWords } from "./words.js";

startWords();
startQueue();
startAnswer();
startDrafts();
startVerdicts();
startOffline();
startHold();
startReading();
startKeys();
startRest();
startScreen();
