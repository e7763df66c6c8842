"""What a benchmark's rows show, in words: tebench.findings.numbers counts, tebench.findings.page says it."""
