"""What `benches/compare` is made of. `suites` says what is measured, and `goals` what is expected of it."""
