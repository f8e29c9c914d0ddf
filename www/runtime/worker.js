// The one file of every worker: what each does, its name tells.
//
// So a bundle of this module is all that has to be copied, served or allowed for a worker, and a worker starts
// the next one from its own address (disk.js), whatever that has become: hashed by a bundler, or a Blob's.

import { DISK } from './loading/disk.js';
import { serveDisk } from './loading/disk-worker.js';
import { serveSession } from './session.js';

if (self.name === DISK) serveDisk();
else serveSession();
