// Knows nothing of a profiler: --import or the command brings one.
import { burn } from './burn.mjs';

burn(200);
