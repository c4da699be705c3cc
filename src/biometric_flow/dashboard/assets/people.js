// People, one person's month, why a day is what it is, and the inbox of what rules could not settle.
import { AFTER, BACK, BEFORE, h } from "./dom.js";
import { bar, told } from "./acts.js";

function table(name, head, rows) {
  return h("div", { class: "bf-scroll", tabindex: "0", role: "group", "aria-label": name },
    h("table", { class: "bf-table bf-wide" },
      h("thead", null, h("tr", null, head.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", null, rows)));
}

function badge([shape, word, tone]) {
  return h("span", { class: "bf-badge", "data-tone": tone }, `${shape} ${word}`);
}

export function people(root, view) {
  root.append(h("p", { class: "bf-quiet", role: "status" }, view.count));
  if (!view.rows.length) {
    root.append(h("p", { class: "bf-empty" }, view.empty));
    return;
  }
  root.append(h("div", { class: "bf-card" }, table(view.count, view.head, view.rows.map((row) =>
    h("tr", { class: "bf-person" },
      h("th", { scope: "row" }, h("a", { href: row.href }, h("bdi", { dir: "auto" }, row.name))),
      row.cells.map((text) => h("td", null, h("bdi", null, text))))))),
  view.more ? h("p", { class: "bf-quiet" }, view.more) : "");
}

export function month(root, view, refresh, state, act) {
  root.append(
    h("p", { class: "bf-back" }, h("a", { href: view.back.href }, `${BACK} ${view.back.text}`)),
    h("h1", null, h("bdi", { dir: "auto" }, view.name)),
    h("p", { class: "bf-quiet" }, h("bdi", null, view.about)),
    h("nav", { class: "bf-months", "aria-label": view.month },
      h("a", { class: "bf-button", href: view.previous.href }, `${BEFORE} ${view.previous.text}`),
      h("strong", null, view.month, view.hijri ? h("span", { class: "bf-quiet bf-hijri" }, view.hijri) : null),
      h("a", { class: "bf-button", href: view.next.href }, `${view.next.text} ${AFTER}`)),
    h("ul", { class: "bf-tiles bf-totals" }, view.totals.map((total) =>
      h("li", null, h("div", { class: "bf-tile" },
        h("span", { class: "bf-tile-label" }, total.label),
        h("span", { class: "bf-tile-value" }, total.value),
        h("span", { class: "bf-tile-detail" }, total.detail))))),
    h("div", { class: "bf-month-body" }, calendar(view), h("div", { class: "bf-month-days" }, told(view.told), why(view.why, act),
      view.rows.length ? h("div", { class: "bf-card" }, days(view)) : h("p", { class: "bf-empty" }, view.empty))));
}

function calendar(view) {
  const cell = (day) => {
    const inside = [h("span", { class: "bf-day-number" }, day.day), h("span", { "aria-hidden": "true" }, day.letter),
      day.is_flagged ? h("span", { class: "bf-day-flag", "aria-hidden": "true" }, "▲") : null];
    const about = { class: "bf-day", "data-tone": day.tone, title: day.word, "aria-label": day.word,
      "aria-current": day.is_chosen ? "date" : null, "data-weekend": day.is_weekend ? "true" : null };
    return h("li", null, day.href ? h("a", { ...about, href: day.href }, inside) : h("span", about, inside));
  };
  return h("div", { class: "bf-card bf-calendar" },
    h("div", { class: "bf-weekdays", "aria-hidden": "true" }, view.weekdays.map((one) => h("span", { class: one.is_weekend ? "bf-weekend" : null }, one.text))),
    h("ol", { class: "bf-days", style: `--bf-indent: ${view.indent + 1}` }, view.calendar.map(cell)));
}

function days(view) {
  return table(view.month, view.head, view.rows.map((row) =>
    h("tr", null,
      h("th", { scope: "row" }, h("span", { class: "bf-weekday" }, row.weekday), h("a", { href: row.href }, row.date)),
      h("td", null, badge(row.badge), row.flags ? h("div", { class: "bf-flags" }, `▲ ${row.flags}`) : null),
      row.cells.map((text) => h("td", { class: "bf-number" }, text)))));
}

function why(view, act) {
  return view && h("section", { class: "bf-card" }, h("h2", null, view.title),
    view.locked ? h("p", { class: "bf-quiet" }, view.locked) : null,
    view.because.length
      ? h("ol", { class: "bf-because" }, view.because.map((text) => h("li", null, text)))
      : h("p", { class: "bf-quiet" }, view.empty),
    bar(view.actions, act));
}

export function inbox(root, view) {
  root.append(h("p", { class: "bf-quiet", role: "status" }, view.count));
  if (!view.rows.length) {
    root.append(h("p", { class: "bf-calm" }, `● ${view.empty}`));
    return;
  }
  root.append(h("div", { class: "bf-card" }, table(view.count, view.head, view.rows.map((row) =>
    h("tr", null,
      h("th", { scope: "row" }, h("a", { href: row.href }, row.date), row.hijri ? h("div", { class: "bf-quiet" }, row.hijri) : null),
      h("td", null, h("bdi", { dir: "auto" }, row.name), h("span", { class: "bf-quiet" }, ` ${row.number}`)),
      h("td", null, row.what),
      h("td", null, badge(row.badge)),
      h("td", { class: "bf-quiet" }, row.note))))),
  view.more ? h("p", { class: "bf-quiet" }, view.more) : "");
}
