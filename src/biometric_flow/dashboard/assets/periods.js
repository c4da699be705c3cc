// One pay period: its steps, what is in the way, what can be done, its files and its history.
import { BACK, h, since } from "./dom.js";
import { bar, told } from "./acts.js";
import { badge } from "./listing.js";

export function period(root, view, refresh, state, act) {
  const step = (one) => h("li", { class: "bf-step", "data-done": String(one.is_done) },
    h("span", { "aria-hidden": "true" }, one.is_done ? "●" : "○"), ` ${one.text}`,
    h("span", { class: "bf-unseen" }, one.is_done ? " ✓" : ""));
  const link = (one) => (one.href ? h("a", { href: one.href }, one.text) : one.text);
  root.append(
    h("p", { class: "bf-back" }, h("a", { href: view.back.href }, `${BACK} ${view.back.text}`)),
    h("div", { class: "bf-card-head" },
      h("div", null, h("h1", null, h("bdi", null, view.title)), h("p", { class: "bf-quiet" }, view.about)),
      badge(view.badge)),
    told(view.told) || "",
    h("ol", { class: "bf-steps" }, view.steps.map(step)),
    bar(view.actions, act));
  if (view.obstacles.length) {
    root.append(h("section", { class: "bf-card" }, h("h2", null, view.obstacles_title),
      h("ul", { class: "bf-lines" }, view.obstacles.map((one) => h("li", null, "▲ ", link(one))))));
  }
  if (view.files.length) {
    root.append(h("section", { class: "bf-card" }, h("h2", null, view.files_title), h("div", { class: "bf-chips" },
      view.files.map((one) => h("a", { class: "bf-button", href: one.href, download: true }, `↓ ${one.text}`)))));
  }
  root.append(h("p", null, link(view.hours)));
  if (view.history.length) {
    root.append(h("section", { class: "bf-card" }, h("h2", null, view.history_title),
      h("ol", { class: "bf-lines" }, view.history.map((one) => h("li", null, since(one.at), ` · ${one.text}`,
        one.reason ? h("span", { class: "bf-quiet", dir: "auto" }, ` – ${one.reason}`) : null)))));
  }
}
