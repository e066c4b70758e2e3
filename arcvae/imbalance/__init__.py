"""What any task with rare classes needs: losses, class weights, counts, metrics."""
