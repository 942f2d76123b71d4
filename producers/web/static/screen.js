// Says within five seconds that the server does not answer, and takes that back by itself. Without it nothing is lost:
// what is under way goes on without the page.
"use strict";
(() => {
  const place = document.getElementById("absence");
  const pause = 2000, patience = 2000;
  const look = async () => {
    let answers = true;
    if (!document.hidden) {
      try {
        await fetch(place.dataset.address, {method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(patience)});
      } catch {
        answers = false;
      }
      place.textContent = answers ? "" : place.dataset.words;
      place.hidden = answers;
    }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
})();

// A page that she writes on, or that came back with what she wrote, is not loaded again when what it waits for is done:
// it asks so. The part of it that she writes in asks for nothing.
(() => {
  const fields = new Set();
  const [visit] = performance.getEntriesByType("navigation");
  const cameBack = visit?.responseStatus !== 200;
  document.addEventListener("input", event => fields.add(event.target));
  document.addEventListener("htmx:config:request", event => {
    const {target, request} = event.detail.ctx;
    const here = [...fields].filter(field => field.isConnected);
    if (here.some(field => target.contains(field))) event.preventDefault();
    else if (cameBack || here.length) request.headers["X-Written"] = "1";
  });
})();
