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

// A click is not lost: a page that is being left is not loaded again because what it waited for is done. A download
// leaves the page where it is, so this ends by itself, and the next answer loads it again.
(() => {
  const patience = 10000;
  let left = -patience;
  addEventListener("beforeunload", () => { left = performance.now(); });
  document.addEventListener("htmx:before:response", event => {
    if (event.detail.ctx.hx.refresh && performance.now() - left < patience) event.preventDefault();
  });
})();

// Keeps on the server what an agent types, field by field, until the form is sent; puts it back on the page, also after a
// new login. A form is known by its address and its hidden fields, since the page may have other forms meanwhile.
(() => {
  const place = document.body.dataset.drafts;
  if (!place) return;
  const page = location.pathname, pause = 700, again = 5000;
  const byScript = {"HX-Request": "true"};  // these responses may overtake others: they change no session
  const known = form => [form.getAttribute("action") || "", ...[...form.elements]
    .filter(it => it.type === "hidden" && !["jeton", "formulaire", "brouillon"].includes(it.name))
    .map(it => `${it.name}=${it.value}`)].join(" ");
  const nameOf = it => ["checkbox", "radio"].includes(it.type) ? `${it.name}=${it.value}` : it.name;
  const isKept = it => it.name && it.form?.method === "post" && !it.form.hasAttribute("data-no-draft")
    && !["hidden", "file", "submit", "password"].includes(it.type);
  const isBox = it => ["checkbox", "radio"].includes(it.type);
  const valueOf = it => isBox(it) ? (it.checked ? "1" : "") : it.value;
  const usual = it => isBox(it) ? (it.defaultChecked ? "1" : "")
    : it.tagName === "SELECT" ? ([...it.options].find(one => one.defaultSelected) ?? it.options[0])?.value ?? "" : it.defaultValue;
  const say = words => {
    let said = document.getElementById("brouillon");
    if (!said) {
      said = Object.assign(document.createElement("p"), {id: "brouillon", className: "notice"});
      said.setAttribute("role", "status");
      document.querySelector("main h1").after(said);
    }
    said.replaceChildren(words);
    return said;
  };
  let token = "", waiting = new Map(), timer;
  const send = async (form, fields) => {
    const body = new FormData();
    Object.entries({jeton: token, brouillon: `${page} ${form}`, champs: JSON.stringify(fields)})
      .forEach(([name, value]) => body.append(name, value));
    const answer = await fetch(place, {method: "POST", body, headers: byScript, redirect: "manual"});
    if (answer.status !== 204) throw new Error(answer.status);
  };
  const read = async () => {
    const answer = await fetch(`${place}?page=${encodeURIComponent(page)}`, {headers: byScript, redirect: "manual", cache: "no-store"});
    if (answer.status !== 200) throw new Error(answer.status);
    const found = await answer.json();
    token = found.jeton;
    document.querySelectorAll("input[name=jeton]").forEach(it => { it.value = token; });
    return found.formulaires;
  };
  const flush = async () => {
    const now = waiting;
    waiting = new Map();
    try {
      if (!token) await read();
      for (const [form, fields] of now) await send(form, fields);
      if (document.getElementById("brouillon")?.dataset.isLate) say("Ce que vous avez tapé est gardé.").dataset.isLate = "";
    } catch (error) {
      for (const [form, fields] of now) waiting.set(form, {...fields, ...waiting.get(form)});
      const isOut = ["0", "401", "403"].includes(error.message);  // 0: a redirect to a login
      say(isOut ? "Ce que vous tapez n'est plus gardé : votre session est finie. Laissez cette page ouverte, et "
        + "identifiez-vous dans un autre onglet." : "Ce que vous tapez n'est pas encore gardé. Laissez cette page ouverte : "
        + "elle réessaie d'elle-même.").dataset.isLate = "1";
      timer = setTimeout(() => read().catch(() => {}).then(flush), again);
    }
  };
  document.addEventListener("input", ({target}) => {
    if (!isKept(target)) return;
    const both = target.type === "radio" ? [...target.form.elements].filter(it => it.name === target.name) : [target];
    const fields = Object.fromEntries(both.map(it => [nameOf(it), valueOf(it) === usual(it) ? null : valueOf(it)]));
    waiting.set(known(target.form), {...waiting.get(known(target.form)), ...fields});
    clearTimeout(timer);
    timer = setTimeout(flush, pause);
  });
  let isSending = false;
  document.addEventListener("submit", event => {
    if (!waiting.size || isSending || event.target.method !== "post") return;
    event.preventDefault();
    isSending = true;
    clearTimeout(timer);
    flush().finally(() => event.target.requestSubmit(event.submitter));
  });
  document.addEventListener("formdata", ({target, formData}) => {
    if (target.method === "post") formData.append("brouillon", `${page} ${known(target)}`);
  });
  addEventListener("pagehide", () => { if (waiting.size) flush(); });
  const restore = drafts => {
    let number = 0;
    for (const form of document.forms) {
      const fields = drafts[known(form)] ?? {};
      for (const it of form.elements) {
        const kept = isKept(it) ? fields[nameOf(it)] : undefined;
        if (kept === undefined || kept === valueOf(it)) continue;
        number += 1;
        if (isBox(it)) it.checked = kept === "1"; else it.value = kept;
        it.closest("details")?.setAttribute("open", "");
      }
    }
    if (!number) return;
    const forget = Object.assign(document.createElement("button"), {type: "button", className: "link", textContent: "L'effacer"});
    forget.addEventListener("click", async () => { await send("", {}); location.reload(); });
    say("Ce que vous aviez tapé sans l'enregistrer est remis. ").append(forget);
  };
  if ([...document.forms].some(form => [...form.elements].some(isKept))) read().then(restore).catch(() => {});
})();
