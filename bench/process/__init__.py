"""What a server takes by itself: its start, its memory, what it loads; and beside a training; and the demo."""
