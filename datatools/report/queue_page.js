"use strict";
// Everything shown is text (textContent): names and labels cannot become markup.
const queue = JSON.parse(document.getElementById("queue").textContent);
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const find = (id) => document.getElementById(id);
const KEY = "datatools-review-" + queue.key;
let state = load();
let at = 0;

// ---- what was decided: path -> {op, label, records, exported}; kept in the browser until it is saved as a file ----

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    if (kept && kept.decisions && Array.isArray(kept.reverts)) return kept;
  } catch (error) { /* a browser that keeps nothing, or something that is not ours: start anew */ }
  return { who: "", decisions: {}, reverts: [], order: [] };
}

function keep() {
  try { localStorage.setItem(KEY, JSON.stringify(state)); }
  catch (error) { tell("This browser keeps nothing: save the decisions as a file before you close the page."); }
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

let last = 0;
function now() {
  last = Math.max(Date.now() * 1000, last + 1); // microseconds; two decisions never have the same
  return new Date(Math.floor(last / 1000)).toISOString().slice(0, -1) + String(last % 1000).padStart(3, "0") + "Z";
}

function makeRecords(row, op, label) {
  const given = find("why").value.trim();
  const said = { relabel: "relabelled", confirm: "confirmed", exclude: "excluded", ask: "asks an expert" }[op];
  const evidence = { queue: row.kind, rank: row.rank };
  for (const name of ["score", "suggested", "codes"]) if (row[name] !== null && row[name] !== "") evidence[name] = row[name];
  const common = {
    op, who: state.who, when: now(), path: row.path, base: queue.base, schema: queue.schema, evidence,
    why: given || said + " on the review page" + (row.reason ? "; the queue said: " + row.reason : ""),
  };
  const values = {};
  if (op === "relabel") values.after = label;
  if ((op === "relabel" || op === "confirm") && row.label !== null) values.before = row.label;
  if (op === "exclude") return [{ ...common, id: newId() }];
  const ids = op === "relabel" ? [...row.objects, row.annotation_id] : [row.annotation_id];
  return ids.map((annotation_id) => ({ ...common, ...values, annotation_id, id: newId() }));
}

function decide(op, label) {
  const row = queue.rows[at];
  if (!state.who) { find("who").focus(); tell("Say who you are first: every decision carries a name."); return; }
  if ((op === "relabel" || op === "confirm") && row.label === null) { tell("This image has no label that could be changed."); return; }
  if (op === "relabel" && label === row.label) op = "confirm";
  if (state.decisions[row.path]) takeBack(row.path);
  state.decisions[row.path] = { op, label, records: makeRecords(row, op, label), exported: false };
  state.order.push(row.path);
  find("why").value = "";
  keep();
  const next = queue.rows.findIndex((other, index) => index > at && !state.decisions[other.path]);
  show(next < 0 ? Math.min(at + 1, queue.rows.length - 1) : next);
}

function takeBack(path) {
  const decision = state.decisions[path];
  if (decision.exported) state.gone = [...(state.gone || []), ...decision.records]; // they are on record: a later file has them too
  if (decision.exported) for (const record of decision.records) state.reverts.push({
    op: "revert", reverts: record.id, who: state.who, when: now(), why: "taken back on the review page",
    path, base: queue.base, schema: queue.schema, id: newId(), evidence: {},
  });
  delete state.decisions[path];
  state.order = state.order.filter((other) => other !== path);
}

function undo() {
  const path = state.order[state.order.length - 1];
  if (path === undefined) { tell("Nothing to undo."); return; }
  takeBack(path);
  keep();
  show(queue.rows.findIndex((row) => row.path === path));
  tell("Undone.");
}

function save() {
  const decisions = Object.values(state.decisions);
  const records = [...(state.gone || []), ...decisions.flatMap((decision) => decision.records), ...state.reverts];
  if (!records.length) { tell("Nothing is decided yet."); return; }
  const lines = records.map((record) => JSON.stringify(record, Object.keys(record).concat(Object.keys(record.evidence)).sort()) + "\n");
  const name = now().slice(0, 10) + "-" + (state.who.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "someone") + ".jsonl";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
  for (const decision of decisions) decision.exported = true;
  keep();
  tell(records.length + " records saved as " + name + ". Send it to whoever runs the project, or: datatools fixes import " + name);
}

// ---- what is shown ----

function element(tag, text, classes) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function tell(text) { find("told").textContent = text; }

function describe(decision) {
  if (!decision) return "";
  if (decision.op === "relabel") return "→ " + decision.label;
  return { confirm: "kept", exclude: "excluded", ask: "for an expert" }[decision.op];
}

function button(key, text, act, disabled) {
  const made = element("button");
  made.type = "button";
  made.disabled = Boolean(disabled);
  if (key) made.append(element("kbd", key));
  made.append(text);
  made.addEventListener("click", act);
  return made;
}

function showList() {
  find("list").replaceChildren(...queue.rows.map((row, index) => {
    const item = element("li", undefined, state.decisions[row.path] ? "done" : "");
    const press = element("button");
    press.type = "button";
    if (index === at) press.setAttribute("aria-current", "true");
    const image = element("img");
    image.alt = "";
    if (pictures[row.path]) image.src = pictures[row.path];
    const text = element("span");
    text.append(element("b", row.label === null ? "no label" : row.label), describe(state.decisions[row.path]) || row.about);
    press.append(image, text);
    press.addEventListener("click", () => show(index));
    item.append(press);
    return item;
  }));
  const current = find("list").querySelector("[aria-current]");
  if (current) current.scrollIntoView({ block: "nearest" });
}

function showProgress() {
  const counts = {};
  for (const decision of Object.values(state.decisions)) counts[decision.op] = (counts[decision.op] || 0) + 1;
  const n = Object.keys(state.decisions).length;
  const names = { relabel: "relabelled", confirm: "kept", exclude: "excluded", ask: "for an expert" };
  const parts = Object.keys(names).filter((op) => counts[op]).map((op) => counts[op] + " " + names[op]);
  find("progress").textContent = n + " of " + queue.rows.length + " decided" + (parts.length ? ": " + parts.join(", ") : "");
  find("bar").style.width = (100 * n / Math.max(queue.rows.length, 1)) + "%";
  find("bar").parentElement.setAttribute("aria-valuenow", String(n));
}

function show(index) {
  if (index < 0 || index >= queue.rows.length) return;
  at = index;
  tell("");
  const row = queue.rows[at], picture = find("picture");
  picture.src = pictures[row.path] || "";
  picture.alt = pictures[row.path] ? "Image " + row.path : "no picture of " + row.path;
  find("where").textContent = row.path;
  const doubted = row.suggested !== null && row.suggested !== row.label;
  const change = [element(doubted ? "s" : "span", row.label === null ? "no label" : row.label)];
  if (doubted) change.push(element("span", "→", "arrow"), element("span", row.suggested, "to"));
  find("change").replaceChildren(...change);
  find("reason").textContent = row.reason || "";
  const facts = [["rank", row.rank], ["score", row.score === null ? null : Number(row.score).toFixed(3)], ["findings", row.codes], ["side", row.split],
    ...row.said.map(([annotator, label]) => ["by " + annotator, label])];
  find("facts").replaceChildren(...facts.filter(([, value]) => value !== null && value !== "").flatMap(([name, value]) => [element("dt", name), element("dd", String(value))]));
  find("acts").replaceChildren(
    button("a", "accept " + (doubted ? row.suggested : "the suggestion"), () => decide("relabel", row.suggested), !doubted),
    button("k", "keep " + (row.label === null ? "" : row.label), () => decide("confirm"), row.label === null),
    button("r", "relabel to …", openLabels, row.label === null),
    button("x", "exclude the image", () => decide("exclude")),
    button("e", "ask an expert", () => decide("ask")),
    button("u", "undo", undo, !state.order.length),
  );
  find("relabel").hidden = true;
  find("decided").textContent = describe(state.decisions[row.path]) ? "Decided: " + describe(state.decisions[row.path]) : "";
  showList();
  showProgress();
}

function openLabels() {
  if (queue.rows[at].label === null) return;
  find("relabel").hidden = false;
  find("label").value = "";
  showChoices();
  find("label").focus();
}

function matching() {
  const typed = find("label").value.trim().toLowerCase();
  const starts = queue.classes.filter((name) => name.toLowerCase().startsWith(typed));
  const within = queue.classes.filter((name) => !starts.includes(name) && name.toLowerCase().includes(typed));
  return [...starts, ...within];
}

function showChoices() {
  const names = matching().slice(0, 40);
  find("choices").replaceChildren(...names.map((name, index) => button(index < 1 ? "↵" : digitOf(name), name, () => decide("relabel", name))));
}

// ---- keys ----

function digitOf(name) {
  return [..."0123456789"].find((key) => classOfDigit(key) === name) || "";
}

function classOfDigit(key) { // where classes are called like digits, a digit is a name and no number
  return queue.classes.some((name) => /^[0-9]$/.test(name)) ? queue.classes.find((name) => name === key) : queue.classes[Number(key) - 1];
}

find("label").addEventListener("input", showChoices);
find("label").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && matching().length) { event.preventDefault(); find("one").focus(); decide("relabel", matching()[0]); }
  if (event.key === "Escape") { find("relabel").hidden = true; find("one").focus(); }
  event.stopPropagation();
});
find("who").addEventListener("input", () => { state.who = find("who").value.trim(); keep(); });
for (const id of ["who", "why"]) find(id).addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "Escape") find("one").focus();
  event.stopPropagation();
});
find("export").addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = queue.rows[at];
  if (!row) return;
  const acts = {
    a: () => row.suggested !== null && row.suggested !== row.label && decide("relabel", row.suggested),
    k: () => row.label !== null && decide("confirm"), r: openLabels, x: () => decide("exclude"), e: () => decide("ask"),
    u: undo, s: save, ArrowRight: () => show(at + 1), ArrowDown: () => show(at + 1), ArrowLeft: () => show(at - 1), ArrowUp: () => show(at - 1),
  };
  if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
  else if (/^[0-9]$/.test(event.key) && row.label !== null) {
    const name = classOfDigit(event.key);
    if (name !== undefined) { event.preventDefault(); decide("relabel", name); }
  }
});

find("who").value = state.who;
const first = queue.rows.findIndex((row) => !state.decisions[row.path]);
if (queue.rows.length) show(first < 0 ? 0 : first); else tell("The queue is empty: nothing to decide.");
