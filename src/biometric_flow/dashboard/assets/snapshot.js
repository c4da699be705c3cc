// Once the line is back: the page that was asked for, at the same address. A network alone is no line yet.
async function look() {
  if (!navigator.onLine) return;
  try {
    if ((await fetch("/health", { cache: "no-store" })).ok) location.reload();
  } catch {
    // Not yet.
  }
}
addEventListener("online", look);
setInterval(look, 3000);
