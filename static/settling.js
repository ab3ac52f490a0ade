// Adopting an answer without loading the page again; the link does the same without this file.
(() => {
  "use strict";

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-adopt]");
    const form = document.querySelector("[data-settle-form]");
    if (!link || !form || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { adopt, value, rationale } = link.dataset;
    const option = [...form.querySelectorAll("input[type=radio][name=value]")].find((radio) => radio.value === value);
    const box = form.querySelector("#settle-value");
    if (option) option.checked = true;
    if (box) box.value = value;
    form.querySelector("[name=rationale]").value = rationale;
    form.querySelector("[name=adopted_from]").value = adopt;
    (option ?? box)?.focus();
  });
})();
