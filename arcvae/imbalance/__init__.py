"""What any task with rare classes needs: losses, class weights and counts, metrics, logit adjustment, calibration."""
