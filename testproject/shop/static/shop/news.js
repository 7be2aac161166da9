"use strict";
// Shows what becomes of the jobs: asks each second, and not while nobody looks. A button that
// needs no answer starts its job without loading the page anew.
(() => {
  const PAUSE = 1000;
  const news = document.getElementById("news");
  const silence = document.getElementById("silence");
  const isNarrow = matchMedia("(max-width: 64rem)").matches;
  let shown = "";
  let timer;
  let line = Promise.resolve();

  function localiseTimes() {
    for (const time of news.querySelectorAll("time")) {
      time.textContent = new Date(time.dateTime).toLocaleTimeString();
    }
  }

  async function ask() {
    clearTimeout(timer);
    try {
      const answer = await fetch(news.dataset.from, { signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(answer.statusText);
      const html = await answer.text();
      silence.hidden = true;
      // Left alone when nothing changed: a selection or a scrolled result stays as it is.
      if (html !== shown) {
        shown = html;
        const focused = news.contains(document.activeElement) && document.activeElement.value;
        news.innerHTML = html;
        localiseTimes();
        if (focused) news.querySelector(`button[value="${CSS.escape(focused)}"]`)?.focus();
      }
    } catch {
      silence.hidden = false;
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, PAUSE);
  }

  async function send(form, body) {
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      if (answer.type !== "opaqueredirect") throw new Error(answer.statusText);
      await ask();
      if (isNarrow) document.getElementById("yours").scrollIntoView();
    } catch {
      silence.hidden = false;
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    // A file may be refused, and the page then says why.
    if (form.enctype === "multipart/form-data") return;
    event.preventDefault();
    const body = new FormData(form, event.submitter);
    // One after another: each request writes the whole session.
    line = line.then(() => send(form, body));
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else ask();
  });
  // On a small screen the code would hide the buttons.
  if (isNarrow) for (const code of document.querySelectorAll("details")) code.open = false;
  localiseTimes();
  if (!document.hidden) timer = setTimeout(ask, PAUSE);
})();
