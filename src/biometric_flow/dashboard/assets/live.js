// One connection to /live/stream per tab, while the tab is visible; regions listen here, Python is not involved.
import { at } from "./dom.js";

const KEPT = 200;
const listeners = new Map();
const kept = [];
const status = { heard: Date.now(), since: null, signedOut: false };
let lastId = "";
let abort = null;

export function on(event, listener) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(listener);
  return () => listeners.get(event).delete(listener);
}

// Punches that came before the feed was drawn.
export function recent() {
  return kept.slice();
}

function tell(event, view) {
  if (event === "hello" && !view.is_resumed) status.since = view.at;
  if (event === "reset") {
    lastId = ""; // more was missed than is sent again: begin afresh
    abort.abort();
  }
  if (event === "punch") {
    kept.push(view);
    if (kept.length > KEPT) kept.shift();
  }
  for (const listener of listeners.get(event) || []) listener(view);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

async function read(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    status.heard = Date.now();
    buffer += value;
    const messages = buffer.split("\n\n");
    buffer = messages.pop();
    for (const message of messages) receive(message);
  }
}

function receive(message) {
  let event = "message";
  let data = "";
  for (const line of message.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
    else if (line.startsWith("id: ")) lastId = line.slice(4);
  }
  if (data) tell(event, JSON.parse(data));
}

async function run() {
  let pause = 500;
  for (;;) {
    await visible();
    abort = new AbortController();
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const response = await fetch(`/live/stream?lang=${document.documentElement.lang}`, { headers, signal: abort.signal, cache: "no-store" });
      if (response.status === 401) return leave();
      if (response.ok) {
        pause = 500;
        status.heard = Date.now();
        await read(response);
      }
    } catch {
      // A cut line or an unreachable server: the pill says so, and we try again.
    }
    await sleep(pause + Math.random() * 500);
    pause = Math.min(pause * 2, 8000);
  }
}

// When the unbroken line of punches that this tab has seen began, on the server's clock; null before the first word.
export function since() {
  return status.since;
}

export function leave() {
  status.signedOut = true;
  show();
  globalThis.caches?.delete("bf-snapshot"); // what was shown here is not shown again without a sign-in
  const here = location.pathname + location.search;
  setTimeout(() => location.assign(`/sign-in?next=${encodeURIComponent(here)}`), 1200);
}

const words = JSON.parse(document.querySelector(".bf-pill")?.dataset.words || "{}");

function show() {
  const pill = document.querySelector(".bf-pill");
  const age = Math.round((Date.now() - status.heard) / 1000);
  let state = "live";
  if (status.signedOut) state = "signed-out";
  else if (!navigator.onLine) state = "offline";
  else if (age > 60) state = "stale";
  else if (age > 15) state = "delayed";
  else if (status.since === null) state = "connecting";
  const text = (words[state] || "").replace("{n}", age).replace("{time}", at(status.heard));
  if (pill && pill.textContent !== text) pill.textContent = text;
  if (pill) pill.dataset.state = state;
  document.body.classList.toggle("bf-stale", state === "stale" || state === "offline");
}

let hiddenSince = 0;
document.addEventListener("visibilitychange", () => {
  hiddenSince = document.hidden ? Date.now() : 0;
});
setInterval(() => {
  // A browser opens six connections per host; tabs in the background give theirs back and catch up by the last id.
  if (document.hidden && abort && Date.now() - hiddenSince > 30_000) abort.abort();
  show();
}, 1000);
addEventListener("online", show);
addEventListener("offline", show);
run();
