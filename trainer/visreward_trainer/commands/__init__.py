"""What the trainer adds to the program `visreward`. These modules load nothing heavy before they run."""
