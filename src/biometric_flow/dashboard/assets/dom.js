// Building blocks. Text only ever becomes text nodes, so a name that looks like HTML stays a name.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

// Arrows point the way that the text runs.
const isMirrored = document.documentElement.dir === "rtl";
export const [BACK, BEFORE, AFTER] = isMirrored ? ["→", "›", "‹"] : ["←", "‹", "›"];

const assets = new URL(".", import.meta.url).pathname;

export function icon(name) {
  return svg("svg", { class: "bf-icon", "aria-hidden": "true" }, svg("use", { href: `${assets}icons.svg#${name}` }));
}

// Digits are Latin in every language, as in the texts that Python makes.
const spoken = `${document.documentElement.lang}-u-nu-latn`;
const relative = new Intl.RelativeTimeFormat(spoken, { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(spoken, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(spoken, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(moment) {
  const seconds = Math.round((moment - Date.now()) / 1000);
  if (Math.abs(seconds) < 5) return relative.format(0, "second");
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return relative.format(Math.trunc(seconds / size), unit);
}

// "2 min ago", kept true by one timer for the whole document; the exact time is its title.
export function since(iso) {
  const moment = new Date(iso);
  return h("time", { datetime: iso, title: exact.format(moment), "data-ago": moment.getTime() }, ago(moment));
}

export function at(moment) {
  return clock.format(moment);
}

setInterval(() => {
  for (const node of document.querySelectorAll("time[data-ago]")) {
    const text = ago(Number(node.dataset.ago));
    if (node.textContent !== text) node.textContent = text;
  }
}, 5000);

export function spark(trend) {
  if (!trend) return null;
  const last = trend.bars.length - 1;
  return svg(
    "svg",
    { class: "bf-spark", role: "img", "aria-label": trend.alt, viewBox: `0 0 ${trend.width} ${trend.height}` },
    svg("title", null, trend.alt),
    trend.bars.map(([x, y, width, height], index) =>
      svg("rect", { x, y, width, height, rx: 1, class: index === last ? "bf-spark-today" : "bf-spark-day" })),
  );
}
