"""What any task needs to train: module, data, callbacks, checkpoints, the record of a run."""
