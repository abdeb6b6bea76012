// The burner as a worker that loads the package: it takes part by itself, and says what it is called.
import 'pronghorn';
import './burner.cjs';
