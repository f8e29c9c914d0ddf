import { everything, testEngine } from './all.mjs';
import { launchFirefox } from './firefox.mjs';

testEngine('firefox', launchFirefox, everything);
