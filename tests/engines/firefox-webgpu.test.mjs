import { testEngine, webgpu } from './all.mjs';
import { launchFirefoxWebgpu } from './firefox.mjs';

testEngine('firefox-webgpu', launchFirefoxWebgpu, webgpu);
