// Navigation without a reload, and the connection pill. Without this script every link still works.
import "./live.js";

const links = () => document.querySelectorAll(".bf-nav a[data-page]");
const pages = new Set([...links()].map((link) => link.dataset.page));

function mark() {
  for (const link of links()) {
    if (link.dataset.page === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = new URL(link.href);
  const isOurs = target.origin === location.origin && pages.has(target.pathname) && !link.target;
  if (!isOurs || link.hash || !document.querySelector("[data-testid='stMain']")) return;
  event.preventDefault();
  const scope = new URLSearchParams(location.search).get("loc");
  if (scope && link.closest(".bf-nav")) target.searchParams.set("loc", scope); // the scope moves along
  history.pushState({}, "", target);
  dispatchEvent(new PopStateEvent("popstate")); // Streamlit runs the page of the new address.
  document.querySelector("[data-testid='stMain']").scrollTo(0, 0);
  mark();
});

addEventListener("popstate", mark);

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
  if (event.key === "Escape" && account.open) {
    account.open = false;
    account.querySelector("summary").focus();
  }
});
