"""What every task trains with: module, data, callbacks, checkpoints, evaluation, the record of a run."""
