"""The audio task: classifiers of recordings whose classes differ a thousandfold in frequency."""
