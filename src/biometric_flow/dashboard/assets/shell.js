// Navigation without a reload, and the connection pill. Without this script every link still works.
import { on } from "./live.js";

// The bell says how many alerts wait, as the stream tells it.
on("alerts", (view) => {
  const bell = document.querySelector(".bf-bell");
  if (!bell) return;
  const count = bell.querySelector(".bf-bell-count");
  count.textContent = view.count > 99 ? "99+" : String(view.count);
  count.hidden = view.count === 0;
  bell.setAttribute("aria-label", view.label);
  bell.title = view.label;
});

const links = () => document.querySelectorAll(".bf-nav a[data-page]");
const pages = new Set([...links()].map((link) => link.dataset.page));

function mark() {
  for (const link of links()) {
    if (link.dataset.page === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const here = [...links()].find((link) => link.dataset.page === location.pathname);
  if (here) document.title = `${here.textContent.trim()} · BiometricFlow`;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = new URL(link.href);
  const isOurs = target.origin === location.origin && pages.has(target.pathname) && !link.target;
  if (!isOurs || link.hash || link.hasAttribute("download") || !document.querySelector("[data-testid='stMain']")) return;
  event.preventDefault();
  if (link.closest(".bf-nav")) {
    const here = new URLSearchParams(location.search);
    for (const name of ["loc", "dep", "from", "to"]) { // the scope moves along
      if (here.get(name)) target.searchParams.set(name, here.get(name));
    }
  }
  const lang = new URLSearchParams(location.search).get("lang"); // so does a language that the address names
  if (lang) target.searchParams.set("lang", lang);
  history.pushState({}, "", target);
  dispatchEvent(new PopStateEvent("popstate")); // Streamlit runs the page of the new address.
  document.querySelector("[data-testid='stMain']").scrollTo(0, 0);
  mark();
});

addEventListener("popstate", mark);

const more = document.querySelector(".bf-more button");
function showMore(isOpen) {
  if (!more) return;
  more.setAttribute("aria-expanded", String(isOpen));
  document.querySelector(".bf-nav").classList.toggle("bf-open", isOpen);
}
more?.addEventListener("click", () => showMore(more.getAttribute("aria-expanded") !== "true"));
document.addEventListener("click", (event) => {
  if (!event.target.closest?.(".bf-more")) showMore(false);
});

// Streamlit writes the address too (filters, page changes).
let seen = location.pathname;
setInterval(() => {
  if (seen !== location.pathname) mark();
  seen = location.pathname;
}, 500);

const account = document.querySelector(".bf-account");
document.addEventListener("click", (event) => {
  if (!account.contains(event.target)) account.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && more?.getAttribute("aria-expanded") === "true") {
    showMore(false);
    more.focus();
  } else if (event.key === "Escape" && account.open) {
    account.open = false;
    account.querySelector("summary").focus();
  }
});

// The form of the account menu leads back to where it was opened, in the language that it chose.
document.querySelector(".bf-look")?.addEventListener("submit", (event) => {
  const here = new URL(location.href);
  here.searchParams.delete("lang");
  event.target.elements.next.value = here.pathname + here.search;
});

// One-letter shortcuts can be switched off, for people who speak to their computer (WCAG 2.1.4).
const search = document.querySelector(".bf-search input");
const shortcuts = document.getElementById("bf-shortcuts");
if (shortcuts) {
  shortcuts.checked = localStorage.getItem("bf-shortcuts") !== "off";
  shortcuts.addEventListener("change", () => localStorage.setItem("bf-shortcuts", shortcuts.checked ? "on" : "off"));
}
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea, [contenteditable], dialog");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey || !shortcuts?.checked) return;
  if (!search || !search.offsetParent) return;
  event.preventDefault();
  search.focus();
});

// What is shown when the line is gone: a small page of how things stand, saved now and then, gone with the sign-out.
const SNAPSHOTS = "bf-snapshot";
async function save() {
  if (document.hidden || !navigator.onLine) return;
  try {
    const answer = await fetch(`/snapshot?lang=${document.documentElement.lang}`, { cache: "no-store" });
    if (answer.redirected) await caches.delete(SNAPSHOTS); // somebody signed out
    else if (answer.ok) await (await caches.open(SNAPSHOTS)).put("/snapshot", answer);
  } catch {
    // No line, or no room: the last one stays.
  }
}
if ("serviceWorker" in navigator && isSecureContext) {
  navigator.serviceWorker.register("/service-worker.js").catch(() => {});
  setTimeout(save, 3000);
  setInterval(save, 300_000);
}
