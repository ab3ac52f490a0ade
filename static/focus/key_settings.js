// On the page of keys: pressing a key in its field writes its name there. Tab and Escape keep their meaning.
const form = document.querySelector("[data-key-settings]");

form.addEventListener("keydown", (event) => {
  if (!event.target.matches(".key-input")) return;
  if (event.ctrlKey || event.metaKey || ["Tab", "Escape", "Backspace", "Delete", "Shift", "AltGraph"].includes(event.key)) return;
  if (event.key.length > 1 && !/^(Enter|Arrow\w+|Home|End|Insert)$/.test(event.key)) return;
  event.preventDefault();
  event.target.value = event.key.length === 1 ? event.key.toLowerCase() : event.key;
});

// The other pages ask this browser whether single letters are on.
localStorage.setItem("annotator.letter-keys", form.dataset.letterKeysAre);
