// « Dates et motifs » as a table: Enter and the arrows move between lines, a column that is pasted from a spreadsheet
// fills the lines below, Shift ticks several lines. Without this script the page is a form, and loses nothing else.
"use strict";
(() => {
  const table = document.querySelector("table.motifs");
  if (!table) return;
  const rows = [...table.tBodies[0].rows], form = table.closest("form");
  const columns = ["jour", "categorie", "motif"];
  const columnOf = field => field.name.split("-")[0];
  const cellOf = (row, column) => row?.querySelector(`[name^="${column}-"]`);
  const isOurs = it => it.matches?.("table.motifs :is(input, select)");

  const place = Object.assign(document.createElement("p"), {className: "hint grid-help", textContent:
    "Entrée et flèches : une autre ligne. Ctrl + D : comme au-dessus. Maj + clic : cocher plusieurs lignes. "
    + "Une colonne copiée d'un tableur se colle dans la première case."});
  const said = Object.assign(document.createElement("p"), {className: "grid-said"});
  said.setAttribute("role", "status");
  table.before(place, said);

  // A day typed in short is shown in full, as `complete_day` reads it on the server (producers/web/forms.py).
  const fullDay = (words, {since, until}) => {
    const found = /^(\d\d)(\d\d)(\d{4})?$|^(\d{1,2})[/. -](\d{1,2})(?:[/. -](\d{4}))?$/.exec(words);
    if (!found || !until) return words;
    const [day, month] = [found[1] ?? found[4], found[2] ?? found[5]].map(it => it.padStart(2, "0"));
    const last = Number(until.slice(0, 4));
    const isPossible = year => `${year}-${month}-${day}` > since && `${year}-${month}-${day}` <= until;
    return `${day}/${month}/${found[3] ?? found[6] ?? [last, last - 1].find(isPossible) ?? last}`;
  };

  // Fills a field, and tells the draft; returns whether the field takes these words.
  const fill = (field, words) => {
    if (field.tagName === "SELECT") {
      const option = [...field.options].find(it => it.value === words || !it.text.localeCompare(words, "fr", {sensitivity: "base"}));
      if (!option) return false;
      field.value = option.value;
    } else {
      field.value = columnOf(field) === "jour" ? fullDay(words, field.dataset) : words;
    }
    field.dispatchEvent(new Event("input", {bubbles: true}));
    return true;
  };

  // Fills several fields, pairs of a field and words, and offers to take that back.
  const fillAll = (pairs, rest = 0) => {
    const before = pairs.map(([field]) => [field, field.value]);
    const number = pairs.filter(([field, words]) => fill(field, words)).length;
    const unread = pairs.length - number + rest;
    said.replaceChildren(`${number} ${number > 1 ? "cases remplies" : "case remplie"}. `
      + (unread ? `${unread} ${unread > 1 ? "valeurs n'ont" : "valeur n'a"} pas de place ici. ` : ""));
    const back = Object.assign(document.createElement("button"), {type: "button", className: "link", textContent: "Reprendre les valeurs d'avant"});
    back.addEventListener("click", () => {
      before.forEach(([field, words]) => fill(field, words));
      said.textContent = "Les valeurs d'avant sont remises.";
      before[0]?.[0].focus();
    });
    if (number) said.append(back);
  };

  const move = (field, step) => {
    let at = rows.indexOf(field.closest("tr")) + step;
    while (rows[at] && !cellOf(rows[at], columnOf(field))) at += step;
    const next = rows[at] ? cellOf(rows[at], columnOf(field)) : step > 0 ? form.querySelector("button[type=submit]:not([name])") : null;
    next?.focus();
    if (next?.type === "text") next.select();
  };

  const copyAbove = (row, which) => {
    const above = rows[rows.indexOf(row) - 1];
    const pairs = which.map(it => [cellOf(row, it), cellOf(above, it)?.value]);
    fillAll(pairs.filter(([field, words]) => field && words !== undefined));
  };

  table.addEventListener("keydown", event => {
    const field = event.target;
    if (!isOurs(field) || event.isComposing) return;
    const isList = field.tagName === "SELECT";
    if (event.key === "Enter") move(field, event.shiftKey ? -1 : 1);
    else if (event.key === "ArrowDown" && !isList) move(field, 1);
    else if (event.key === "ArrowUp" && !isList) move(field, -1);
    else if (event.ctrlKey && event.key.toLowerCase() === "d" && columns.includes(columnOf(field))) {
      copyAbove(field.closest("tr"), [columnOf(field)]);
      move(field, 1);
    } else return;
    event.preventDefault();
  });

  table.addEventListener("change", ({target}) => {
    if (isOurs(target) && columnOf(target) === "jour") target.value = fullDay(target.value.trim(), target.dataset);
  });

  table.addEventListener("paste", event => {
    const words = event.clipboardData.getData("text").replace(/\r?\n$/, "");
    const from = columns.indexOf(columnOf(event.target));
    if (from < 0 || !/[\t\n]/.test(words)) return;
    event.preventDefault();
    const first = rows.indexOf(event.target.closest("tr"));
    const cells = words.split(/\r?\n/).flatMap((line, down) => line.split("\t")
      .map((value, right) => [cellOf(rows[first + down], columns[from + right]), value.trim()]))
      .filter(([, value]) => value);
    const found = cells.filter(([field]) => field);
    fillAll(found, cells.length - found.length);
  });

  const apply = form.querySelector("button[name=tous]"), usual = apply?.textContent;
  const boxes = [...table.querySelectorAll("[name^=choix-]")];
  const showTicked = () => {
    const number = boxes.filter(it => it.checked).length;
    if (apply) apply.textContent = !number ? usual : number > 1 ? `Appliquer aux ${number} lignes cochées et enregistrer`
      : "Appliquer à la ligne cochée et enregistrer";
  };
  let last;
  table.addEventListener("click", ({target, shiftKey}) => {
    const at = boxes.indexOf(target);
    if (at < 0) return;
    if (shiftKey && last !== undefined) {
      boxes.slice(Math.min(at, last), Math.max(at, last) + 1).filter(it => it.checked !== target.checked).forEach(it => {
        it.checked = target.checked;
        it.dispatchEvent(new Event("input", {bubbles: true}));
      });
    }
    last = at;
    showTicked();
  });
  form.addEventListener("input", showTicked);

  rows.slice(1).forEach(row => {
    const button = Object.assign(document.createElement("button"), {type: "button", className: "link above", textContent: "comme au-dessus", tabIndex: -1});
    button.setAttribute("aria-label", `comme au-dessus, ${row.cells[0].querySelector("label")?.textContent.trim() ?? ""}`);
    button.addEventListener("click", () => copyAbove(row, columns));
    row.cells[0].append(button);
  });
})();
