// Grids from what a person pastes or opens, and a clear refusal of everything else.

const LARGEST_SIDE = 30, LARGEST_TEXT = 2e6;

/** What is wrong with the size of a text or file, or null. */
function sizeProblem(bytes) {
  if (bytes <= LARGEST_TEXT) return null;
  return `This is ${(bytes / 1e6).toFixed(1)} MB; a task of ARC has some kB, and more than ${LARGEST_TEXT / 1e6} MB are not read.`;
}

/** What is wrong with a value as a grid, or null. */
function gridProblem(value, colors) {
  if (!Array.isArray(value) || !value.length || !value.every((row) => Array.isArray(row) && row.length)) {
    return "a grid is a list of rows, each a list of numbers";
  }
  const height = value.length, width = value[0].length;
  const uneven = value.findIndex((row) => row.length !== width);
  if (uneven >= 0) return `row ${uneven} has ${value[uneven].length} cells, row 0 has ${width}`;
  if (height > LARGEST_SIDE || width > LARGEST_SIDE) {
    return `${height} x ${width} cells; grids have at most ${LARGEST_SIDE} x ${LARGEST_SIDE}`;
  }
  for (let y = 0; y < height; y++) {
    const x = value[y].findIndex((cell) => !Number.isInteger(cell) || cell < 0 || cell >= colors);
    if (x >= 0) return `cell [${y}][${x}] is ${JSON.stringify(value[y][x]).slice(0, 40)}; colours are 0 to ${colors - 1}`;
  }
  return null;
}

/** Rows of digits as a grid, or null: "0 1 2" and "012" both are a row. */
function digitRows(text) {
  const rows = text.trim().split(/\r?\n/).map((row) => row.trim());
  if (!rows.every((row) => /^\d([\s,]*\d)*$/.test(row))) return null;
  return rows.map((row) => (/[\s,]/.test(row) ? row.split(/[\s,]+/) : [...row]).map(Number));
}

/**
 * The grids in a text: a grid as JSON or as rows of digits, a list of grids, or a task of ARC.
 * Returns [{ name, grid }]; throws an Error that says what is wrong.
 */
function readGrids(text, colors) {
  const large = sizeProblem(text.length);
  if (large) throw new Error(large);
  let value = digitRows(text);
  if (value === null) {
    try {
      value = JSON.parse(text);
    } catch {
      throw new Error("This is neither JSON nor rows of digits: paste a grid such as [[0, 1], [1, 0]], or a task of ARC.");
    }
  }
  const grids = [];
  if (value && typeof value === "object" && (Array.isArray(value.train) || Array.isArray(value.test))) {
    for (const split of ["train", "test"]) {
      (Array.isArray(value[split]) ? value[split] : []).forEach((pair, i) => ["input", "output"].forEach((side) => {
        if (pair && pair[side] !== undefined) grids.push({ name: `${split} ${i + 1}, ${side}`, grid: pair[side] });
      }));
    }
  } else if (Array.isArray(value) && Array.isArray(value[0]) && Array.isArray(value[0][0])) {
    value.forEach((grid, i) => grids.push({ name: `grid ${i + 1}`, grid }));
  } else {
    grids.push({ name: "grid", grid: value });
  }
  if (!grids.length) throw new Error("This task of ARC has no grids.");
  for (const { name, grid } of grids) {
    const problem = gridProblem(grid, colors);
    if (problem) throw new Error(`${name[0].toUpperCase()}${name.slice(1)}: ${problem}.`);
  }
  return grids;
}

/** Numbers of base64 text, little endian. */
function floats(base64) {
  const text = atob(base64), bytes = Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** Tensors by name out of { name: [offset, length] } and one array of all numbers. */
const tensorsOf = (layout, numbers) =>
  Object.fromEntries(Object.entries(layout).map(([name, [at, length]]) => [name, numbers.subarray(at, at + length)]));
