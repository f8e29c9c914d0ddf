import { live } from './live.js';
import { saved } from './saved.js';

saved();
void live();
