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

const ones = (bits) => bits.split("1").length - 1;
const rowsOf = ({ height, width, bits }) => Array.from({ length: height }, (_, y) => [...bits.slice(y * width, (y + 1) * width)]);
const maskOf = (rows) => ({ height: rows.length, width: rows[0].length, bits: rows.map((row) => row.join("")).join("") });
const turnedMask = (mask, g) => maskOf(turned(rowsOf(mask), g));
const connected = ({ height, width, bits }) => components(height, width, (_, cell) => bits[cell] === "1").length === 1;

/** Height and width of the bounding box; 0 without cells. */
function extents({ height, width, bits }) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let i = bits.indexOf("1"); i >= 0; i = bits.indexOf("1", i + 1)) {
    const y = Math.floor(i / width), x = i % width;
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  }
  return bottom < 0 ? [0, 0] : [bottom - top + 1, right - left + 1];
}

/** Twice the outline plus the area of the bounding box. */
function cost(mask) {
  const { height, width, bits } = mask, at = (y, x) => y >= 0 && y < height && x >= 0 && x < width && bits[y * width + x] === "1";
  let outline = 0;
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) outline += (at(y, x) !== at(y - 1, x)) + (at(y, x) !== at(y, x - 1));
  }
  const [tall, wide] = extents(mask);
  return 2 * outline + tall * wide;
}

function needed(mask, frame, maxCells) {
  const [tall, wide] = extents(mask);
  return Math.max(Math.ceil(ones(mask.bits) / maxCells), Math.ceil(tall / frame), Math.ceil(wide / frame));
}

function fits(mask, frame, maxCells) {
  const [tall, wide] = extents(mask), size = ones(mask.bits);
  return size >= 1 && size <= maxCells && tall <= frame && wide <= frame;
}

/** What windows of at most F x F cells, and strips along both diagonals, cut out of a mask; each once, by its bits. */
function candidates({ height, width, bits }, frame) {
  const found = new Set(), lit = [...bits].flatMap((bit, i) => (bit === "1" ? [i] : []));
  const keep = (inside) => {
    const cut = new Array(bits.length).fill("0");
    for (const i of lit) if (inside(Math.floor(i / width), i % width)) cut[i] = "1";
    found.add(cut.join(""));
  };
  for (let top = 0; top < height; top++) {
    for (let bottom = top + 1; bottom <= Math.min(top + frame, height); bottom++) {
      for (let left = 0; left < width; left++) {
        for (let right = left + 1; right <= Math.min(left + frame, width); right++) {
          keep((y, x) => y >= top && y < bottom && x >= left && x < right);
        }
      }
    }
  }
  for (const diagonal of [(y, x) => y + x, (y, x) => y - x + width - 1]) {
    for (let a = 0; a < height + width - 1; a++) {
      for (let b = a + 1; b <= height + width - 1; b++) keep((y, x) => diagonal(y, x) >= a && diagonal(y, x) < b);
    }
  }
  return [...found].sort();
}

/** Parts of a mask that fit, each in one piece, by few cuts with short outlines; null if it takes too many. */
function search(mask, frame, maxCells, smallest, most) {
  if (fits(mask, frame, maxCells)) return [mask];
  const total = ones(mask.bits), pairs = [];
  for (const bits of candidates(mask, frame)) {
    const size = ones(bits), part = { ...mask, bits };
    if (size < smallest || size > total - smallest || !fits(part, frame, maxCells)) continue;
    const rest = { ...mask, bits: [...mask.bits].map((bit, i) => (bit === "1" && bits[i] === "0" ? "1" : "0")).join("") };
    if (connected(part) && connected(rest)) {
      pairs.push({ part, rest, price: cost(part) + cost(rest), left: needed(rest, frame, maxCells) });
    }
  }
  const done = pairs.filter(({ left }) => left === 1);
  if (done.length) {
    const best = done.reduce((a, b) => (b.price < a.price ? b : a));
    return [best.part, best.rest];
  }
  pairs.sort((a, b) => a.left - b.left || a.price - b.price);  // which keeps the order of equal ones
  for (const { part, rest } of pairs.filter(({ left }) => left < most).slice(0, TRIED)) {
    const further = search(rest, frame, maxCells, smallest, most - 1);
    if (further) return [part, ...further];
  }
  return null;
}

/** Parts of a connected mask that fit; a mask of blocks of f x f cells is cut along them, and blocks count as cells. */
function cut(mask, frame, maxCells) {
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
  if (Math.max(mask.height, mask.width) > 4 * frame || needed(mask, frame, maxCells) > MOST_PARTS) return null;
  const views = [...Array(ORDER).keys()].map((g) => turnedMask(mask, g));
  const above = (a, b) => a.height - b.height || a.width - b.width || (a.bits > b.bits ? 1 : a.bits < b.bits ? -1 : 0);
  const view = views.reduce((a, b) => (above(b, a) > 0 ? b : a));
  const parts = search(view, frame, maxCells, smallest, MOST_PARTS);
  const same = (other) => other.height === mask.height && other.bits === mask.bits;
  const back = [...Array(ORDER).keys()].find((h) => same(turnedMask(view, h)));
  return parts && parts.map((part) => turnedMask(part, back));
}

/** Objects of a grid in the order of their first cells, and how many components cannot be cut into parts that fit. */
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
