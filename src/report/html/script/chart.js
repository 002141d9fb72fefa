// Drawing on the time axis: the part of the run that is shown, ticks, bars, and how many at once. Not here: which
// rows there are, and where they scroll.

/** The part of the run that is shown, and how many pixels it has. */
const view = { from: 0, to: Math.max(run.wall, 1), width: 600 };

const ROW = 22;
const STRIP = 34;
/** Ticks are at least so many pixels apart. */
const APART = 84;
/** Times between ticks: tenths of seconds, seconds as people count them. */
const STEPS = [
  ...[1, 10, 100, 1e3, 1e4, 1e5].flatMap((power) => [power, 2 * power, 5 * power]),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000,
    2592000].map((seconds) => seconds * 1e6),
];
/** How high bars are: what an attempt begins with, what is between, what it is done in. */
const HEIGHTS = [6, 10, 14];
const WAIT = 8;
const SOURCES = 5;

/** Where a time lies, in pixels from the left. */
function xOf(micros) {
  return ((micros - view.from) / (view.to - view.from)) * view.width;
}

/** The time at a pixel. */
function timeAt(x) {
  return view.from + (x / view.width) * (view.to - view.from);
}

/** Shows another part of the run: at least a hundred thousandth of it or 20 µs, and nothing beyond its ends. */
function look(from, to) {
  const whole = Math.max(run.wall, 1);
  const length = Math.min(whole, Math.max(to - from, whole / 1e5, 20));
  view.from = Math.min(Math.max(0, from), whole - length);
  view.to = view.from + length;
}

/** Shows a part that is longer by a factor, with the time at a pixel where it is. */
function zoom(factor, x = view.width / 2) {
  const at = timeAt(x);
  look(at - (at - view.from) * factor, at + (view.to - at) * factor);
}

/** Moves by a share of what is shown. */
function pan(share) {
  const length = view.to - view.from;
  const from = Math.min(Math.max(0, view.from + share * length), Math.max(run.wall, 1) - length);
  look(from, from + length);
}

function isZoomed() {
  return view.from > 0 || view.to < Math.max(run.wall, 1);
}

/** The times of the ticks that are shown. */
function ticks() {
  const least = ((view.to - view.from) / view.width) * APART;
  const step = STEPS.find((size) => size >= least) ?? least;
  const first = Math.ceil(view.from / step);
  return times(Math.floor(view.to / step) - first + 1, (at) => Math.round((first + at) * step));
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The vertical lines at the ticks. */
function tickLines() {
  const line = (x) => svg("line", { x1: x, x2: x, y1: 0, y2: "100%" });
  return svg("g", { class: "ticks" }, ...ticks().map((tick) => line(round(xOf(tick)))));
}

/** The axis with its times, each beside its tick, and the lines below it. */
function drawAxis(element, lines) {
  const shown = ticks();
  const labels = shown.filter((tick) => xOf(tick) < view.width - 30).map((tick) => {
    return svg("text", { x: round(xOf(tick)) + 4, y: 15 }, short(tick));
  });
  element.replaceChildren(tickLines(), ...labels);
  lines.replaceChildren(tickLines());
}

/** An item's row: its spans, from when it was queued to its outcome. */
function drawItem(item) {
  const row = bars();
  for (const span of spansOf(item)) row.append(...drawSpan(span, item));
  if (!item.attempts.length && isLost(item.state)) row.append(...mark(item.end));
  return row;
}

function bars() {
  return svg("svg", { class: "bars", width: view.width, height: ROW, "aria-hidden": true });
}

function drawSpan(span, item) {
  const [left, right] = clip(span.from, span.to);
  const lost = span.attempt !== undefined && isLost(span.attempt.state);
  const after = lost && span.last ? mark(span.to) : [];
  if (span.reason !== undefined) {
    return right - left < 0.5 ? [] : [bar(left, right, WAIT, `wait of-${span.reason}`, item)];
  }
  if (right <= left && !isShown(span.from)) return after;
  const open = span.attempt.state === null && span.last ? " open" : "";
  const rank = span.phase.rank;
  const name = `run rank-${rank} ${lost ? "bad" : paint(item.source)}${open}`;
  return [bar(left, Math.max(right, left + 1), HEIGHTS[rank], name, item), ...after];
}

function paint(source) {
  return `source-${source % SOURCES}`;
}

function bar(left, right, height, name, item) {
  const place = { x: left, y: (ROW - height) / 2, width: round(right - left), height };
  return svg("rect", { class: name, ...place, "data-item": item.index });
}

/** The cross where an attempt, or an item that never started, was lost. */
function mark(at) {
  if (!isShown(at)) return [];
  const x = Math.min(round(xOf(at)), view.width - 5);
  const d = `M${x - 4},${ROW / 2 - 4} l8,8 m-8,0 l8,-8`;
  return ["halo", "cross"].map((name) => svg("path", { class: name, d }));
}

function isShown(micros) {
  return micros >= view.from && micros <= view.to;
}

/** The pixels between two times, as far as they are near what is shown. */
function clip(from, to) {
  const inside = (x) => round(Math.min(Math.max(x, -20), view.width + 20));
  return [inside(xOf(from)), inside(xOf(to))];
}

function round(x) {
  return Math.round(x * 100) / 100;
}

/** A lane's row: the attempts that had it one after the other, with names where there is room. */
function drawLane(entries) {
  const row = bars();
  let drawn = -1;
  for (const { item, attempt } of entries) {
    const [left, right] = clip(attempt.start, attempt.end);
    if (right < 0 || left > view.width || (right - left < 0.5 && right < drawn + 0.5)) continue;
    const lost = isLost(attempt.state);
    const gap = right - left > 4 ? 1 : 0;
    const name = `run rank-2 ${lost ? "bad" : paint(item.source)}${attempt.state === null ? " open" : ""}`;
    row.append(bar(left + gap, Math.max(right, left + 1), HEIGHTS[2], name, item));
    row.append(...barName(keyOf(item), Math.max(left, 0), Math.min(right, view.width)));
    if (lost && right - left > 8) row.append(...mark(attempt.end));
    drawn = right;
  }
  return row;
}

/** A name inside of a bar, with its middle left out if need be. */
function barName(label, left, right) {
  const room = Math.floor((right - left - 8) / 6.2);
  if (label.length > room && room < 8) return [];
  const half = Math.floor((room - 1) / 2);
  const ends = [label.slice(0, unitAt(label, half)), label.slice(unitAt(label, label.length - half))];
  const text = label.length <= room ? label : ends.join("…");
  return [svg("text", { class: "name", x: left + 5, y: ROW / 2 + 4 }, text)];
}

/** A group's row: how many of its items ran at once. */
function drawCourse(group) {
  group.course ??= seriesOf(intervals(group.items).running);
  const row = bars();
  const values = meansOf(group.course);
  const peak = Math.max(1, group.course.peak);
  const color = paint(group.items[0].source);
  row.append(svg("path", { class: `density ${color}`, d: area(values, [], peak, ROW - 6, ROW - 2) }));
  return row;
}

/** When each item ran, and when it waited for which reason. */
function intervals(items) {
  const running = [];
  const waiting = new Map();
  for (const item of items) {
    item.attempts.forEach((attempt) => running.push([attempt.start, attempt.end]));
    for (const { reason, from, to } of spansOf(item)) {
      if (reason === undefined || to <= from) continue;
      if (!waiting.has(reason)) waiting.set(reason, []);
      waiting.get(reason).push([from, to]);
    }
  }
  return { running, waiting };
}

/** A number that changes at times: the times, the number from each on, and its sum over time until each. */
function seriesOf(list) {
  const starts = Float64Array.from(list, ([from]) => from).sort();
  const ends = Float64Array.from(list, ([, to]) => to).sort();
  const series = { at: [0], level: [0], sum: [0], peak: 0 };
  let [level, started, ended] = [0, 0, 0];
  while (ended < ends.length) {
    const at = Math.min(starts[started] ?? Infinity, ends[ended]);
    const last = series.at.length - 1;
    series.sum.push(series.sum[last] + level * (at - series.at[last]));
    while (starts[started] === at) [level, started] = [level + 1, started + 1];
    while (ends[ended] === at) [level, ended] = [level - 1, ended + 1];
    series.at.push(at);
    series.level.push(level);
    series.peak = Math.max(series.peak, level);
  }
  return series;
}

/** The place of the last change until a time. */
function placeOf(series, at) {
  let [low, high] = [0, series.at.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (series.at[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

function levelAt(series, at) {
  return series.level[placeOf(series, at)];
}

function sumUntil(series, at) {
  const place = placeOf(series, at);
  return series.sum[place] + series.level[place] * (at - series.at[place]);
}

/** The mean number in each pixel. */
function meansOf(series) {
  const pixels = Math.max(1, Math.floor(view.width));
  const step = (view.to - view.from) / pixels;
  const sums = times(pixels + 1, (at) => sumUntil(series, view.from + at * step));
  return times(pixels, (at) => (sums[at + 1] - sums[at]) / step);
}

/** The outline of an area over another one, with `peak` at `height` over `ground`. */
function area(values, below, peak, height, ground) {
  const y = (value) => round(ground - (value / peak) * height);
  const top = values.map((value, at) => `V${y(value + (below[at] ?? 0))}H${at + 1}`).join("");
  const bottom = below.length ? below.map((value, at) => `V${y(value)}H${at}`).reverse().join("") : `V${ground}`;
  return `M0,${y(below[0] ?? 0)}${top}${bottom}Z`;
}

/** The chart of one number, or of several on top of each other: `[name, series]`. */
function drawStrip(element, layers, peak, extra = []) {
  const paths = [];
  let below = [];
  for (const [name, series] of layers) {
    const values = meansOf(series);
    paths.push(svg("path", { class: name, d: area(values, below, Math.max(1, peak), STRIP - 6, STRIP - 1) }));
    below = values.map((value, at) => value + (below[at] ?? 0));
  }
  const top = area(below, [], Math.max(1, peak), STRIP - 6, STRIP - 1);
  element.replaceChildren(tickLines(), ...paths, svg("path", { class: "outline", d: top }), ...extra);
}

/** The same for the whole run, whatever part of it is shown. */
function drawWhole(element, series) {
  const shown = { ...view };
  Object.assign(view, { from: 0, to: Math.max(run.wall, 1) });
  const d = area(meansOf(series), [], Math.max(1, series.peak), 16, 18);
  Object.assign(view, shown);
  element.replaceChildren(svg("path", { class: "running", d }));
}

/** The course of all items, where not all of them are in the chart, as a line. */
function drawLine(hundredths, peak) {
  const step = run.wall / hundredths.length;
  const y = (value) => round(STRIP - 1 - (value / 100 / Math.max(1, peak)) * (STRIP - 6));
  const d = hundredths.map((value, at) => `${at ? "L" : "M"}${round(xOf((at + 0.5) * step))},${y(value)}`).join("");
  return svg("path", { class: "whole", d });
}
