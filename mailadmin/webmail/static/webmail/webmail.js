// Keyboard, local times, and looking for new mail. Every page works without this file, only less comfortably.
"use strict";

(() => {
  const NEWS_EVERY_MS = 15000;
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Times come in the server's zone and are shown in the reader's.
  const showTimes = (root) => {
    const now = new Date();
    const format = (options) => new Intl.DateTimeFormat(undefined, options);
    const clock = format({ hour: "2-digit", minute: "2-digit" });
    const day = format({ day: "numeric", month: "short" });
    const date = format({ year: "numeric", month: "2-digit", day: "2-digit" });
    const full = format({ dateStyle: "full", timeStyle: "short" });
    for (const element of all("time[datetime]", root)) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.valueOf())) continue;
      element.title = full.format(at);
      if ("full" in element.dataset) element.textContent = full.format(at);
      else if (at.toDateString() === now.toDateString()) element.textContent = clock.format(at);
      else if (at.getFullYear() === now.getFullYear()) element.textContent = day.format(at);
      else element.textContent = date.format(at);
    }
  };

  // The list: one row is "at"; j and k walk. Whoever comes back from a message finds the place again.
  const PLACE = "mailkeep-place";
  const folder = location.pathname.match(/^.*\/folder\/\d+\//)?.[0];
  let atUid = null;
  const remember = (uid) => {
    atUid = uid;
    try {
      sessionStorage.setItem(PLACE, `${folder} ${uid}`);
    } catch {
      // No storage: the place is forgotten with the page.
    }
  };
  const recall = () => {
    try {
      const [where, uid] = (sessionStorage.getItem(PLACE) || "").split(" ");
      if (where === folder) atUid = uid;
    } catch {
      atUid = null;
    }
  };
  const rows = () => all("#list .row");
  const currentRow = () => rows().find((row) => row.dataset.uid === atUid);
  const goTo = (row) => {
    if (!row) return;
    all(".row.at").forEach((other) => other.classList.remove("at"));
    row.classList.add("at");
    remember(row.dataset.uid);
    one(".open", row).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const found = rows();
    const index = found.indexOf(currentRow());
    goTo(index < 0 ? found[by > 0 ? 0 : found.length - 1] : found[Math.min(Math.max(index + by, 0), found.length - 1)]);
  };
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.(".row");
    if (!row || row.classList.contains("at")) return;
    all(".row.at").forEach((other) => other.classList.remove("at"));
    row.classList.add("at");
    remember(row.dataset.uid);
  });

  const press = (value) => {
    const message = one(".message .tools");
    if (message) {
      one(`.message .tools [name="action"][value="${value}"]`)?.click();
      return;
    }
    const ticked = all('#list input[name="uid"]:checked');
    const row = currentRow();
    if (!ticked.length && row) one('input[name="uid"]', row).checked = true;
    // What stands after a removed row is the next one to look at.
    if (["archive", "delete", "junk"].includes(value) && row) {
      const found = rows();
      const next = found[found.indexOf(row) + 1] || found[found.indexOf(row) - 1];
      remember(next ? next.dataset.uid : "");
    }
    one(`#list .tools [name="action"][value="${value}"]`)?.click();
  };
  const follow = (url) => { if (url) location.href = url; };
  const list = () => one("#list");
  const message = () => one(".message");

  const KEYS = {
    j: () => (message() ? follow(message().dataset.next) : step(1)),
    k: () => (message() ? follow(message().dataset.previous) : step(-1)),
    o: () => follow(currentRow() && one(".open", currentRow()).href),
    u: () => follow(message()?.dataset.list),
    n: () => follow(list()?.dataset.older),
    p: () => follow(list()?.dataset.newer),
    x: () => { const box = currentRow() && one('input[name="uid"]', currentRow()); if (box) box.checked = !box.checked; },
    s: () => one(".star", currentRow() || one(".subject-line") || document.createElement("p"))?.click(),
    r: () => press(message() || !currentRow()?.classList.contains("unread") ? "unread" : "read"),
    e: () => press("archive"),
    "#": () => press("delete"),
    Delete: () => press("delete"),
    "/": () => { one("#search")?.focus(); one("#search")?.select(); },
    g: () => follow(one("[data-inbox]")?.href),
    c: () => follow(one("[data-compose]")?.href),
    a: () => follow(one("[data-reply]")?.href),
    "?": () => one("#shortcuts")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.('input:not([type="checkbox"]), textarea, select, [contenteditable]');
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      one("#folders")?.classList.remove("drawn");
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    const act = KEYS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  // Asked before what cannot be undone. Capturing, so that neither the form nor htmx has started yet.
  document.addEventListener("click", (event) => {
    const asking = event.target.closest("[data-confirm]");
    if (asking && !window.confirm(asking.dataset.confirm)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog).showModal();
    if (event.target.closest("#menu-button")) {
      event.preventDefault();
      one("#folders").classList.toggle("drawn");
      return;
    }
    if (!event.target.closest("#folders")) one("#folders")?.classList.remove("drawn");
    const menu = one(".account[open]");
    if (menu && !event.target.closest(".account")) menu.open = false;
    if (event.target.tagName === "DIALOG") event.target.close();
    const elsewhere = event.target.closest("[data-next]");
    if (elsewhere && elsewhere.form) one('input[name="next"]', elsewhere.form).value = elsewhere.dataset.next;
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") {
      all('#list input[name="uid"]').forEach((box) => { box.checked = event.target.checked; });
    }
    // Choosing a folder is enough; the button beside it is for browsers without scripts.
    if (event.target.name === "target" && event.target.value) {
      event.target.parentElement.querySelector('[name="action"]').click();
    }
  });

  // New mail: ask now and then, and take the list anew unless somebody is busy with it.
  let running = 0;
  document.addEventListener("htmx:beforeRequest", () => { running += 1; });
  document.addEventListener("htmx:afterRequest", () => { running -= 1; });
  const isBusy = () => running > 0 || document.hidden || one('#list input[name="uid"]:checked');
  const askForNews = async () => {
    const shown = list();
    if (!shown || isBusy()) return;
    try {
      const answer = await fetch(shown.dataset.news, { credentials: "same-origin", redirect: "error" });
      // While we asked, the list may have been taken anew for another reason: then the answer is old.
      if (answer.status !== 200 || shown !== list() || isBusy()) return;
    } catch {
      return; // Offline, or signed out: the next click will tell.
    }
    window.htmx.ajax("GET", shown.dataset.here, { target: "#list", swap: "outerHTML", headers: { "X-News": "1" } });
  };
  setInterval(askForNews, NEWS_EVERY_MS);
  document.addEventListener("visibilitychange", askForNews);

  document.addEventListener("htmx:afterSwap", () => {
    showTimes(document);
    const hadFocus = !document.activeElement || document.activeElement === document.body;
    const row = currentRow();
    if (row && hadFocus) goTo(row);
    else row?.classList.add("at");
    const title = one("#list")?.dataset.title;
    if (title) document.title = title;
  });
  // An answer that is no list (signed out, an error) is shown as the page it is.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.xhr.responseText.includes('id="list"')) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  if (message()) remember(message().dataset.uid);
  recall();
  currentRow()?.classList.add("at");
  currentRow()?.scrollIntoView({ block: "nearest" });
  showTimes(document);
  document.documentElement.dataset.ready = "";
})();
