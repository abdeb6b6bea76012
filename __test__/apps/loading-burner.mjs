// The burner as a worker that loads the package: it takes part by itself, and says what it is called.
await import('pronghorn');
await import('./burner.cjs');
