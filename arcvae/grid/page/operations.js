// Operations on codes of objects, and the text of their programs: what arcvae.operations does. A code is
// { height, width, objects }, that of a grid also has cells `lost`, each [row, column, colour], which no object codes and no
// operation moves; `which` names the heads of the objects that are taken, null stands for all.

/** The first parts of objects, in the order in which programs count them. */
const headsOf = (code) => code.objects.flatMap((object, i) => (object.head === i ? [i] : []));
const takes = (which, object) => which === null || which.includes(object.head);
const changed = (code, which, change) => ({
  ...code, objects: code.objects.map((object) => (takes(which, object) ? change(object) : object)),
});

const translate = (code, dy, dx, which) =>
  changed(code, which, (o) => moved(o, o.row + dy, o.column + dx, 0));
const recolor = (code, color, which) => changed(code, which, (o) => ({ ...o, color }));

/** An object in another place after symmetry g, and the cells that it should draw with it. */
function moved(object, row, column, g) {
  const truth = object.truth && object.truth.map(([y, x]) => {
    const [down, right] = turnVector([y - object.row, x - object.column], g);
    return [row + down, column + right];
  });
  return { ...object, row, column, shape: turnCode(object.shape, g), truth };
}

/** Middle of the object that a part belongs to, by the cells that its parts draw. */
function middles(model, code) {
  const found = code.objects.map((o) => [o.row, o.column]);
  for (const head of headsOf(code)) {
    const parts = code.objects.flatMap((o, i) => (o.head === head ? [i] : []));
    if (parts.length < 2) continue;
    const cells = parts.flatMap((i) => model.cellsOf(code.objects[i]));
    if (!cells.length) continue;
    const middle = [0, 1].map((axis) => {
      const lines = cells.map((cell) => cell[axis]);
      return (Math.min(...lines) + Math.max(...lines)) / 2;
    });
    for (const i of parts) found[i] = middle;
  }
  return found;
}

/** By quarter turns counterclockwise, about the centre of the grid or each object in its place. */
function rotate(model, code, degrees, about, which) {
  const quarters = ((degrees / 90) % 4 + 4) % 4, middle = about === "object" ? middles(model, code) : [];
  if (about === "grid" && quarters % 2 && code.height !== code.width) {
    throw new Error(`A quarter turn about the centre needs a square grid, this is ${code.height} x ${code.width}: turn objects in place.`);
  }
  const objects = code.objects.map((o, i) => {
    if (!takes(which, o)) return o;
    let [row, column] = [o.row, o.column];
    if (about === "grid") {
      let [height, width] = [code.height, code.width];
      for (let turn = 0; turn < quarters; turn++) {
        [row, column, height, width] = [width - 1 - column, row, width, height];
      }
    } else {
      const [down, right] = turnVector([row - middle[i][0], column - middle[i][1]], quarters);
      const halves = middle[i].map((place) => ((rint(2 * place) % 2) + 2) % 2);
      const mixed = halves[0] !== halves[1] && quarters % 2 ? 1 : 0;
      [row, column] = [middle[i][0] + mixed * (0.5 - halves[0]) + down, middle[i][1] + mixed * (0.5 - halves[1]) + right];
    }
    return moved(o, row, column, quarters);
  });
  return { ...code, objects };
}

/** Mirror about the horizontal axis ("x": up and down) or the vertical one ("y"). */
function reflect(model, code, axis, about, which) {
  const middle = about === "object" ? middles(model, code) : [], updown = axis === "x";
  const objects = code.objects.map((o, i) => {
    if (!takes(which, o)) return o;
    const twice = about === "grid" ? [code.height - 1, code.width - 1] : middle[i].map((place) => 2 * place);
    const row = updown ? twice[0] - o.row : o.row, column = updown ? o.column : twice[1] - o.column;
    return moved(o, row, column, updown ? UP_DOWN : LEFT_RIGHT);
  });
  return { ...code, objects };
}

/** A copy of each object, moved by whole cells, after all others. */
function duplicate(code, dy, dx, which) {
  const copied = code.objects.flatMap((o, i) => (takes(which, o) ? [i] : []));
  const copies = copied.map((i) => {
    const o = code.objects[i];
    return { ...moved(o, o.row + dy, o.column + dx, 0), head: code.objects.length + copied.indexOf(o.head) };
  });
  return { ...code, objects: [...code.objects, ...copies] };
}

/** Text of a step as arcvae.operations.Step prints it: `required` is positional, what is null stays out. */
function stepText(name, required, named = {}) {
  const shown = (value) => (typeof value === "string" ? `'${value}'` : Array.isArray(value) ? `[${value.join(", ")}]` : String(value));
  const rest = Object.entries(named).filter(([, value]) => value !== null).map(([key, value]) => `${key}=${shown(value)}`);
  return `${name}(${[...required.map(shown), ...rest].join(", ")})`;
}

/** What `objects=` says of heads: their numbers among all objects, one alone without brackets; null for all. */
function objectsArgument(code, which) {
  if (which === null) return null;
  const numbers = which.map((head) => headsOf(code).indexOf(head));
  return numbers.length === 1 ? numbers[0] : numbers;
}

/** Each object goes to its partner by whole cells, its shape gradually; colours change halfway. */
function between(first, second, share, slots) {
  const [start, end] = partners(first.objects, second.objects, slots);
  const objects = start.map((a, i) => {
    const b = end[i], late = share >= 0.5;
    const place = (from, to) => (late ? to - rint((1 - share) * (to - from)) : from + rint(share * (to - from)));
    return {
      row: place(a.row, b.row), column: place(a.column, b.column), color: late ? b.color : a.color,
      shape: a.shape.map((value, k) => value + share * (b.shape[k] - value)), truth: null,
    };
  }).filter((o) => o.color > 0);
  return { height: first.height, width: first.width, objects: objects.map((o, i) => ({ ...o, head: i })) };
}

/** Objects of two codes so that alike ones meet; one without a partner meets itself, without a colour. */
function partners(first, second, slots) {
  const count = Math.min(slots, Math.max(first.length, second.length));
  const [here, there] = [first, second].map((objects) => Array.from({ length: count }, (_, i) => objects[i] || null));
  const distance = (a, b) => {
    if (!a || !b) return 1e6;
    const apart = [a.row - b.row, a.column - b.column, a.color - b.color, ...a.shape.map((v, k) => v - b.shape[k])];
    return Math.hypot(...apart) + (a.color === b.color ? 0 : 1e3);
  };
  // By dynamic programming over the sets of partners that are taken: exact, and small for a few slots.
  let best = new Map([[0, { total: 0, order: [] }]]);
  for (let i = 0; i < count; i++) {
    const next = new Map();
    for (const [taken, { total, order }] of best) {
      for (let j = 0; j < count; j++) {
        if (taken & (1 << j)) continue;
        const found = { total: total + distance(here[i], there[j]), order: [...order, j] }, key = taken | (1 << j);
        if (!next.has(key) || found.total < next.get(key).total) next.set(key, found);
      }
    }
    best = next;
  }
  const order = count ? best.get((1 << count) - 1).order : [];
  const pairs = here.map((a, i) => [a, there[order[i]]]).filter(([a, b]) => a || b);
  return [pairs.map(([a, b]) => a || { ...b, color: 0 }), pairs.map(([a, b]) => b || { ...a, color: 0 })];
}

/** Numbers in [0, 1) that a seed fixes (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A code of new objects that do not overlap: of the fitted prior, as arcvae/grid/codes/object_prior.py draws, or N(0, I). */
function drawCode(model, prior, seed) {
  const random = randomFrom(seed), { gridSize: size, slots, colors, shapeNumbers } = model.facts;
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const choice = (logShares) => {
    let left = random() * logShares.reduce((sum, value) => sum + Math.exp(value), 0);
    const found = logShares.findIndex((value) => (left -= Math.exp(value)) < 0);
    return found < 0 ? logShares.length - 1 : found;
  };
  const shapeAndParity = () => {
    if (!prior) return [Array.from({ length: shapeNumbers }, normal), Math.floor(4 * random())];
    const g = choice(prior.weights), kind = choice(prior.kinds.slice(32 * g, 32 * g + 32)), orientation = kind % ORDER;
    const at = g * shapeNumbers, upright = Array.from({ length: shapeNumbers }, (_, i) =>
      prior.means[at + i] + normal() * Math.sqrt(prior.variances[at + i]));
    return [turnCode(upright, orientation), model.frame.parity[Math.floor(kind / ORDER)][orientation]];
  };
  const count = prior ? choice(prior.numbers) : 1 + Math.floor(slots * random());
  const objects = [], taken = new Set();
  for (let tries = 0; objects.length < count && tries < 50 * slots; tries++) {
    const [shape, parity] = shapeAndParity(), color = 1 + (prior ? choice(prior.colors) : Math.floor((colors - 1) * random()));
    const centre = { row: parity >> 1 ? 0 : 0.5, column: parity & 1 ? 0 : 0.5, color, shape, head: objects.length };
    const drawn = model.cellsOf(centre);
    if (!drawn.length) continue;
    const place = [0, 1].map((axis) => {
      const lines = drawn.map((cell) => cell[axis]), low = Math.min(...lines), extent = Math.max(...lines) - low + 1;
      return Math.floor(random() * (size - extent + 1)) - low;
    });
    const object = { ...centre, row: centre.row + place[0], column: centre.column + place[1] };
    const cells = model.cellsOf(object).map(([y, x]) => y * size + x);
    const alone = model.decode([object], size, size);
    const { parts, dropped } = findObjects(alone, colors, model.facts.frame, model.facts.maxCells);
    if (parts.length !== 1 || dropped || cells.some((cell) => taken.has(cell))) continue;
    cells.forEach((cell) => taken.add(cell));
    objects.push({ ...object, truth: model.cellsOf(object) });
  }
  return { height: size, width: size, objects };
}
