// Why cells of a grid come out wrong, and what to do: the words of the page.

/** The colour of a component that fills most of a grid in which the background is rare, or null. */
function otherBackground(grid) {
  const flat = grid.flat(), width = grid[0].length;
  if (4 * flat.filter((color) => color === 0).length > flat.length) return null;
  const large = components(grid.length, width, (first, cell) => flat[first] !== 0 && flat[cell] === flat[first])
    .find((cells) => 2 * cells.length > flat.length);
  return large ? flat[large[0]] : null;
}

/** What is said of the wrong cells [row, column] of a grid, beyond those of objects that have no place in its code. */
function explained(model, { objects, lost }, grid, wrong) {
  const { corpusCells: [fewest, most], ofRun } = model.facts, said = [], color = wrong.length ? otherBackground(grid) : null;
  if (color !== null) {
    said.push(`Colour 0 is the background here, but colour ${color} fills most of this grid: give it with the two exchanged,`
      + ` in Python np.where(grid == ${color}, 0, np.where(grid == 0, ${color}, grid)).`);
  }
  const placeless = new Set(lost.map(([y, x]) => `${y},${x}`));
  if (wrong.every((cell) => placeless.has(String(cell)))) return said.join(" ");
  const single = objects.some((o) => o.truth?.length === 1 && String(model.cellsOf(o)) !== String(o.truth));
  const small = single ? `, and an object of one cell is smaller than those of arcvae's corpora, which have ${fewest} to ${most}` : "";
  said.push(`Shapes unlike those of the training corpus may come out wrong${small}.`);
  const other = "; python -m arcvae.report atomic-objects shows the model that comes with arcvae, trained longer than by make train";
  said.push(`In Python, codec.codes(grid, refine=20) may mend them${ofRun ? other : ""}.`);
  return said.join(" ");
}
