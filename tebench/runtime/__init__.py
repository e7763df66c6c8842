"""What a computing process needs: the worker pool, signals, threads, memory, the meter."""
