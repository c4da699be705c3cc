// The regions of the Overview page.
import { h, since, spark, svg } from "./dom.js";
import { on } from "./live.js";

// A terminal changed: ask again once its neighbours had time to follow, and past the age of kept answers.
const CALM_MS = 2500;

export function tiles(root, view) {
  const banner = h("div", { class: "bf-banners" });
  const row = h("ul", { class: "bf-tiles" });
  root.append(banner, row);
  const nodes = new Map();

  function tile(data) {
    const value = h("span", { class: "bf-tile-value" });
    const detail = h("span", { class: "bf-tile-detail" });
    const trend = h("span", { class: "bf-tile-trend" });
    const link = h("a", { class: "bf-tile", href: data.href, "data-tile": data.key },
      h("span", { class: "bf-tile-label" }, data.label), value, detail, trend);
    row.append(h("li", null, link));
    return { value, detail, trend, link };
  }

  function update(next) {
    for (const data of next.tiles) {
      if (!nodes.has(data.key)) nodes.set(data.key, tile(data));
      const node = nodes.get(data.key);
      if (node.value.textContent !== data.value) {
        const isFirst = !node.value.textContent;
        node.value.textContent = data.value;
        if (!isFirst) {
          node.link.classList.remove("bf-changed");
          void node.link.offsetWidth; // restarts the animation
          node.link.classList.add("bf-changed");
        }
      }
      node.detail.textContent = data.detail;
      node.detail.dataset.tone = data.tone;
      node.trend.replaceChildren(...[spark(data.trend)].filter(Boolean));
    }
    banner.replaceChildren(...next.missing.map(missing));
  }

  update(view);
  return on("kpi", update);
}

function missing(place) {
  return h("p", { class: "bf-banner", "data-place": place.place },
    h("span", { "aria-hidden": "true" }, "▲ "),
    h("a", { href: place.href }, h("bdi", null, place.name)), ` ${place.text}`,
    place.since ? [" ", since(place.since)] : null, `. ${place.rest}`);
}

export function attention(root, view, refresh) {
  const list = h("ul", { class: "bf-attention" }, view.rows.map((row) =>
    h("li", null,
      h("span", { class: "bf-badge", "data-tone": row.tone }, `${row.shape} ${row.word}`),
      h("span", { class: "bf-attention-text", dir: "auto" }, row.text),
      h("span", { class: "bf-quiet" }, row.since ? since(row.since) : ""),
      h("a", { class: "bf-button", href: row.href }, row.action))));
  root.append(h("h2", null, view.title), view.rows.length ? list : h("p", { class: "bf-calm" }, `● ${view.empty}`));
  let due = null;
  const stop = on("terminal", () => {
    due ??= setTimeout(refresh, CALM_MS);
  });
  return () => {
    stop();
    clearTimeout(due);
  };
}

export function arrivals(root, view, refresh, state) {
  const { chart } = view;
  const head = h("div", { class: "bf-card-head" }, h("h2", null, view.title));
  root.append(head);
  if (!chart) {
    root.append(h("p", { class: "bf-quiet" }, view.empty));
    return;
  }
  const toggle = h("button", { type: "button", class: "bf-button", onclick: () => { state.table = !state.table; show(); } });
  const body = h("div", { class: "bf-chart" });
  head.append(toggle);
  root.append(h("p", { class: "bf-finding" }, chart.alt), body);

  function show() {
    toggle.textContent = state.table ? view.show_chart : view.show_table;
    toggle.setAttribute("aria-pressed", String(Boolean(state.table)));
    body.replaceChildren(...(state.table ? [table(chart)] : [figure(chart), legend(chart)]));
  }
  show();
}

function figure(chart) {
  const { width, height } = chart;
  return h("div", { class: "bf-scroll", tabindex: "0", role: "group", "aria-label": chart.alt },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": chart.alt, class: "bf-figure" },
      chart.grid.map(({ y, label }) => [
        svg("line", { x1: 36, x2: width - 8, y1: y, y2: y, class: "bf-grid" }),
        svg("text", { x: 30, y: y + 4, "text-anchor": "end" }, label)]),
      chart.bars.map(([x, y, w, hh]) => svg("rect", { x, y, width: w, height: hh, class: "bf-bar" })),
      chart.outline && svg("path", { d: chart.outline, class: "bf-median" }),
      chart.hours.map(({ x, label }) => svg("text", { x, y: height - 6 }, label))));
}

function legend(chart) {
  return h("p", { class: "bf-legend" },
    h("span", { class: "bf-key-bar" }), chart.legend.today,
    chart.outline ? [h("span", { class: "bf-key-line" }), chart.legend.median] : null);
}

function table(chart) {
  return h("div", { class: "bf-scroll", tabindex: "0", role: "group", "aria-label": chart.alt },
    h("table", { class: "bf-table" },
      h("thead", null, h("tr", null, chart.table.head.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", null, chart.table.rows.map(([first, ...rest]) =>
        h("tr", null, h("th", { scope: "row" }, first), rest.map((text) => h("td", null, text)))))));
}

export function places(root, view) {
  root.append(h("h2", null, view.title), h("div", { role: "table", "aria-label": view.title, class: "bf-places" },
    h("div", { role: "row", class: "bf-places-head" }, view.head.map((text) => h("span", { role: "columnheader" }, text))),
    view.rows.map((row) => place(row, view.head))));
}

function place(row, head) {
  const cell = (index, ...content) => h("span", { role: "cell", "data-label": head[index] }, content);
  const fresh = row.is_reporting
    ? h("span", { class: "bf-badge", "data-tone": "ok" }, `● ${row.fresh}`)
    : h("span", { class: "bf-badge", "data-tone": "bad" }, `▲ ${row.fresh} `, row.as_of ? since(row.as_of) : "");
  return h("div", { role: "row", class: "bf-places-row", "data-place": row.id },
    h("span", { role: "rowheader", class: "bf-places-name" },
      h("a", { href: row.href }, h("bdi", null, row.name)), h("span", { class: "bf-quiet" }, h("bdi", null, row.zone))),
    cell(1, row.present),
    cell(2, h("span", { class: "bf-share" }, `${row.seen} / ${row.people}`,
      h("span", { class: "bf-meter", "aria-hidden": "true" }, h("span", { style: `inline-size:${row.share}%` })))),
    cell(3, row.punches),
    cell(4, h("span", { class: "bf-badge", "data-tone": row.terminals_tone },
      `${row.terminals_tone === "ok" ? "●" : "▲"} ${row.terminals}`)),
    cell(5, fresh),
    cell(6, spark(row.trend)));
}
