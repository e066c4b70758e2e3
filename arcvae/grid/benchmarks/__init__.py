"""What a study measures of models of grids beyond their metrics: operations on codes, against the same in pixels."""
