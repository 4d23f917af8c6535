// Small conveniences of the panel. Every page works without them.

"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  event.preventDefault();
  const said = button.textContent;
  const done = () => {
    button.textContent = "copied";
    setTimeout(() => { button.textContent = said; }, 1500);
  };
  navigator.clipboard?.writeText(button.dataset.copy).then(done, () => {});
});

// Times come from the server in UTC and are shown in the reader's own zone; the exact instant stays in the title.
document.addEventListener("DOMContentLoaded", () => {
  const sameDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const otherDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const today = new Date().toDateString();
  for (const element of document.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (!Number.isNaN(at.valueOf()) && !element.dataset.relative) {
      element.title = element.dateTime;
      element.textContent = at.toDateString() === today ? sameDay.format(at) : otherDay.format(at);
    }
  }
});
