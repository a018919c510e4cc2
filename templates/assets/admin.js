// What makes the pages nicer; each of them works without.
"use strict";

// Puts the elements with the ids of `ids` from a page into this one.
function take(html, ids) {
  const page = new DOMParser().parseFromString(html, "text/html");
  let found = false;
  for (const id of ids) {
    const from = page.getElementById(id);
    const to = document.getElementById(id);
    if (from && to) {
      to.replaceWith(from);
      found = true;
    }
  }
  return found;
}

// <form data-in-place="id id">: the answer's elements with these ids take the places of
// those here; an answer without them is shown as the page it is.
const plain = new WeakSet();
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || event.defaultPrevented) return;
  if (plain.delete(form)) return;
  const button = event.submitter;
  const ids = (button?.dataset.inPlace ?? form.dataset.inPlace ?? "").split(" ").filter(Boolean);
  if (ids.length === 0) return;
  event.preventDefault();
  const data = new URLSearchParams(new FormData(form, button));
  const address = button?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  const method = (button?.getAttribute("formmethod") ?? form.method).toUpperCase();
  const where = new URL(address, location.href);
  if (method === "GET") where.search = data.toString();
  if (button) button.disabled = true;
  form.setAttribute("aria-busy", "true");
  // By the same button: without it the form would mean something else.
  const sendPlainly = () => {
    if (button) button.disabled = false;
    plain.add(form);
    form.requestSubmit(button);
  };
  try {
    const answer = await fetch(where, {
      method,
      body: method === "GET" ? undefined : data,
      headers: { accept: "text/html" },
    });
    const html = await answer.text();
    if (answer.redirected || !take(html, ids)) {
      if (method === "GET" || answer.redirected) location.assign(answer.url);
      else sendPlainly();
      return;
    }
    document.getElementById(ids[0])?.scrollIntoView({ block: "nearest" });
  } catch {
    sendPlainly();
  } finally {
    if (button) button.disabled = false;
    form.removeAttribute("aria-busy");
  }
});

// <section id data-refresh="10">: fetched anew so many seconds after the last time, while
// the page is looked at and nobody is at work in it.
const due = new Map();
setInterval(async () => {
  if (document.hidden) return;
  const now = Date.now();
  const ids = [];
  for (const element of document.querySelectorAll("[id][data-refresh]")) {
    const wait = Number(element.dataset.refresh) * 1000;
    if (!due.has(element.id)) due.set(element.id, now + wait);
    if (due.get(element.id) > now || element.contains(document.activeElement)) continue;
    due.set(element.id, now + wait);
    ids.push(element.id);
  }
  if (ids.length === 0) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.ok && !answer.redirected) take(await answer.text(), ids);
  } catch {
    // The next round tries again.
  }
}, 1000);

// <button type="button" data-copy="id">: only of use with a script, so hidden without.
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  const text = button && document.getElementById(button.dataset.copy)?.textContent;
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
  }
});

// <select data-submit>: sends its form at once.
document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submit]")) event.target.form.requestSubmit();
});
