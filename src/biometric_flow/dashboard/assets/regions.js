// What a page is made of: `draw(parent, kind, view)` draws one region and answers how to stop it.
import { h } from "./dom.js";
import { leave, on } from "./live.js";
import { arrivals, attention, places, tiles } from "./overview.js";
import { feed } from "./feed.js";
import { devices } from "./devices.js";
import { terminal } from "./terminal.js";
import { inbox, month, people } from "./people.js";
import { listing, scope } from "./listing.js";
import { period } from "./periods.js";
import { requests } from "./requests.js";
import { sections } from "./sections.js";

const regions = { heading, tiles, attention, arrivals, places, feed, devices, terminal, people, month, inbox,
  scope, listing, period, requests, sections, empty, failed, signed_out: signedOut };
const drawn = new WeakMap();

export function draw(parent, kind, view, refresh, act) {
  style();
  const text = JSON.stringify([kind, view]);
  const before = drawn.get(parent);
  if (before && before.text === text) {
    before.users += 1;
    return before.release;
  }
  if (before) before.stop();
  const state = before ? before.state : {};
  const root = h("div", { class: `bf-region bf-r-${kind.replace("_", "-")}` });
  const stop = regions[kind](root, view, refresh, state, act) || (() => {});
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  for (const old of parent.querySelectorAll(":scope > .bf-region")) old.remove();
  parent.append(root);
  if (focused) root.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  const entry = { text, stop, users: 1, state };
  entry.release = () => {
    entry.users -= 1;
    setTimeout(() => {
      if (entry.users > 0 || drawn.get(parent) !== entry) return;
      entry.stop();
      drawn.delete(parent);
      root.remove();
    });
  };
  drawn.set(parent, entry);
  return entry.release;
}

function style() {
  if (document.getElementById("bf-regions")) return;
  const href = new URL("regions.css", import.meta.url).pathname;
  document.head.append(h("link", { id: "bf-regions", rel: "stylesheet", href }));
}

function heading(root, view) {
  root.append(h("h1", null, view.title), h("p", null, view.text));
}

function empty(root, view) {
  root.append(h("h2", null, view.title), h("p", null, view.text),
    view.clear ? h("p", null, h("a", { class: "bf-button", href: view.clear.href }, view.clear.text)) : "");
}

function failed(root, view, refresh) {
  root.setAttribute("role", "alert");
  root.append(
    h("h2", null, "▲ ", view.title),
    ...view.text.map((sentence) => h("p", null, sentence)),
    h("p", { class: "bf-quiet" }, `${view.error_label} `, h("code", null, view.error_id)),
    h("button", { type: "button", class: "bf-button", onclick: refresh }, view.again),
  );
  return on("hello", refresh);
}

function signedOut() {
  leave();
}
