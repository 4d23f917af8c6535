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

// Times come from the server in its zone and are shown in the reader's own; the exact instant stays in the title.
const two = (number) => String(number).padStart(2, "0");

const localTime = (at) => {
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const today = at.toDateString() === new Date().toDateString();
  return today ? clock : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
};

const localiseTimes = (root) => {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (!Number.isNaN(at.valueOf())) {
      element.title = element.dateTime;
      element.textContent = localTime(at);
    }
  }
};

document.addEventListener("DOMContentLoaded", () => localiseTimes(document));
document.addEventListener("htmx:afterSettle", (event) => localiseTimes(event.target));
