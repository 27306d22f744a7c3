"""What the Gram proof costs, measured: `scripts/bench`, one module for each benchmark."""
