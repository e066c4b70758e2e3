// From grids to objects: what arcvae/grid/models/parsing.py does. A mask is { height, width, bits }, bits a string of
// 0 and 1, row by row.

const MOST_PARTS = 6, TRIED = 3;

/** Components of cells that pass a test, over edges and corners: lists of cell numbers, in the order of their first. */
function components(height, width, same) {
  const seen = new Uint8Array(height * width), found = [];
  for (let start = 0; start < height * width; start++) {
    if (seen[start] || !same(start, start)) continue;
    const cells = [start];
    seen[start] = 1;
    for (let next = 0; next < cells.length; next++) {
      const y = Math.floor(cells[next] / width), x = cells[next] % width;
      for (let b = Math.max(0, y - 1); b <= Math.min(height - 1, y + 1); b++) {
        for (let a = Math.max(0, x - 1); a <= Math.min(width - 1, x + 1); a++) {
          const cell = b * width + a;
          if (!seen[cell] && same(start, cell)) {
            seen[cell] = 1;
            cells.push(cell);
          }
        }
      }
    }
    found.push(cells.sort((a, b) => a - b));
  }
  return found;
}

const rowsOf = ({ height, width, bits }) => Array.from({ length: height }, (_, y) => [...bits.slice(y * width, (y + 1) * width)]);
const maskOf = (rows) => ({ height: rows.length, width: rows[0].length, bits: rows.map((row) => row.join("")).join("") });
const turnedMask = (mask, g) => maskOf(turned(rowsOf(mask), g));

// The search knows a mask by the numbers of its cells, y * stride + x, in rising order. One column more than the mask has
// stays free, so that the neighbours of a cell have numbers of their own wherever it lies.

/** Which numbers are cells. */
function lit(cells, stride) {
  const on = new Uint8Array(cells.at(-1) + stride + 2);
  for (const cell of cells) on[cell] = 1;
  return on;
}

/** Whether cells are one component. */
function connected(cells, stride) {
  const left = lit(cells, stride), found = [cells[0]];
  left[cells[0]] = 0;
  for (let next = 0; next < found.length; next++) {
    for (const step of [-stride - 1, -stride, 1 - stride, -1, 1, stride - 1, stride, stride + 1]) {
      const cell = found[next] + step;
      if (!left[cell]) continue;
      left[cell] = 0;
      found.push(cell);
    }
  }
  return found.length === cells.length;
}

/** Height and width of the bounding box. */
function extents(cells, stride) {
  let left = stride, right = 0;
  for (const cell of cells) {
    left = Math.min(left, cell % stride);
    right = Math.max(right, cell % stride);
  }
  return [Math.floor(cells.at(-1) / stride) - Math.floor(cells[0] / stride) + 1, right - left + 1];
}

/** How many cells are found of which no part can hold two: each that lies a frame away from all that were taken before. */
function apart(cells, stride, frame) {
  let count = 0;
  for (let left = cells; left.length; count++) {
    const y = Math.floor(left[0] / stride), x = left[0] % stride;
    left = left.filter((cell) => Math.floor(cell / stride) - y >= frame || Math.abs(cell % stride - x) >= frame);
  }
  return count;
}

/** Parts that cells take at least. */
function needed(cells, stride, { frame, maxCells }) {
  const [tall, wide] = extents(cells, stride);
  return Math.max(Math.ceil(cells.length / maxCells), Math.ceil(tall / frame), Math.ceil(wide / frame));
}

function fits(cells, stride, { frame, maxCells }) {
  const [tall, wide] = extents(cells, stride);
  return cells.length <= maxCells && tall <= frame && wide <= frame;
}

/** What windows of at most F x F cells, and strips along both diagonals, cut out; each once, in the order of their bits. */
function candidates(cells, stride, { frame, maxCells, smallest }) {
  const found = new Map(), most = Math.min(maxCells, cells.length - smallest);
  const distinct = (values) => [...new Set(values)].sort((a, b) => a - b);
  /** Every range of values as wide as a side, or less, cut out of some cells by the value of each. */
  const slices = (some, valueOf, side, take) => {
    const values = distinct(some.map(valueOf));
    values.forEach((low, i) => {
      for (const high of values.slice(i)) {
        if (high - low >= side) break;
        take(some.filter((cell) => valueOf(cell) >= low && valueOf(cell) <= high));
      }
    });
  };
  const keep = (part) => {
    if (part.length >= smallest && part.length <= most) found.set(part.join(), part);
  };
  const row = (cell) => Math.floor(cell / stride), column = (cell) => cell % stride;
  slices(cells, row, frame, (band) => slices(band, column, frame, keep));
  for (const diagonal of [(cell) => row(cell) + column(cell), (cell) => row(cell) - column(cell)]) {
    slices(cells, diagonal, Infinity, keep);
  }
  // As strings of bits, of two that differ from some cell on, the one with this cell is the greater.
  return [...found.values()].sort((a, b) => {
    const i = a.findIndex((cell, k) => cell !== b[k]);
    return i < 0 ? a.length - b.length : i < b.length ? b[i] - a[i] : 1;
  });
}

/** At most `most` parts that fit, each in one piece, by few cuts with short outlines; null if none are found. */
function search(cells, stride, limits, most, bound, failed) {
  if (fits(cells, stride, limits)) return [cells];
  const key = `${most}: ${cells}`;
  if (failed.has(key) || apart(cells, stride, limits.frame) > most) return null;
  failed.add(key);  // until it succeeds, when the search is over
  const area = (some) => extents(some, stride).reduce((tall, wide) => tall * wide), on = lit(cells, stride);
  const pairs = candidates(cells, stride, limits).filter((part) => fits(part, stride, limits)).map((part) => {
    for (const cell of part) on[cell] = 0;
    const rest = cells.filter((cell) => on[cell]), price = area(part) + area(rest);
    let edges = 0;  // between both: what outlines have beyond that of the whole, twice
    for (const cell of part) for (const step of [-stride, -1, 1, stride]) if (on[cell + step]) edges += 1;
    for (const cell of part) on[cell] = 1;
    return { part, rest, price: price + 4 * edges, left: bound(rest, stride, limits) };
  });
  pairs.sort((a, b) => a.left - b.left || a.price - b.price);  // which keeps the order of equal ones
  let tried = 0;
  for (const { part, rest, left } of pairs) {
    if (left >= most || tried === TRIED) break;
    if (!connected(part, stride) || !connected(rest, stride)) continue;
    tried += 1;
    const further = search(rest, stride, limits, most - 1, bound, failed);  // at once, if the rest fits
    if (further) return [part, ...further];
  }
  return null;
}

const cuts = new Map();

/** What cutAnew gives, remembered: whatever a person does to a grid, the large objects that stay are met again. */
function cut(mask, frame, maxCells) {
  const key = [frame, maxCells, mask.height, mask.bits].join();
  if (cuts.size > 1000) cuts.clear();
  if (!cuts.has(key)) cuts.set(key, cutAnew(mask, frame, maxCells));
  return cuts.get(key);
}

/** Parts of a connected mask that fit; a mask of blocks of f x f cells is cut along them, and blocks count as cells. */
function cutAnew(mask, frame, maxCells) {
  const rows = rowsOf(mask);
  for (let times = Math.min(mask.height, mask.width, frame); times > 0; times--) {
    const blocks = rows.filter((_, y) => y % times === 0).map((row) => row.filter((_, x) => x % times === 0));
    const enlarged = (small) => small.flatMap((row) => Array(times).fill(row.flatMap((bit) => Array(times).fill(bit))));
    if (maskOf(enlarged(blocks)).bits !== mask.bits || enlarged(blocks).length !== mask.height) continue;
    const parts = cutAny(maskOf(blocks), Math.floor(frame / times), maxCells, times === 1 ? 2 : 1);
    if (parts) return parts.map((part) => maskOf(enlarged(rowsOf(part))));
  }
  return null;
}

/** Parts of a mask as it is; the orientation in which it is cut does not depend on its own. */
function cutAny(mask, frame, maxCells, smallest) {
  const views = [...Array(ORDER).keys()].map((g) => turnedMask(mask, g));
  const above = (a, b) => a.height - b.height || a.width - b.width || (a.bits > b.bits ? 1 : a.bits < b.bits ? -1 : 0);
  const { height, width, bits } = views.reduce((a, b) => (above(b, a) > 0 ? b : a));
  const stride = width + 1, limits = { frame, maxCells, smallest };
  const cells = [...bits].flatMap((bit, i) => (bit === "1" ? [Math.floor(i / width) * stride + (i % width)] : []));
  if (Math.max(height, width) > 4 * frame || needed(cells, stride, limits) > MOST_PARTS) return null;
  const sharper = (rest) => Math.max(needed(rest, stride, limits), apart(rest, stride, frame));
  const parts = search(cells, stride, limits, MOST_PARTS, needed, new Set())  // which alone decides wherever it finds parts
    || search(cells, stride, limits, MOST_PARTS, sharper, new Set());
  const masks = (parts || []).map((part) => {
    const on = lit(part, stride);
    return maskOf(Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => on[y * stride + x] || 0)));
  });
  const same = (other) => other.height === mask.height && other.bits === mask.bits;
  const back = [...Array(ORDER).keys()].find((h) => same(turnedMask({ height, width, bits }, h)));
  return parts && masks.map((part) => turnedMask(part, back));
}

/** Objects of a grid in the order of their first cells, and how many components are too large and not cut. */
function findObjects(grid, colors, frame, maxCells) {
  const height = grid.length, width = grid[0].length, flat = grid.flat(), pieces = [];
  const isObject = (value) => value > 0 && value < colors;
  let dropped = 0;
  components(height, width, (first, cell) => isObject(flat[first]) && flat[cell] === flat[first]).forEach((cells, whole) => {
    const box = boxOf(cells, width);
    if (cells.length <= maxCells && box.tall <= frame && box.wide <= frame) {
      pieces.push({ cells, whole });
      return;
    }
    const inside = new Set(cells);
    const rows = Array.from({ length: box.tall }, (_, y) => Array.from({ length: box.wide }, (_, x) =>
      Number(inside.has((box.top + y) * width + box.left + x))));
    const parts = cut(maskOf(rows), frame, maxCells);
    if (!parts) dropped += 1;
    for (const part of parts || []) {
      const own = [...part.bits].flatMap((bit, i) => (bit === "1"
        ? [(box.top + Math.floor(i / box.wide)) * width + box.left + (i % box.wide)] : []));
      pieces.push({ cells: own, whole });
    }
  });
  pieces.sort((a, b) => a.cells[0] - b.cells[0]);
  return { parts: pieces.map(({ cells, whole }) => asObject(cells, whole, flat, width, frame)), dropped };
}

function boxOf(cells, width) {
  const rows = cells.map((cell) => Math.floor(cell / width)), columns = cells.map((cell) => cell % width);
  const [top, left] = [Math.min(...rows), Math.min(...columns)];
  return { top, left, tall: Math.max(...rows) - top + 1, wide: Math.max(...columns) - left + 1 };
}

function asObject(cells, whole, flat, width, frame) {
  const { top, left, tall, wide } = boxOf(cells, width), shape = new Array(frame * frame).fill(false);
  const [down, right] = [tall, wide].map((extent) => Math.floor((frame - (extent % 2) - extent) / 2));
  for (const cell of cells) {
    shape[(Math.floor(cell / width) - top + down) * frame + (cell % width) - left + right] = true;
  }
  return {
    color: flat[cells[0]], row: top + (tall - 1) / 2, column: left + (wide - 1) / 2, whole, shape,
    parity: 2 * (tall % 2) + (wide % 2), cells: cells.map((cell) => [Math.floor(cell / width), cell % width]),
  };
}
