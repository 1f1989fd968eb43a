// Answers for the node while there is no connection, from what the patient chose to keep on this device. It keeps nothing by
// itself, never touches the pages of staff, and forgets everything when somebody signs out, when the page for signing in is
// shown, and when the sign-in by which it was kept would have ended.

const KEPT = "handover-kept";
const UNTIL = "x-handover-until";
const SAID = "x-handover-said";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

function forget() {
  return caches.delete(KEPT);
}

/** What is kept of an address, if it is not too old; what is too old is forgotten, with everything kept beside it. */
async function kept(address) {
  if (!(await caches.has(KEPT))) {
    return undefined;
  }
  const cache = await caches.open(KEPT);
  const found = await cache.match(address, { ignoreSearch: true });
  const until = found && found.headers.get(UNTIL);
  if (until && Number(until) <= Date.now()) {
    await forget();
    return undefined;
  }
  return found;
}

/** The kept page, which says at its head of when it is. */
async function aged(found) {
  const said = decodeURIComponent(found.headers.get(SAID) || "");
  const text = await found.text();
  const plain = said.replace(/[&<>"']/g, (it) => "&#" + it.charCodeAt(0) + ";");
  const notice = '<div class="offline-notice" role="status"><p>' + plain + "</p></div>";
  const marked = text.replace(/<main\b[^>]*>/, (main) => main + notice);
  const headers = new Headers(found.headers);
  headers.delete("content-length");
  headers.delete("content-encoding");
  // A page that lost its place for the notice is not shown as if it were of now.
  return marked === text ? undefined : new Response(marked, { status: 200, headers });
}

async function withoutConnection(address) {
  const found = await kept(address);
  const page = found && (await aged(found));
  if (page) {
    return page;
  }
  const fallback = await kept("/offline");
  const shown = fallback && (await aged(fallback));
  return shown || Response.error();
}

async function look(request, path) {
  try {
    const answer = await fetch(request);
    if (path === "/login" || path.startsWith("/login/")) {
      await forget();
    }
    return answer;
  } catch (_) {
    return withoutConnection(path);
  }
}

async function change(request, path) {
  if (path === "/sign-out") {
    await forget();
  }
  try {
    return await fetch(request);
  } catch (_) {
    return withoutConnection("/offline");
  }
}

async function file(request) {
  try {
    return await fetch(request);
  } catch (_) {
    return (await kept(new URL(request.url).pathname)) || Response.error();
  }
}

self.addEventListener("fetch", (event) => {
  const request = event.request;
  const address = new URL(request.url);
  if (address.origin !== self.location.origin || address.pathname.startsWith("/staff")) {
    return;
  }
  if (request.mode === "navigate") {
    const answer = request.method === "GET" ? look : change;
    event.respondWith(answer(request, address.pathname));
  } else if (request.method === "GET" && address.pathname.startsWith("/assets/")) {
    event.respondWith(file(request));
  }
});
