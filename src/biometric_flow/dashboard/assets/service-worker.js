// Answers only where the line is gone: with the last snapshot, at most a day old. Nothing else is kept.
const FILES = [FILES_OF_THIS_VERSION];
const CACHE = `bf-offline ${FILES.at(-1)}`;
const SNAPSHOTS = "bf-snapshot";
const DAY = 24 * 3600 * 1000;

addEventListener("install", (event) => event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES))));

addEventListener("activate", (event) => event.waitUntil(caches.keys().then((names) => Promise.all(
  names.filter((name) => name.startsWith("bf-offline ") && name !== CACHE).map((name) => caches.delete(name))))));

async function saved() {
  const found = await (await caches.open(SNAPSHOTS)).match("/snapshot");
  if (found && Date.now() - Date.parse(found.headers.get("date")) < DAY) return found;
  if (found) await caches.delete(SNAPSHOTS);
  return (await caches.match(FILES[0])) || Response.error();
}

addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(saved));
  else if (FILES.includes(url.pathname)) event.respondWith(fetch(request).catch(() => caches.match(url.pathname)));
});
