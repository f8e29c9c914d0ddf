import { everything, testEngine } from './all.mjs';
import { launchWebkit } from './webkit.mjs';

testEngine('webkit', launchWebkit, everything);
