// Codes of objects: what arcvae/grid/models/dihedral.py, shapes.py and slots.py compute, number for number.

const ORDER = 8, PLACE = 3, FLOOR = -20;

/** To the nearest whole number, halves to the even one, as torch rounds. */
function rint(x) {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

/** Rows of an array after symmetry g: g % 4 quarter turns counterclockwise, then a transposition for g >= 4. */
function turned(rows, g) {
  let now = rows;
  for (let turn = 0; turn < g % 4; turn++) {
    const before = now, width = before[0].length;
    now = Array.from({ length: width }, (_, i) => before.map((row) => row[width - 1 - i]));
  }
  return g < 4 ? now : now[0].map((_, j) => now.map((row) => row[j]));
}

const [PRODUCT, INVERSE] = (() => {
  const example = [[0, 1, 2], [3, 4, 5], [6, 7, 8]], all = [...Array(ORDER).keys()];
  const keys = all.map((g) => String(turned(example, g)));
  const product = all.map((g) => all.map((h) => keys.indexOf(String(turned(turned(example, h), g)))));
  return [product, product.map((row) => row.indexOf(0))];
})();
const SOURCE = INVERSE.map((inverse) => PRODUCT[inverse]);
// The symmetries that mirror up and down, and left and right.
const [UP_DOWN, LEFT_RIGHT] = ["2,3,0,1", "1,0,3,2"].map((flipped) =>
  [...Array(ORDER).keys()].find((g) => String(turned([[0, 1], [2, 3]], g)) === flipped));

/** Numbers of a shape after symmetry g; each group of eight turns alike, what is left over stays. */
function turnCode(numbers, g) {
  const moving = ORDER * Math.floor(numbers.length / ORDER);
  return numbers.map((value, i) => (i < moving ? numbers[i - (i % ORDER) + SOURCE[g][i % ORDER]] : value));
}

/** A displacement, down and to the right, after symmetry g. */
function turnVector([down, right], g) {
  for (let turn = 0; turn < g % 4; turn++) [down, right] = [-right, down];
  return g < 4 ? [down, right] : [right, down];
}

/** Where shapes lie: cells[p][g] and parity[p][g] of a shape of parity class p after g, and the cells it may use. */
function frameOf(size) {
  const frame = { size, cells: [], parity: [], valid: [] };
  for (let p = 0; p < 4; p++) {
    const rows = size - (p >> 1), columns = size - (p & 1);
    const used = Array.from({ length: rows }, (_, y) => Array.from({ length: columns }, (_, x) => y * size + x));
    frame.valid.push(Array.from({ length: size * size }, (_, i) => Math.floor(i / size) < rows && i % size < columns));
    frame.cells.push([]);
    frame.parity.push([]);
    for (let g = 0; g < ORDER; g++) {
      const after = turned(used, g), cells = new Array(size * size).fill(p ? size * size - 1 : 0);
      after.forEach((row, y) => row.forEach((cell, x) => { cells[y * size + x] = cell; }));
      frame.cells[p].push(cells);
      frame.parity[p].push(2 * (size - after.length) + (size - after[0].length));
    }
  }
  return frame;
}

/** Dense layers, residual blocks of them, a norm and a dense layer: the network whose state dict these weights are. */
function network(weights) {
  const blocks = Object.keys(weights).filter((name) => name.endsWith("layers.1.weight")).length;
  const linear = (name, x) => {
    const weight = weights[`${name}.weight`], bias = weights[`${name}.bias`], out = new Float32Array(bias.length);
    for (let row = 0; row < out.length; row++) {
      let sum = bias[row];
      for (let i = 0, at = row * x.length; i < x.length; i++) sum += weight[at + i] * x[i];
      out[row] = sum;
    }
    return out;
  };
  const norm = (name, x) => {
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length + 1e-5);
    return x.map((v, i) => (v - mean) * scale * weights[`${name}.weight`][i] + weights[`${name}.bias`][i]);
  };
  const gelu = (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
  return (input) => {
    let x = linear("0", Float32Array.from(input));
    for (let b = 1; b <= blocks; b++) {
      const y = linear(`${b}.layers.3`, linear(`${b}.layers.1`, norm(`${b}.layers.0`, x)).map(gelu));
      x = x.map((v, i) => v + y[i]);
    }
    return Array.from(linear(String(blocks + 2), norm(String(blocks + 1), x)));
  };
}

const planes = (parity) => [0, 1, 2, 3].map((p) => Number(p === parity));
const parityOf = (o) => 2 * Number(rint(2 * o.row) % 2 === 0) + Number(rint(2 * o.column) % 2 === 0);
const cornerOf = (o, side) => [o.row, o.column].map((place) => {
  const half = rint(2 * place), odd = ((half % 2) + 2) % 2;
  return Math.floor((half - (side - 2 + odd)) / 2);
});

/**
 * Encoder and decoder of objects. An object is { row, column, color, shape, head }, head being the index of the first
 * part of the same object, most often its own.
 */
function makeModel(facts, weights) {
  const frame = frameOf(facts.frame), cells = facts.frame ** 2;
  const [encoder, decoder] = [network(weights.encoder), network(weights.decoder)];
  const turn = (values, p, g) => frame.cells[p][g].map((i) => values[i]);

  /** The symmetry to the canonical one of eight orientations, and those that leave that as it is. */
  function canonical(shape, parity) {
    // Bits of 32 cells at a time, the last cell of them first: the order in which torch compares.
    const keys = Array.from({ length: ORDER }, (_, g) => {
      const bits = turn(shape, parity, g).map(Number).join(""), words = [];
      for (let at = 0; at < cells; at += 32) words.push(bits.slice(at, at + 32).padEnd(32, "0").split("").reverse().join(""));
      return frame.parity[parity][g] + words.join("");
    });
    const best = keys.reduce((a, b) => (b > a ? b : a)), g = keys.indexOf(best);
    return [g, [...Array(ORDER).keys()].filter((h) => keys[PRODUCT[h][g]] === best)];
  }

  /** Numbers of a shape, F x F cells of a parity class. */
  function encodeShape(shape, parity) {
    const [g, stabiliser] = canonical(shape, parity);
    const upright = turn(shape, parity, g).map(Number);
    const mean = encoder([...upright, ...planes(frame.parity[parity][g])]).slice(0, facts.shapeNumbers);
    const views = stabiliser.map((h) => turnCode(mean, h));
    return turnCode(mean.map((_, i) => views.reduce((sum, view) => sum + view[i], 0) / views.length), INVERSE[g]);
  }

  /** Log-odds of the cells of an object's frame, row by row; the floor where its parity class has no cell. */
  function scores(object) {
    const parity = parityOf(object), first = object.shape.slice(0, ORDER);
    const orientation = first.indexOf(Math.max(...first)), back = INVERSE[orientation];
    const classes = frame.parity[parity][back];
    const found = turn(decoder([...turnCode(object.shape, back), ...planes(classes)]), classes, orientation);
    return found.map((score, i) => (frame.valid[parity][i] ? score : FLOOR));
  }

  /** Log-odds of an object in the cells of a grid, row by row. */
  function canvas(object, height, width) {
    const own = scores(object), side = facts.frame, [top, left] = cornerOf(object, side);
    const at = (y, x) => {
      const row = y - top, column = x - left;
      const inside = row >= 0 && row < side && column >= 0 && column < side && y >= 0 && y < height && x >= 0 && x < width;
      return inside ? own[row * side + column] : FLOOR;
    };
    const [down, right] = [object.row, object.column].map((place) => place - rint(2 * place) / 2);
    return Array.from({ length: height * width }, (_, i) => {
      const y = Math.floor(i / width), x = i % width;
      // What a centre has beyond half cells moves the shape by a part of a cell, to first order.
      const moved = !down && !right ? 0
        : (down * (at(y - 1, x) - at(y + 1, x)) + right * (at(y, x - 1) - at(y, x + 1))) / 2;
      return Math.max(FLOOR, at(y, x) + moved);
    });
  }

  const filled = (object) => rint(object.color) > 0 && rint(object.color) < facts.colors;

  /** The grid of objects; where two of them draw, the later one is seen. */
  function decode(objects, height, width) {
    const drawn = objects.filter(filled), layers = drawn.map((object) => canvas(object, height, width));
    const odds = Array.from({ length: facts.colors }, () => new Float64Array(height * width).fill(Math.exp(FLOOR)));
    for (let i = 0; i < height * width; i++) {
      const top = layers.findLastIndex((layer) => layer[i] > 0);
      layers.forEach((layer, k) => {
        const score = layer[i] > 0 && k < top ? FLOOR : Math.min(layer[i], -FLOOR);
        odds[rint(drawn[k].color)][i] += Math.exp(score);
      });
    }
    return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => {
      let best = 0, most = 1;  // odds of the background
      for (let color = 1; color < facts.colors; color++) {
        if (odds[color][y * width + x] > most) [best, most] = [color, odds[color][y * width + x]];
      }
      return best;
    }));
  }

  /** The cells [row, column] that an object draws, perhaps outside of the grid. */
  function cellsOf(object) {
    const [top, left] = cornerOf(object, facts.frame);
    return scores(object).flatMap((score, i) =>
      (score > 0 ? [[top + Math.floor(i / facts.frame), left + (i % facts.frame)]] : []));
  }

  /** Objects of a grid: the largest of them, as many as there are slots; how many are left out, and their cells `lost`. */
  function encode(grid) {
    const { parts, dropped } = findObjects(grid, facts.colors, facts.frame, facts.maxCells);
    const rank = parts.map((_, i) => i).sort((a, b) => parts[b].cells.length - parts[a].cells.length || a - b);
    const kept = rank.slice(0, facts.slots).sort((a, b) => a - b).map((i) => parts[i]);
    const objects = kept.map((part) => ({
      row: part.row, column: part.column, color: part.color, shape: encodeShape(part.shape, part.parity),
      head: kept.findIndex((other) => other.whole === part.whole), truth: part.cells,
    }));
    const coded = new Set(kept.flatMap(({ cells }) => cells).map(String));
    const lost = grid.flatMap((row, y) => row.flatMap((color, x) =>
      (filled({ color }) && !coded.has(String([y, x])) ? [[y, x, color]] : [])));
    return { objects, lost, leftOut: dropped + parts.length - kept.length };
  }

  return { facts, frame, encode, decode, encodeShape, scores, cellsOf, filled };
}
