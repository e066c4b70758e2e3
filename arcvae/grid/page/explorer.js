// What a person sees of the explorer: it keeps a history of states, draws the present one, and answers to hands and keys.
// A state is { code, grid, start, steps, note, given }: the code, the grid that it should draw, the grid that the steps of
// its program began with, these steps, and whether a person gave that grid. If not, it is what the code draws.

const numbers = floats(DATA.numbers);
const weights = Object.fromEntries(Object.entries(DATA.layout).map(([part, layout]) => [part, tensorsOf(layout, numbers)]));
const model = makeModel(DATA.facts, weights);
const { colors, gridSize, shapeNumbers, slots } = DATA.facts;
const $ = (name) => document.getElementById(`explorer-${name}`);
const painting = board($("grid"), DATA.palette), drawing = board($("drawn"), DATA.palette);
const history = [];
let now = -1, chosen = null, color = 1, cursor = [0, 0], grids = [], seed = 0, sliding = null;
const ends = { from: null, to: null };

const COUNTED = "Objects touch, overlap, lie in pieces or are too many: in Python, codec.codes(grid) counts them otherwise.";

const state = () => history[now];
const problem = $("problem");
let used = null;  // what a person has used last
for (const kind of ["pointerdown", "keydown", "click", "input", "change"]) {
  document.getElementById("explorer").addEventListener(kind, ({ target }) => { used = target; }, true);
}
/** Show a refusal directly below what was used, for there a person looks; an empty line hides it. */
function complain(line, control = null) {
  [problem.textContent, problem.hidden] = [line, !line];
  if (!line) return;
  control?.closest(".bar > *, .paste > *, figure > *, .numbers > *")?.after(problem);
  problem.scrollIntoView({ block: "nearest" });
}
function say(line) {
  complain("");
  $("status").textContent = line;
}
const attempt = (action, control = used) => {
  try {
    complain("");
    action();
  } catch (error) {
    say("");
    complain(error.message, control);
  }
};

/** What a code stands for as a grid, later objects on top, each by its colour or another value. */
function painted({ height, width, objects, lost }, valueOf = ({ color }) => rint(color)) {
  const grid = Array.from({ length: height }, () => new Array(width).fill(0));
  for (const [y, x, color] of lost) grid[y][x] = color;
  for (const object of objects) {
    for (const [y, x] of object.truth || model.cellsOf(object)) {
      if (y >= 0 && y < height && x >= 0 && x < width) grid[y][x] = valueOf(object);
    }
  }
  return grid;
}

function push(next, { replace = false } = {}) {
  if (replace && now > 0) now -= 1;
  history.splice(now + 1, history.length, { ...next, drawn: model.decode(next.code.objects, next.code.height, next.code.width) });
  if (history.length > 200) history.shift();
  now = history.length - 1;
  if (!headsOf(next.code).includes(chosen)) chosen = headsOf(next.code)[0] ?? null;
  render();
}

/** A grid as a person gave it: its code is found, and the program begins anew. */
function begin(grid, line, options) {
  const started = performance.now(), { objects, lost, leftOut } = model.encode(grid), one = leftOut === 1;
  const who = `${leftOut} ${one ? "object has" : "objects have"} no place in the code (too many, or too large)`;
  const note = leftOut ? `${who}: no operation moves ${one ? "it" : "them"}.` : "";
  const former = history[options?.replace ? now - 1 : now]?.steps.length;
  push({ code: { height: grid.length, width: grid[0].length, objects, lost }, grid, start: grid, steps: [], note, given: true }, options);
  const begun = former ? " This begins a new program; Undo brings the former one back." : "";
  say(`${line}: ${count(headsOf(state().code).length, "object")}, coded in ${Math.round(performance.now() - started)} ms.${begun}`);
}
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

/** A code as it is: the program begins anew, and the grid is what the code draws; `follow` keeps the chosen object. */
function beginCode(given, note, { follow = false, ...options } = {}) {
  const [code, order] = inOrder({ ...given, lost: [] }), grid = painted(code);
  if (follow) chosen = order.indexOf(chosen);
  const notes = [note, isCounted(code, grid) ? "" : COUNTED].filter(Boolean).join(" ");
  push({ code, grid, start: grid, steps: [], note: notes, given: false }, options);
  say("");
}

/** A code with its objects in the order of their first cells, in which Python counts those of a grid; and the former order. */
function inOrder(code) {
  const drawn = { ...code, objects: code.objects.map((o) => ({ ...o, truth: o.truth || model.cellsOf(o) })) };
  const seen = painted(drawn, ({ head }) => head + 1).flat(), former = [...code.objects.keys()];
  const first = (i) => seen.indexOf(code.objects[i].head + 1) >>> 0;  // what is not to be seen comes last
  const order = [...former].sort((a, b) => first(a) - first(b));
  const sorted = ({ objects, ...rest }) =>
    ({ ...rest, objects: order.map((i) => ({ ...objects[i], head: order.indexOf(objects[i].head) })) });
  // Of objects that overlap the later one is on top, and what is seen comes before how it is counted.
  return String(painted(sorted(drawn))) === String(painted(drawn)) ? [sorted(code), order] : [code, former];
}

/** Whether Python counts the objects of a grid as the code does that draws it. */
function isCounted(code, grid) {
  const counted = (some) => String(painted(some, ({ head }) => headsOf(some).indexOf(head) + 1));
  return counted(code) === counted({ ...code, objects: model.encode(grid).objects });
}

const scope = () => (document.querySelector('input[name="explorer-scope"]:checked').value === "all" ? null : [chosen]);

/** The code after a step, and its text. */
function stepped(name, dy, dx, which, value) {
  const { code } = state(), about = $("about").value, objects = objectsArgument(code, which);
  const place = { dy: dy || null, dx: dx || null, objects }, turn = { about: about === "object" ? about : null, objects };
  if (name === "translate") return [translate(code, dy, dx, which), stepText(name, [], place)];
  if (name === "recolor") return [recolor(code, value, which), stepText(name, [value], { objects })];
  if (name === "rotate") return [rotate(model, code, 90, about, which), stepText(name, [90], turn)];
  if (name === "duplicate") {
    const made = duplicate(code, dy, dx, which), room = Math.max(slots, code.objects.length);
    return [made, stepText(name, [], { ...place, max_objects: made.objects.length > room ? made.objects.length : null })];
  }
  return [reflect(model, code, name === "reflect_x" ? "x" : "y", about, which), stepText(name, [], turn)];
}

/** Whether no cell of an object lies on the grid. */
const isGone = (code, head) => code.objects.filter((o) => o.head === head).flatMap(model.cellsOf)
  .every(([y, x]) => y < 0 || x < 0 || y >= code.height || x >= code.width);

function step(name, dy = 0, dx = 0, which = scope(), value = color) {
  if (!state().code.objects.length) throw new Error("There is no object: paint one, or begin with another grid.");
  if (name === "recolor" && !value) throw new Error("Colour 0 is the background; choose another in the palette.");
  const [code, text] = stepped(name, dy, dx, which, value), steps = [...state().steps, { name, dy, dx, text, objects: text.match(/objects=[^)]*/)?.[0] }];
  if (name === "translate" && (which ?? headsOf(code)).some((head) => isGone(code, head))) {
    throw new Error("This would move an object off the grid, so that nothing was moved.");
  }
  const [last, before] = [steps.at(-1), steps.at(-2)];
  if (name === "translate" && before?.name === name && before.objects === last.objects) {
    // Two moves of the same objects are one.
    const [down, right] = [before.dy + dy, before.dx + dx];
    const whole = stepText(name, [], { dy: down || null, dx: right || null, objects: objectsArgument(code, which) });
    steps.splice(-2, 2, ...(down || right ? [{ ...last, dy: down, dx: right, text: whole }] : []));
  }
  const { start, note, given } = state();
  if (name === "duplicate" && which) chosen = headsOf(code).at(-1);  // so that the next copy lies beside this one
  push({ code, grid: painted(code), start, steps, note, given });
  say(text);
}

/** Show what a code draws, where the grid differs, and why. */
function compare(code, grid, drawn) {
  const wrong = drawn.flatMap((row, y) => row.flatMap((cell, x) => (cell === grid[y][x] ? [] : [[y, x]])));
  drawing.show(drawn, { wrong, outline: chosen === null ? [] : code.objects.filter((o) => o.head === chosen).flatMap(model.cellsOf) });
  const { given, note } = state(), why = given || !note ? explained(model, code, grid, wrong) : "", exact = given && !code.lost.length;
  const hidden = "No cell is wrong, but the code lacks what is covered here";
  const match = !code.objects.length ? "An empty grid" : exact ? "Exact match"
    : given ? hidden : "Nothing to compare with: the grid is what its code draws";
  $("match").textContent = wrong.length ? `${wrong.length} of ${grid.flat().length} cells are wrong` : match;
  $("match").className = wrong.length ? "wrong" : exact ? "exact" : "";
  $("note").textContent = [note, why].filter(Boolean).join(" ");
}

const programText = () => state().steps.map(({ text }) => text).join(" | ");

function render() {
  const { code, grid, start, drawn } = state();
  cursor = [Math.min(cursor[0], code.height - 1), Math.min(cursor[1], code.width - 1)];
  painting.show(grid, { cursor: document.activeElement === painting.canvas ? cursor : null });
  compare(code, grid, drawn);
  $("source").selectedIndex = grids.findIndex((known) => known.grid === start);
  $("program").textContent = programText() || "(no steps yet)";
  $("undo").disabled = now === 0;
  $("redo").disabled = now === history.length - 1;
  [$("rows").value, $("columns").value] = [code.height, code.width];
  showObjects(code);
  if (sliding === null) showSliders(code);
}

const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

function showObjects(code) {
  const names = ["object", "row", "column", "colour", ...Array.from({ length: shapeNumbers }, (_, i) => `shape ${i + 1}`)];
  const head = element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: name }))));
  const heads = headsOf(code), body = element("tbody");
  code.objects.forEach((o, i) => {
    const label = heads.indexOf(o.head) + (o.head === i ? "" : " (part)");
    const pick = element("button", { type: "button", textContent: label });
    pick.onclick = () => {
      choose(o.head);
      $("objects").querySelectorAll("button")[i].focus();  // the table is a new one
    };
    pick.setAttribute("aria-label", `Choose object ${label}`);
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = DATA.palette[rint(o.color)];
    const cells = [o.row.toFixed(1), o.column.toFixed(1), [swatch, ` ${o.color}`], ...o.shape.map((v) => v.toFixed(2))];
    const row = element("tr", {}, element("th", { scope: "row" }, pick), ...cells.map((cell) => element("td", {}, ...[cell].flat())));
    if (o.head === chosen) row.setAttribute("aria-current", "true");
    body.append(row);
  });
  $("objects").replaceChildren(head, body);
}

/** Sliders of the chosen object: place and colour change by steps of the program; a shape begins a new one. */
function showSliders(code) {
  const fields = $("sliders"), object = code.objects[chosen];
  fields.replaceChildren(fields.firstElementChild);
  fields.disabled = !object;
  if (!object) return;
  const add = (name, valueOf, low, high, size, digits, change) => {
    const input = element("input", { type: "range", min: low, max: high, step: size, value: valueOf(object) });
    const shown = element("output", { textContent: valueOf(object).toFixed(digits) });
    input.oninput = () => attempt(() => {
      const to = Number(input.value);
      shown.textContent = to.toFixed(digits);
      sliding ??= { from: state(), object: chosen };
      [now, chosen] = [history.indexOf(sliding.from), sliding.object];  // one slide is one change
      render();
      const before = state().code.objects[chosen];
      if (to !== valueOf(before)) change(before, to);
    });
    input.onchange = () => { sliding = null; };
    fields.append(element("label", {}, name, input, shown));
  };
  const offset = (place) => rint(2 * place) % 2 / 2, [down, right] = [offset(object.row), offset(object.column)], which = [chosen];
  add("row", (o) => o.row, down, code.height - 1 + down, 1, 1, (o, to) => step("translate", to - o.row, 0, which));
  add("column", (o) => o.column, right, code.width - 1 + right, 1, 1, (o, to) => step("translate", 0, to - o.column, which));
  add("colour", (o) => o.color, 1, colors - 1, 1, 0, (o, to) => step("recolor", 0, 0, which, to));
  object.shape.forEach((_, k) => add(`shape ${k + 1}`, (o) => o.shape[k], -4, 4, 0.02, 2, (before, to) => {
    const shape = before.shape.map((old, i) => (i === k ? to : old)), { code } = state();
    const objects = code.objects.map((o) => (o === before ? { ...o, shape, truth: null } : o));
    const gone = code.lost.length ? ", without what had no place in the code" : "";
    beginCode({ ...code, objects }, `A slider has changed a shape: the program begins here${gone}.`, { follow: true });
  }));
}

function choose(head) {
  [chosen, sliding] = [head, null];
  render();
  say(chosen === null ? "" : `Object ${headsOf(state().code).indexOf(head)} of colour ${state().code.objects[head].color}.`);
}

function goTo(index) {
  [now, sliding] = [Math.max(0, Math.min(history.length - 1, index)), null];
  if (!headsOf(state().code).includes(chosen)) chosen = headsOf(state().code)[0] ?? null;
  render();
  say(`Change ${now} of ${history.length - 1}.`);
}

/** Give cells the colour of the palette, in one change; whether that changes any. */
function paint(cells, options) {
  const grid = state().grid.map((row) => [...row]);
  const fresh = cells.filter(([y, x]) => grid[y]?.[x] !== undefined && grid[y][x] !== color);
  for (const [y, x] of fresh) grid[y][x] = color;
  if (fresh.length) begin(grid, "Painted", options);
  return fresh.length > 0;
}

/** Begin with the first of some grids and list them all, in place of what the same source gave before. */
function offer(found, source) {
  const named = found.map(({ name, grid }) => ({ name: [source, found.length > 1 && name].filter(Boolean).join(", "), grid, source }));
  grids = [...grids.filter((known) => known.source !== source), ...named];
  $("source").replaceChildren(...grids.map(({ name }) => element("option", { textContent: name })));
  begin(named[0].grid, named[0].name);
}

function setColor(value) {
  color = value;
  [...$("palette").children].forEach((button, i) => {
    button.setAttribute("aria-checked", String(i === value));
    button.tabIndex = i === value ? 0 : -1;
  });
  document.querySelector('#explorer [data-step="recolor"]').textContent = `Recolour to ${value}`;
}

// Hands and keys

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const MOVES = { up: [-1, 0], down: [1, 0], left: [0, -1], right: [0, 1] };

for (let value = 0; value < colors; value++) {
  const button = element("button", { type: "button", textContent: value, onclick: () => setColor(value) });
  button.setAttribute("role", "radio");
  button.setAttribute("aria-label", `Colour ${value}${value ? "" : ", background"}`);
  button.style.background = DATA.palette[value];
  button.style.color = [0, 1, 6, 9].includes(value) ? "#fff" : "#000";
  $("palette").append(button);
}
$("palette").onkeydown = (event) => {
  const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  setColor((color + way + colors) % colors);
  $("palette").children[color].focus();
};

let stroke = false, reached = null, drag = null;
painting.canvas.onpointerdown = (event) => {
  painting.canvas.setPointerCapture(event.pointerId);
  reached = cursor = painting.cellAt(event);
  stroke = true;
  attempt(() => { if (!paint([cursor])) stroke = "new"; });
};
painting.canvas.onpointermove = (event) => {
  if (!stroke) return;
  const met = event.getCoalescedEvents?.() ?? [], cells = (met.length ? met : [event]).flatMap((part) => {
    const from = reached;
    reached = painting.cellAt(part);
    return cellsBetween(from, reached);
  });
  // One stroke is one step of the history.
  attempt(() => { if (paint(cells, { replace: stroke === true })) stroke = true; });
};
painting.canvas.onpointerup = painting.canvas.onpointercancel = () => { stroke = false; };
painting.canvas.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const way = ARROWS[event.key], { height, width } = state().code;
  if (way) cursor = [Math.max(0, Math.min(height - 1, cursor[0] + way[0])), Math.max(0, Math.min(width - 1, cursor[1] + way[1]))];
  else if (event.key === " " || event.key === "Enter") attempt(() => paint([cursor]));
  else if (/^\d$/.test(event.key) && Number(event.key) < colors) setColor(Number(event.key));
  else return;
  event.preventDefault();
  render();
  if (way) say(`Row ${cursor[0]}, column ${cursor[1]}, colour ${state().grid[cursor[0]][cursor[1]]}.`);
};
painting.canvas.onfocus = painting.canvas.onblur = () => render();

drawing.canvas.onpointerdown = (event) => {
  const [y, x] = drawing.cellAt(event), { code } = state();
  const hit = code.objects.findLast((o) => model.cellsOf(o).some(([b, a]) => b === y && a === x));
  if (!hit) return;
  drawing.canvas.setPointerCapture(event.pointerId);
  choose(hit.head);
  drag = { from: [y, x], way: [0, 0] };
};
drawing.canvas.onpointermove = (event) => {
  if (!drag) return;
  const [y, x] = drawing.cellAt(event), { code } = state();
  drag.way = [y - drag.from[0], x - drag.from[1]];
  const moving = translate(code, ...drag.way, [chosen]);
  compare(moving, painted(moving), model.decode(moving.objects, code.height, code.width));
};
// A touch on an object drags it, any other one scrolls the page.
drawing.canvas.addEventListener("touchstart", (event) => { if (drag) event.preventDefault(); }, { passive: false });
drawing.canvas.onpointerup = () => {
  const way = drag?.way;
  drag = null;
  if (way && (way[0] || way[1])) attempt(() => step("translate", ...way, [chosen]));
  render();
};
drawing.canvas.onpointercancel = () => {
  drag = null;
  render();
};
drawing.canvas.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const heads = headsOf(state().code), place = heads.indexOf(chosen), key = event.key.toLowerCase();
  if (ARROWS[event.key]) attempt(() => step("translate", ...ARROWS[event.key], scope()));
  else if ((key === "n" || key === "p") && heads.length) choose(heads[(place + (key === "n" ? 1 : heads.length - 1)) % heads.length]);
  else return;
  event.preventDefault();
};

document.querySelectorAll("#explorer [data-step]").forEach((button) => {
  const name = button.dataset.step;
  button.onclick = () => attempt(() => {
    if (MOVES[name]) step("translate", ...MOVES[name]);
    else if (name === "duplicate") step(name, 2, 2);
    else step(name);
  });
});
$("undo").onclick = () => goTo(now - 1);
$("redo").onclick = () => goTo(now + 1);
document.getElementById("explorer").addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.target.tagName === "TEXTAREA") return;
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  goTo(now + (key === "y" || event.shiftKey ? 1 : -1));
});

$("source").onchange = () => attempt(() => begin(grids[$("source").selectedIndex].grid, grids[$("source").selectedIndex].name));
$("draw").onclick = () => attempt(() => {
  seed += 1;
  const code = drawCode(model, weights.prior || null, seed);
  beginCode(code, weights.prior ? "" : "From N(0, I): no prior was fitted to the codes of a corpus, so shapes may be odd.");
  say(`Draw ${seed}: ${count(code.objects.length, "object")}.`);
});
$("clear").onclick = () => attempt(() => {
  const [height, width] = [$("rows"), $("columns")].map((input) => Number(input.value));
  const whole = (side) => Number.isInteger(side) && side >= 1 && side <= LARGEST_SIDE;
  if (!whole(height) || !whole(width)) throw new Error(`A grid has 1 to ${LARGEST_SIDE} rows and columns.`);
  cursor = [0, 0];
  begin(Array.from({ length: height }, () => new Array(width).fill(0)), "Empty grid");
});
let pastes = 0;
$("paste").onclick = () => attempt(() => {
  const found = readGrids($("text").value, colors);
  pastes += 1;
  offer(found, `pasted ${pastes}`);
});
$("file").onchange = async () => {
  const [file] = $("file").files;
  if (!file) return;
  const large = sizeProblem(file.size), text = large ? "" : await file.text().catch(() => null);
  attempt(() => {
    if (large || text === null) throw new Error(`${file.name}: ${large || "This file cannot be read."}`);
    offer(readGrids(text, colors), file.name);
  }, $("file"));
  $("file").value = "";
};

/** Objects of a walk at most: their partners are found among all sets of them. */
const WALKED = 12;
for (const end of ["from", "to"]) {
  $(end).onclick = () => attempt(() => {
    const { code } = state();
    if (code.objects.length > WALKED) throw new Error(`A walk takes at most ${WALKED} objects, and this grid has more.`);
    ends[end] = code;
    const there = ["from", "to"].map((name) => `${name === "from" ? "start" : "end"}: ${ends[name] ? count(headsOf(ends[name]).length, "object") : "none yet"}`);
    $("ends").textContent = there.join(", ");
    $("walk").disabled = !(ends.from && ends.to);
    if (end === "from") $("walk").value = 0;
    if (ends.from && ends.to && (ends.from.height !== ends.to.height || ends.from.width !== ends.to.width)) {
      $("walk").disabled = true;
      throw new Error("Start and end are grids of different sizes; choose two of the same size.");
    }
  });
}
let walking = false;
$("walk").oninput = () => {
  const again = walking;
  walking = true;
  beginCode(between(ends.from, ends.to, Number($("walk").value), WALKED), `On the way: ${Math.round(100 * $("walk").value)} %.`, { replace: again });
};
$("walk").onchange = () => { walking = false; };

const jsonOf = (grid) => `[${grid.map((row) => `[${row.join(", ")}]`).join(",\n ")}]`;

/** What a button saves: name and text of a file. */
function saved(what) {
  const { code, grid, start } = state();
  if (what === "program") return ["program.txt", `${programText()}\n`];
  if (what === "grid") return ["grid.json", `${jsonOf(grid)}\n`];
  if (what === "pair") return ["pair.json", `{"train": [{"input": ${jsonOf(start)},\n "output": ${jsonOf(grid)}}], "test": []}\n`];
  const rows = code.objects.map((o) => [o.row, o.column, o.color, ...o.shape]);
  return ["code.json", `${JSON.stringify({ size: [code.height, code.width], numbers: rows, part_of: code.objects.map((o) => o.head) })}\n`];
}
document.querySelectorAll("#explorer [data-save]").forEach((button) => {
  button.onclick = () => {
    const [name, text] = saved(button.dataset.save);
    const link = element("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: "application/octet-stream" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`Saved ${name}.`);
  };
});

setColor(1);
offer(DATA.examples.map((grid, i) => ({ name: `example ${i + 1}`, grid })), "");
// For the console of the browser: explorer.model.decode(objects, height, width), explorer.state().
window.explorer = { model, state, readGrids };
