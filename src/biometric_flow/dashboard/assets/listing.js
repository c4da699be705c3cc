// Tables of cells that Python has shaped, and the scope bar. On a phone each row of a table becomes a card.
import { h } from "./dom.js";
import { bar, told } from "./acts.js";

export function go(changes) {
  const target = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value) target.searchParams.set(name, value);
    else target.searchParams.delete(name);
  }
  history.pushState({}, "", target);
  dispatchEvent(new PopStateEvent("popstate")); // Streamlit runs the page of the new address.
}

export function scope(root, view) {
  root.setAttribute("role", "search");
  root.setAttribute("aria-label", view.label);
  const labelled = (field, control) => h("label", { class: "bf-field" }, h("span", null, field.label), control);
  const select = (field) => labelled(field, h("select", { "data-focus": field.name, onchange: (event) =>
    go({ [field.name]: event.target.value }) }, field.options.map(([value, text]) =>
    h("option", { value, selected: value === field.value }, text))));
  const day = (field) => labelled(field, h("input", { type: "date", value: field.value, "data-focus": field.name,
    onchange: (event) => event.target.value && go({ [field.name]: event.target.value }) }));
  const preset = (one) => h("button", { type: "button", class: "bf-chip", "aria-pressed": String(one.is_chosen),
    "data-focus": one.text, onclick: () => go({ from: one.from, to: one.to }) }, one.text);
  root.append(
    ...view.fields.map(select), ...view.days.map(day),
    view.search ? labelled(view.search, h("input", { type: "search", value: view.search.value, maxlength: 80,
      "data-focus": "q", onchange: (event) => go({ q: event.target.value.trim() }) })) : "",
    view.presets.length ? h("div", { class: "bf-chips" }, view.presets.map(preset)) : "",
    view.note ? h("p", { class: "bf-quiet" }, h("bdi", null, view.note)) : "");
}

export function badge([shape, word, tone]) {
  return h("span", { class: "bf-badge", "data-tone": tone }, `${shape} ${word}`);
}

export function table(name, head, rows, first = () => null, last = () => null) {
  return h("div", { class: "bf-scroll", tabindex: "0", role: "group", "aria-label": name },
    h("table", { class: "bf-table bf-wide bf-cards", role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
        head.map((text) => h("th", { scope: "col", role: "columnheader" }, text)))),
      h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, first(row),
        (row.cells || row).map((one, at) => cell(one, head[at + head.length - (row.cells || row).length - (row.actions ? 1 : 0)])),
        last(row))))));
}

function cell(one, label) {
  const text = one.badge ? badge(one.badge) : h("bdi", { dir: one.is_name ? "auto" : null, title: one.title || null }, one.text);
  return h("td", { role: "cell", "data-label": label, class: one.is_number ? "bf-number" : null },
    h("div", null, one.href ? h("a", { href: one.href, download: one.href.startsWith("/download/") || null }, text) : text,
      one.detail ? h("div", { class: "bf-quiet" }, h("bdi", null, one.detail)) : null));
}

export function nothing(view) {
  return h("div", { class: "bf-empty" }, h("h2", null, view.title), h("p", null, view.text),
    view.clear ? h("a", { class: "bf-button", href: view.clear.href }, view.clear.text) : null);
}

export function listing(root, view, refresh, state, act) {
  root.append(told(view.told) || "", h("div", { class: "bf-card-head" },
    h("p", { class: "bf-quiet", role: "status" }, view.count),
    h("div", { class: "bf-chips" }, bar(view.actions, act),
      (view.pages || []).map((one) => h("a", { class: "bf-button", href: one.href }, one.text)),
      view.downloads.map((one) => h("a", { class: "bf-button", href: one.href, download: true }, `↓ ${one.text}`)))));
  root.append(view.rows.length ? h("div", { class: "bf-card" }, table(view.count, view.head, view.rows)) : nothing(view.empty));
  if (view.more) root.append(h("p", { class: "bf-quiet", role: "note" }, view.more));
}
