import { everything, webgpu, testEngine } from './all.mjs';
import { launchChromium } from './chromium.mjs';

testEngine('chromium', launchChromium, everything, webgpu);
