// What is said in words and figures: the head of the page, the details of an item, the legend, the tables. Not here:
// rows, and what reacts to keys and the pointer.

const $ = (id) => document.getElementById(id);

/** The name, the outcome, the figures, and what one must know before believing them. */
function tellHead() {
  document.title = `${run.name} · ${run.verdict} · fanout`;
  $("name").textContent = run.name;
  $("verdict").textContent = verdict();
  $("verdict").className = isGood() ? "good" : "bad";
  const started = run.started.replace(/^(.{10})T([^.Z]*).*Z$/, "$1 $2 UTC");
  const plan = run.plan ? [`plan ${run.plan[0]}`] : [];
  $("about").textContent = [`run ${run.id}`, `started ${started}`, ...plan, `fanout ${run.version}`].join(" · ");
  $("figures").append(...pairs(figures()).map((pair) => html("div", {}, ...pair)));
  $("notices").append(...notices().map((text) => html("li", {}, text)));
  const lengths = run.items.map(({ label }) => label.length).sort((a, b) => a - b);
  const longest = lengths[Math.floor(lengths.length * 0.95)] ?? 0;
  document.documentElement.style.setProperty("--longest", `${longest}ch`);
}

function isGood() {
  const { done, skipped, submitted } = run.counts;
  return run.exit !== null && run.stopped === null && done + skipped === submitted;
}

function verdict() {
  const { submitted, ...outcomes } = run.counts;
  const open = submitted - sum(Object.values(outcomes), (number) => number);
  const said = [run.verdict];
  if (open > 0) said.push(`${count(open)} not ended`);
  if (run.stopped !== null) said.push(`stopped: ${run.stopped}`);
  if (run.exit) said.push(`exit code ${run.exit}`);
  return said.join(" · ");
}

function figures() {
  const overlap = run.wall > 0 ? run.sum / run.wall : 0;
  return [
    ["wall", time(run.wall)],
    ["sum", time(run.sum)],
    ["overlap", `${overlap.toFixed(2)}×`],
    ["peak at once", ofLimit(run)],
    ["mean at once", overlap.toFixed(2)],
    ["received", run.bytes ? bytes(run.bytes) : ""],
    ["rows", run.rows ? count(run.rows) : ""],
  ];
}

/** `6 of 8`: the most at once, of what the limit allows. */
function ofLimit({ peak, limit }) {
  return count(peak) + (limit ? ` of ${count(limit)}` : "");
}

/** Names and values for a list of both; what has no value is left out. */
function pairs(entries) {
  const told = entries.filter(([, value]) => value !== "");
  return told.map(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]);
}

function notices() {
  const out = [];
  if (run.exit === null) {
    const last = time(run.wall);
    out.push(`The run was cut off: its log has no end. All that is known of it ends ${last} after its start.`);
  }
  if (run.left_out > 0) {
    const kept = count(run.items.length);
    const left = counted(run.left_out, "item");
    out.push(`${left} left out: details are kept of the first ${kept} that ended. Figures and sums are of all.`);
  }
  return out;
}

/** All that is known of an item. */
function details(item) {
  const source = run.sources[item.source];
  const kind = source.name === source.kind ? source.kind : `${source.name} (${source.kind})`;
  const facts = pairs([
    ["source", source.target ? `${kind}, ${source.target}` : kind],
    ["queued", `at ${time(item.queued)}`],
    [item.ended ? "ended" : "seen until", `at ${time(item.end)}`],
    ["waited", time(item.waited)],
    ["ran", time(item.ran)],
    ["received", received(item)],
    ["output", item.change ? `${item.output} (${item.change})` : item.output],
  ]);
  const state = stateWords(item.state) + (item.code ? ` (${item.code})` : "");
  const told = item.attempts.at(-1)?.error;
  return [
    html("h2", {}, item.label),
    html("p", { class: isLost(item.state) ? "bad" : "faint" }, state),
    ...(item.why && item.why !== told ? [html("pre", {}, item.why)] : []),
    html("dl", {}, ...facts.flat()),
    ...item.attempts.map((attempt, at) => tellAttempt(item, attempt, at)),
  ];
}

function received({ bytes: size, rows }) {
  return [...(size ? [bytes(size)] : []), ...(rows ? [counted(rows, "row")] : [])].join(", ");
}

function tellAttempt(item, attempt, at) {
  const spans = [];
  const free = at > 0 ? item.attempts[at - 1].end : item.queued;
  addRest(spans, addWaits(spans, attempt.waits, free, attempt.start), attempt.start);
  addPhases(spans, attempt);
  const ran = time(attempt.end - attempt.start);
  const title = `Attempt ${attempt.number}: ${stateWords(attempt.state)} after ${ran} in lane ${attempt.lane}`;
  const amounts = item.attempts.length > 1 ? received(attempt) : "";
  return html("section", {},
    html("h3", {}, title),
    tableOf(["", "at", "for"], spans.map((span) => tellSpan(span, item.source))),
    amounts ? html("p", {}, `received ${amounts}`) : null,
    attempt.error ? html("pre", {}, attempt.error) : null);
}

function tellSpan(span, source) {
  const name = span.reason === undefined ? span.phase.name || "running" : `waited ${span.words}`;
  return [html("span", {}, swatch(span, source), name), time(span.from), time(span.to - span.from)];
}

/** A sample of what a span is drawn with. */
function swatch({ reason, phase, attempt }, source = 0) {
  const color = attempt && isLost(attempt.state) ? "bad" : paint(source);
  const kind = reason === undefined ? `run rank-${phase.rank} ${color}` : `wait of-${reason}`;
  const height = reason === undefined ? HEIGHTS[phase.rank] : WAIT;
  return piece(18, svg("rect", { class: kind, width: 18, y: (14 - height) / 2, height }));
}

function piece(width, drawn) {
  return svg("svg", { class: "swatch", width, height: 14, "aria-hidden": true }, drawn);
}

/** What the drawing of these items means: only what is in it. */
function tellLegend(items) {
  const reasons = new Set();
  const phases = [new Set(), new Set(), new Set()];
  for (const { reason, phase } of items.flatMap(spansOf)) {
    if (reason !== undefined) reasons.add(reason);
    else phases[phase.rank].add(phase.name || "running");
  }
  const lost = items.some(({ state, attempts }) => isLost(state) || attempts.some((attempt) => isLost(attempt.state)));
  const waits = [...run.reasons, { name: "other", what: "something else" }].filter(({ name }) => reasons.has(name));
  const entries = [
    ...phases.map((names, rank) => names.size && [swatch({ phase: { rank } }), [...names].slice(0, 6).join(", ")]),
    waits.length && ["waiting for"],
    ...waits.map(({ name, what }) => [swatch({ reason: name }), what]),
    lost && [piece(10, svg("path", { class: "cross", d: "M1,3 l8,8 m-8,0 l8,-8" })), "not done"],
  ];
  $("legend").replaceChildren(...entries.filter(Boolean).map((entry) => html("span", {}, ...entry)));
}

/** A table of rows that begin with what they are of, with figures from a column on. */
function tableOf(names, rows, firstFigure = 1) {
  const kind = (at) => ({ class: at >= firstFigure ? "number" : undefined });
  const cells = (row) => row.map((value, at) => {
    return at === 0 ? html("th", { scope: "row" }, value) : html("td", kind(at), value);
  });
  const heads = names.map((name, at) => html("th", { scope: "col", ...kind(at) }, name));
  return html("table", {},
    html("thead", {}, html("tr", {}, ...heads)),
    html("tbody", {}, ...rows.map((row) => html("tr", {}, ...cells(row)))));
}

/** What was waited for, and what each source did. */
function tellWaits() {
  const whole = Math.max(1, sum(run.waited, (entry) => entry.time));
  const waits = run.waited.map((entry) => {
    const share = `${Math.round((100 * entry.time) / whole)} %`;
    const mean = time(entry.time / entry.count);
    return [entry.words, entry.limit ?? "", entry.reason, count(entry.count), time(entry.time), mean, share];
  });
  const used = run.sources.filter(({ attempts }) => attempts > 0);
  $("waits").append(
    html("h2", {}, waits.length ? "What was waited for" : "Nothing waited"),
    tableOf(["Waited", "Limit", "Reason", "Times", "Sum", "Mean", "Share"], waits, 3),
    html("h2", {}, "Sources"),
    tableOf(["Source", "Kind", "Outcome", "Attempts", "Peak", "Mean", "Rate", "Ran", "Waited", "Bytes", "Rows"],
      used.map(tellSource), 3));
}

function tellSource(source) {
  return [
    source.name, source.kind, source.verdict, count(source.attempts), ofLimit(source), (source.mean / 100).toFixed(2),
    source.rate ?? "", time(source.running), time(source.waiting), source.bytes ? bytes(source.bytes) : "",
    source.rows ? count(source.rows) : "",
  ];
}

/** What was lost and why, each reason once, and notes. */
function tellLost() {
  const rows = run.losses.map((loss) => {
    const more = loss.count > loss.labels.length ? ` and ${count(loss.count - loss.labels.length)} more` : "";
    const which = loss.source ?? loss.labels.join(", ") + more;
    return [stateWords(loss.state), count(loss.count), which, html("pre", {}, loss.why)];
  });
  const notes = run.notes.map((note) => html("li", {}, note));
  const heads = ["Outcome", "Items", "Which", "Why"];
  if (rows.length) $("lost").append(html("h2", {}, "Not done, by reason"), tableOf(heads, rows, 4));
  if (notes.length) $("lost").append(html("h2", {}, "Notes"), html("ul", {}, ...notes));
  $("tab-lost").hidden = !rows.length && !notes.length;
}
