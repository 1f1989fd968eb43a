// Keeps pages on this device when the patient asks for it, lists them, and removes them. Nothing happens unasked.

const KEPT = "handover-kept";
const form = document.querySelector("[data-offline]");
const list = document.querySelector("[data-kept]");

if (form && list && "serviceWorker" in navigator && "caches" in window) {
  document.querySelectorAll("[data-with-script]").forEach((it) => it.removeAttribute("hidden"));
  show();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep().catch(() => tell(form.dataset.failed));
  });
  const remove = document.querySelector("[data-remove]");
  remove.addEventListener("click", () => forget().then(() => tell(form.dataset.removed)));
}

function tell(text) {
  const told = document.querySelector("[data-told]");
  told.textContent = text;
}

async function forget() {
  await caches.delete(KEPT);
  const workers = await navigator.serviceWorker.getRegistrations();
  await Promise.all(workers.map((it) => it.unregister()));
  await show();
}

/** The moment as the page's language says it. */
function now() {
  const shape = { dateStyle: "full", timeStyle: "short", timeZone: "Europe/London" };
  return new Intl.DateTimeFormat(form.dataset.lang === "cy" ? "cy" : "en-GB", shape).format(new Date());
}

/** Fetches a page and keeps it; gives its text. */
async function take(cache, href, said) {
  const answer = await fetch(href, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok || answer.redirected) {
    throw new Error("not kept");
  }
  const text = await answer.text();
  const headers = new Headers();
  for (const name of ["content-type", "content-security-policy", "x-content-type-options", "referrer-policy"]) {
    const value = answer.headers.get(name);
    if (value) {
      headers.set(name, value);
    }
  }
  headers.set("x-handover-until", form.dataset.until);
  headers.set("x-handover-said", encodeURIComponent(said));
  headers.set("x-handover-title", encodeURIComponent(new DOMParser().parseFromString(text, "text/html").title.split(" – ")[0]));
  await cache.put(href, new Response(text, { headers }));
  for (const asset of new Set(text.match(/\/assets\/[\w./-]+/g) || [])) {
    if (!(await cache.match(asset))) {
      await cache.add(asset);
    }
  }
  return text;
}

/** The addresses on a page that begin like that, each once. */
function linked(text, start) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const all = [...page.querySelectorAll("main a[href]")].map((it) => it.getAttribute("href"));
  return [...new Set(all.filter((it) => it.startsWith(start)))];
}

/** A page that only leads to what is kept. */
async function listed(href) {
  const answer = await fetch(href, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok || answer.redirected) {
    throw new Error("not read");
  }
  return answer.text();
}

async function keep() {
  const chosen = [...form.querySelectorAll("input[type=checkbox]:checked")];
  if (chosen.length === 0) {
    tell(form.dataset.none);
    return;
  }
  tell(form.dataset.keeping);
  await navigator.serviceWorker.register("/offline/worker.js", { scope: "/" });
  await caches.delete(KEPT);
  const cache = await caches.open(KEPT);
  const said = form.dataset.said.replace("{when}", now());
  try {
    await take(cache, "/offline", said);
    for (const box of chosen) {
      const { list: from, follow } = box.dataset;
      const text = from ? await listed(from) : await take(cache, box.value, said);
      const pages = follow ? linked(text, follow).slice(0, Number(form.dataset.most)) : [];
      for (const page of pages) {
        await take(cache, page, said);
      }
    }
  } catch (error) {
    // Half of it would look like all of it.
    await caches.delete(KEPT);
    await show();
    throw error;
  }
  await show();
  tell(list.children.length === 0 ? form.dataset.empty : form.dataset.done);
}

/** Lists what is kept, each with its moment. */
async function show() {
  list.replaceChildren();
  const cache = (await caches.has(KEPT)) ? await caches.open(KEPT) : null;
  for (const request of cache ? await cache.keys() : []) {
    const found = await cache.match(request);
    const title = found.headers.get("x-handover-title");
    const path = new URL(request.url).pathname;
    if (!title || path === "/offline" || Number(found.headers.get("x-handover-until")) <= Date.now()) {
      continue;
    }
    const link = document.createElement("a");
    link.className = "nhsuk-link";
    link.href = path;
    link.textContent = decodeURIComponent(title);
    const when = document.createElement("span");
    when.className = "quiet";
    when.textContent = decodeURIComponent(found.headers.get("x-handover-said"));
    const item = document.createElement("li");
    item.append(link, when);
    list.append(item);
  }
  document.querySelector("[data-nothing]").hidden = list.children.length > 0;
  document.querySelector("[data-remove]").hidden = list.children.length === 0;
}
