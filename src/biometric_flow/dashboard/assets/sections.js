// A page of sections: tabs, a head, tables whose rows offer deeds, and what is shown once.
import { BACK, h } from "./dom.js";
import { bar, told } from "./acts.js";
import { badge, nothing, table } from "./listing.js";

export function sections(root, view, refresh, state, act) {
  if (view.back) {
    root.append(h("p", { class: "bf-back" }, h("a", { href: view.back.href }, `${BACK} ${view.back.text}`)),
      h("div", { class: "bf-card-head" },
        h("div", null, h("h1", null, h("bdi", { dir: "auto" }, view.title)), h("p", { class: "bf-quiet" }, h("bdi", null, view.about))),
        view.badge ? badge(view.badge) : null));
  }
  if (view.tabs) {
    root.append(h("nav", { class: "bf-chips", "aria-label": view.tabs_label }, view.tabs.map((tab) =>
      h("a", { class: "bf-chip", href: tab.href, "aria-current": tab.is_chosen ? "page" : null }, tab.text))));
  }
  root.append(told(view.told) || "", view.once ? once(view.once, act) : "",
    view.note ? h("p", { class: "bf-quiet", role: "note" }, view.note) : "",
    h("div", { class: "bf-card-head" }, view.search ? search(view.search) : h("span"), bar(view.actions, act)));
  for (const section of view.sections) root.append(part(section, act));
}

function part(section, act) {
  const last = (row) => row.cells && h("td", { role: "cell", class: "bf-deeds" }, bar(row.actions, act));
  const hasDeeds = section.rows.some((row) => row.cells);
  const head = hasDeeds ? [...section.head, ""] : section.head;
  return h("section", { class: "bf-card", "aria-label": section.title || section.count },
    h("div", { class: "bf-card-head" },
      section.title ? h("h2", null, section.title) : h("p", { class: "bf-quiet", role: "status" }, section.count),
      bar(section.actions, act)),
    section.rows.length ? table(section.title || section.count, head, section.rows, () => null, last) : nothing(section.empty));
}

function search(one) {
  return h("form", { class: "bf-find", role: "search", onsubmit: (event) => {
    event.preventDefault();
    const words = new FormData(event.target).get("q").trim();
    location.assign(words ? `${location.pathname}?q=${encodeURIComponent(words)}` : location.pathname);
  } }, h("input", { type: "search", name: "q", maxlength: 100, value: one.value, "aria-label": one.label,
    placeholder: one.label, "data-focus": "find" }));
}

function once(one, act) {
  const text = one.path ? `${location.origin}${one.path}#${one.secret}` : one.secret;
  const shown = h("input", { class: "bf-once", readonly: true, value: text, "aria-label": one.title, dir: "ltr",
    "data-focus": "once", onfocus: (event) => event.target.select() });
  return h("section", { class: "bf-card bf-note", role: "status" }, h("h2", null, one.title), h("p", null, one.text), shown,
    h("div", { class: "bf-chips" },
      h("button", { type: "button", class: "bf-button", onclick: () => {
        shown.select();
        navigator.clipboard?.writeText(text);
      } }, one.copy),
      h("button", { type: "button", class: "bf-button bf-primary", onclick: () => act({ name: "kept", at: Date.now() }) }, one.kept)));
}
