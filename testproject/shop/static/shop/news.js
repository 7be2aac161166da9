"use strict";
// Asks for the state of the jobs every two seconds, and not while nobody looks.
(() => {
  const PAUSE = 2000;
  const news = document.getElementById("news");
  const silence = document.getElementById("silence");
  let shown = "";
  let timer;

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
        news.innerHTML = html;
        localiseTimes();
      }
    } catch {
      silence.hidden = false;
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, PAUSE);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else ask();
  });
  localiseTimes();
  if (!document.hidden) timer = setTimeout(ask, PAUSE);
})();
