// Small comforts on the pages of sessions; each of them works without.
(() => {
  "use strict";

  // A slider beside a number: moving one moves the other, and the form hears of the number alone.
  document.addEventListener("input", (event) => {
    const slider = event.target.closest("[data-slider-for]");
    if (slider) {
      const number = document.getElementById(slider.dataset.sliderFor);
      number.value = slider.value;
      number.dispatchEvent(new Event("input", { bubbles: true }));
      return;
    }
    const twin = event.target.id && document.querySelector(`[data-slider-for="${CSS.escape(event.target.id)}"]`);
    if (twin) twin.value = event.target.value;
  });

  for (const slider of document.querySelectorAll("[data-slider-for]")) slider.hidden = false;

  // The time zone of the reader's own machine, offered where none was chosen before.
  for (const zone of document.querySelectorAll("[data-own-zone]")) {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if ([...zone.options].some((option) => option.value === own)) zone.value = own;
  }
})();
