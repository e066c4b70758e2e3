"""Operations on codes of objects, programs of them, and the same operations done on grids; see arcvae.operations."""
