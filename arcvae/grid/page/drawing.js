// Grids on a canvas, in the colours of ARC, row 0 at the top.

/** The cells [row, column] on the way from one to another, without the first. */
function cellsBetween([y, x], [below, beside]) {
  const steps = Math.max(Math.abs(below - y), Math.abs(beside - x));
  const at = (from, to, i) => Math.round(from + (to - from) * (i + 1) / steps);
  return Array.from({ length: steps }, (_, i) => [at(y, below, i), at(x, beside, i)]);
}

/** A board that shows a grid and what is marked on it; the size of the canvas follows that of the grid. */
function board(canvas, palette) {
  const context = canvas.getContext("2d");
  let height = 1, width = 1, side = 1;

  /** The cell [row, column] under a pointer, perhaps outside of the grid. */
  function cellAt(event) {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top - canvas.clientTop) / canvas.clientHeight * height),
      Math.floor((event.clientX - box.left - canvas.clientLeft) / canvas.clientWidth * width)];
  }

  /** Draw a grid; `wrong` cells are crossed out, `outline` is a list of cells with a frame around them, `cursor` one. */
  function show(grid, { wrong = [], outline = [], cursor = null } = {}) {
    [height, width] = [grid.length, grid[0].length];
    side = Math.max(12, Math.floor(720 / Math.max(height, width)));
    canvas.width = side * width;
    canvas.height = side * height;
    grid.forEach((row, y) => row.forEach((color, x) => {
      context.fillStyle = palette[color];
      context.fillRect(x * side, y * side, side, side);
    }));
    context.strokeStyle = "#555";
    context.lineWidth = 1;
    for (let y = 1; y < height; y++) line(0, y, width, y);
    for (let x = 1; x < width; x++) line(x, 0, x, height);
    for (const [y, x] of wrong) cross(y, x);
    frame(outline);
    if (cursor) box(...cursor);
  }

  function line(x1, y1, x2, y2) {
    context.beginPath();
    context.moveTo(x1 * side, y1 * side);
    context.lineTo(x2 * side, y2 * side);
    context.stroke();
  }

  /** Black under white, to be seen on every colour. */
  function twice(stroke) {
    for (const [color, thick] of [["#000", 5], ["#fff", 2]]) {
      [context.strokeStyle, context.lineWidth] = [color, Math.max(1, thick * side / 45)];
      stroke();
    }
  }

  function cross(y, x) {
    twice(() => {
      line(x + 0.2, y + 0.2, x + 0.8, y + 0.8);
      line(x + 0.2, y + 0.8, x + 0.8, y + 0.2);
    });
  }

  function frame(cells) {
    const inside = new Set(cells.map(String));
    twice(() => {
      for (const [y, x] of cells) {
        if (!inside.has(String([y - 1, x]))) line(x, y, x + 1, y);
        if (!inside.has(String([y + 1, x]))) line(x, y + 1, x + 1, y + 1);
        if (!inside.has(String([y, x - 1]))) line(x, y, x, y + 1);
        if (!inside.has(String([y, x + 1]))) line(x + 1, y, x + 1, y + 1);
      }
    });
  }

  function box(y, x) {
    context.setLineDash([side / 6, side / 10]);
    twice(() => context.strokeRect((x + 0.12) * side, (y + 0.12) * side, 0.76 * side, 0.76 * side));
    context.setLineDash([]);
  }

  return { canvas, cellAt, show };
}
