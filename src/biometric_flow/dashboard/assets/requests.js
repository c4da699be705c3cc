// The inbox of corrections: choose some, see what they would change, decide.
import { h } from "./dom.js";
import { bar, told } from "./acts.js";
import { nothing, table } from "./listing.js";

export function requests(root, view, refresh, state, act) {
  state.chosen = new Set([...(state.chosen || [])].filter((id) => view.rows.some((row) => row.select?.id === id)));
  const count = h("span", { class: "bf-quiet", role: "status" });
  const say = () => { count.textContent = state.chosen.size ? view.chosen.replace("{n}", state.chosen.size) : view.count; };
  const box = (row) => row.select && h("td", { role: "cell", "data-label": view.head[0] }, row.select.why_not
    ? h("span", { class: "bf-quiet" }, row.select.why_not)
    : h("label", { class: "bf-check" }, h("input", { type: "checkbox", "aria-label": row.select.label,
      "data-focus": row.select.id, checked: state.chosen.has(row.select.id), onchange: (event) => {
        if (event.target.checked) state.chosen.add(row.select.id);
        else state.chosen.delete(row.select.id);
        say();
      } })));
  say();
  root.append(
    h("nav", { class: "bf-chips", "aria-label": view.tabs_label }, view.tabs.map((tab) =>
      h("a", { class: "bf-chip", href: tab.href, "aria-current": tab.is_chosen ? "page" : null }, tab.text))),
    told(view.told) || "",
    h("div", { class: "bf-card-head" }, count, bar(view.actions, act, () => ({ ids: [...state.chosen] }))));
  if (view.preview) {
    root.append(h("section", { class: "bf-card", role: "status" }, h("h2", null, view.preview.title),
      h("p", null, view.preview.text), h("ul", { class: "bf-lines" }, view.preview.changes.map((one) =>
        h("li", null, h("bdi", { dir: "auto" }, one.who), ` ${one.day} · ${one.text}`)))));
  }
  root.append(view.rows.length ? h("div", { class: "bf-card" }, table(view.count, view.head, view.rows, box))
    : nothing(view.empty));
}
