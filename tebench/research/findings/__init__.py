"""What a benchmark's rows show, in words: `numbers` counts, `page` writes."""
