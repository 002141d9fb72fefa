// The run that the page holds: reading its columns, and saying times, sizes and waits in words. Times are whole
// microseconds since the run began. Not here: anything of the page.

/** Each wait of the log is rounded by itself: what is missing to the next start is no wait if it is not longer. */
const ROUNDED = 10;

const run = read(JSON.parse(document.getElementById("run").textContent));

/** The data with an object for each item in place of the columns. */
function read(data) {
  const next = {};
  for (const name of ["items", "attempts", "waits", "phases"]) next[name] = reader(data[name]);
  const items = [...data.items.label.keys()].map((index) => readItem(data, index, next));
  return { ...data, ...data.head, items };
}

/** Gives, call by call, the next entries of all columns of a table as one object. */
function reader(columns) {
  const names = Object.keys(columns);
  let at = 0;
  return () => {
    const row = {};
    for (const name of names) row[name] = columns[name][at];
    at += 1;
    return row;
  };
}

function readItem(data, index, next) {
  const item = { ...next.items(), index };
  for (const name of ["why", "code", "output", "change"]) item[name] = data.texts[item[name]];
  item.attempts = times(item.attempts, () => readAttempt(data, next));
  item.waits = times(item.waits, () => readWait(data, next));
  item.source = data.jobs[item.job].source;
  item.ended = item.end !== null;
  item.end ??= data.head.wall;
  const last = item.attempts.at(-1);
  item.state ??= last && last.state === null ? "running" : "waiting";
  item.start = item.attempts[0]?.start ?? null;
  item.tries = last?.number ?? 0;
  item.ran = sum(item.attempts, (attempt) => attempt.end - attempt.start);
  item.waited = Math.max(0, item.end - item.queued - item.ran);
  return item;
}

function readAttempt(data, next) {
  const attempt = next.attempts();
  attempt.end = attempt.time === null ? data.head.wall : attempt.start + attempt.time;
  attempt.error = data.texts[attempt.error];
  attempt.waits = times(attempt.waits, () => readWait(data, next));
  attempt.phases = times(attempt.phases, () => {
    const phase = next.phases();
    return { ...data.phase_names[phase.name], start: attempt.start + phase.after };
  });
  return attempt;
}

function readWait(data, next) {
  const wait = next.waits();
  return { ...data.whats[wait.what], time: wait.time };
}

/** What an item did from when it was queued to its outcome: its waits and the phases of its attempts, in order. */
function spansOf(item) {
  item.spans ??= makeSpans(item);
  return item.spans;
}

function makeSpans(item) {
  const spans = [];
  let free = item.queued;
  for (const attempt of item.attempts) {
    addRest(spans, addWaits(spans, attempt.waits, free, attempt.start), attempt.start);
    addPhases(spans, attempt);
    free = attempt.end;
  }
  const last = item.attempts.at(-1);
  if (last?.state === null) return spans;
  const rest = addWaits(spans, item.waits, free, item.end);
  // What an item that never started waited for is not made up where the log does not say it.
  if (last) addRest(spans, rest, item.end, last.again === null ? "other" : "retry");
  return spans;
}

/** Adds waits that follow each other, and says when the last one ended. */
function addWaits(spans, waits, free, end) {
  let from = free;
  for (const wait of waits) {
    const to = Math.min(from + wait.time, end);
    spans.push({ reason: wait.reason, words: wait.words, from, to });
    from = to;
  }
  return from;
}

function addRest(spans, from, to, reason = "other") {
  if (to - from > ROUNDED) spans.push({ reason, words: "", from, to });
}

/** What lies before the first phase counts as that phase. */
function addPhases(spans, attempt) {
  const phases = attempt.phases.length ? attempt.phases : [{ name: "", rank: 2 }];
  phases.forEach((phase, at) => {
    const from = at === 0 ? attempt.start : Math.min(phase.start, attempt.end);
    const to = Math.min(phases[at + 1]?.start ?? attempt.end, attempt.end);
    const last = at === phases.length - 1;
    if (to > from || last) spans.push({ attempt, phase, from, to, last });
  });
}

/** What an item is called within its job: its key. */
function keyOf(item) {
  const { name } = run.jobs[item.job];
  return item.label.startsWith(`${name}[`) ? item.label.slice(name.length + 1, -1) : item.label;
}

/** Whether an outcome, of an item or an attempt, is a loss. */
function isLost(state) {
  return state !== null && !["done", "skipped", "running", "waiting"].includes(state);
}

/** An outcome in words. */
function stateWords(state) {
  return (state ?? "running").replaceAll("_", " ");
}

/** An item in one sentence, for who hears the page. */
function spoken(item) {
  const said = [item.label, stateWords(item.state)];
  const waits = [...item.attempts, item].flatMap(({ waits }) => waits);
  const longest = waits.reduce((best, wait) => (wait.time > (best?.time ?? 0) ? wait : best), null);
  if (item.waited > 0) said.push(`waited ${time(item.waited)} ${longest?.words ?? ""}`.trim());
  if (item.start !== null) said.push(`ran ${time(item.ran)}`);
  if (item.tries > 1) said.push(`in ${item.tries} attempts`);
  return said.join(", ");
}

/** A time with three digits: `350 ms`, `2.00 s`, `1 m 05 s`. */
function time(micros) {
  const seconds = micros / 1e6;
  if (micros === 0) return "0 s";
  if (seconds < 0.0009995) return `${Math.round(micros)} µs`;
  if (seconds < 0.9995) return `${digits(micros / 1e3)} ms`;
  if (seconds < 59.95) return `${digits(seconds)} s`;
  if (seconds < 3599.5) return two(Math.round(seconds), 60, "m", "s");
  if (seconds < 86370) return two(Math.round(seconds / 60), 60, "h", "m");
  return two(Math.round(seconds / 3600), 24, "d", "h");
}

/** `1 m 05 s` of 65 and 60. */
function two(small, per, large, unit) {
  return `${Math.floor(small / per)} ${large} ${String(small % per).padStart(2, "0")} ${unit}`;
}

/** Three digits of a number below 1000. */
function digits(number) {
  return number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0);
}

/** A time for an axis, as plans write it: `500ms`, `1m30s`. */
function short(micros) {
  if (micros === 0) return "0";
  if (micros < 1e3) return `${micros}µs`;
  if (micros < 1e6) return `${micros / 1e3}ms`;
  if (micros < 6e7) return `${micros / 1e6}s`;
  const units = [["d", 864e8, Infinity], ["h", 36e8, 24], ["m", 6e7, 60], ["s", 1e6, 60]];
  const shares = units.map(([unit, size, wrap]) => [Math.floor(micros / size) % wrap, unit]);
  return shares.filter(([share]) => share > 0).map(([share, unit]) => share + unit).join("");
}

/** A size: `817 B`, `12.3 MiB`. */
function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let unit = 0;
  while (size >= 999.5 && unit < 6) [size, unit] = [size / 1024, unit + 1];
  return `${unit === 0 ? size : digits(size)} ${units[unit]}`;
}

/** A whole number with commas: `10,000`. */
function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 item`, `10,000 items`. */
function counted(number, what) {
  return `${count(number)} ${what}${number === 1 ? "" : "s"}`;
}

/** A place in a text, or the one before it if it is inside of a character. */
function unitAt(text, at) {
  return /[\udc00-\udfff]/.test(text[at] ?? "") ? at - 1 : at;
}

/** So many of what `make` gives for 0, 1, 2... */
function times(number, make) {
  const list = [];
  for (let at = 0; at < number; at++) list.push(make(at));
  return list;
}

function sum(list, value) {
  return list.reduce((total, entry) => total + value(entry), 0);
}
